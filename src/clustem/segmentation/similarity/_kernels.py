"""Compiled loops of the similarities: arrays and scalars in, arrays filled.

Loops run over slices from 0, which the compiler turns into vector instructions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.compiling import compiled
from clustem.sums import INT32, sum_and_bits

Array = NDArray[Any]

_SHORTEST = 64  # pixels whose products fit into 32 bits, below which they are summed in floating point


@compiled(fastmath={"reassoc", "contract"})
def whole_sums(own: Array, a: Array, b: Array, c: Array, d: Array) -> Any:
    """Sum and sum of squares of own (k,), and its products with four others, in 32 bits."""
    zero = np.int32(0)
    total, square, pa, pb, pc, pd = zero, zero, zero, zero, zero, zero
    for k in range(own.size):
        value = np.int32(own[k])
        total = np.int32(total + value)
        square = np.int32(square + np.int32(value * value))
        pa = np.int32(pa + np.int32(value * np.int32(a[k])))
        pb = np.int32(pb + np.int32(value * np.int32(b[k])))
        pc = np.int32(pc + np.int32(value * np.int32(c[k])))
        pd = np.int32(pd + np.int32(value * np.int32(d[k])))
    return total, square, pa, pb, pc, pd


@compiled(fastmath={"reassoc", "contract"})
def real_sums(own: Array, a: Array, b: Array, c: Array, d: Array) -> tuple[float, float, float, float, float, float]:
    """The same in 64-bit floating point."""
    total, square, pa, pb, pc, pd = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(own.size):
        value = np.float64(own[k])
        total += value
        square += value * value
        pa += value * np.float64(a[k])
        pb += value * np.float64(b[k])
        pc += value * np.float64(c[k])
        pd += value * np.float64(d[k])
    return total, square, pa, pb, pc, pd


@compiled()
def whole_products(
    patterns: Array, runs: Array, first: int, last: int, everything: Array, masked: Array, squares: Array, dots: Array
) -> None:
    """Sums of patterns (rows + halo, scan_x, k) of integers, for columns first … last-1 of all rows of `everything`.

    runs (m, 2) are the used stretches of k. everything is the sum over k; masked and squares the sums of values and
    squares over the runs; dots (4, rows, scan_x) the products with the neighbours (0,1), (1,-1), (1,0), (1,1), which
    are meaningless where there is none.
    """
    height, width = patterns.shape[0], patterns.shape[1]
    low, high = max(0, first - 1), min(width, last + 1)
    bits = np.zeros((2, width), np.int64)
    totals = np.zeros((2, width), np.int64)
    sums = np.empty(6)
    for x in range(low, high):
        totals[0, x], bits[0, x] = sum_and_bits(patterns[0, x])
    for y in range(everything.shape[0]):
        below = min(y + 1, height - 1)
        here, there = y % 2, below % 2
        if below > y:
            for x in range(low, high):
                totals[there, x], bits[there, x] = sum_and_bits(patterns[below, x])
        for x in range(first, last):
            left, right = max(x - 1, 0), min(x + 1, width - 1)
            everything[y, x] = totals[here, x]
            most = bits[here, x] | bits[here, right] | bits[there, left] | bits[there, x] | bits[there, right]
            own, east = patterns[y, x], patterns[y, right]
            south_west, south, south_east = patterns[below, left], patterns[below, x], patterns[below, right]
            sums[:] = 0.0
            step = INT32 // max(1, most * bits[here, x]) if most >= 0 else 0
            for r in range(runs.shape[0] if bits[here, x] else 0):
                start, stop = runs[r, 0], runs[r, 1]
                if step < _SHORTEST:
                    part = real_sums(
                        own[start:stop],
                        east[start:stop],
                        south_west[start:stop],
                        south[start:stop],
                        south_east[start:stop],
                    )
                    for n in range(6):
                        sums[n] += part[n]
                    continue
                for k in range(start, stop, step):
                    end = min(k + step, stop)
                    whole = whole_sums(own[k:end], east[k:end], south_west[k:end], south[k:end], south_east[k:end])
                    for n in range(6):
                        sums[n] += whole[n]
            masked[y, x], squares[y, x] = sums[0], sums[1]
            for n in range(4):
                dots[n, y, x] = sums[2 + n]


@compiled(fastmath={"reassoc"})
def sum_of(pattern: Array) -> float:
    """Sum of a pattern (k,) in 64-bit floating point."""
    total = 0.0
    for k in range(pattern.size):
        total += np.float64(pattern[k])
    return total


@compiled(fastmath={"contract"})
def add_eight(
    out: Array, taps: Array, a: Array, b: Array, c: Array, d: Array, e: Array, f: Array, g: Array, h: Array
) -> None:
    """Add to out (n,) four pairs of lines, each pair times one of taps (4,)."""
    t0, t1, t2, t3 = taps[0], taps[1], taps[2], taps[3]
    for x in range(out.size):
        out[x] += (t0 * (a[x] + b[x]) + t1 * (c[x] + d[x])) + (t2 * (e[x] + f[x]) + t3 * (g[x] + h[x]))


@compiled(fastmath={"contract"})
def set_eight(
    out: Array, taps: Array, mid: Array, a: Array, b: Array, c: Array, d: Array, e: Array, f: Array, g: Array, h: Array
) -> None:
    """Fill out (n,) with a line times the first of taps (5,) and four pairs of lines, each times one of the others."""
    t, t0, t1, t2, t3 = taps[0], taps[1], taps[2], taps[3], taps[4]
    for x in range(out.size):
        near = t * mid[x] + (t0 * (a[x] + b[x]) + t1 * (c[x] + d[x]))
        out[x] = near + (t2 * (e[x] + f[x]) + t3 * (g[x] + h[x]))


@compiled()
def blur_along(source: Array, taps: Array, step: int, target: Array) -> None:
    """Fill target (n,) with source (n + 2 r step,) blurred: its values at distances of steps times taps (r + 1,)."""
    number, reach = target.size, taps.size - 1
    middle = source[reach * step : reach * step + number]
    if reach == 0:
        for k in range(number):
            target[k] = taps[0] * middle[k]
    for t in range(1, reach, 4):
        near, far = (reach - t) * step, (reach + t) * step
        a, b = source[near : near + number], source[far : far + number]
        c, d = source[near - step : near - step + number], source[far + step : far + step + number]
        e, f = source[near - 2 * step : near - 2 * step + number], source[far + 2 * step : far + 2 * step + number]
        g, h = source[near - 3 * step : near - 3 * step + number], source[far + 3 * step : far + 3 * step + number]
        if t == 1:
            set_eight(target, taps[:5], middle, a, b, c, d, e, f, g, h)
        else:
            add_eight(target, taps[t : t + 4], a, b, c, d, e, f, g, h)


@compiled()
def blur_pattern(
    pattern: Array, taps: Array, rows: Array, columns: Array, first: int, last: int, scratch: Array, blurred: Array
) -> None:
    """Blur a pattern (k_y, k_x) into the rows first … last-1 of blurred (k_y, k_x) float32.

    taps (r + 1,) float32 is the middle and one half of a symmetric kernel, r a multiple of 4; rows (k_y + 2r,) and
    columns (k_x + 2r,) say which pixel stands for one beyond the border; scratch is (2, (k_y + 2r) * (k_x + 2r))
    float32. Both directions are run through the whole pattern at once, with its lines one behind the other.
    """
    width = pattern.shape[1]
    reach = taps.size - 1
    wide, height = width + 2 * reach, last - first
    tall = scratch[0, : (height + 2 * reach) * width]
    for y in range(height + 2 * reach):
        line, out = pattern[rows[first + y]], tall[y * width : (y + 1) * width]
        for x in range(width):
            out[x] = line[x]
    blur_along(tall, taps, width, scratch[1, : height * width])
    for y in range(height):
        line, out = scratch[1, y * width : (y + 1) * width], scratch[0, y * wide : (y + 1) * wide]
        out[reach : reach + width] = line
        for x in range(reach):
            out[x] = line[columns[x]]
            out[reach + width + x] = line[columns[reach + width + x]]
    number = height * wide - 2 * reach
    blur_along(scratch[0, : height * wide], taps, 1, scratch[1, :number])
    for y in range(height):
        blurred[first + y] = scratch[1, y * wide : y * wide + width]


@compiled()
def real_products(
    patterns: Array,
    taps: Array,
    rows: Array,
    columns: Array,
    runs: Array,
    first: int,
    last: int,
    everything: Array,
    masked: Array,
    squares: Array,
    dots: Array,
) -> None:
    """The same as whole_products for patterns (rows + halo, scan_x, k_y, k_x) of any type, blurred by blur_pattern."""
    height, width, k_y, k_x = patterns.shape
    low, high = max(0, first - 1), min(width, last + 1)
    ring = np.empty((2, high - low, k_y, k_x), np.float32)
    scratch = np.empty((2, rows.size * columns.size), np.float32)
    for x in range(low, high):
        blur_pattern(patterns[0, x], taps, rows, columns, 0, k_y, scratch, ring[0, x - low])
    for y in range(everything.shape[0]):
        below = min(y + 1, height - 1)
        if below > y:
            for x in range(low, high):
                blur_pattern(patterns[below, x], taps, rows, columns, 0, k_y, scratch, ring[below % 2, x - low])
        here, there = ring[y % 2], ring[below % 2]
        for x in range(first, last):
            left, right = max(x - 1, 0) - low, min(x + 1, width - 1) - low
            own, east = here[x - low].ravel(), here[right].ravel()
            south_west, south, south_east = there[left].ravel(), there[x - low].ravel(), there[right].ravel()
            add_products(own, east, south_west, south, south_east, runs, y, x, everything, masked, squares, dots)


@compiled()
def sharp_products(
    patterns: Array, runs: Array, first: int, last: int, everything: Array, masked: Array, squares: Array, dots: Array
) -> None:
    """The same as whole_products for patterns (rows + halo, scan_x, k) of any type."""
    height, width = patterns.shape[0], patterns.shape[1]
    for y in range(everything.shape[0]):
        below = min(y + 1, height - 1)
        for x in range(first, last):
            left, right = max(x - 1, 0), min(x + 1, width - 1)
            own, east = patterns[y, x], patterns[y, right]
            south_west, south, south_east = patterns[below, left], patterns[below, x], patterns[below, right]
            add_products(own, east, south_west, south, south_east, runs, y, x, everything, masked, squares, dots)


@compiled()
def add_products(
    own: Array,
    east: Array,
    south_west: Array,
    south: Array,
    south_east: Array,
    runs: Array,
    y: int,
    x: int,
    everything: Array,
    masked: Array,
    squares: Array,
    dots: Array,
) -> None:
    """Fill the sums of one pattern own (k,) and its four neighbours at (y, x)."""
    everything[y, x] = sum_of(own)
    sums = np.zeros(6)
    for r in range(runs.shape[0]):
        a, b = runs[r, 0], runs[r, 1]
        part = real_sums(own[a:b], east[a:b], south_west[a:b], south[a:b], south_east[a:b])
        for n in range(6):
            sums[n] += part[n]
    masked[y, x], squares[y, x] = sums[0], sums[1]
    for n in range(4):
        dots[n, y, x] = sums[2 + n]
