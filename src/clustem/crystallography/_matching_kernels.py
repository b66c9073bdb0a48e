"""Compiled loops of sparse-correlation matching: arrays and scalars in, arrays filled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.compiling import compiled

Array = NDArray[Any]

_SPOTS = 4  # that are added at once, so that sums are written less often


@compiled()
def expect_spots(
    frames: Array,
    g: Array,
    strength: Array,
    wavelength: float,
    width: float,
    reach: float,
    turns: int,
    spot: Array,
    column: Array,
    weight: Array,
    number: Array,
) -> None:
    """Fill spot, column and weight (Z, most) with the strongest spots of every zone, and number (Z,) of them.

    Those of the reflections g (N, 3) whose distance from the Ewald sphere is below reach have the weight strength (N,)
    times a Gaussian of a width in this distance; the squares of a zone are made to add up to 1. Columns are azimuths,
    of which there are `turns`.
    """
    error, bright = np.empty(g.shape[0]), np.empty(g.shape[0])
    for z in range(frames.shape[0]):
        matrix = frames[z]
        for j in range(g.shape[0]):
            square = g[j, 0] * g[j, 0] + g[j, 1] * g[j, 1] + g[j, 2] * g[j, 2]
            along = matrix[2, 0] * g[j, 0] + matrix[2, 1] * g[j, 1] + matrix[2, 2] * g[j, 2]
            error[j] = along + 0.5 * wavelength * square
        near = np.flatnonzero(np.abs(error) < reach)
        for i in range(near.size):
            j = int(near[i])
            bright[j] = strength[j] * np.exp(-0.5 * (error[j] / width) ** 2)
        order = near[np.argsort(-bright[near], kind="mergesort")[: spot.shape[1]]]
        scale = 1.0 / max(np.sqrt((bright[order] ** 2).sum()), 1e-300)
        number[z] = order.size
        for i in range(order.size):
            j = int(order[i])
            x = matrix[0, 0] * g[j, 0] + matrix[0, 1] * g[j, 1] + matrix[0, 2] * g[j, 2]
            y = matrix[1, 0] * g[j, 0] + matrix[1, 1] * g[j, 1] + matrix[1, 2] * g[j, 2]
            spot[z, i], weight[z, i] = j, bright[j] * scale
            column[z, i] = int(np.rint(np.arctan2(y, x) / (2.0 * np.pi) * turns)) % turns


@compiled()
def spread_peaks(radius: Array, angle: Array, weight: Array, shells: Array, width: float, rows: Array) -> None:
    """Fill rows (S, 2A) float32, one per shell radius (S,), with peaks as Gaussians of a width, around and once more.

    radius, angle (radians) and weight are (n,). Column j stands for the angle 2πj/A; columns A … 2A−1 repeat 0 … A−1.
    """
    turns = rows.shape[1] // 2
    rows[:] = 0.0
    for s in range(shells.size):
        bin_length = 2.0 * np.pi * shells[s] / turns
        reach = int(min(3.0 * width / bin_length, turns // 2 - 1)) + 1
        for q in range(radius.size):
            across = radius[q] - shells[s]
            if abs(across) > 3.0 * width:
                continue
            place = angle[q] / (2.0 * np.pi) * turns
            nearest = int(np.floor(place + 0.5))
            for j in range(nearest - reach, nearest + reach + 1):
                along = (j - place) * bin_length
                value = weight[q] * np.exp(-0.5 * (across * across + along * along) / (width * width))
                rows[s, j % turns] += value
        rows[s, turns:] = rows[s, :turns]


@compiled()
def split_azimuths(rows: Array, parts: Array) -> None:
    """Fill parts (S · stride · length,) with rows (S, 2A): every stride-th azimuth one after the other.

    The stride is 2 if A is even, else 1; length is 2A / stride.
    """
    stride = 2 - rows.shape[1] // 2 % 2
    length = rows.shape[1] // stride
    for s in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            parts[(s * stride + j % stride) * length + j // stride] = rows[s, j]


@compiled()
def _start(column: int, mirror: int, turns: int) -> int:
    """Return the azimuth, 0 … turns−1, where a spot is looked for first."""
    return column if mirror == 0 or column == 0 else turns - column


@compiled(fastmath=True)
def _correlate(
    parts: Array,
    shell: Array,
    column: Array,
    weight: Array,
    spots: tuple[int, int],
    mirror: int,
    turns: int,
    total: Array,
    begin: Array,
    factor: Array,
) -> Any:
    """Fill total with the scores of every stride-th azimuth of one zone, whose spots are first … stop−1.

    Returns the bits of the largest. begin (4,) uint64 and factor (4,) float32 are places to work in.
    """
    first, stop = spots
    half = 1 - turns % 2
    length, number = 2 * turns >> half, turns >> half
    total[:] = 0.0
    for i in range(first, stop, _SPOTS):
        for k in range(_SPOTS):
            spot = min(i + k, stop - 1)
            start = _start(column[spot], mirror, turns)
            begin[k] = ((shell[spot] << half) + (start & half)) * length + (start >> half)
            factor[k] = weight[spot] if i + k < stop else np.float32(0.0)
        one, two, three, four = begin[0], begin[1], begin[2], begin[3]
        a, b, c, d = factor[0], factor[1], factor[2], factor[3]
        for j in range(number):
            u = np.uint64(j)  # of unsigned numbers none counts from the end, which would keep the loop from being fast
            total[j] += a * parts[one + u] + b * parts[two + u] + c * parts[three + u] + d * parts[four + u]
    return _largest(total.view(np.int32), 0, number)


@compiled()
def _largest(bits: Array, start: int, stop: int) -> Any:
    """Return the largest of bits (n,) int32 start … stop−1.

    Numbers that are not negative are in the order of their bits, and whole numbers are compared several at once.
    """
    largest = np.int32(0)
    for j in range(start, stop):
        value = bits[np.uint64(j)]
        if value > largest:
            largest = value
    return largest


@compiled()
def _place(bits: Array, wanted: int, start: int, stop: int) -> int:
    """Return the first place in start … stop−1 where bits (n,) are as large as wanted, −1 = none."""
    for j in range(start, stop):
        if bits[np.uint64(j)] >= wanted:
            return j
    return -1


@compiled()
def correlate_zones(
    parts: Array, first: Array, shell: Array, column: Array, weight: Array, turns: int, highest: Array
) -> None:
    """Fill highest (Z, 2) with the largest score of every zone and of its mirror image.

    parts are the peaks by shell and azimuth, see `split_azimuths`, which do not change much from one azimuth to the
    next. Spots first[z] … first[z+1]−1 belong to zone z: their shell, column (azimuth, 0 … A−1) and weight. The score
    of azimuth j is Σ weight · rows[shell, column + j]; the mirror image has the columns reversed.
    """
    total, bits = np.empty(turns, np.float32), highest.view(np.int32)
    begin, factor = np.empty(_SPOTS, np.uint64), np.empty(_SPOTS, np.float32)
    for z in range(first.size - 1):
        spots = first[z], first[z + 1]
        for mirror in range(2):
            bits[z, mirror] = _correlate(parts, shell, column, weight, spots, mirror, turns, total, begin, factor)


@compiled()
def find_azimuths(
    rows: Array,
    parts: Array,
    first: Array,
    shell: Array,
    column: Array,
    weight: Array,
    apart: int,
    chosen: Array,
    scores: Array,
    angles: Array,
) -> None:
    """Fill scores and angles (n, 2) with the two best azimuths of some zones.

    chosen (n,) is twice the number of each, + 1 for its mirror image. The second best is at least `apart` columns
    from the best. Every second azimuth is looked at, and those next to the two best.
    """
    turns = rows.shape[1] // 2
    stride = 2 - turns % 2
    number, gap = turns // stride, -(-apart // stride) + stride - 1
    total = np.empty(turns, np.float32)
    bits, begin, factor = total.view(np.int32), np.empty(_SPOTS, np.uint64), np.empty(_SPOTS, np.float32)
    for c in range(chosen.size):
        z, mirror = chosen[c] // 2, chosen[c] % 2
        spots = first[z], first[z + 1]
        highest = _correlate(parts, shell, column, weight, spots, mirror, turns, total, begin, factor)
        best = _place(bits, highest, 0, number)
        start, stop = best + gap, best + number - gap + 1  # which may go on at 0
        edge, before, after = min(stop, number), max(start - number, 0), stop - number
        second = max(_largest(bits, start, edge), _largest(bits, before, after))
        other = _place(bits, second, start, edge)
        if other < 0:
            other = _place(bits, second, before, after)
        for n, place in enumerate((best, other)):
            angles[c, n], scores[c, n] = stride * place, total[place]
            for side in range(-1, 2, 2) if stride == 2 else range(0):
                turn = (stride * place + side) % turns
                value = np.float32(0.0)
                for i in range(first[z], first[z + 1]):
                    value += weight[i] * rows[shell[i], _start(column[i], mirror, turns) + turn]
                if value > scores[c, n]:
                    angles[c, n], scores[c, n] = turn, value


@compiled()
def largest_trace(one: Array, other: Array, rotations: Array) -> float:
    """Return the largest trace of the misorientation of two matrices (3, 3) under rotations (r, 3, 3)."""
    relative, largest = np.zeros((3, 3)), -1.0
    for a in range(3):
        for b in range(3):
            for c in range(3):
                relative[a, b] += one[c, a] * other[c, b]
    for r in range(rotations.shape[0]):
        trace = 0.0
        for a in range(3):
            for b in range(3):
                trace += relative[a, b] * rotations[r, a, b]
        largest = max(largest, trace)
    return largest


@compiled()
def choose_distinct(matrices: Array, rotations: Array, cosine: float, chosen: Array) -> int:
    """Fill chosen with the first of the matrices (n, 3, 3), best first, that differ by more than an angle.

    Two are the same when the trace of their misorientation under the rotations (r, 3, 3) exceeds `cosine`, that is
    1 + 2 cos(angle). Returns how many were chosen, at most chosen.size.
    """
    number = 0
    for i in range(matrices.shape[0]):
        new = True
        for c in range(number):
            new = new and largest_trace(matrices[chosen[c]], matrices[i], rotations) <= cosine
        if new:
            chosen[number] = i
            number += 1
            if number == chosen.size:
                break
    return number
