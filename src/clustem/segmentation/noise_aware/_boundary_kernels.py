"""Compiled loops that compare neighbouring regions along their boundary: arrays and scalars in, arrays filled."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clustem.compiling import compiled
from clustem.segmentation.noise_aware._region_kernels import View

Array = NDArray[Any]

REACHES = 4  # strips of shells 1 … 2 to 1 … 5, the first is left out because the probe mixes there
FAR = 3.0  # positions from shell 1 of a region to shell 1 of the other
SHELLS = REACHES + 2  # of positions by their distance from the other region: 0.5, 1.5, … positions from the boundary
CORE, WHOLE = SHELLS, SHELLS + 1  # after the shells: positions without another region around, and all
THIN = REACHES + 1  # what is compared of regions too thin for strips and cores: all of them
_BEYOND = 43  # squared distance from which a position is in no shell


class Sums(NamedTuple):
    """Sums (2, SHELLS + 2, D) over the parts of two regions, their counts and doses (2, SHELLS + 2)."""

    sums: Array
    counts: Array
    doses: Array


@compiled()
def sides_of(labels: Array, y: int, x: int, other: int) -> tuple[bool, bool]:
    """Whether the neighbours of a position hold a third region, and hold the other."""
    own, third, touches = labels[y, x], False, False
    for u in range(max(0, y - 1), min(labels.shape[0], y + 2)):
        for v in range(max(0, x - 1), min(labels.shape[1], x + 2)):
            k = labels[u, v]
            if k == other:
                touches = True
            elif k != own and k >= 0:
                third = True
    return third, touches


@compiled()
def fall_to(labels: Array, other: int, spans: tuple[int, int, int, int], away: Array) -> None:
    """Fill away (h, w), in rows and columns of spans, with the squared distance of another region in the same column.

    Beyond SHELLS, it is any square that is beyond as well.
    """
    top, bottom, left, right = spans
    since = np.full(labels.shape[1], SHELLS + 1, np.int32)
    for y in range(max(0, top - SHELLS), bottom + 1):
        for x in range(left, right + 1):
            since[x] = 0 if labels[y, x] == other else since[x] + 1
            away[y, x] = since[x]
    since[:] = SHELLS + 1
    for y in range(min(labels.shape[0] - 1, bottom + SHELLS), top - 1, -1):
        for x in range(left, right + 1):
            since[x] = 0 if labels[y, x] == other else since[x] + 1
            if y <= bottom:
                away[y, x] = min(since[x], away[y, x]) ** 2


@compiled()
def shell_of(away: Array, y: int, first: int, last: int, x: int) -> int:
    """Shell of a position by squared distances (h, w) of another region in columns first … last, −1 = beyond."""
    best = _BEYOND
    for v in range(max(first, x - SHELLS), min(last, x + SHELLS) + 1):
        best = min(best, away[y, v] + (v - x) * (v - x))
    return int(math.sqrt(best) + 0.5) - 1 if best < _BEYOND else -1


@compiled()
def add_position(view: View, y: int, x: int, side: int, part: int, found: Sums) -> None:
    """Add a position to a part of a side."""
    found.counts[side, part] += 1.0
    found.doses[side, part] += view.noise[y, x]
    for d in range(view.values.shape[2]):
        found.sums[side, part, d] += view.values[y, x, d]


@compiled()
def sum_shells(view: View, a: int, b: int, away: Array, found: Sums, step: Array) -> None:
    """Sum values and noise of regions a and b over the shells from the second on, and nothing over other parts.

    step (2,) becomes the direction (y, x) from a to b, between the positions that touch the other. Positions beside a
    third region are in no shell. away (h, w) is overwritten.
    """
    labels, core, boxes = view.labels, view.core, view.boxes
    found.sums[:], found.counts[:], found.doses[:], step[:] = 0.0, 0.0, 0.0, 0.0
    contacts, place = np.zeros(2), np.zeros((2, 2))
    for side in range(2):
        own, other = (a, b) if side == 0 else (b, a)
        box = boxes[other]
        top, bottom = max(boxes[own, 0], box[0] - SHELLS), min(boxes[own, 1], box[1] + SHELLS)
        left, right = max(boxes[own, 2], box[2] - SHELLS), min(boxes[own, 3], box[3] + SHELLS)
        first, last = max(box[2], left - SHELLS), min(box[3], right + SHELLS)
        fall_to(labels, other, (top, bottom, first, last), away)
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                if labels[y, x] != own:
                    continue
                third, touches = (False, False) if core[y, x] else sides_of(labels, y, x, other)
                if touches:
                    contacts[side] += 1.0
                    place[side, 0] += y
                    place[side, 1] += x
                elif not third:
                    shell = shell_of(away, y, first, last, x)
                    if shell >= 0:
                        add_position(view, y, x, side, shell, found)
    if contacts[0] > 0.0 and contacts[1] > 0.0:
        for axis in range(2):
            step[axis] = place[1, axis] / contacts[1] - place[0, axis] / contacts[0]


@compiled()
def sum_wholes(view: View, a: int, b: int, found: Sums) -> None:
    """Sum the same over the cores of both regions, and over all of them."""
    labels, boxes = view.labels, view.boxes
    for side in range(2):
        own = a if side == 0 else b
        for y in range(boxes[own, 0], boxes[own, 1] + 1):
            for x in range(boxes[own, 2], boxes[own, 3] + 1):
                if labels[y, x] == own:
                    if view.core[y, x]:
                        add_position(view, y, x, side, CORE, found)
                    add_position(view, y, x, side, WHOLE, found)


@compiled(fastmath={"reassoc", "contract"})
def mean_of(total: Array, count: float, dose: float, mean: Array) -> tuple[float, float]:
    """Fill mean (D,) with that of a total over positions; return its noise variance and the energy of its signal."""
    energy = 0.0
    for d in range(mean.size):
        mean[d] = total[d] / count
        energy += mean[d] * mean[d]
    variance = dose / (count * count)
    return variance, energy - mean.size * variance


@compiled(fastmath={"reassoc", "contract"})
def step_of(one: Array, two: Array) -> float:
    """Energy of the difference of two means (D,)."""
    total = 0.0
    for d in range(one.size):
        total += (one[d] - two[d]) ** 2
    return total


@compiled()
def error_of(apart: float, variance: float, size: int) -> float:
    """Standard error of the energy of a difference of so many values, each of that variance."""
    return math.sqrt(2.0 * size) * variance + 2.0 * math.sqrt(max(apart, 0.0) * variance)


@compiled()
def change_inside(
    found: Sums, first: int, shells: tuple[int, int], least: float, one: Array, two: Array, change: Array
) -> None:
    """Fill change (4,) with how patterns change inside of both regions over the distance of their first shells, FAR.

    That is the energy of the difference between a first shell and one of those farther in, scaled by the square of the
    distance: of the one that surely changes most, as a narrow region may be as bright on both sides of a fringe. For
    the one region and the other, energy and standard error; NaN where no two shells have `least` positions, or the
    first shell of the other has fewer. one and two (D,) are overwritten.
    """
    change[:] = np.nan
    if found.counts[:, first].min() < least:
        return
    for side in range(2):
        near, _ = mean_of(found.sums[side, first], found.counts[side, first], found.doses[side, first], one)
        for deep in range(shells[0], shells[1] + 1):
            if found.counts[side, deep] < least:
                continue
            far, _ = mean_of(found.sums[side, deep], found.counts[side, deep], found.doses[side, deep], two)
            variance, scale = near + far, (FAR / (deep - first)) ** 2
            apart = step_of(one, two) - one.size * variance
            error = error_of(apart, variance, one.size)
            if not scale * (apart - error) <= change[2 * side] - change[2 * side + 1]:
                change[2 * side], change[2 * side + 1] = scale * apart, scale * error


@compiled()
def add_part(found: Sums, part: int, total: Sums) -> None:
    """Add a part of both sides to the first of a total."""
    for side in range(2):
        total.counts[side, 0] += found.counts[side, part]
        total.doses[side, 0] += found.doses[side, part]
        for d in range(found.sums.shape[2]):
            total.sums[side, 0, d] += found.sums[side, part, d]


@compiled()
def empty_sums(parts: int, size: int) -> Sums:
    """Return sums of nothing over so many parts."""
    return Sums(np.zeros((2, parts, size)), np.zeros((2, parts)), np.zeros((2, parts)))


@compiled()
def compare_pairs(
    view: View, pairs: Array, least: float, along: float, precise: float, means: Array, numbers: Array, change: Array
) -> None:
    """Compare pairs (m, 2) of regions of a window.

    Strips along the boundary are as narrow as noise allows: the first whose difference has a standard error below
    `precise` of the energy of both. Where there are fewer than `least` positions in them, the cores, or all of both
    regions, are compared. Filled are means (m, 2, D) of both sides and numbers (m, 8): what was compared (0 … 3 strips,
    4 cores, 5 all, −1 nothing), variance of both means, energy of both, energy of their difference, and (y, x) from one
    to the other. change (m, 2, 4) is that of `change_inside`, from the second shell on and from the first on, of shells
    of at least `along` positions: fewer are a corner, where the probe mixes.
    """
    size = view.values.shape[2]
    found, total = empty_sums(SHELLS + 2, size), empty_sums(1, size)
    step, mean, away = np.zeros(2), np.zeros((2, size)), np.empty(view.labels.shape, np.int32)
    for n in range(pairs.shape[0]):
        sum_shells(view, pairs[n, 0], pairs[n, 1], away, found, step)
        numbers[n, 0] = -1.0
        change_inside(found, 2, (4, 5), along, mean[0], mean[1], change[n, 0])
        change_inside(found, 1, (2, 4), along, mean[0], mean[1], change[n, 1])
        numbers[n, 6], numbers[n, 7] = step[0], step[1]
        for kind in range(REACHES + 2):
            if kind == REACHES:
                sum_wholes(view, pairs[n, 0], pairs[n, 1], found)
            if kind == 0 or kind >= REACHES:
                total.sums[:], total.counts[:], total.doses[:] = 0.0, 0.0, 0.0
            if kind == 0:
                add_part(found, 1, total)
            add_part(found, kind + 2, total)
            if total.counts.min() < least:
                continue
            variance_a, energy_a = mean_of(total.sums[0, 0], total.counts[0, 0], total.doses[0, 0], mean[0])
            variance_b, energy_b = mean_of(total.sums[1, 0], total.counts[1, 0], total.doses[1, 0], mean[1])
            variance = variance_a + variance_b
            apart = step_of(mean[0], mean[1]) - size * variance
            numbers[n, 0] = kind
            numbers[n, 1], numbers[n, 2], numbers[n, 3], numbers[n, 4] = variance_a, variance_b, energy_a, energy_b
            numbers[n, 5] = apart
            means[n] = mean
            if kind >= REACHES or error_of(apart, variance, size) < precise * max(energy_a + energy_b, 1e-300):
                break


@compiled(fastmath={"reassoc", "contract"})
def without_axes(mean: Array, axes: Array, number: int, rest: Array) -> None:
    """Fill rest (D,) with what the first of the orthogonal axes (D, k) leave of a mean (D,)."""
    rest[:] = mean
    for j in range(number):
        along = 0.0
        for d in range(mean.size):
            along += axes[d, j] * mean[d]
        for d in range(mean.size):
            rest[d] -= along * axes[d, j]


@compiled()
def take_tails_off(
    means: Array, noise: Array, axes: Array, energies: Array, span: Array, limit: Array, apart: Array, both: Array
) -> None:
    """Replace the energies of difference and sum, apart and both (m,), of pairs by those of what is not in a span.

    Pairs have means (m, 2, D), the sum of both noise variances (m,), and their span (m,) of axes (s, D, k), −1 = none,
    of which those count whose energies (s, k), the largest first, exceed a limit (m,).
    """
    size = means.shape[2]
    one, two = np.empty(size), np.empty(size)
    for m in range(means.shape[0]):
        if span[m] < 0:
            continue
        number = np.count_nonzero(energies[span[m]] > limit[m])
        without_axes(means[m, 0], axes[span[m]], number, one)
        without_axes(means[m, 1], axes[span[m]], number, two)
        expected = (size - number) * noise[m]
        apart[m] = step_of(one, two) - expected
        both[m] = max((one * one).sum() + (two * two).sum() - expected, 1e-9)
