"""Regions of like patterns, grown from single positions: first the least evidence of a difference, then similarity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clustem.segmentation._region_kernels import SIMILARITY, WARD, join_regions
from clustem.segmentation.features import Features
from clustem.segmentation.similarity import overlap
from clustem.segmentation.tree import component_labels

_SEED = 12  # positions per region, on average, when regions begin to be compared by similarity
_EVIDENCE = 10.0  # times the noise: a difference that is no chance
_NONE, _NOT_APART = np.empty((0, 0), np.int64), np.empty((0, 0), bool)


@dataclass(frozen=True, eq=False)
class RegionTree:
    """Merges of scan positions into regions.

    Attributes
    ----------
    merges : (M, 2) int64
        Flat indices of positions that stand for the two regions.
    similarity : (M,) float64
        1 for those made because nothing speaks for a difference; then the corrected similarity of the two mean
        patterns, never rising.
    """

    merges: NDArray[np.int64]
    similarity: NDArray[np.float64]


def grow_regions(
    features: Features,
    usable: NDArray[np.bool_],
    settled: NDArray[np.int64] = _NONE,
    apart: NDArray[np.bool_] = _NOT_APART,
) -> RegionTree:
    """Return the whole tree of merges of usable (scan_y, scan_x) positions with their four neighbours.

    `settled` (rows, scan_x) are regions 0 … that the first rows are divided into already, −1 = in none. Their positions
    are joined first, with similarity 1, and those that are `apart` (F, F) are not joined.

    Notes
    -----
    Faint patterns say nothing about their similarity, so single positions are joined by Ward's criterion, where the
    evidence of a difference is least, until regions hold 12 positions on average and, further, while all
    differences could be chance. Regions are then bright enough to be compared by similarity.
    """
    places = np.flatnonzero(usable.ravel())
    number = np.cumsum(usable.ravel()) - 1
    whole = _Positions(
        features.contrasts.reshape(-1, features.basis.size)[places],
        features.noise.ravel()[places],
        float(features.noise_variance.sum()),
        *_neighbour_edges(usable, number),
        np.append(settled, np.full(usable.size - settled.size, -1))[places],
        apart.copy(),
    )
    given = _settled_merges(whole.settled)
    merges = np.concatenate([given, _grow_seeds(whole, labels_after(given, places.size))])
    labels = labels_after(merges, places.size)
    later, negative = _join(whole, labels, SIMILARITY)
    stands = _first_positions(labels)
    similarity = np.minimum.accumulate(np.minimum(-negative, 1.0)) if negative.size else negative
    return RegionTree(
        places[np.concatenate([merges, stands[later]])], np.concatenate([np.ones(len(merges)), similarity])
    )


def labels_after(merges: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Return the regions 0 … (size,) after merges of positions, numbered by their first position."""
    return component_labels((1, size), merges[:, 0], merges[:, 1]).ravel()


@dataclass(frozen=True, eq=False)
class _Positions:
    """Contrasts (n, D) and relative noise (n,) of positions, the noise energy at mean dose, and pairs of neighbours.

    Settled are the regions (n,) that positions belong to already, −1 = none; some of them are apart (F, F), which
    changes when regions are joined.
    """

    contrasts: NDArray[np.float32]
    noise: NDArray[np.float64]
    noise_energy: float
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    settled: NDArray[np.int64]
    apart: NDArray[np.bool_]

    def sums(self, labels: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]:
        """Return sums, positions and noise energy of the regions 0 … of labels (n,)."""
        regions = int(labels.max(initial=-1)) + 1
        if regions == labels.size:
            return self.contrasts.copy(), np.ones(regions), self.noise * self.noise_energy
        sums = np.empty((regions, self.contrasts.shape[1]))
        for d, contrast in enumerate(self.contrasts.T):
            sums[:, d] = np.bincount(labels, contrast, minlength=regions)
        counts: NDArray[np.float64] = np.bincount(labels, minlength=regions).astype(np.float64)
        energy = np.bincount(labels, self.noise, minlength=regions).astype(np.float64) * self.noise_energy
        return np.asarray(sums, np.float32), counts, energy


def _grow_seeds(whole: _Positions, labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the merges of positions by Ward's criterion, beginning with regions 0 … of labels (n,)."""
    made, costs = _join(whole, labels, WARD)
    rising = np.maximum.accumulate(costs) if costs.size else costs
    noise = float(whole.noise.mean() if whole.noise.size else 1)
    chance = int(np.searchsorted(rising, _EVIDENCE * whole.noise_energy * noise))
    single = int((np.bincount(labels) == 1).sum())
    return _first_positions(labels)[made[: min(len(made), max(chance, single - single // _SEED))]]


def _first_positions(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the first position of the regions 0 … of labels (n,)."""
    first = np.zeros(int(labels.max(initial=-1)) + 1, np.int64)
    first[labels[::-1]] = np.arange(labels.size)[::-1]
    return first


def _settled_merges(settled: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return merges (m, 2) of positions that make the settled regions of them (n,)."""
    inside = np.flatnonzero(settled >= 0)
    order = inside[np.argsort(settled[inside], kind="stable")]
    same = settled[order[1:]] == settled[order[:-1]]
    return np.column_stack([order[:-1][same], order[1:][same]])


def _join(whole: _Positions, labels: NDArray[np.int64], kind: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the merges (m, 2) of regions 0 … of labels (n,), and their costs."""
    sums, counts, noise = whole.sums(labels)
    pairs = whole.first, whole.second
    if counts.size < labels.size:
        pairs = _region_edges(labels[whole.first], labels[whole.second], counts.size)
    merges, costs = np.empty((max(0, counts.size - 1), 2), np.int64), np.empty(max(0, counts.size - 1))
    group = np.full(counts.size, -1, np.int64)
    np.maximum.at(group, labels, whole.settled)
    made = join_regions(sums, counts, noise, *pairs, kind, group, whole.apart, merges, costs)
    return merges[:made], costs[:made]


def _neighbour_edges(
    usable: NDArray[np.bool_], number: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the pairs of usable 4-neighbours, as numbers of usable positions."""
    index = number.reshape(usable.shape)
    first, second = [], []
    for dy, dx in ((0, 1), (1, 0)):
        here, there = overlap(dy, dx)
        both = usable[here] & usable[there]
        first.append(index[here][both])
        second.append(index[there][both])
    return np.concatenate(first).astype(np.int64), np.concatenate(second).astype(np.int64)


def _region_edges(
    a: NDArray[np.int64], b: NDArray[np.int64], regions: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the pairs of different regions, each once."""
    low, high = np.minimum(a, b), np.maximum(a, b)
    pairs = np.unique(low[low != high] * max(1, regions) + high[low != high])
    return pairs // max(1, regions), pairs % max(1, regions)
