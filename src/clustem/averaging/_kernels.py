"""Compiled loops of the averaging: arrays and scalars in, arrays filled.

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

_TOGETHER = 8  # patterns that are summed together, at most, so that they stay in the cache meanwhile


@compiled()
def add_patterns(patterns: Array, slots: Array, first: int, last: int, sums: Array, squares: Array) -> None:
    """Add patterns (n, k_y, k_x) to sums and squares (K, k_y, k_x) at slots (n,), -1 = none.

    Only the detector rows first … last-1.
    """
    for n in range(patterns.shape[0]):
        k = slots[n]
        if k < 0:
            continue
        for y in range(first, last):
            for x in range(patterns.shape[2]):
                value = np.float64(patterns[n, y, x])
                sums[k, y, x] += value
                squares[k, y, x] += value * value


@compiled(fastmath={"contract"})
def blend(first: Array, second: Array, part: float, blended: Array) -> None:
    """Fill blended (n,) with (1 - part) of first and part of second (n,)."""
    rest = 1.0 - part
    for x in range(blended.size):
        blended[x] = rest * np.float64(first[x]) + part * np.float64(second[x])


@compiled()
def moved_line(image: Array, y: int, whole: Array, part: Array, line: Array, moved: Array) -> None:
    """Fill moved (k_x,) with line y of image (k_y, k_x) read at (y, x) + whole + part, periodically.

    line (k_x + 1,) is overwritten.
    """
    height, width = image.shape
    top, bottom = image[(y + whole[0]) % height], image[(y + whole[0] + 1) % height]
    start = whole[1] % width
    blend(top[start:], bottom[start:], part[0], line[: width - start])
    blend(top[:start], bottom[:start], part[0], line[width - start : width])
    line[width] = line[0]
    blend(line[:width], line[1:], part[1], moved)


@compiled()
def add_line(values: Array, sums: Array, squares: Array) -> None:
    """Add values (n,) to sums, and their squares to squares."""
    for x in range(values.size):
        value = np.float64(values[x])
        sums[x] += value
        squares[x] += value * value


@compiled()
def add_shifted(
    patterns: Array,
    slots: Array,
    moves: Array,
    use: Array,
    first: int,
    last: int,
    sums: Array,
    squares: Array,
    exposure: Array,
) -> None:
    """The same for patterns read at (y, x) + moves (n, 2), linearly between pixels and periodically.

    Only pixels of use (k_y, k_x) are read; exposure (K, k_y, k_x) collects the weight of the used pixels, so that
    sums / exposure is the mean.
    """
    height, width = patterns.shape[1], patterns.shape[2]
    everything = use.all()
    weight = use.astype(np.float64)
    line, moved = np.empty(width + 1), np.empty(width)
    masked = np.empty((1 if everything else height, width))
    whole, part = np.empty(2, np.int64), np.empty(2)
    for n in range(patterns.shape[0]):
        k = slots[n]
        if k < 0:
            continue
        for axis in range(2):
            whole[axis] = math.floor(moves[n, axis])
            part[axis] = moves[n, axis] - whole[axis]
        if not everything:
            for y in range(height):
                for x in range(width):
                    masked[y, x] = patterns[n, y, x] if use[y, x] else 0.0
        for y in range(first, last):
            if everything:
                moved_line(patterns[n], y, whole, part, line, moved)
                for x in range(width):
                    exposure[k, y, x] += 1.0
            else:
                moved_line(weight, y, whole, part, line, moved)
                for x in range(width):
                    exposure[k, y, x] += moved[x]
                moved_line(masked, y, whole, part, line, moved)
            add_line(moved, sums[k, y], squares[k, y])


@compiled()
def add_whole(
    patterns: Array,
    slots: Array,
    first: int,
    last: int,
    use: Array,
    outside: Array,
    sums: Array,
    squares: Array,
    measured: Array,
) -> None:
    """Add patterns (n, k) of integers to sums and squares (K, k) at slots (n,), -1 = none; k from first to last-1.

    Patterns that follow each other in one slot are summed together. While they are in the cache, what measure_signal
    measures is added to measured (3, n); use and outside are stretches (m, 2) of k from first to last-1.
    """
    short = np.empty((2, STRETCH), np.int32)
    n, number = 0, patterns.shape[0]
    while n < number:
        end, slot = n, slots[n]
        while end < number and end - n < _TOGETHER and slots[end] == slot:
            if use.shape[0]:
                bits = sum_and_bits(patterns[end, first:last])[1]
                measured[0, end] += whole_moments(patterns[end], use, bits)[0]
                part = whole_moments(patterns[end], outside, bits)
                measured[1, end] += part[0]
                measured[2, end] += part[1]
            end += 1
        for start in range(first, last if slot >= 0 else first, STRETCH):
            stop = min(start + STRETCH, last)
            if add_stretch(patterns, n, end, start, stop, short, sums[slot], squares[slot]):
                continue
            for m in range(n, end):
                add_line(patterns[m, start:stop], sums[slot, start:stop], squares[slot, start:stop])
        n = end


@compiled()
def measure_whole(
    patterns: Array, use: Array, outside: Array, first: int, last: int, total: Array, sums: Array, squares: Array
) -> None:
    """The same as measure_signal for patterns (n, k) of integers; use and outside are stretches (m, 2) of k."""
    for n in range(first, last):
        bits = sum_and_bits(patterns[n])[1]
        total[n] = whole_moments(patterns[n], use, bits)[0]
        sums[n], squares[n] = whole_moments(patterns[n], outside, bits)


@compiled()
def measure_signal(
    patterns: Array, use: Array, outside: Array, first: int, last: int, total: Array, sums: Array, squares: Array
) -> None:
    """Patterns (n, k_y, k_x) first … last-1: total (n,) under use; sums and squares (n,) under outside (k_y, k_x)."""
    for n in range(first, last):
        everything, part, square = 0.0, 0.0, 0.0
        for y in range(patterns.shape[1]):
            for x in range(patterns.shape[2]):
                value = np.float64(patterns[n, y, x])
                if use[y, x]:
                    everything += value
                if outside[y, x]:
                    part += value
                    square += value * value
        total[n], sums[n], squares[n] = everything, part, square


@compiled()
def sum_in_apertures(patterns: Array, places: Array, starts: Array, moves: Array, use: Array, sums: Array) -> None:
    """Fill sums (n, K) with those of patterns (n, k_y, k_x) over the pixels of K apertures, moved by moves (n, 2).

    The pixels of aperture k are places (m, 2) from starts[k] to starts[k + 1]-1; those that are not in use (k_y, k_x),
    or outside once they are moved, are left out.
    """
    for n in range(patterns.shape[0]):
        for k in range(starts.size - 1):
            total = 0.0
            for j in range(starts[k], starts[k + 1]):
                y, x = places[j, 0] + moves[n, 0], places[j, 1] + moves[n, 1]
                if 0 <= y < use.shape[0] and 0 <= x < use.shape[1] and use[y, x]:
                    total += np.float64(patterns[n, y, x])
            sums[n, k] = total
