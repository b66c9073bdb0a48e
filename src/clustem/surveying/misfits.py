"""Detector pixels whose variance does not fit the noise model: saturated ones, and those that flicker."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clustem.surveying.noise import NoiseModel
from clustem.surveying.pixels import neighbours_of, ring_medians

_SATURATED = 0.4  # of the variance that the model predicts, below which a pixel does not count electrons
_LEAST_COUNTS = 100  # electrons of a pixel in the scan before it is judged
_ERRORS = 8.0  # standard errors by which the variance of a misfit is off the model
_CHANCE = 2.0  # standard errors that are no fluctuation
_ABOVE = 5.0  # times the fluctuation around it that a flickering pixel has at least
_ISOLATED = 0.25  # of its fluctuation that its eight neighbours may have together, as for hot pixels


def find_misfits(
    mean: NDArray[np.float64],
    variance: NDArray[np.float64],
    patterns: int,
    use: NDArray[np.bool_],
    noise: NoiseModel,
) -> NDArray[np.bool_]:
    """Return the pixels (k_y, k_x) bool that are saturated or flicker.

    Parameters
    ----------
    mean, variance : (k_y, k_x) float64
        Over `patterns` patterns.
    patterns : int
    use : (k_y, k_x) bool
        Pixels to judge.
    noise : NoiseModel

    Notes
    -----
    Structure of the sample only adds to the variance, so a variance far below the model means that the pixel does not
    follow the electrons. A variance above it is structure, unless the pixel stands alone with it: the fluctuations of
    a diffraction spot are shared by its neighbours. The standard error of a variance is that of Poisson counts.
    """
    expected = noise.variance(mean)
    unit = max(noise.gain, 1e-300)
    electrons = np.maximum(mean - noise.offset, 0) / unit
    judged = use & (expected > 0) & (electrons * patterns > _LEAST_COUNTS)
    relative = np.sqrt((2 + 1 / np.maximum(electrons, 1e-300)) / max(1, patterns))
    error = relative * expected
    saturated = judged & (variance < _SATURATED * expected) & (variance < expected - _ERRORS * error)
    significant = judged & (variance > expected + _ERRORS * error)
    shown = np.where(use, np.sqrt(np.maximum(variance - expected - _CHANCE * error, 0)), 0)
    near = np.sort(neighbours_of(shown), axis=0)
    alone = significant & (near[6] < _ISOLATED * shown + shown / _ABOVE)
    around = ring_medians(shown, alone)
    amplitude = shown[alone] - around
    spread = np.clip(near[:, alone] - around, 0, None).sum(axis=0)
    flickering = np.zeros_like(use)
    flickering[alone] = (shown[alone] > _ABOVE * around) & (spread < _ISOLATED * amplitude)
    return saturated | flickering
