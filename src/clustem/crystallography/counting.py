"""The counting noise of averages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, binary_opening, gaussian_filter, label

from clustem.averaging import Averages

_LEAST_POSITIONS = 4
_LEAST_PIXELS = 1000
_BINS = 20  # of the mean, over which the variance is followed
_RANGE = 3.0  # of the mean; over less of it, a floor cannot be told from a gain
_NEARLY = 0.1  # a gain this close to 1 with next to no floor is that of counts
_SMOOTHING = 1.0  # px, of the mean that the noise is taken from
_LEAST_COUNTS = 0.02  # electrons that are expected in a pixel of all positions together, at least
_DARK_BLOCK = 5  # px
_LIT = 1.0  # electron per pixel, all averages together; a block of 25 of them is not dark by accident
_DISK = 3  # px; smaller groups of electrons may be noise
_STRAY = 0.01  # share of the pixels between disks that have electrons, below which there is no background
_SAME = 1e-6  # of the brightest pixel: rounding


@dataclass(frozen=True)
class Counting:
    """Variance of a pixel of one pattern: gain · mean + floor.

    Attributes
    ----------
    gain : float
        Units of the data per electron; 1 for counts.
    floor : float
        Variance without electrons.
    """

    gain: float = 1.0
    floor: float = 0.0

    @classmethod
    def of(cls, averages: Averages, use: NDArray[np.bool_]) -> Counting:
        """Measure both on the scatter of the patterns inside domains; those of counts where there is too little of it.

        Real differences inside domains raise the variance, most where the mean is high: only the fainter half of the
        pixels is followed.
        """
        many = averages.positions >= _LEAST_POSITIONS
        mean, variance = (part[many][:, use].ravel() for part in (averages.patterns, averages.variance))
        lit = np.flatnonzero(mean != 0)
        if len(lit) < _LEAST_PIXELS:
            return cls()
        order = lit[np.argsort(mean[lit], kind="stable")][: len(lit) // 2]
        x, y = ([part.mean() for part in np.array_split(values[order], _BINS)] for values in (mean, variance))
        slope, floor = float(np.sum(y) / np.sum(x)), 0.0
        if x[-1] > _RANGE * x[0]:
            slope, floor = np.polyfit(x, y, 1, w=1 / np.maximum(y, _SAME * np.max(y) + 1e-300))
        if not slope > 0 or (abs(slope - 1) < _NEARLY and abs(floor) < _NEARLY * np.max(x)):
            return cls()
        return cls(float(slope), max(float(floor), 0.0))

    def least(self, positions: int) -> float:
        """Return what is expected in a pixel of the mean of so many patterns at least, so that noise is never 0."""
        return _LEAST_COUNTS * self.gain / positions

    def variance(self, pattern: NDArray[np.float64], positions: int) -> NDArray[np.float64]:
        """Return the variance of every pixel of the mean (k_y, k_x) of so many patterns."""
        expected: NDArray[np.float64] = np.maximum(gaussian_filter(pattern, _SMOOTHING), self.least(positions))
        variance: NDArray[np.float64] = (self.gain * expected + self.floor) / positions
        return variance + float(_SAME * pattern.max()) ** 2


def reached_pixels(averages: Averages, beside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the detector pixels (k_y, k_x) that electrons reach.

    Not reached are regions, at least 5 px wide, without an electron in any average, if around them, not counting
    where `beside` (k_y, k_x) is false, such as the direct beam, there are so many that it is no accident. Where most
    averages have nothing but disks, as without a background, all is reached.
    """
    shape = averages.patterns.shape[1:]
    alone = [_has_disks_only(pattern) for pattern in averages.patterns]
    if 2 * sum(alone) > len(alone):
        return np.ones(shape, bool)
    total = np.tensordot(averages.positions, averages.patterns, axes=1) if len(averages.patterns) else np.zeros(shape)
    blocks, number = label(binary_opening(total == 0, np.ones((_DARK_BLOCK, _DARK_BLOCK))))
    reached = np.ones(shape, bool)
    for block in range(1, number + 1):
        dark = binary_dilation(blocks == block)
        around = binary_dilation(dark, iterations=_DARK_BLOCK) & ~dark & beside
        if around.any() and total[around].mean() > _LIT:
            reached &= ~dark
    return reached


def _has_disks_only(pattern: NDArray[np.floating]) -> bool:
    """Return whether a pattern (k_y, k_x) has several disks, none as large as all others, and nothing between them."""
    lit = pattern > 0
    disks = binary_opening(lit, np.ones((_DISK, _DISK)))
    sizes = np.bincount(label(disks)[0].ravel(), minlength=2)[1:]
    between = lit & ~binary_dilation(disks)
    return bool(2 * sizes.max() < sizes.sum() and between.sum() < _STRAY * (~lit).sum())
