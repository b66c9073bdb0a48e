"""The maximum spanning tree of neighbour similarities: every threshold's partition at once.

Connected components of {edges ≥ threshold} are the recursive marching of the published workflow (single linkage).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from clustem.errors import InputError
from clustem.segmentation.domains._tree_kernels import follow_merges, spanning_edges
from clustem.tables import table_text


@dataclass(frozen=True, eq=False, repr=False)
class MergeTree:
    """Merges of scan positions in order of falling similarity.

    Attributes
    ----------
    shape : (scan_y, scan_x)
    first, second : (M,) int64
        Flat indices of the two neighbouring positions whose similarity made the merge.
    similarity : (M,) float64
        Heights of the merges, never rising.
    usable : (scan_y, scan_x) bool
        Positions that take part; the others stay unassigned in every cut.
    min_size : int
        Components below this size are unassigned in a cut.
    """

    shape: tuple[int, int]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    similarity: NDArray[np.float64]
    usable: NDArray[np.bool_]
    min_size: int = 1

    def cut(self, *, similarity: float | None = None, number: int | None = None) -> NDArray[np.int32]:
        """Return labels (scan_y, scan_x) of the partition at a similarity, or with a number of domains.

        Domains are numbered by falling size, equal sizes by their first position. With `number`, the cut is the
        highest one that has just as many domains of at least `min_size` positions; if no cut has, InputError.
        """
        if (similarity is None) == (number is None):
            raise InputError("cut: give either similarity or number")
        if similarity is None:
            thresholds, numbers, _ = self.counts()
            fits = np.flatnonzero(numbers == number)
            if not fits.size:
                raise InputError(
                    f"cut: no threshold gives {number} domains; at most {numbers.max(initial=0)} are possible"
                )
            similarity = float(thresholds[fits[0]])
        return number_by_size(self.components(similarity), self.usable, self.min_size)

    def components(self, similarity: float) -> NDArray[np.int64]:
        """Return the component of every position, (scan_y, scan_x), joining all merges at or above `similarity`."""
        keep = self.similarity >= similarity
        return component_labels(self.shape, self.first[keep], self.second[keep])

    @cached_property
    def history(self) -> History:
        """What every threshold gives; computed once."""
        return _follow(self)

    def counts(self) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
        """Return falling thresholds (M,), the number of domains at each, and their share of the usable positions."""
        return self.history.threshold, self.history.number, self.history.covered

    def __repr__(self) -> str:
        heights = self.similarity
        span = f"{heights.min():.4g} to {heights.max():.4g}" if heights.size else "no merges"
        return table_text(
            "MergeTree", [("merges", heights.size), ("similarity", span), ("smallest domain", self.min_size)]
        )


@dataclass(frozen=True, eq=False)
class History:
    """The partitions of a tree, one entry per distinct merge height, falling.

    Attributes
    ----------
    threshold : (M,) float64
    number : (M,) int64
        Domains of at least `min_size` positions when all merges at or above the threshold are made.
    covered : (M,) float64
        Share of the usable positions inside them.
    lifetime : (M,) float64
        Mean over the usable positions of the lifetime of the domain that a position is in: the share of all merges that
        are made from its birth (it reaches `min_size`, or two domains become one) to its end (it merges with another
        domain). A domain at least three times as large as the other survives a merge. The last domain, which never
        ends, and positions outside of domains count 0.
    """

    threshold: NDArray[np.float64]
    number: NDArray[np.int64]
    covered: NDArray[np.float64]
    lifetime: NDArray[np.float64]


def _follow(tree: MergeTree) -> History:
    merges, size = len(tree.first), int(np.prod(tree.shape))
    domains, sizes = np.empty((3, merges), np.int32), np.empty((2, merges), np.int32)
    life = np.empty((size + merges, 2), np.int32)
    follow_merges(tree.first, tree.second, size, tree.min_size, domains, sizes, life)
    spans = np.where(life[:, 1] < merges, life[:, 1] - life[:, 0], 0)
    number, covered, lasting = np.zeros((3, merges), np.int64)
    for sign, domain, positions in zip((-1, -1, 1), domains, (*sizes, sizes.sum(axis=0)), strict=True):
        inside = np.where(domain >= 0, sign * positions, 0)
        number += np.sign(inside)
        covered += inside
        lasting += spans[domain] * inside.astype(np.int64)
    usable = max(1, int(tree.usable.sum()))
    alone, singles = (usable, size) if tree.min_size <= 1 else (0, 0)
    last = np.append(tree.similarity[1:] != tree.similarity[:-1], True)[:merges]
    for changes, before in ((number, alone), (covered, alone), (lasting, spans[:singles].sum(dtype=np.int64))):
        np.cumsum(changes, out=changes)
        changes += before
    lifetime = lasting[last] / (usable * max(1, merges))
    return History(tree.similarity[last], number[last], covered[last] / usable, lifetime)


def build_tree(
    similarity: NDArray[np.float64],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    usable: NDArray[np.bool_],
    min_size: int,
) -> MergeTree:
    """Return the maximum spanning tree of the edges first–second; edges of NaN or unusable positions are left out.

    Equal similarities are ordered by the positions they join, so that the tree depends on the data alone.
    """
    flat = usable.ravel()
    good = np.isfinite(similarity) & flat[first] & flat[second]
    first, second, similarity = first[good], second[good], similarity[good]
    place = first * flat.size + second
    if (place[1:] < place[:-1]).any():
        by_place = np.argsort(place)
        first, second, similarity = first[by_place], second[by_place], similarity[by_place]
    order = np.argsort(-similarity, kind="stable")
    kept = np.empty(flat.size, np.int64)
    edges = kept[: spanning_edges(first, second, order, flat.size, kept)]
    return MergeTree(usable.shape, first[edges], second[edges], similarity[edges], usable, min_size)


def component_labels(shape: tuple[int, int], first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return connected components of the edges first–second as an image of 0-based component numbers."""
    size = int(np.prod(shape))
    graph = coo_array((np.ones(first.size, np.int8), (first, second)), shape=(size, size))
    labels: NDArray[np.int64] = connected_components(graph, directed=False)[1].astype(np.int64).reshape(shape)
    return labels


def number_by_size(components: NDArray[np.int64], usable: NDArray[np.bool_], min_size: int) -> NDArray[np.int32]:
    """Return labels 1 … K by falling size, then first position; unusable and too small components become 0."""
    return number_in_order(components, None, usable, min_size)


def number_in_order(
    components: NDArray[np.int64], order: NDArray[np.int64] | None, usable: NDArray[np.bool_], min_size: int
) -> NDArray[np.int32]:
    """Return labels 1 … K by rising `order` (the same throughout a component), or by size without it; others are 0."""
    flat = np.where(usable, components, -1).ravel()
    ids, start, inverse, sizes = np.unique(flat, return_index=True, return_inverse=True, return_counts=True)
    kept = np.flatnonzero((sizes >= min_size) & (ids >= 0))
    first_key = -sizes if order is None else order.ravel()[start]
    kept = kept[np.lexsort((start[kept], first_key[kept]))]
    table = np.zeros(ids.size, np.int32)
    table[kept] = np.arange(1, kept.size + 1)
    return table[inverse.ravel()].reshape(components.shape)
