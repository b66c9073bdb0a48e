"""Fragments: positions joined while nothing but noise makes them differ, window by window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clustem.computing import in_threads
from clustem.segmentation.domains import component_labels
from clustem.segmentation.features import Features, WindowFeatures
from clustem.segmentation.noise_aware._fragment_kernels import join_regions
from clustem.segmentation.noise_aware.constants import SEGMENTATION


@dataclass(frozen=True, eq=False)
class Fragments:
    """Fragments 0 … of labels (scan_y, scan_x) int64, −1 = not usable, and the merges (m, 2) of flat positions."""

    labels: NDArray[np.int64]
    merges: NDArray[np.int64]


def grow_fragments(features: Features, free: NDArray[np.bool_]) -> Fragments:
    """Return fragments of the `free` (scan_y, scan_x) positions, none of which reaches beyond its window.

    Notes
    -----
    Faint patterns say nothing about their similarity, so single positions are joined with their four neighbours by
    Ward's criterion, where the evidence of a difference is least, until fragments hold twelve positions on average and,
    further, while all differences could be chance. What is common to all patterns cancels in the differences.
    """
    found: list[NDArray[np.int64]] = [np.empty((0, 2), np.int64)] * len(features.windows)

    def work(first: int, last: int) -> None:
        for number in range(first, last):
            found[number] = _window_merges(features.windows[number], free)

    in_threads(work, len(features.windows), longest=1)
    merges = np.concatenate(found) if found else np.empty((0, 2), np.int64)
    labels = component_labels(free.shape, merges[:, 0], merges[:, 1])
    numbered = np.unique(labels[free], return_inverse=True)[1]
    result = np.full(free.shape, -1, np.int64)
    result[free] = numbered
    return Fragments(result, merges)


def _window_merges(features: WindowFeatures, free: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the merges (m, 2) of flat positions of the scan that are a window's own."""
    window = features.window
    mine = free[window.own]
    rows, columns = (part + side.start for part, side in zip(np.nonzero(mine), window.own, strict=True))
    places = rows * free.shape[1] + columns
    if not places.size:
        return np.empty((0, 2), np.int64)
    weight = features.basis.weight
    sums = np.ascontiguousarray(features.values[window.inner][mine] * weight)
    noise = features.noise[window.inner][mine].astype(np.float64)
    number = places.size
    energy = float((weight.astype(np.float64) ** 2).sum()) * float(noise.mean())
    limits = np.array(
        [
            (SEGMENTATION.largest, np.inf, int(number / SEGMENTATION.seed), np.inf),
            (np.inf, SEGMENTATION.least, 1, np.inf),
            (np.inf, np.inf, 1, SEGMENTATION.evidence * energy),
        ]
    )
    merges, costs = np.empty((number - 1, 2), np.int32), np.empty(number - 1)
    made = join_regions(sums, np.ones(number), _neighbours(mine), limits, merges, costs)
    return np.asarray(places[merges[:made]], np.int64)


def _neighbours(usable: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return the pairs (m, 2) of usable 4-neighbours, as numbers of usable positions."""
    index = (np.cumsum(usable.ravel(), dtype=np.int32) - 1).reshape(usable.shape)
    pairs = []
    along = (slice(None), slice(None, -1)), (slice(None), slice(1, None))
    down = slice(None, -1), slice(1, None)
    for here, there in (along, down):
        both = usable[here] & usable[there]
        pairs.append(np.column_stack([index[here][both], index[there][both]]))
    return np.concatenate(pairs)
