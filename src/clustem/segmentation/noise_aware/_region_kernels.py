"""Compiled loops over the regions of a window, each by itself: arrays and scalars in, arrays filled."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clustem.compiling import compiled

Array = NDArray[Any]

UPPER = 0.674  # standard deviations of the upper quartile of normal noise


class View(NamedTuple):
    """A window: values (h, w, D) with noise (h, w), and labels (h, w) of regions 0 …, −1 = none.

    With the boxes (k, 4) of these, and whether positions are in their core (h, w).
    """

    values: Array
    noise: Array
    labels: Array
    boxes: Array
    core: Array


@compiled()
def neighbour_keys(labels: Array, owner: Array, regions: int, windows: int, keys: Array) -> int:
    """Fill keys, if there is room, with one for every two of the eight neighbours that are of two regions.

    Returns how many there are. A key is (lower region · regions + higher region) · windows + the window that owns
    (scan_y, scan_x) the upper of both or, of two in a row, the left one.
    """
    number = 0
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            a = labels[y, x]
            if a < 0:
                continue
            for dy, dx in ((0, 1), (1, -1), (1, 0), (1, 1)):
                u, v = y + dy, x + dx
                if u < labels.shape[0] and 0 <= v < labels.shape[1] and labels[u, v] >= 0 and labels[u, v] != a:
                    if number < keys.size:
                        keys[number] = (min(a, labels[u, v]) * regions + max(a, labels[u, v])) * windows + owner[y, x]
                    number += 1
    return number


@compiled()
def number_regions(labels: Array, local: Array) -> Array:
    """Fill local (h, w) with the regions of labels (h, w), numbered 0 … in their order, −1 = none; return them (k,)."""
    heads, number = np.empty(labels.size, np.int64), 0
    for y in range(labels.shape[0]):
        last = -1
        for x in range(labels.shape[1]):
            if labels[y, x] >= 0 and labels[y, x] != last:
                heads[number] = labels[y, x]
                number += 1
            last = labels[y, x]
    regions = np.unique(heads[:number])
    for y in range(labels.shape[0]):
        last, place = -1, -1
        for x in range(labels.shape[1]):
            if labels[y, x] != last:
                last = labels[y, x]
                place = np.searchsorted(regions, last) if last >= 0 else -1
            local[y, x] = place
    return regions


@compiled()
def region_boxes(labels: Array, boxes: Array) -> None:
    """Fill boxes (k, 4) with first and last row, first and last column of regions 0 … of labels (h, w), −1 = none."""
    boxes[:, 0], boxes[:, 1], boxes[:, 2], boxes[:, 3] = labels.shape[0], -1, labels.shape[1], -1
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            k = labels[y, x]
            if k >= 0:
                boxes[k, 0], boxes[k, 1] = min(boxes[k, 0], y), max(boxes[k, 1], y)
                boxes[k, 2], boxes[k, 3] = min(boxes[k, 2], x), max(boxes[k, 3], x)


@compiled()
def in_core(labels: Array, y: int, x: int) -> bool:
    """Whether all neighbours of a position are of its own region."""
    for u in range(max(0, y - 1), min(labels.shape[0], y + 2)):
        for v in range(max(0, x - 1), min(labels.shape[1], x + 2)):
            if labels[u, v] != labels[y, x]:
                return False
    return True


@compiled()
def core_positions(labels: Array, core: Array) -> None:
    """Fill core (h, w) with whether all neighbours of a position are of its own region."""
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            core[y, x] = labels[y, x] >= 0 and in_core(labels, y, x)


@compiled()
def sum_region(view: View, k: int, total: Array) -> tuple[int, float]:
    """Fill total (D,) with the sum over region k; return its number of positions and the sum of their noise."""
    values, noise, labels, boxes, _ = view
    count, dose = 0, 0.0
    total[:] = 0.0
    for y in range(boxes[k, 0], boxes[k, 1] + 1):
        for x in range(boxes[k, 2], boxes[k, 3] + 1):
            if labels[y, x] == k:
                count += 1
                dose += noise[y, x]
                for d in range(total.size):
                    total[d] += values[y, x, d]
    return count, dose


@compiled()
def region_means(view: View, regions: Array, means: Array) -> None:
    """Fill means (n, D) with those of some regions (n,)."""
    for n in range(regions.size):
        count, _ = sum_region(view, regions[n], means[n])
        means[n] /= max(count, 1)


@compiled(fastmath={"reassoc", "contract"})
def step_between(values: Array, y: int, x: int, dy: int, dx: int) -> float:
    """Squared difference of the values (h, w, D) of a position and of the one (dy, dx) from it."""
    total = 0.0
    for d in range(values.shape[2]):
        step = values[y, x, d] - values[y + dy, x + dx, d]
        total += step * step
    return total


@compiled()
def upper_quartile(size: int) -> float:
    """Standard deviations by which the upper quartile of χ² of so many values is above its mean (Wilson, Hilferty)."""
    part = 2.0 / (9.0 * size)
    return (size * (1.0 - part + UPPER * math.sqrt(part)) ** 3 - size) / math.sqrt(2.0 * size)


@compiled()
def inner_changes(view: View, k: int, found: Array, change: Array) -> None:
    """Fill change (4, 3) with how values change over two positions inside of region k.

    In the directions (0, 1), (1, 0), (1, 1), (1, −1): the upper quartile of the squared difference without noise, the
    standard error of that, and the number of pairs, both of which lie in the core. Diagonal pairs are 2√2 apart and
    count half. Quartiles are not moved by a few pairs across a boundary that is not known yet. found (h · w,) is
    overwritten.
    """
    values, noise, labels, boxes, core = view
    size, change[:] = values.shape[2], 0.0
    top, bottom, left, right = boxes[k, 0], boxes[k, 1], boxes[k, 2], boxes[k, 3]
    for j in range(4):
        dy, dx = (0, 2, 2, 2)[j], (2, 0, 2, -2)[j]
        scale = 1.0 if j < 2 else 0.5
        count, chance = 0, 0.0
        for y in range(top, bottom + 1 - dy):
            for x in range(left + max(0, -dx), right + 1 - max(0, dx)):
                u, v = y + dy, x + dx
                if labels[y, x] == k and labels[u, v] == k and core[y, x] and core[u, v]:
                    variance = np.float64(noise[y, x]) + np.float64(noise[u, v])
                    found[count] = scale * (step_between(values, y, x, dy, dx) - size * variance)
                    chance += 2.0 * size * (scale * variance) ** 2
                    count += 1
        change[j, 2] = count
        if count > 0:
            chance = math.sqrt(chance / count)
            middle = int(0.75 * (count - 1) + 0.5)
            change[j, 0] = np.partition(found[:count], middle)[middle] - upper_quartile(size) * chance
            change[j, 1] = chance / math.sqrt(count)


@compiled()
def measure_regions(view: View, asked: Array, sizes: Array, energies: Array, change: Array) -> None:
    """Fill positions sizes (k,), energies (k,) of the mean without noise and change (k, 4, 3) of the `asked` (n,)."""
    size = view.values.shape[2]
    mean, found = np.empty(size), np.empty(view.labels.size)
    for k in asked:
        count, dose = sum_region(view, k, mean)
        per, energy = max(count, 1), 0.0
        for d in range(size):
            mean[d] /= per
            energy += mean[d] * mean[d]
        sizes[k], energies[k] = count, energy - size * dose / per**2
        inner_changes(view, k, found, change[k])
