"""Compiled loops of the averaging: arrays and scalars in, arrays filled.

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


@njit(cache=True, nogil=True)
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
    for n in range(patterns.shape[0]):
        k = slots[n]
        if k < 0:
            continue
        whole_y, whole_x = math.floor(moves[n, 0]), math.floor(moves[n, 1])
        part_y, part_x = moves[n, 0] - whole_y, moves[n, 1] - whole_x
        for y in range(first, last):
            top, bottom = (y + whole_y) % height, (y + whole_y + 1) % height
            for x in range(width):
                left, right = (x + whole_x) % width, (x + whole_x + 1) % width
                value, weight = 0.0, 0.0
                for u, v, share in (
                    (top, left, (1 - part_y) * (1 - part_x)),
                    (top, right, (1 - part_y) * part_x),
                    (bottom, left, part_y * (1 - part_x)),
                    (bottom, right, part_y * part_x),
                ):
                    if use[u, v]:
                        value += share * patterns[n, u, v]
                        weight += share
                sums[k, y, x] += value
                squares[k, y, x] += value * value
                exposure[k, y, x] += weight


@njit(cache=True, nogil=True)
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
