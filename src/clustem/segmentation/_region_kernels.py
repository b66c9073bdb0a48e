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
def ward_cost(a: Array, b: Array, count_a: float, count_b: float) -> Any:
    """Increase of the sum of squares when regions of sums a, b (d,) and so many positions become one."""
    total = 0.0
    for d in range(a.size):
        step = np.float64(a[d]) / count_a - np.float64(b[d]) / count_b
        total += step * step
    return total * count_a * count_b / (count_a + count_b)


@compiled(fastmath={"reassoc", "contract"})
def similarity_of(a: Array, b: Array, noise_a: float, noise_b: float) -> Any:
    """Cosine of two sums (d,), corrected for the energy of their noise; 0 where there is none."""
    product, energy_a, energy_b = 0.0, 0.0, 0.0
    for d in range(a.size):
        product += np.float64(a[d]) * np.float64(b[d])
        energy_a += np.float64(a[d]) * np.float64(a[d])
        energy_b += np.float64(b[d]) * np.float64(b[d])
    signal = max(energy_a - noise_a, _FAINT * energy_a) * max(energy_b - noise_b, _FAINT * energy_b)
    return product / math.sqrt(signal) if signal > 0.0 else 0.0


@compiled()
def cost_of(sums: Array, counts: Array, noise: Array, a: int, b: int, kind: int) -> Any:
    """Cost of joining two regions: Ward's, or the negative similarity."""
    if kind == 0:
        return ward_cost(sums[a], sums[b], counts[a], counts[b])
    return -similarity_of(sums[a], sums[b], noise[a], noise[b])


@compiled()
def precedes(cost: float, a: int, b: int, costs: Array, pairs: Array, n: int) -> Any:
    """Whether a cost of joining regions a and b comes before entry n of a heap: by cost, then by the regions."""
    if cost != costs[n]:
        return cost < costs[n]
    return a < pairs[n, 0] or (a == pairs[n, 0] and b < pairs[n, 1])


@compiled()
def move_entry(costs: Array, pairs: Array, m: int, n: int) -> None:
    """Copy entry m of a heap to place n."""
    costs[n], pairs[n, 0], pairs[n, 1], pairs[n, 2] = costs[m], pairs[m, 0], pairs[m, 1], pairs[m, 2]


@compiled()
def push_entry(costs: Array, pairs: Array, n: int, cost: float, a: int, b: int, time: int, top: int = 0) -> None:
    """Put an entry into the gap n of a heap, costs (n,) and pairs (n, 3) of regions, the lower first, and times.

    It rises as far as it comes before others, not above `top`. The gap may be the place after the last entry.
    """
    low, high = min(a, b), max(a, b)
    while n > top and precedes(cost, low, high, costs, pairs, (n - 1) // 2):
        move_entry(costs, pairs, (n - 1) // 2, n)
        n = (n - 1) // 2
    costs[n], pairs[n, 0], pairs[n, 1], pairs[n, 2] = cost, low, high, time


@compiled()
def sink_entry(costs: Array, pairs: Array, m: int, n: int, size: int) -> None:
    """Put what entry m is into place n of a heap of size entries, or below, where it belongs.

    The gap goes down to the end first, where it mostly belongs (I. Wegener, doi 10.1016/0304-3975(93)90364-Y).
    """
    cost, a, b, time, top = costs[m], pairs[m, 0], pairs[m, 1], pairs[m, 2], n
    while 2 * n + 1 < size:
        child = 2 * n + 1
        if child + 1 < size and precedes(
            costs[child + 1], pairs[child + 1, 0], pairs[child + 1, 1], costs, pairs, child
        ):
            child += 1
        move_entry(costs, pairs, child, n)
        n = child
    push_entry(costs, pairs, n, cost, a, b, time, top)


@compiled()
def drop_first(costs: Array, pairs: Array, size: int) -> None:
    """Take the first entry out of a heap of size entries."""
    sink_entry(costs, pairs, size - 1, 0, size - 1)


@compiled()
def drop_changed(costs: Array, pairs: Array, size: int, changed: Array) -> int:
    """Take all entries out of a heap whose regions changed (n,) after their time; return how many are left."""
    left = 0
    for n in range(size):
        if max(changed[pairs[n, 0]], changed[pairs[n, 1]]) <= pairs[n, 2]:
            move_entry(costs, pairs, n, left)
            left += 1
    for n in range(left // 2 - 1, -1, -1):
        sink_entry(costs, pairs, n, n, left)
    return left


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
    are the regions that were joined, the lower number stays, and costs (n - 1,) what that cost. Neighbours stand in
    linked lists, which are put together and rid of those that became one. The heap has at most one valid entry per pair
    of neighbours, and room for an eighth more.
    """
    regions, edges = counts.size, len(pairs)
    target, following = pairs.ravel(), np.full(2 * edges, -1, np.int32)
    head, tail = np.full(regions, -1, np.int32), np.full(regions, -1, np.int32)
    room = edges + edges // 8 + 8
    keys, heap, size = np.empty(room), np.empty((room, 3), np.int32), 0
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
        if not are_apart(group, apart, a, b):
            push_entry(keys, heap, size, cost_of(sums, counts, noise, a, b, kind), a, b, 0)
            size += 1
    number = 0
    while size > 0:
        a, b, time, cost = heap[0, 0], heap[0, 1], heap[0, 2], keys[0]
        drop_first(keys, heap, size)
        size -= 1
        if max(changed[a], changed[b]) > time:
            continue
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
        seen[a] = number
        last, place = -1, head[a]
        while place >= 0:
            other = root_of(parent, target[place])
            if seen[other] == number:  # itself, or a second time
                if last < 0:
                    head[a] = following[place]
                else:
                    following[last] = following[place]
            else:
                seen[other], target[place], last = number, other, place
                if size == room:
                    size = drop_changed(keys, heap, size, changed)
                if not are_apart(group, apart, a, other):
                    push_entry(keys, heap, size, cost_of(sums, counts, noise, a, other, kind), a, other, number)
                    size += 1
            place = following[place]
        tail[a] = last
    return number
