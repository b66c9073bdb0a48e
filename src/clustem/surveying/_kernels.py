"""Compiled loops of the survey: arrays and scalars in, arrays filled.

``np.float64`` and not ``float``, which in compiled code leaves float32 as it is.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.compiling import compiled
from clustem.sums import STRETCH, add_stretch, sum_and_bits, whole_moments

Array = NDArray[Any]

_NEAR_PX = 0.01  # step after which a centre counts as found
_GROUP = 8  # patterns that are summed together, while they are in the next cache


@compiled()
def add_pixel_sums(
    patterns: Array, live: Array, first: int, last: int, total: Array, squares: Array, maximum: Array
) -> None:
    """Add patterns (n, k_y, k_x) where live (n,) to total, squares, maximum (k_y, k_x).

    Only the detector rows first … last-1.
    """
    for n in range(patterns.shape[0]):
        if not live[n]:
            continue
        for y in range(first, last):
            for x in range(patterns.shape[2]):
                value = np.float64(patterns[n, y, x])
                total[y, x] += value
                squares[y, x] += value * value
                maximum[y, x] = max(maximum[y, x], value)


@compiled()
def measure_patterns(
    patterns: Array,
    first: int,
    last: int,
    use: Array,
    centre: Array,
    radius: float,
    total: Array,
    bright: Array,
    dark: Array,
    odd: Array,
) -> None:
    """Patterns (n, k_y, k_x) first … last-1 under use (k_y, k_x): sums in all, within radius, outside 1.5 radius (n,).

    odd (n,) collects bits: 1 not finite, 2 negative, 4 not whole.
    """
    inner, outer = radius * radius, 2.25 * radius * radius
    for n in range(first, last):
        everything, disk, ring, flags = 0.0, 0.0, 0.0, 0
        for y in range(patterns.shape[1]):
            dy = (y - centre[0]) * (y - centre[0])
            for x in range(patterns.shape[2]):
                value = np.float64(patterns[n, y, x])
                if not math.isfinite(value):
                    flags |= 1
                    continue
                if not use[y, x]:
                    continue
                if value < 0:
                    flags |= 2
                if value != math.floor(value):
                    flags |= 4
                distance = dy + (x - centre[1]) * (x - centre[1])
                everything += value
                if distance <= inner:
                    disk += value
                elif distance > outer:
                    ring += value
        total[n], bright[n], dark[n], odd[n] = everything, disk, ring, flags


@compiled()
def survey_whole(
    patterns: Array,
    use: Array,
    bright_runs: Array,
    near_runs: Array,
    first: int,
    last: int,
    total: Array,
    bright: Array,
    dark: Array,
    sums: Array,
    squares: Array,
    carry: Array,
    maximum: Array,
) -> None:
    """Do both for patterns (n, k) of unsigned integers, first … last-1, while each is in the cache.

    use, bright_runs and near_runs are the stretches (m, 2) of k that count, that lie in the direct beam, and within 1.5
    times its radius. sums, squares and carry (k,) uint64 and maximum (k,), of the type of the patterns, collect those
    that are not empty; what exceeds 32 bits of a square goes to carry, in units of 2³², so that all is exact.
    """
    pixels = patterns.shape[1]
    everywhere = use.shape[0] == 1 and use[0, 1] - use[0, 0] == pixels
    short = np.empty((2, STRETCH), np.int32)
    for n in range(first, last):
        whole, bits = sum_and_bits(patterns[n])
        total[n] = whole if everywhere else whole_moments(patterns[n], use, bits)[0]
        bright[n] = whole_moments(patterns[n], bright_runs, bits)[0]
        dark[n] = total[n] - whole_moments(patterns[n], near_runs, bits)[0]
        if (n + 1 - first) % _GROUP and n + 1 < last:
            continue
        start = n - (n - first) % _GROUP
        while start <= n:
            stop = start
            while stop <= n and total[stop] != 0:
                stop += 1
            for k in range(0, pixels if stop > start else 0, STRETCH):
                end = min(k + STRETCH, pixels)
                fitted = add_stretch(patterns, start, stop, k, end, short, sums, squares)
                for m in range(start, stop):
                    raise_to(maximum[k:end], patterns[m, k:end])
                    if not fitted:
                        add_large(sums[k:end], squares[k:end], carry[k:end], patterns[m, k:end])
            start = max(stop, start + 1)


@compiled()
def add_large(sums: Array, squares: Array, carry: Array, line: Array) -> None:
    """Add a line (k,) of unsigned integers to sums, the lower 32 bits of its squares to squares, the rest to carry."""
    for k in range(sums.size):
        value = np.uint64(line[k])
        square = value * value
        sums[k] += value
        squares[k] += square & np.uint64(0xFFFFFFFF)
        carry[k] += square >> np.uint64(32)


@compiled()
def raise_to(maximum: Array, line: Array) -> None:
    """Raise maximum (k,) to a line (k,) of the same type where that is higher."""
    for k in range(maximum.size):
        maximum[k] = max(maximum[k], line[k])


@compiled(fastmath={"reassoc", "contract", "nnan", "nsz"})
def edge_line(values: Array, use: Array, dy: float, dx: float, disk: Array) -> tuple[float, float, float, float, float]:
    """Part of edge_balance of a line (n,) at dy whose first pixel is at dx from the centre of disk.

    The sum; sum and first moment along the line, of the edge and of the 3 px inside of it. disk is (radius, 1 / width
    of the edge, squared radius at which it begins, squared radius at which the 3 px begin).
    """
    radius, sharpness, inner, core = disk[0], disk[1], disk[2], disk[3]
    whole, edge, edge_x, moment, moment_x = 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(values.size):
        value = np.float64(values[k]) * use[k]
        x = dx + k
        square = dy * dy + x * x
        distance = math.sqrt(square)
        weight = max(0.0, 1.0 - abs(distance - radius) * sharpness) / max(distance, 1e-9)
        weighted = value * weight if square >= inner else 0.0
        within = value if core <= square < inner else 0.0
        whole += value
        edge += weighted
        edge_x += weighted * x
        moment += within
        moment_x += within * x
    return whole, edge, edge_x, moment, moment_x


@compiled()
def edge_balance(
    pattern: Array, use: Array, cy: float, cx: float, radius: float, width: float, lean: float
) -> tuple[float, float, float]:
    """Imbalance (y, x) of the edge of a disk in a pattern (k_y, k_x), radius ± width about (cy, cx), and its sum.

    The moment of the edge, less lean times the moment of the 3 px inside of it: zero where the edge is at half of the
    intensity beside it, on every side, although one side of the disk may be brighter.
    """
    reach, inner = radius + width, max(0.6 * radius, radius - width)
    disk = np.empty(4)
    disk[0], disk[1], disk[2], disk[3] = radius, 1.0 / width, inner * inner, max(0.0, inner - 3.0) ** 2
    edge_y, edge_x, moment_y, moment_x, inside = 0.0, 0.0, 0.0, 0.0, 0.0
    for y in range(max(0, math.ceil(cy - reach)), min(pattern.shape[0], math.floor(cy + reach) + 1)):
        dy = y - cy
        half = math.sqrt(max(0.0, reach * reach - dy * dy))
        first, last = max(0, math.ceil(cx - half)), min(pattern.shape[1], math.floor(cx + half) + 1)
        if last > first:
            whole, edge, along, within, within_along = edge_line(
                pattern[y, first:last], use[y, first:last], dy, first - cx, disk
            )
            inside += whole
            edge_y += edge * dy
            edge_x += along
            moment_y += within * dy
            moment_x += within_along
    return edge_y - lean * moment_y, edge_x - lean * moment_x, inside


@compiled(fastmath={"reassoc", "contract"})
def line_moments(values: Array, use: Array) -> tuple[float, float]:
    """Sum and first moment of values (n,) where use (n,)."""
    total, moment = 0.0, 0.0
    for x in range(values.size):
        value = np.float64(values[x]) * use[x]
        total += value
        moment += value * x
    return total, moment


@compiled()
def mass_centre(pattern: Array, use: Array, cy: float, cx: float, reach: float) -> tuple[float, float]:
    """Centre of mass of pattern (k_y, k_x) within reach of (cy, cx); (cy, cx) itself where there is nothing."""
    mass, my, mx = 0.0, 0.0, 0.0
    for y in range(max(0, math.ceil(cy - reach)), min(pattern.shape[0], math.floor(cy + reach) + 1)):
        half = math.sqrt(max(0.0, reach * reach - (y - cy) * (y - cy)))
        start, stop = max(0, math.ceil(cx - half)), min(pattern.shape[1], math.floor(cx + half) + 1)
        if stop > start:
            line, moment = line_moments(pattern[y, start:stop], use[y, start:stop])
            mass += line
            my += line * y
            mx += moment + line * start
    if not mass > 0.0:
        return cy, cx
    return my / mass, mx / mass


@compiled()
def add_aligned(patterns: Array, use: Array, centre: Array, reach: float, total: Array) -> None:
    """Add patterns (n, k_y, k_x) to total (k_y, k_x), each moved by whole px so that its beam is nearest to centre."""
    height, width = total.shape
    for n in range(patterns.shape[0]):
        cy, cx = centre[0], centre[1]
        for _ in range(3):
            cy, cx = mass_centre(patterns[n], use, cy, cx, reach)
        dy, dx = round(cy - centre[0]), round(cx - centre[1])
        for y in range(max(0, -dy), min(height, height - dy)):
            for x in range(max(0, -dx), min(width, width - dx)):
                total[y, x] += patterns[n, y + dy, x + dx]


@compiled()
def find_centre(pattern: Array, use: Array, cy: float, cx: float, disk: Array) -> tuple[float, float, float]:
    """Centre (y, x) near (cy, cx) at which the edge of a disk is balanced in a pattern (k_y, k_x), and the last step.

    disk is (radius, width, lean, slope); slope is the imbalance per px of displacement and unit of the disk's sum.
    Steps are halved whenever the direction turns, so that noise does not make it swing. The last step is infinite where
    there is nothing.
    """
    step = math.inf
    gain_y, gain_x, last_y, last_x = 1.0, 1.0, 0.0, 0.0
    for _ in range(12):
        gy, gx, inside = edge_balance(pattern, use, cy, cx, disk[0], disk[1], disk[2])
        if not inside > 0.0:
            return cy, cx, math.inf
        gain_y, gain_x = gain_y * (0.5 if gy * last_y < 0.0 else 1.0), gain_x * (0.5 if gx * last_x < 0.0 else 1.0)
        dy = min(1.0, max(-1.0, gain_y * gy / (disk[3] * inside)))
        dx = min(1.0, max(-1.0, gain_x * gx / (disk[3] * inside)))
        cy, cx, step = cy + dy, cx + dx, math.hypot(dy, dx)
        last_y, last_x = gy, gx
        if step < _NEAR_PX:
            break
    return cy, cx, step


@compiled()
def find_centres(
    patterns: Array, first: int, last: int, use: Array, centre: Array, disk: Array, centres: Array
) -> None:
    """Beam centre (n, 2) of patterns (n, k_y, k_x) first … last-1: centre of mass first, then the edge balanced."""
    radius = disk[0]
    for n in range(first, last):
        cy, cx = centre[0], centre[1]
        for _ in range(2):
            cy, cx = mass_centre(patterns[n], use, cy, cx, radius + 4.0)
        cy, cx, step = find_centre(patterns[n], use, cy, cx, disk)
        if step < 0.5 and math.hypot(cy - centre[0], cx - centre[1]) < 3.0 * radius + 6.0:
            centres[n, 0], centres[n, 1] = cy, cx
        else:
            centres[n, 0], centres[n, 1] = math.nan, math.nan
