"""Compiled loops that join positions to fragments: arrays and scalars in, arrays filled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.compiling import compiled
from clustem.segmentation.domains import root_of

Array = NDArray[Any]


@compiled(fastmath={"reassoc", "contract"})
def ward_cost(sums: Array, counts: Array, a: int, b: int) -> Any:
    """Increase of the sum of squares when regions a and b of sums (n, d) and counts (n,) positions become one."""
    total, share_a, share_b = 0.0, 1.0 / counts[a], 1.0 / counts[b]
    for d in range(sums.shape[1]):
        step = np.float64(sums[a, d]) * share_a - np.float64(sums[b, d]) * share_b
        total += step * step
    return total / (share_a + share_b)


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
def cheapest_neighbour(
    sums: Array,
    counts: Array,
    largest: float,
    smallest: float,
    parent: Array,
    lists: tuple[Array, Array, Array, Array],
    seen: Array,
    a: int,
    mark: int,
) -> tuple[int, float]:
    """Return the neighbour that region a is joined with at the least cost, −1 = none, and the cost.

    lists are those of `list_neighbours`; neighbours that became one are taken out of that of
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
            if counts[a] + counts[other] <= largest and min(counts[a], counts[other]) < smallest:
                cost = ward_cost(sums, counts, min(a, other), max(a, other))  # to the last bit the same for both
                if best < 0 or precedes(cost, a, other, least, a, best):
                    best, least = other, cost
        place = following[place]
    tail[a] = last
    return best, least


@compiled()
def list_neighbours(pairs: Array, regions: int) -> tuple[Array, Array, Array, Array]:
    """Return the neighbours of every region in linked lists: target and following (2 m,), head and tail (regions,).

    The list of a region starts at its head and ends at its tail, −1 = it has none; pairs (m, 2) are the neighbours, and
    are used for the targets.
    """
    target, following = pairs.ravel(), np.full(2 * len(pairs), -1, np.int32)
    head, tail = np.full(regions, -1, np.int32), np.full(regions, -1, np.int32)
    for e in range(len(pairs)):
        a, b = pairs[e, 0], pairs[e, 1]
        target[2 * e], target[2 * e + 1] = b, a
        for region, place in ((a, 2 * e), (b, 2 * e + 1)):
            if head[region] < 0:
                head[region] = place
            else:
                following[tail[region]] = place
            tail[region] = place
    return target, following, head, tail


@compiled()
def join_regions(sums: Array, counts: Array, pairs: Array, limits: Array, merges: Array, costs: Array) -> int:
    """Always join the two neighbours that cost least, within limits (n, 4), one after the other; return how many.

    Limits are `largest`, `smallest`, `fewest`, `most`: regions of more than `largest` positions are not made, two of at
    least `smallest` are not joined, nor are fewer than `fewest` regions left, nor any joined at a cost above `most`.

    Regions have sums (n, d) float32 of features and counts (n,) of positions, which are changed; pairs (m, 2) are the
    neighbours, each once, and are changed. merges (n - 1, 2) are the regions that were joined, the lower number stays,
    and costs (n - 1,) what that cost, by Ward's criterion.

    Neighbours stand in linked lists, which are put together and rid of those that became one. The heap holds the
    cheapest neighbour of every region as it was when the region last changed; where that neighbour has changed since,
    it is looked for again when its turn comes. A neighbour that became cheaper has changed later and stands for both.
    Whenever an entry is put into the heap, one was taken out before.
    """
    regions = counts.size
    lists = list_neighbours(pairs, regions)
    _, following, head, tail = lists
    keys, heap = np.empty(regions), np.empty((regions, 3), np.int32)
    changed, seen = np.zeros(regions, np.int32), np.full(regions, -1, np.int32)
    parent = np.arange(regions).astype(np.int32)
    number, mark = 0, 0
    for n in range(limits.shape[0]):
        largest, smallest, fewest, most = limits[n]
        size = 0
        for a in range(regions):
            if parent[a] != a:
                continue
            b, cost = cheapest_neighbour(sums, counts, largest, smallest, parent, lists, seen, a, mark)
            mark += 1
            if b >= 0:
                push_entry(keys, heap, size, cost, a, b, number)
                size += 1
        while size > 0 and regions - number > fewest and keys[0] <= most:
            a, b, time, cost = heap[0, 0], heap[0, 1], heap[0, 2], keys[0]
            drop_first(keys, heap, size)
            size -= 1
            if changed[a] > time:
                continue
            if changed[b] <= time:
                a, b = min(a, b), max(a, b)
                merges[number, 0], merges[number, 1], costs[number] = a, b, cost
                number += 1
                for d in range(sums.shape[1]):
                    sums[a, d] += sums[b, d]
                counts[a] += counts[b]
                parent[b] = a
                changed[a], changed[b] = number, regions  # later than any other
                following[tail[a]], tail[a] = head[b], tail[b]
            b, cost = cheapest_neighbour(sums, counts, largest, smallest, parent, lists, seen, a, mark)
            mark += 1
            if b >= 0:
                push_entry(keys, heap, size, cost, a, b, number)
                size += 1
    return number
