"""Compiled loops of the survey: arrays and scalars in, arrays filled.

``np.float64`` and not ``float``, which in compiled code leaves float32 as it is.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[Any]


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
def edge_balance(
    pattern: Array, use: Array, cy: float, cx: float, radius: float, width: float, lean: float
) -> tuple[float, float, float]:
    """Imbalance (y, x) of the edge of a disk in a pattern (k_y, k_x), radius ± width about (cy, cx), and its sum.

    The moment of the edge, less lean times the moment of the 3 px inside of it: zero where the edge is at half of the
    intensity beside it, on every side, although one side of the disk may be brighter.
    """
    reach, inner = radius + width, max(0.6 * radius, radius - width)
    core = max(0.0, inner - 3.0)
    edge_y, edge_x, moment_y, moment_x, inside = 0.0, 0.0, 0.0, 0.0, 0.0
    for y in range(max(0, math.ceil(cy - reach)), min(pattern.shape[0], math.floor(cy + reach) + 1)):
        dy = y - cy
        half = math.sqrt(max(0.0, reach * reach - dy * dy))
        for x in range(max(0, math.ceil(cx - half)), min(pattern.shape[1], math.floor(cx + half) + 1)):
            value = np.float64(pattern[y, x])
            if value == 0.0 or not use[y, x]:
                continue
            dx = x - cx
            inside += value
            square = dy * dy + dx * dx
            if square < inner * inner:
                if square >= core * core:
                    moment_y += value * dy
                    moment_x += value * dx
            else:
                distance = math.sqrt(square)
                weight = max(0.0, 1.0 - abs(distance - radius) / width) / max(distance, 1e-9)
                edge_y += value * weight * dy
                edge_x += value * weight * dx
    return edge_y - lean * moment_y, edge_x - lean * moment_x, inside


@njit(cache=True, nogil=True)
def mass_centre(pattern: Array, use: Array, cy: float, cx: float, reach: float) -> tuple[float, float]:
    """Centre of mass of pattern (k_y, k_x) within reach of (cy, cx); (cy, cx) itself where there is nothing."""
    mass, my, mx = 0.0, 0.0, 0.0
    for y in range(max(0, math.ceil(cy - reach)), min(pattern.shape[0], math.floor(cy + reach) + 1)):
        half = math.sqrt(max(0.0, reach * reach - (y - cy) * (y - cy)))
        row = 0.0
        for x in range(max(0, math.ceil(cx - half)), min(pattern.shape[1], math.floor(cx + half) + 1)):
            value = np.float64(pattern[y, x]) if use[y, x] else 0.0
            row += value
            mx += value * x
        mass += row
        my += row * y
    if not mass > 0.0:
        return cy, cx
    return my / mass, mx / mass


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
def find_centre(pattern: Array, use: Array, cy: float, cx: float, disk: Array) -> tuple[float, float, float]:
    """Centre (y, x) near (cy, cx) at which the edge of a disk is balanced in a pattern (k_y, k_x), and the last step.

    disk is (radius, width, lean, slope); slope is the imbalance per px of displacement and unit of the disk's sum. The
    last step is infinite where there is nothing.
    """
    step = math.inf
    for _ in range(12):
        gy, gx, inside = edge_balance(pattern, use, cy, cx, disk[0], disk[1], disk[2])
        if not inside > 0.0:
            return cy, cx, math.inf
        dy = min(1.0, max(-1.0, gy / (disk[3] * inside)))
        dx = min(1.0, max(-1.0, gx / (disk[3] * inside)))
        cy, cx, step = cy + dy, cx + dx, math.hypot(dy, dx)
        if step < 0.01:
            break
    return cy, cx, step


@njit(cache=True, nogil=True)
def find_centres(
    patterns: Array, first: int, last: int, use: Array, centre: Array, disk: Array, centres: Array
) -> None:
    """Beam centre (n, 2) of patterns (n, k_y, k_x) first … last-1: centre of mass first, then the edge balanced."""
    radius = disk[0]
    for n in range(first, last):
        cy, cx = centre[0], centre[1]
        for _ in range(3):
            cy, cx = mass_centre(patterns[n], use, cy, cx, radius + 4.0)
        cy, cx, step = find_centre(patterns[n], use, cy, cx, disk)
        if step < 0.5 and math.hypot(cy - centre[0], cx - centre[1]) < 3.0 * radius + 6.0:
            centres[n, 0], centres[n, 1] = cy, cx
        else:
            centres[n, 0], centres[n, 1] = math.nan, math.nan
