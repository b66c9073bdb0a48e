"""How large the features of patterns are where no direct beam shows it: from what neighbouring tiles share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def feature_radius(tiles: NDArray[np.float32], use: NDArray[np.bool_], *, counts: bool) -> float:
    """Return at how many px the autocorrelation of patterns falls to half, 0 if neighbours share nothing.

    Parameters
    ----------
    tiles : (t_y, t_x, n_y, n_x) float32
        Sums of binned patterns.
    use : (n_y, n_x) bool
    counts : bool
        Whether the noise grows with the mean.

    Notes
    -----
    It is the correlation of what stands out of the mean pattern between neighbouring tiles, which noise is not in.
    For disks it falls to half at about their radius.
    """
    mean = tiles.mean(axis=(0, 1), dtype=np.float64)
    level = max(float(mean[use].mean()), 1e-12)
    weight = use / np.sqrt(np.maximum(mean, 0) + 0.02 * level) if counts else use.astype(float)
    padded = (2 * use.shape[0], 2 * use.shape[1])
    spectra = np.fft.rfft2((tiles - mean) * weight, padded)
    shared = np.zeros(spectra.shape[2:])
    for one, two in ((spectra[:, :-1], spectra[:, 1:]), (spectra[:-1], spectra[1:])):
        shared += (one * np.conj(two)).real.sum(axis=(0, 1))
    pixels = np.fft.irfft2(np.abs(np.fft.rfft2(use.astype(float), padded)) ** 2, padded)
    correlation = np.fft.irfft2(shared, padded) / np.maximum(pixels, 1)
    profile = _radial_mean(correlation, max(2, min(use.shape) // 2))
    if not profile[0] > 0:
        return 0.0
    below = np.flatnonzero(profile < 0.5 * profile[0])
    if not below.size:
        return float(profile.size)
    last = int(below[0])
    step = (profile[last - 1] - 0.5 * profile[0]) / (profile[last - 1] - profile[last])
    return float(last - 1 + step)


def _radial_mean(image: Array, length: int) -> Array:
    """Return the means over rings 0 … of an image whose origin is its first pixel, and which is periodic."""
    y, x = (np.minimum(np.arange(n), n - np.arange(n)) for n in image.shape)
    ring = np.rint(np.hypot(y[:, None], x)).astype(np.int64)
    inside = ring < length
    return np.bincount(ring[inside], image[inside]) / np.bincount(ring[inside])
