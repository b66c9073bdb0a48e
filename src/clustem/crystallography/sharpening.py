"""Radius and edge of the synthetic probe, from the brightest peaks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter
from scipy.optimize import minimize

from clustem.crystallography.counting import Counting
from clustem.crystallography.disks import DiskFitter
from clustem.crystallography.probe import Probe

_PEAKS = 8  # of a pattern that are fitted
_PATTERNS = 3
_BRIGHT = 0.04  # of a pattern's brightest peak
_AROUND = 3.0  # px around the disk
_RADIUS_PRIOR, _BLUR_PRIOR = 0.04, 0.5  # standard deviations of the logarithms
_MISFIT = 0.03  # of the height of a disk that the fit may miss
_EVALUATIONS = 40
_FIRST_BLUR = 0.25  # px
_LIMITS = 0.12, 1.6  # of the logarithms of radius and blur
_SPREAD = ((0.0, 0.0), (0.05, 0.0), (0.0, 0.5))  # first simplex


def sharpened_probe(
    patterns: Sequence[NDArray[np.float64]],
    positions: Sequence[int],
    peaks: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]],
    use: NDArray[np.bool_],
    counting: Counting,
    radius: float,
) -> Probe:
    """Return the disk, near a given radius, that leaves least of the brightest peaks of some patterns.

    Parameters
    ----------
    patterns, positions : sequences
        Means, and of how many patterns.
    peaks : sequence of ((n, 2), (n,)) arrays
        Positions and intensities of the peaks of every pattern, without the direct beam.
    use, counting
        As for finding peaks.
    radius : float
        px; 4 % of standard deviation are given to it.

    Notes
    -----
    The edges of diffracted disks are softer than that of the direct beam, by the size of the crystals, and the
    radius decides together with them how much an intensity gradient inside a disk seems to move it.
    """
    chosen = [_brightest(*found, radius) for found in peaks]
    strength = np.array([bright[1].sum() * n for bright, n in zip(chosen, positions, strict=True)])
    some = [k for k in np.argsort(-strength, kind="stable")[:_PATTERNS] if strength[k] > 0]
    windows = [use & _near(chosen[k][0], use.shape, radius + _AROUND) for k in some]
    if not some:
        return Probe.disk(radius, blur=_FIRST_BLUR)

    def probe_of(logarithms: NDArray[np.float64]) -> Probe:
        bounded = np.clip(logarithms, [-_LIMITS[0], -_LIMITS[1]], _LIMITS)
        return Probe.disk(radius * float(np.exp(bounded[0])), blur=_FIRST_BLUR * float(np.exp(bounded[1])))

    def misses(logarithms: NDArray[np.float64]) -> float:
        probe = probe_of(logarithms)
        total = (logarithms[0] / _RADIUS_PRIOR) ** 2 + (logarithms[1] / _BLUR_PRIOR) ** 2
        for k, window in zip(some, windows, strict=True):
            variance = counting.variance(patterns[k], positions[k])
            fitter = DiskFitter(probe, window)
            fit = fitter.fit(patterns[k], variance, fitter.start(patterns[k], *chosen[k]), rounds=4)
            disks = fitter.disks(fit)
            spread = variance + (_MISFIT * maximum_filter(disks, 3)) ** 2
            total += (((patterns[k] - disks - fitter.background(fit)) ** 2 / spread)[window]).sum()
        return float(np.log(total))

    best = minimize(
        misses,
        np.zeros(2),
        method="Nelder-Mead",
        options={"initial_simplex": np.array(_SPREAD), "maxfev": _EVALUATIONS, "xatol": 0.01, "fatol": 0.003},
    )
    return probe_of(best.x)


def _brightest(
    positions: NDArray[np.float64], intensities: NDArray[np.float64], radius: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the brightest peaks that stand alone."""
    kept = []
    for n in np.argsort(-intensities, kind="stable")[: 2 * _PEAKS]:
        apart = np.hypot(*(positions - positions[n]).T)
        beside = (apart > 0) & (apart < 2 * radius + 1) & (intensities > 0.1 * intensities[n])
        if intensities[n] > _BRIGHT * intensities.max() and not beside.any():
            kept.append(n)
    return positions[kept[:_PEAKS]], intensities[kept[:_PEAKS]]


def _near(positions: NDArray[np.float64], shape: tuple[int, ...], reach: float) -> NDArray[np.bool_]:
    y, x = np.indices(shape)
    near = np.zeros(shape, bool)
    for place in positions:
        near |= np.hypot(y - place[0], x - place[1]) <= reach
    return near
