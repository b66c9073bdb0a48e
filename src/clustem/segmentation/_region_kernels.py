"""Compiled loops that join regions of scan positions: arrays and scalars in, arrays filled."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.compiling import compiled
from clustem.segmentation._tree_kernels import root_of

Array = NDArray[Any]

WARD, SIMILARITY = 0, 1
_FAINT = 0.05  # of the energy of a sum: less is never taken for its signal


@compiled(fastmath={"reassoc", "contract"})
def ward_cost(sums: Array, counts: Array, a: int, b: int) -> Any:
    """Increase of the sum of squares when regions a and b of sums (n, d) and counts (n,) positions become one."""
    total, share_a, share_b = 0.0, 1.0 / counts[a], 1.0 / counts[b]
    for d in range(sums.shape[1]):
        step = np.float64(sums[a, d]) * share_a - np.float64(sums[b, d]) * share_b
        total += step * step
    return total / (share_a + share_b)


@compiled(fastmath={"reassoc", "contract"})
def similarity_of(sums: Array, noise: Array, a: int, b: int) -> Any:
    """Cosine of the sums (n, d) of two regions, corrected for the energy of their noise (n,); 0 if there is none."""
    product, energy_a, energy_b = 0.0, 0.0, 0.0
    for d in range(sums.shape[1]):
        one, other = np.float64(sums[a, d]), np.float64(sums[b, d])
        product += one * other
        energy_a += one * one
        energy_b += other * other
    signal = max(energy_a - noise[a], _FAINT * energy_a) * max(energy_b - noise[b], _FAINT * energy_b)
    return product / math.sqrt(signal) if signal > 0.0 else 0.0


@compiled()
def cost_of(sums: Array, counts: Array, noise: Array, a: int, b: int, kind: int) -> Any:
    """Cost of joining two regions: Ward's, or the negative similarity."""
    if kind == 0:
        return ward_cost(sums, counts, a, b)
    return -similarity_of(sums, noise, a, b)


@compiled()
def precedes(cost: float, a: int, b: int, other_cost: float, c: int, d: int) -> Any:
    """Whether joining regions a and b comes before joining c and d: by cost, then by lower and higher number."""
    if cost != other_cost:
        return cost < other_cost
    low, other_low = min(a, b), min(c, d)
    return low < other_low or (low == other_low and max(a, b) < max(c, d))


@compiled()
def move_entry(costs: Array, pairs: Array, m: int, n: int) -> None:
    """Copy entry m of a heap to place n."""
    costs[n], pairs[n, 0], pairs[n, 1], pairs[n, 2] = costs[m], pairs[m, 0], pairs[m, 1], pairs[m, 2]


@compiled()
def push_entry(costs: Array, pairs: Array, n: int, cost: float, a: int, b: int, time: int, top: int = 0) -> None:
    """Put an entry into the gap n of a heap, costs (n,) and pairs (n, 3) of two regions, and times.

    It rises as far as it comes before others, not above `top`. The gap may be the place after the last entry.
    """
    while n > top:
        m = (n - 1) // 2
        if not precedes(cost, a, b, costs[m], pairs[m, 0], pairs[m, 1]):
            break
        move_entry(costs, pairs, m, n)
        n = m
    costs[n], pairs[n, 0], pairs[n, 1], pairs[n, 2] = cost, a, b, time


@compiled()
def sink_entry(costs: Array, pairs: Array, m: int, n: int, size: int) -> None:
    """Put what entry m is into place n of a heap of size entries, or below, where it belongs.

    The gap goes down to the end first, where it mostly belongs (I. Wegener, doi 10.1016/0304-3975(93)90364-Y).
    """
    cost, a, b, time, top = costs[m], pairs[m, 0], pairs[m, 1], pairs[m, 2], n
    while 2 * n + 1 < size:
        one, two = 2 * n + 1, 2 * n + 2
        if two < size and precedes(costs[two], pairs[two, 0], pairs[two, 1], costs[one], pairs[one, 0], pairs[one, 1]):
            one = two
        move_entry(costs, pairs, one, n)
        n = one
    push_entry(costs, pairs, n, cost, a, b, time, top)


@compiled()
def drop_first(costs: Array, pairs: Array, size: int) -> None:
    """Take the first entry out of a heap of size entries."""
    sink_entry(costs, pairs, size - 1, 0, size - 1)


@compiled()
def are_apart(group: Array, apart: Array, a: int, b: int) -> Any:
    """Whether two regions are in groups (n,) that are apart (g, g)."""
    return group[a] >= 0 and group[b] >= 0 and apart[group[a], group[b]]


@compiled()
def join_groups(group: Array, apart: Array, a: int, b: int) -> None:
    """Give region a what is known of b: its group (n,); two groups are then apart (g, g) from the same others."""
    if group[b] < 0:
        return
    if group[a] < 0:
        group[a] = group[b]
        return
    one, two = group[a], group[b]
    for g in range(apart.shape[0]):
        both = apart[one, g] or apart[two, g]
        apart[one, g], apart[two, g], apart[g, one], apart[g, two] = both, both, both, both


@compiled()
def cheapest_neighbour(
    sums: Array,
    counts: Array,
    noise: Array,
    kind: int,
    group: Array,
    apart: Array,
    parent: Array,
    lists: tuple[Array, Array, Array, Array],
    seen: Array,
    a: int,
    mark: int,
) -> tuple[int, float]:
    """Return the neighbour that region a is joined with at the least cost, −1 = none, and the cost.

    lists are target, following, head and tail of `join_regions`; neighbours that became one are taken out of that of
    a. seen (n,) is set to a mark that is used once.
    """
    target, following, head, tail = lists
    best, least = -1, 0.0
    seen[a] = mark
    last, place = -1, head[a]
    while place >= 0:
        other = root_of(parent, target[place])
        if seen[other] == mark:  # itself, or a second time
            if last < 0:
                head[a] = following[place]
            else:
                following[last] = following[place]
        else:
            seen[other], target[place], last = mark, other, place
            if not are_apart(group, apart, a, other):
                cost = cost_of(
                    sums, counts, noise, min(a, other), max(a, other), kind
                )  # to the last bit the same for both
                if best < 0 or precedes(cost, a, other, least, a, best):
                    best, least = other, cost
        place = following[place]
    tail[a] = last
    return best, least


@compiled()
def join_regions(
    sums: Array,
    counts: Array,
    noise: Array,
    pairs: Array,
    kind: int,
    group: Array,
    apart: Array,
    merges: Array,
    costs: Array,
) -> int:
    """Always join the two neighbours that cost least, until no neighbours are left; return how many were joined.

    Regions have sums (n, d) float32 of features, counts (n,) of positions and noise (n,) energy, which are changed;
    pairs (m, 2) are the neighbours, each once, and are changed. Those whose groups (n,), −1 = none, are apart (g, g)
    bool are never joined; groups that are joined keep the lower region's, and apart changes likewise. merges (n - 1, 2)
    are the regions that were joined, the lower number stays, and costs (n - 1,) what that cost.

    Neighbours stand in linked lists, which are put together and rid of those that became one. The heap holds the
    cheapest neighbour of every region as it was when the region last changed; where that neighbour has changed since,
    it is looked for again when its turn comes. A neighbour that became cheaper has changed later and stands for both.
    Whenever an entry is put into the heap, one was taken out before.
    """
    regions, edges = counts.size, len(pairs)
    target, following = pairs.ravel(), np.full(2 * edges, -1, np.int32)
    head, tail = np.full(regions, -1, np.int32), np.full(regions, -1, np.int32)
    lists = (target, following, head, tail)
    keys, heap, size = np.empty(regions), np.empty((regions, 3), np.int32), 0
    changed, seen = np.zeros(regions, np.int32), np.full(regions, -1, np.int32)
    parent = np.arange(regions).astype(np.int32)
    for e in range(edges):
        a, b = pairs[e, 0], pairs[e, 1]
        target[2 * e], target[2 * e + 1] = b, a
        for region, place in ((a, 2 * e), (b, 2 * e + 1)):
            if head[region] < 0:
                head[region] = place
            else:
                following[tail[region]] = place
            tail[region] = place
    mark = 0
    for a in range(regions):
        b, cost = cheapest_neighbour(sums, counts, noise, kind, group, apart, parent, lists, seen, a, mark)
        mark += 1
        if b >= 0:
            push_entry(keys, heap, size, cost, a, b, 0)
            size += 1
    number = 0
    while size > 0:
        a, b, time, cost = heap[0, 0], heap[0, 1], heap[0, 2], keys[0]
        drop_first(keys, heap, size)
        size -= 1
        if changed[a] > time:
            continue
        if changed[b] <= time and not are_apart(group, apart, a, b):
            a, b = min(a, b), max(a, b)
            merges[number, 0], merges[number, 1], costs[number] = a, b, cost
            number += 1
            for d in range(sums.shape[1]):
                sums[a, d] += sums[b, d]
            counts[a] += counts[b]
            noise[a] += noise[b]
            parent[b] = a
            join_groups(group, apart, a, b)
            changed[a], changed[b] = number, regions  # later than any other
            following[tail[a]], tail[a] = head[b], tail[b]
        b, cost = cheapest_neighbour(sums, counts, noise, kind, group, apart, parent, lists, seen, a, mark)
        mark += 1
        if b >= 0:
            push_entry(keys, heap, size, cost, a, b, number)
            size += 1
    return number
