"""Signal-to-noise ratios of single patterns and of averages."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def thinned_snr(
    sums: NDArray[np.float64], squares: NDArray[np.float64], noise: NDArray[np.float64], pixels: int
) -> NDArray[np.float64]:
    """Return the signal-to-noise ratio (amplitude) of patterns of counts, from the reliability of their thinned halves.

    Parameters
    ----------
    sums, squares : arrays
        Sum of the values, and of their squares, over `pixels` pixels; may themselves be sums over several patterns.
    noise : array
        Sum of the variances of the values by Poisson statistics: `sums` itself for raw counts.
    pixels : int

    Returns
    -------
    array
        NaN where there is nothing; 0 where no signal exceeds the noise.

    Notes
    -----
    Splitting every count at random between two halves A and B gives, on average over all splits,
    4 cov(A, B) = E − N and 4 var(A) = E + N with the energy E = Σ(x − x̄)² and N = Σ x (1 − 1/n). So the reliability is
    R = (E − N)/(E + N), and SNR² = 2R/(1 − R) = (E − N)/N: the mean over all splits is had without drawing one.
    """
    energy = squares - sums**2 / pixels
    noise = noise * (1 - 1 / pixels)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(noise > 0, np.maximum(energy - noise, 0) / noise, np.nan)
    return np.asarray(np.sqrt(ratio))


def scatter_snr(
    mean: NDArray[np.float32], variance: NDArray[np.float32], positions: NDArray[np.int64], use: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the signal-to-noise ratios of one pattern and of the mean, where the values are not counts.

    Parameters
    ----------
    mean, variance : (K, k_y, k_x)
        Of the patterns of every domain.
    positions : (K,) int
    use : (k_y, k_x) bool

    Notes
    -----
    The noise is the scatter of the patterns of a domain about their mean, so that real differences inside a domain
    count as noise too. NaN for domains of one position.
    """
    signal, noise = np.empty(len(mean)), np.empty(len(mean))
    for k in range(len(mean)):
        values = mean[k][use].astype(float)
        noise[k] = variance[k][use].sum(dtype=float)
        signal[k] = ((values - values.mean()) ** 2).sum() - noise[k] / positions[k]
    with np.errstate(divide="ignore", invalid="ignore"):
        single = np.sqrt(np.where(noise > 0, np.maximum(signal, 0) / noise, np.nan))
    return single, single * np.sqrt(positions)
