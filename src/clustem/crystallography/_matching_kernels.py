"""Compiled loops of sparse-correlation matching: arrays and scalars in, arrays filled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.compiling import compiled

Array = NDArray[Any]

_SPOTS = 4  # that are added at once, so that sums are written less often
_HOPELESS = 0.4  # share of the best score so far below which azimuths are not worth telling apart


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


@compiled(fastmath=True)
def largest_in(values: Array, start: int, stop: int) -> Any:
    """Return the largest of the values (n,) float32 start … stop-1, at least 0."""
    largest = np.float32(0.0)
    for j in range(start, stop):
        largest = max(largest, values[j])
    return largest


@compiled()
def place_in(values: Array, wanted: float, start: int, stop: int) -> int:
    """Return the first place in start … stop-1 where a value of (n,) is as large as wanted, −1 = none."""
    for j in range(start, stop):
        if values[j] >= wanted:
            return j
    return -1


@compiled(fastmath=True)
def correlate_zones(
    rows: Array,
    first: Array,
    shell: Array,
    column: Array,
    weight: Array,
    apart: int,
    scores: Array,
    angles: Array,
) -> None:
    """Fill scores and angles (Z, 2, 2) with the two best azimuths of every zone and of its mirror image.

    rows (S, 2A) float32 are the peaks by shell and azimuth, which do not change much from one to the next. Spots
    first[z] … first[z+1]−1 belong to zone z: their shell, column (azimuth, 0 … A−1) and weight. The score of azimuth j
    is Σ weight · rows[shell, column + j]; the mirror image has the columns reversed. The second best is at least
    `apart` columns from the best. Every second azimuth is looked at, and those next to the two best. Zones that score
    far less than one before them get 0.
    """
    turns = rows.shape[1] // 2
    half = 1 if turns % 2 == 0 else 0
    stride = 1 << half
    part = np.empty((rows.shape[0] * stride, 2 * turns // stride), np.float32)
    for s in range(rows.shape[0]):
        for j in range(2 * turns):
            part[s * stride + j % stride, j // stride] = rows[s, j]
    begin, line, factor = np.empty(_SPOTS, np.int64), np.empty(_SPOTS, np.int64), np.empty(_SPOTS, np.float32)
    number, gap = turns // stride, -(-apart // stride) + stride - 1
    total, top = np.empty(number, np.float32), np.float32(0.0)
    for z in range(first.size - 1):
        for mirror in range(2):
            total[:] = 0.0
            for i in range(first[z], first[z + 1], _SPOTS):
                some = min(_SPOTS, first[z + 1] - i)
                for k in range(_SPOTS):
                    spot = i + min(k, some - 1)
                    start = column[spot] if mirror == 0 or column[spot] == 0 else turns - column[spot]
                    begin[k], line[k] = start >> half, (shell[spot] << half) + (start & half)
                    factor[k] = weight[spot] if k < some else np.float32(0.0)
                one, two = part[line[0], begin[0] : begin[0] + number], part[line[1], begin[1] : begin[1] + number]
                three, four = part[line[2], begin[2] : begin[2] + number], part[line[3], begin[3] : begin[3] + number]
                a, b, c, d = factor[0], factor[1], factor[2], factor[3]
                for j in range(number):
                    total[j] += a * one[j] + b * two[j] + c * three[j] + d * four[j]
            highest = largest_in(total, 0, number)
            top = max(top, highest)
            if highest < _HOPELESS * top:
                scores[z, mirror, :], angles[z, mirror, :] = 0.0, 0
                continue
            best = place_in(total, highest, 0, number)
            start, stop = best + gap, best + number - gap + 1  # which may go on at 0
            edge, before, after = min(stop, number), max(start - number, 0), stop - number
            second = max(largest_in(total, start, edge), largest_in(total, before, after))
            other = place_in(total, second, start, edge)
            if other < 0:
                other = place_in(total, second, before, after)
            for n, place in enumerate((best, other)):
                angles[z, mirror, n], scores[z, mirror, n] = stride * place, total[place]
                for side in range(-1, 2, 2) if stride == 2 else range(0):
                    turn = (stride * place + side) % turns
                    value = np.float32(0.0)
                    for i in range(first[z], first[z + 1]):
                        start = column[i] if mirror == 0 or column[i] == 0 else turns - column[i]
                        value += weight[i] * rows[shell[i], start + turn]
                    if value > scores[z, mirror, n]:
                        angles[z, mirror, n], scores[z, mirror, n] = turn, value


@compiled()
def largest_trace(one: Array, other: Array, rotations: Array) -> float:
    """Return the largest trace of the misorientation of two matrices (3, 3) under rotations (r, 3, 3)."""
    relative = one.T @ other
    largest = -1.0
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
