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
    whole = _Positions(
        features,
        places,
        features.noise.ravel() if places.size == usable.size else features.noise.ravel()[places],
        float(features.noise_variance.sum()),
        usable,
        np.append(settled.astype(np.int32), np.full(usable.size - settled.size, -1, np.int32))[places],
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
    """Places (n,) of the usable (scan_y, scan_x) positions, their relative noise (n,), and its energy at mean dose.

    Settled are the regions (n,) that positions belong to already, −1 = none; some of them are apart (F, F), which
    changes when regions are joined.
    """

    features: Features
    places: NDArray[np.int64]
    noise: NDArray[np.float64]
    noise_energy: float
    usable: NDArray[np.bool_]
    settled: NDArray[np.int32]
    apart: NDArray[np.bool_]

    def sums(self, labels: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]:
        """Return sums, positions and noise energy of the regions 0 … of labels (n,)."""
        regions = int(labels.max(initial=-1)) + 1
        if regions == labels.size:
            return self.features.contrasts_at(self.places), np.ones(regions), self.noise * self.noise_energy
        sums = np.empty((regions, self.features.basis.size), np.float32)
        for d in range(sums.shape[1]):
            sums[:, d] = np.bincount(labels, self.features.contrast_at(d, self.places), minlength=regions)
        counts: NDArray[np.float64] = np.bincount(labels, minlength=regions).astype(np.float64)
        energy = np.bincount(labels, self.noise, minlength=regions).astype(np.float64) * self.noise_energy
        return sums, counts, energy


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


def _settled_merges(settled: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return merges (m, 2) of positions that make the settled regions of them (n,)."""
    inside = np.flatnonzero(settled >= 0)
    order = inside[np.argsort(settled[inside], kind="stable")]
    same = settled[order[1:]] == settled[order[:-1]]
    return np.column_stack([order[:-1][same], order[1:][same]])


def _join(whole: _Positions, labels: NDArray[np.int64], kind: int) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return the merges (m, 2) of regions 0 … of labels (n,), and their costs."""
    sums, counts, noise = whole.sums(labels)
    pairs = _neighbour_edges(whole.usable)
    if counts.size < labels.size:
        pairs = _region_edges(labels[pairs], counts.size)
    merges, costs = np.empty((max(0, counts.size - 1), 2), np.int32), np.empty(max(0, counts.size - 1))
    group = np.full(counts.size, -1, np.int32)
    np.maximum.at(group, labels, whole.settled)
    made = join_regions(sums, counts, noise, pairs, kind, group, whole.apart, merges, costs)
    return merges[:made], costs[:made]


def _neighbour_edges(usable: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return the pairs (m, 2) of usable 4-neighbours, as numbers of usable positions."""
    index = (np.cumsum(usable.ravel(), dtype=np.int32) - 1).reshape(usable.shape)
    pairs = []
    for dy, dx in ((0, 1), (1, 0)):
        here, there = overlap(dy, dx)
        both = usable[here] & usable[there]
        pairs.append(np.column_stack([index[here][both], index[there][both]]))
    return np.concatenate(pairs)


def _region_edges(pairs: NDArray[np.int64], regions: int) -> NDArray[np.int32]:
    """Return the pairs (m, 2) of different regions among many, each once, the lower first."""
    different = pairs[pairs[:, 0] != pairs[:, 1]]
    once = np.unique(different.min(axis=1) * max(1, regions) + different.max(axis=1))
    return np.column_stack(np.divmod(once, max(1, regions))).astype(np.int32)
