"""Compiled sums that several rooms need: arrays and scalars in, numbers out.

Integers of at most 32 bits are summed exactly, in 32 bits as far as they cannot overflow. How large they are is told by
their bits: all of them combined by OR are not less than the largest, less than twice as much, and below 0 if one is
negative or has 32 bits. Loops run over slices from 0, which the compiler turns into vector instructions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.compiling import compiled

Array = NDArray[Any]

INT32 = 2**31 - 1
STRETCH = 1024


@compiled()
def fits(bits: int, number: int) -> bool:
    """Whether the squares of `number` values with these bits can be summed in 32 bits."""
    return bits >= 0 and (bits == 0 or bits * bits <= INT32 // number)


@compiled()
def sum_and_bits(pattern: Array) -> Any:
    """Sum and bits of a pattern (k,) of integers."""
    total, bits = np.int64(0), np.int32(0)
    for start in range(0, pattern.size, 32768):
        part = pattern[start : start + 32768]
        short, own = np.int32(0), np.int32(0)
        for k in range(part.size):
            value = np.int32(part[k])
            short = np.int32(short + value)
            own = np.int32(own | value)
        bits = np.int32(bits | own)
        if 0 <= own < 65536:
            total += short
        else:
            for k in range(part.size):
                total += np.int64(part[k])
    return total, np.int64(bits)


@compiled()
def short_moments(part: Array) -> Any:
    """Sum and sum of squares of integers (k,), in 32 bits."""
    total, square = np.int32(0), np.int32(0)
    for k in range(part.size):
        value = np.int32(part[k])
        total = np.int32(total + value)
        square = np.int32(square + np.int32(value * value))
    return total, square


@compiled()
def whole_moments(pattern: Array, runs: Array, bits: int) -> tuple[float, float]:
    """Sum and sum of squares of a pattern (k,) of integers with these bits over its stretches runs (m, 2)."""
    total, square = 0.0, 0.0
    if bits == 0:
        return total, square
    step = INT32 // (bits * bits) if fits(bits, 1) else 0
    for r in range(runs.shape[0]):
        start, stop = runs[r, 0], runs[r, 1]
        if step == 0:
            for k in range(start, stop):
                value = np.float64(pattern[k])
                total += value
                square += value * value
            continue
        for k in range(start, stop, step):
            part = short_moments(pattern[k : min(k + step, stop)])
            total += part[0]
            square += part[1]
    return total, square


@compiled()
def bits_of(line: Array) -> Any:
    """Bits of a line (k,) of integers."""
    bits = np.int32(0)
    for k in range(line.size):
        bits = np.int32(bits | np.int32(line[k]))
    return np.int64(bits)


@compiled()
def add_four(sums: Array, a: Array, b: Array, c: Array, d: Array) -> None:
    """Add four lines (k,) of integers to sums (k,) int32."""
    for k in range(sums.size):
        sums[k] += np.int32(np.int32(a[k]) + np.int32(b[k])) + np.int32(np.int32(c[k]) + np.int32(d[k]))


@compiled()
def add_four_squares(squares: Array, a: Array, b: Array, c: Array, d: Array) -> None:
    """Add the squares of four lines (k,) of integers to squares (k,) int32."""
    for k in range(squares.size):
        va, vb, vc, vd = np.int32(a[k]), np.int32(b[k]), np.int32(c[k]), np.int32(d[k])
        near, far = np.int32(va * va) + np.int32(vb * vb), np.int32(vc * vc) + np.int32(vd * vd)
        squares[k] += np.int32(near) + np.int32(far)


@compiled()
def add_short(sums: Array, squares: Array, line: Array) -> None:
    """Add a line (k,) of integers to sums (k,) int32, and its squares to squares."""
    for k in range(sums.size):
        sums[k] += np.int32(line[k])
    for k in range(sums.size):
        value = np.int32(line[k])
        squares[k] += np.int32(value * value)


@compiled()
def add_stretch(
    patterns: Array, first: int, last: int, start: int, stop: int, short: Array, sums: Array, squares: Array
) -> Any:
    """Add patterns (n, k) of integers first … last-1 and their squares to sums and squares (k,), k from start to stop.

    At most STRETCH, by way of short (2, STRETCH) int32. If they do not fit into that, nothing is added, and it returns
    False.
    """
    bits = np.int64(0)
    for n in range(first, last):
        bits |= bits_of(patterns[n, start:stop])
    if bits == 0 or not fits(bits, last - first):
        return bits == 0
    few_sums, few_squares = short[0, : stop - start], short[1, : stop - start]
    few_sums[:] = 0
    few_squares[:] = 0
    fours = first + (last - first) // 4 * 4
    for n in range(first, fours, 4):
        a, b = patterns[n, start:stop], patterns[n + 1, start:stop]
        c, d = patterns[n + 2, start:stop], patterns[n + 3, start:stop]
        add_four(few_sums, a, b, c, d)
        add_four_squares(few_squares, a, b, c, d)
    for n in range(fours, last):
        add_short(few_sums, few_squares, patterns[n, start:stop])
    all_sums, all_squares = sums[start:stop], squares[start:stop]
    for k in range(few_sums.size):
        all_sums[k] += few_sums[k]
    for k in range(few_sums.size):
        all_squares[k] += few_squares[k]
    return True
