"""Compiled loops that compare neighbouring regions along their boundary: arrays and scalars in, arrays filled."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.compiling import compiled

Array = NDArray[Any]

SHELLS = 6  # of positions by their distance from the other region: 0.5, 1.5, … positions from the boundary
CORE, WHOLE = SHELLS, SHELLS + 1  # after the shells: positions without another region around, and all
UPPER = 0.674  # standard deviations of the upper quartile of normal noise
REACHES = 4  # strips of shells 1 … 2 to 1 … 5, the first is left out because the probe mixes there
THIN = REACHES + 1  # what is compared of regions too thin for strips and cores: all of them


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
def around_position(labels: Array, y: int, x: int, other: int) -> tuple[bool, bool, bool]:
    """Whether the neighbours of a position are all of its own region, hold a third one, and hold the other."""
    own, core, third, touches = labels[y, x], True, False, False
    for u in range(max(0, y - 1), min(labels.shape[0], y + 2)):
        for v in range(max(0, x - 1), min(labels.shape[1], x + 2)):
            k = labels[u, v]
            if k != own:
                core = False
                if k == other:
                    touches = True
                elif k >= 0:
                    third = True
    return core, third, touches


@compiled()
def shell_of(labels: Array, y: int, x: int, other: int) -> int:
    """Shell of a position by its distance from the other region, −1 = beyond."""
    best = (SHELLS + 1) ** 2
    for u in range(max(0, y - SHELLS), min(labels.shape[0], y + SHELLS + 1)):
        for v in range(max(0, x - SHELLS), min(labels.shape[1], x + SHELLS + 1)):
            if labels[u, v] == other:
                best = min(best, (u - y) * (u - y) + (v - x) * (v - x))
    shell = int(math.sqrt(best) + 0.5) - 1
    return shell if shell < SHELLS else -1


@compiled()
def add_position(
    values: Array, noise: Array, y: int, x: int, part: int, sums: Array, counts: Array, doses: Array
) -> None:
    """Add a position to a part of sums (parts, D), counts and doses (parts,)."""
    counts[part] += 1.0
    doses[part] += noise[y, x]
    for d in range(values.shape[2]):
        sums[part, d] += values[y, x, d]


@compiled()
def sum_shells(
    values: Array,
    noise: Array,
    labels: Array,
    boxes: Array,
    a: int,
    b: int,
    sums: Array,
    counts: Array,
    doses: Array,
    step: Array,
) -> None:
    """Sum values (h, w, D) and noise (h, w) of regions a and b over the shells.

    sums (2, shells + 2, D), counts and doses (2, shells + 2) are of a and of b; step (2,) is the direction (y, x) from
    a to b, between the positions that touch the other. Positions beside a third region are in no shell.
    """
    sums[:], counts[:], doses[:], step[:] = 0.0, 0.0, 0.0, 0.0
    contacts, place = np.zeros(2), np.zeros((2, 2))
    for side in range(2):
        own, other = (a, b) if side == 0 else (b, a)
        for y in range(max(boxes[own, 0], boxes[other, 0] - SHELLS), min(boxes[own, 1], boxes[other, 1] + SHELLS) + 1):
            for x in range(
                max(boxes[own, 2], boxes[other, 2] - SHELLS), min(boxes[own, 3], boxes[other, 3] + SHELLS) + 1
            ):
                if labels[y, x] != own:
                    continue
                _, third, touches = around_position(labels, y, x, other)
                if touches:
                    contacts[side] += 1.0
                    place[side, 0] += y
                    place[side, 1] += x
                shell = -1 if third else shell_of(labels, y, x, other)
                if shell >= 0:
                    add_position(values, noise, y, x, shell, sums[side], counts[side], doses[side])
    if contacts[0] > 0.0 and contacts[1] > 0.0:
        for axis in range(2):
            step[axis] = place[1, axis] / contacts[1] - place[0, axis] / contacts[0]


@compiled()
def sum_wholes(
    values: Array,
    noise: Array,
    labels: Array,
    boxes: Array,
    a: int,
    b: int,
    sums: Array,
    counts: Array,
    doses: Array,
) -> None:
    """Sum the same over the cores of both regions, and over all of them."""
    for side in range(2):
        own = a if side == 0 else b
        for y in range(boxes[own, 0], boxes[own, 1] + 1):
            for x in range(boxes[own, 2], boxes[own, 3] + 1):
                if labels[y, x] != own:
                    continue
                if around_position(labels, y, x, -2)[0]:
                    add_position(values, noise, y, x, CORE, sums[side], counts[side], doses[side])
                add_position(values, noise, y, x, WHOLE, sums[side], counts[side], doses[side])


@compiled()
def mean_of(
    sums: Array, counts: Array, doses: Array, side: int, first: int, last: int, mean: Array
) -> tuple[float, float]:
    """Fill mean (D,) with that of parts first … last; return its noise variance and the energy of its signal."""
    count, dose = 0.0, 0.0
    mean[:] = 0.0
    for part in range(first, last + 1):
        count += counts[side, part]
        dose += doses[side, part]
        for d in range(mean.size):
            mean[d] += sums[side, part, d]
    energy = 0.0
    for d in range(mean.size):
        mean[d] /= count
        energy += mean[d] * mean[d]
    variance = dose / (count * count)
    return variance, energy - mean.size * variance


@compiled()
def compare_pairs(
    values: Array,
    noise: Array,
    labels: Array,
    boxes: Array,
    pairs: Array,
    least: float,
    precise: float,
    means: Array,
    numbers: Array,
) -> None:
    """Compare pairs (m, 2) of regions 0 … of labels (h, w), by values (h, w, D) with noise (h, w).

    Strips along the boundary are as narrow as noise allows: the first whose difference has a standard error below
    `precise` of the energy of both. Where there are fewer than `least` positions in them, the cores, or all of both
    regions, are compared. Filled are means (m, 2, D) of both sides and numbers (m, 8): what was compared (0 … 3 strips,
    4 cores, 5 all, −1 nothing), variance of both means, energy of both, energy of their difference, and (y, x) from one
    to the other.
    """
    size = values.shape[2]
    sums = np.zeros((2, SHELLS + 2, size))
    counts, doses = np.zeros((2, SHELLS + 2)), np.zeros((2, SHELLS + 2))
    step, mean = np.zeros(2), np.zeros((2, size))
    for n in range(pairs.shape[0]):
        sum_shells(values, noise, labels, boxes, pairs[n, 0], pairs[n, 1], sums, counts, doses, step)
        numbers[n, 0] = -1.0
        numbers[n, 6], numbers[n, 7] = step[0], step[1]
        for kind in range(REACHES + 2):
            first, last = 1, 2 + kind
            if kind >= REACHES:
                first = last = SHELLS + kind - REACHES
            if kind == REACHES:
                sum_wholes(values, noise, labels, boxes, pairs[n, 0], pairs[n, 1], sums, counts, doses)
            enough = True
            for side in range(2):
                total = 0.0
                for part in range(first, last + 1):
                    total += counts[side, part]
                enough = enough and total >= least
            if not enough:
                continue
            variance_a, energy_a = mean_of(sums, counts, doses, 0, first, last, mean[0])
            variance_b, energy_b = mean_of(sums, counts, doses, 1, first, last, mean[1])
            variance = variance_a + variance_b
            apart = -size * variance
            for d in range(size):
                apart += (mean[0, d] - mean[1, d]) ** 2
            numbers[n, 0] = kind
            numbers[n, 1], numbers[n, 2], numbers[n, 3], numbers[n, 4] = variance_a, variance_b, energy_a, energy_b
            numbers[n, 5] = apart
            for side in range(2):
                for d in range(size):
                    means[n, side, d] = mean[side, d]
            error = math.sqrt(2.0 * size) * variance + 2.0 * math.sqrt(max(apart, 0.0) * variance)
            if kind >= REACHES or error < precise * max(energy_a + energy_b, 1e-300):
                break


@compiled()
def step_between(values: Array, y: int, x: int, dy: int, dx: int) -> float:
    """Squared difference of the values (h, w, D) of a position and of the one (dy, dx) from it."""
    total = 0.0
    for d in range(values.shape[2]):
        step = values[y, x, d] - values[y + dy, x + dx, d]
        total += step * step
    return total


@compiled()
def inner_changes(values: Array, noise: Array, labels: Array, core: Array, change: Array) -> None:
    """Fill change (k, 4, 3) with how values (h, w, D) change over two positions inside of regions 0 … of labels (h, w).

    In the directions (0, 1), (1, 0), (1, 1), (1, −1): the upper quartile of the squared difference without noise, the
    standard error of that, and the number of pairs, both of which lie in the core (h, w) bool. Diagonal pairs are 2√2
    apart and count half. Quartiles are not moved by a few pairs across a boundary that is not known yet.
    """
    change[:] = 0.0
    height, width, size = values.shape
    for j in range(4):
        dy, dx = (0, 2, 2, 2)[j], (2, 0, 2, -2)[j]
        scale = 1.0 if j < 2 else 0.5
        starts = np.zeros(change.shape[0] + 1, np.int64)
        for y in range(height - dy):
            for x in range(max(0, -dx), width - max(0, dx)):
                if core[y, x] and core[y + dy, x + dx] and labels[y + dy, x + dx] == labels[y, x]:
                    starts[labels[y, x] + 1] += 1
        for k in range(change.shape[0]):
            starts[k + 1] += starts[k]
        found, place = np.empty(starts[-1]), starts[:-1].copy()
        for y in range(height - dy):
            for x in range(max(0, -dx), width - max(0, dx)):
                k = labels[y, x]
                if not (core[y, x] and core[y + dy, x + dx] and labels[y + dy, x + dx] == k):
                    continue
                variance = np.float64(noise[y, x]) + np.float64(noise[y + dy, x + dx])
                found[place[k]] = scale * (step_between(values, y, x, dy, dx) - size * variance)
                place[k] += 1
                change[k, j, 1] += 2.0 * size * (scale * variance) ** 2
        for k in range(change.shape[0]):
            count = starts[k + 1] - starts[k]
            change[k, j, 2] = count
            if count > 0:
                here = np.sort(found[starts[k] : starts[k + 1]])
                chance = math.sqrt(change[k, j, 1] / count)
                change[k, j, 0] = here[int(0.75 * (count - 1) + 0.5)] - UPPER * chance
                change[k, j, 1] = chance / math.sqrt(count)


@compiled()
def core_positions(labels: Array, core: Array) -> None:
    """Fill core (h, w) with whether all neighbours of a position are of its own region."""
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            core[y, x] = labels[y, x] >= 0 and around_position(labels, y, x, -2)[0]


@compiled(fastmath={"reassoc", "contract"})
def reflections_of(mean: Array, back: Array, ring: Array, rings: Array, sizes: Array, shown: Array) -> float:
    """Fill shown (P,) with the square root of what of a mean (D,) is positive on pixels, less its mean on every ring.

    back (P, D) and ring (P,) are of a basis; rings (R,) is overwritten, sizes (R,) are pixels on rings. Returns the sum
    of squares. The square root makes the sum of squares that of intensities, so that few strong reflections do not
    decide alone.
    """
    rings[:] = 0.0
    for p in range(back.shape[0]):
        value = 0.0
        for d in range(back.shape[1]):
            value += back[p, d] * mean[d]
        shown[p] = math.sqrt(value) if value > 0.0 else 0.0
        rings[ring[p]] += shown[p]
    energy = 0.0
    for p in range(back.shape[0]):
        shown[p] -= rings[ring[p]] / sizes[ring[p]]
        energy += shown[p] * shown[p]
    return energy


@compiled(fastmath={"reassoc", "contract"})
def shared_part(one: Array, two: Array, energy: float) -> float:
    """Cosine of two patterns (P,) with so large a product of their energies."""
    total = 0.0
    for p in range(one.size):
        total += one[p] * two[p]
    return total / math.sqrt(energy) if energy > 0.0 else 0.0


@compiled()
def shared_reflections(
    means: Array, variances: Array, back: Array, ring: Array, draw: Array, clear: float, shared: Array
) -> None:
    """Fill shared (m,) with what the reflections of both means (m, 2, D), of noise variances (m, 2), have in common.

    That is the cosine of the square roots of what stands out of both patterns, over what noise leaves of it: a mean
    with noise added and with noise taken away, draw (D,), are like two measurements of twice the variance
    (Spearman and Brown). Where the noise is less than `clear` of the energy, it is left out.
    """
    pixels, size = back.shape
    sizes = np.zeros(ring.max() + 1)
    for p in range(pixels):
        sizes[ring[p]] += 1.0
    rings = np.zeros(sizes.size)
    first, second, plus, minus = np.zeros(pixels), np.zeros(pixels), np.zeros(pixels), np.zeros(pixels)
    moved = np.zeros(size)
    for m in range(means.shape[0]):
        energy = reflections_of(means[m, 0], back, ring, rings, sizes, first)
        energy *= reflections_of(means[m, 1], back, ring, rings, sizes, second)
        found = shared_part(first, second, energy)
        reliability = 1.0
        for side in range(2):
            whole = 0.0
            for d in range(size):
                whole += means[m, side, d] ** 2
            if variances[m, side] * size < clear * whole:
                continue
            spread = math.sqrt(variances[m, side])
            for d in range(size):
                moved[d] = means[m, side, d] + spread * draw[d]
            energy = reflections_of(moved, back, ring, rings, sizes, plus)
            for d in range(size):
                moved[d] = means[m, side, d] - spread * draw[d]
            energy *= reflections_of(moved, back, ring, rings, sizes, minus)
            half = max(shared_part(plus, minus, energy), 0.05)
            reliability *= 2.0 * half / (1.0 + half)
        shared[m] = found / math.sqrt(reliability)
