"""Regions joined with their neighbours, the most alike first, until only boundaries between domains are left."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clustem.segmentation.features import Features, owners
from clustem.segmentation.noise_aware.comparing import Comparisons, compare_contacts, decided
from clustem.segmentation.noise_aware.constants import SEGMENTATION
from clustem.segmentation.noise_aware.contacts import Contacts, Touching
from clustem.segmentation.noise_aware.measured import Measured


@dataclass(frozen=True, eq=False)
class Joined:
    """Regions that were joined.

    Attributes
    ----------
    labels : (scan_y, scan_x) int64
        Regions 0 …, −1 = in none.
    merges : (m, 2) int64
        Flat positions that stand for two regions that became one, in order.
    heights : (m,) float64
        What both had in common.
    pairs : (p, 2) int64
        Flat positions of the pairs of neighbours that are left.
    left : (p,) float64
        What these have in common, below what would join them.
    """

    labels: NDArray[np.int64]
    merges: NDArray[np.int64]
    heights: NDArray[np.float64]
    pairs: NDArray[np.int64]
    left: NDArray[np.float64]


def join_regions(
    features: Features,
    labels: NDArray[np.int64],
    similarity: float,
    *,
    contact: int = SEGMENTATION.contact,
    apart: Iterable[tuple[int, int]] = (),
    empty: int | None = None,
) -> Joined:
    """Join regions 0 … of labels (scan_y, scan_x), −1 = none, with those that they do not differ from.

    Two neighbours become one if nothing but noise makes them differ; or if the step between them is no larger than
    what their patterns change by over the same distance inside of them, and their reflections and lattices have at
    least `similarity` in common. In every round, all pairs are joined in which each is the most alike neighbour of the
    other, and all regions with their most alike neighbour if that is many times as large: else a crystal as large as
    the scan would take one at a time. Pairs that are `apart` are not joined, nor is what becomes one with them. A
    region that is `empty` becomes one only with what does not differ: it is no crystal that fades.
    """
    labels = labels.copy()
    owner = owners(labels.shape, [window.window for window in features.windows])
    foreign = _Foreign(apart)
    known_keys, known = np.empty(0, np.int64), Comparisons.empty(0)
    number = int(labels.max(initial=-1)) + 1
    stands, sizes = _first_places(labels, number), np.bincount(labels[labels >= 0], minlength=number)
    changed, measured = np.ones(number, bool), Measured(number)
    merges, heights = [], []
    touching = Touching.of(labels, owner)
    while True:
        contacts = touching.contacts(contact)
        keys = contacts.pairs[:, 0] * number + contacts.pairs[:, 1]
        place = np.searchsorted(known_keys, keys)
        old = place < known_keys.size
        old[old] = known_keys[place[old]] == keys[old]
        old &= ~changed[contacts.pairs].any(axis=1)
        found = Comparisons.empty(keys.size)
        found.put(np.flatnonzero(old), known.take(place[old]))
        new = np.flatnonzero(~old)
        part = Contacts(contacts.pairs[new], contacts.windows[new])
        found.put(new, compare_contacts(features, labels, part, before=measured))
        known_keys, known = keys, found
        nothing, crystal = decided(found, similarity)
        crystal &= ~(contacts.pairs == empty).any(axis=1)
        joins = (nothing | crystal) & ~foreign.among(contacts.pairs)
        order = 1 - np.clip(found.similarity - SEGMENTATION.below * found.error, -1, 1)
        chosen = _chosen(contacts.pairs, np.where(joins, order, np.inf), sizes)
        if not chosen.size:
            break
        table = np.arange(number)
        changed = np.zeros(number, bool)
        for n in chosen[np.lexsort((keys[chosen], order[chosen]))].tolist():
            a, b = sorted(_root(table, region) for region in contacts.pairs[n].tolist())
            changed[contacts.pairs[n]] = changed[a] = True
            if foreign.two(a, b):
                continue
            table[b] = a
            sizes[a] += sizes[b]
            merges.append((stands[a], stands[b]))
            heights.append(max(similarity, min(1.0, float(found.similarity[n]))))
            foreign.join(a, b)
        table = np.array([_root(table, region) for region in range(number)])
        empty = None if empty is None else int(table[empty])
        measured.change(changed)
        touching = touching.joined(table)
        labels = np.where(labels >= 0, table[labels], -1)
    left = _left(found, similarity)
    return Joined(
        labels,
        np.array(merges, np.int64).reshape(-1, 2),
        np.array(heights),
        stands[contacts.pairs].reshape(-1, 2),
        left,
    )


def _left(found: Comparisons, similarity: float) -> NDArray[np.float64]:
    """Return what pairs that are not joined have in common: less, the larger the step between them is."""
    alike = np.where(np.isnan(found.shared), found.similarity, found.shared)
    step = np.maximum(found.difference - SEGMENTATION.errors * found.spread, 1e-300)
    share = np.minimum(alike, similarity * np.minimum(1.0, found.allowed / step))
    return np.asarray(np.clip(np.nan_to_num(share, nan=-1.0), -1.0, np.nextafter(similarity, 0)))


def _chosen(pairs: NDArray[np.int64], order: NDArray[np.float64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return which pairs (m, 2) of regions with sizes (K,) are joined, by order (m,), then by number; inf is never.

    Those that come first for both, and those that come first for one if the other is many times as large.
    """
    able = np.flatnonzero(~np.isinf(order))
    rank = np.full(order.size, order.size)
    rank[able[np.lexsort((pairs[able, 1], pairs[able, 0], order[able]))]] = np.arange(able.size)
    best = np.full(sizes.size, order.size)
    for side in (0, 1):
        np.minimum.at(best, pairs[able, side], rank[able])
    first = (best[pairs] == rank[:, None]) & (rank < order.size)[:, None]
    small = sizes[pairs] * SEGMENTATION.larger < sizes[pairs[:, ::-1]]
    return np.flatnonzero(first.all(axis=1) | (first & small).any(axis=1))


def _root(table: NDArray[np.int64], region: int) -> int:
    """Return what a region became."""
    while table[region] != region:
        region = int(table[region])
    return region


def _first_places(labels: NDArray[np.int64], number: int) -> NDArray[np.int64]:
    """Return the first flat position of regions 0 …."""
    flat, first = labels.ravel(), np.zeros(number, np.int64)
    inside = np.flatnonzero(flat >= 0)[::-1]
    first[flat[inside]] = inside
    return first


class _Foreign:
    """Regions that are known to be two, while others become one."""

    def __init__(self, apart: Iterable[tuple[int, int]]) -> None:
        self.of: dict[int, set[int]] = {}
        for a, b in apart:
            self.of.setdefault(a, set()).add(b)
            self.of.setdefault(b, set()).add(a)

    def two(self, a: int, b: int) -> bool:
        """Return whether a and b are two."""
        return b in self.of.get(a, ())

    def among(self, pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which pairs (m, 2) are two."""
        if not self.of:
            return np.zeros(len(pairs), bool)
        return np.array([b in self.of.get(a, ()) for a, b in pairs.tolist()], bool)

    def join(self, a: int, b: int) -> None:
        """Let b be a from now on."""
        for c in self.of.pop(b, set()):
            self.of[c].discard(b)
            self.of[c].add(a)
            self.of.setdefault(a, set()).add(c)
