"""Confidence: two halves of the data with independent noise, and whether they tell the same."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from clustem.computing import in_threads
from clustem.scratch import scratch_array
from clustem.segmentation.features import Features, WindowFeatures
from clustem.segmentation.noise_aware.constants import CONFIDENCE

_SEED = 20260101


@dataclass(frozen=True, eq=False)
class Confidence:
    """How sure a partition is.

    Attributes
    ----------
    domains : (K,) float64
        Overlap (intersection over union) of each domain with the one that is found in its place in either half of the
        data, the mean of both: 1 = the same, 0 = not found again.
    distinct : bool
        Whether at least two regions, the background among them, are found again, each in a place of its own.
    boundary : float
        Share of the positions that touch another domain.
    """

    domains: NDArray[np.float64]
    distinct: bool
    boundary: float


def split_noise(features: Features) -> tuple[Features, Features]:
    """Return two sets of features of the same scan with independent noise, each of twice the variance.

    Noise of the variance that is there already is added to one and subtracted from the other: for Gaussian noise, which
    sums over a hundred pixels have, that is what binomial thinning is for counts (Neufeld et al., JMLR 25, 2024). It is
    drawn for every window by itself, because each has features of its own: whatever is compared is compared inside of
    one window, where both sets are independent.
    """
    halves: tuple[list[WindowFeatures], list[WindowFeatures]] = (list(features.windows), list(features.windows))

    def work(first: int, last: int) -> None:
        for number in range(first, last):
            window = features.windows[number]
            drawn = np.random.default_rng((_SEED, number)).standard_normal(window.values.shape, np.float32)
            drawn *= np.sqrt(window.noise)[..., None]
            for half, add in zip(halves, (np.add, np.subtract), strict=True):
                values = scratch_array(window.values.shape, np.float32)
                add(window.values, drawn, out=values)
                half[number] = replace(window, values=values, noise=2 * window.noise)

    in_threads(work, len(features.windows), longest=1)
    return replace(features, windows=halves[0]), replace(features, windows=halves[1])


def judge(labels: NDArray[np.int32], found: list[NDArray[np.int32]]) -> Confidence:
    """Return the confidence in labels (scan_y, scan_x), given those found in both halves of the data."""
    each = [_overlap(labels, other) for other in found]
    overlaps = np.mean([overlap for overlap, _ in each], axis=0)
    returning = overlaps >= CONFIDENCE.returns
    distinct = max(np.unique(place[returning]).size for _, place in each) >= 2
    edge = np.zeros(labels.shape, bool)
    edge[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    edge[:-1] |= labels[:-1] != labels[1:]
    return Confidence(overlaps[1:], distinct, float(edge.mean()))


def _overlap(labels: NDArray[np.int32], other: NDArray[np.int32]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the largest intersection over union of every label 0 … K with one of the other partition, and with which.

    A region may be called the background in the one and not in the other: it is in its place all the same.
    """
    number, columns = int(labels.max(initial=0)), int(other.max(initial=0)) + 1
    keys, shared = np.unique(labels.ravel().astype(np.int64) * columns + other.ravel(), return_counts=True)
    rows, cols = keys // columns, keys % columns
    sizes, others = np.bincount(labels.ravel(), minlength=number + 1), np.bincount(other.ravel(), minlength=columns)
    ratio = shared / (sizes[rows] + others[cols] - shared)
    best, place = np.zeros(number + 1), np.full(number + 1, -1)
    order = np.argsort(ratio, kind="stable")
    best[rows[order]], place[rows[order]] = ratio[order], cols[order]
    return best, place
