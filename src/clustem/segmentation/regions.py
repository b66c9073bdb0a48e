"""Regions of like patterns, grown from single positions: first the least evidence of a difference, then similarity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.segmentation._region_kernels import SIMILARITY, WARD, join_regions
from clustem.segmentation.features import Features
from clustem.segmentation.similarity import overlap
from clustem.segmentation.tree import component_labels

_SEED = 12  # positions per region, on average, when regions begin to be compared by similarity
_EVIDENCE = 10.0  # times the noise: a difference that is no chance


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


def grow_regions(features: Features, usable: NDArray[np.bool_]) -> RegionTree:
    """Return the whole tree of merges of usable (scan_y, scan_x) positions with their four neighbours.

    Notes
    -----
    Faint patterns say nothing about their similarity, so single positions are joined by Ward's criterion, where the
    evidence of a difference is least, until regions hold 12 positions on average and, further, while all
    differences could be chance. Regions are then bright enough to be compared by similarity.
    """
    contrasts = features.contrasts.reshape(-1, features.basis.size)
    flat = usable.ravel()
    number = np.cumsum(flat) - 1
    places = np.flatnonzero(flat)
    first, second = _neighbour_edges(usable, number)
    noise_energy = float(features.noise_variance.sum())
    noise = features.noise.ravel()[places]
    made, costs = _join(contrasts[places], np.ones(places.size), noise * noise_energy, first, second, WARD)
    rising = np.maximum.accumulate(costs) if costs.size else costs
    chance = int(np.searchsorted(rising, _EVIDENCE * noise_energy * float(noise.mean() if noise.size else 1)))
    grown = min(len(made), max(chance, places.size - places.size // _SEED))
    labels = labels_after(made[:grown], places.size)
    regions = int(labels.max(initial=-1)) + 1
    sums = np.zeros((regions, contrasts.shape[1]))
    np.add.at(sums, labels, contrasts[places])
    energy = np.bincount(labels, noise, minlength=regions) * noise_energy
    counts = np.bincount(labels, minlength=regions).astype(float)
    edges = _region_edges(labels[first], labels[second], regions)
    later, negative = _join(sums.astype(np.float32), counts, energy, *edges, SIMILARITY)
    stands = np.zeros(regions, np.int64)
    stands[labels[::-1]] = places[::-1]
    similarity = np.minimum.accumulate(np.minimum(-negative, 1.0)) if negative.size else negative
    return RegionTree(
        np.concatenate([places[made[:grown]], stands[later]]), np.concatenate([np.ones(grown), similarity])
    )


def labels_after(merges: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Return the regions 0 … (size,) after merges of positions, numbered by their first position."""
    return component_labels((1, size), merges[:, 0], merges[:, 1]).ravel()


def _join(
    sums: NDArray[np.float32],
    counts: NDArray[Any],
    noise: NDArray[Any],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    kind: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    merges, costs = np.empty((max(0, counts.size - 1), 2), np.int64), np.empty(max(0, counts.size - 1))
    made = join_regions(sums.copy(), counts.copy(), noise.copy(), first, second, kind, merges, costs)
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
