"""The regions of windows, each by itself, measured once for as long as they do not change."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clustem.segmentation.features import WindowFeatures
from clustem.segmentation.noise_aware._region_kernels import (
    View,
    core_positions,
    measure_regions,
    number_regions,
    region_boxes,
)


@dataclass(frozen=True, eq=False)
class WindowRegions:
    """What is known of the regions of a window, each by itself, as far as they lie in it.

    Attributes
    ----------
    numbers : (k,) int64
        Of the scan, rising.
    sizes : (k,) int64
        Positions.
    energy : (k,) float64
        Of the mean, without noise.
    change : (k, 4, 3) float64
        How patterns change inside, see :func:`inner_changes`.
    round : int
        When all of this was so.
    """

    numbers: NDArray[np.int64]
    sizes: NDArray[np.int64]
    energy: NDArray[np.float64]
    change: NDArray[np.float64]
    round: int


class Measured:
    """What was measured of so many regions, window by window, while some of them become others from round to round."""

    def __init__(self, regions: int) -> None:
        self.round = 0
        self._changed = np.zeros(regions, np.int64)
        self._windows: dict[int, WindowRegions] = {}

    def regions(self, number: int, window: WindowFeatures, labels: NDArray[np.int64]) -> tuple[View, WindowRegions]:
        """Return the regions 0 … of labels (scan_y, scan_x) that lie in a window, of some number."""
        here = np.ascontiguousarray(labels[window.window.around])
        local = np.empty(here.shape, np.int32)
        numbers = number_regions(here, local)
        boxes, core = np.empty((numbers.size, 4), np.int32), np.empty(here.shape, bool)
        region_boxes(local, boxes)
        core_positions(local, core)
        view = View(window.values, window.noise, local, boxes, core)
        sizes, energy, change = np.empty(numbers.size, np.int64), np.empty(numbers.size), np.empty((numbers.size, 4, 3))
        asked = np.ones(numbers.size, bool)
        old = self._windows.get(number)
        if old is not None:
            place = np.searchsorted(old.numbers, numbers)
            asked = self._changed[numbers] > old.round
            kept = place[~asked]
            sizes[~asked], energy[~asked], change[~asked] = old.sizes[kept], old.energy[kept], old.change[kept]
        measure_regions(view, np.flatnonzero(asked), sizes, energy, change)
        found = self._windows[number] = WindowRegions(numbers, sizes, energy, change, self.round)
        return view, found

    def change(self, regions: NDArray[np.bool_]) -> None:
        """Take notice that some of the regions (K,) are others in the next round."""
        self.round += 1
        self._changed[regions] = self.round
