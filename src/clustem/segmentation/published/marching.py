"""The published recursive marching clustering, as connected components."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clustem.segmentation.domains import component_labels
from clustem.segmentation.similarity import UNIQUE, around_positions, overlap

_FRAME = 2  # outermost rows and columns that never join a cluster in the authors' code


def neighbour_pairs(edges: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return flat indices of both positions and similarity of every pair inside the scan, from (4, scan_y, scan_x).

    In the order of the first position, then of the second.
    """
    shape = edges.shape[1:]
    index = np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape)
    second, inside = np.zeros((*shape, 4), np.int64), np.zeros((*shape, 4), bool)
    for n, (dy, dx) in enumerate(UNIQUE):
        here, there = overlap(dy, dx)
        second[(*here, n)] = index[there]
        inside[(*here, n)] = True
    first = np.broadcast_to(index[..., None], second.shape)
    return first[inside], second[inside], np.moveaxis(edges, 0, -1)[inside]


def published_clusters(
    edges: NDArray[np.float64], threshold: float, usable: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return clusters as the authors' code finds them, with its border rule.

    Parameters
    ----------
    edges : (4, scan_y, scan_x) float64
        Similarities of :func:`~clustem.segmentation.similarity.edge_similarity`.
    threshold : float
    usable : (scan_y, scan_x) bool
        Positions that take part.

    Returns
    -------
    clusters : (scan_y, scan_x) int64
        Every position's cluster.
    seeds : (scan_y, scan_x) int64
        For every position the rank of its cluster's seed: 0 is the first cluster found.

    Notes
    -----
    Positions of the two outermost rows and columns start clusters but never join one. So the inner positions form
    connected components, and each component belongs to whichever comes first in seed order: its own best member, or
    a position of the frame from which it can be reached. One frame position may so join several components.
    """
    shape = usable.shape
    order = _seed_ranks(edges, usable).ravel()
    without_frame = np.zeros(shape, bool)
    without_frame[_FRAME:-_FRAME, _FRAME:-_FRAME] = True
    inner = (without_frame & usable).ravel()
    first, second, similarity = neighbour_pairs(edges)
    alike = (similarity >= threshold) & usable.ravel()[first] & usable.ravel()[second]
    first, second = first[alike], second[alike]
    within = inner[first] & inner[second]
    component = component_labels((shape[0], shape[1]), first[within], second[within]).ravel()
    claim = np.full(int(component.max(initial=0)) + 1, order.size)
    np.minimum.at(claim, component, order)
    for frame, member in ((first, second), (second, first)):
        reaches = ~inner[frame] & inner[member]
        np.minimum.at(claim, component[member[reaches]], order[frame[reaches]])
    seeds = claim[component].reshape(shape)
    return np.unique(seeds, return_inverse=True)[1].reshape(shape).astype(np.int64), seeds


def _seed_ranks(edges: NDArray[np.float64], usable: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return every position's rank as a seed: the highest mean of the eight similarities is 0, unusable come last."""
    mean = np.nan_to_num(around_positions(edges), nan=-1.0).mean(axis=-1)
    mean = np.where(usable, mean, -np.inf).ravel()
    ranks = np.empty(mean.size, np.int64)
    ranks[np.argsort(-mean, kind="stable")] = np.arange(mean.size)
    return ranks.reshape(usable.shape)
