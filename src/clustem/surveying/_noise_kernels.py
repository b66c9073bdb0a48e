"""Compiled loops of the noise model: arrays and scalars in, arrays filled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.compiling import compiled

Array = NDArray[Any]


@compiled()
def pair_moments(pairs: Array, group: Array, first: int, last: int, moments: Array) -> None:
    """Fill moments (n, groups, 8) of pairs (n, 2, k_y, k_x) first … last-1, over the pixels of each group.

    They are the sum of both patterns, the squared difference, and the products of the difference with that at the
    neighbours (0,1), (1,-1), (1,0), (1,1), (0,2), (2,0). group (k_y, k_x) is -1 where a pixel is not used.
    """
    height, width = group.shape
    lines = np.empty((3, width))
    for n in range(first, last):
        moments[n] = 0.0
        for y in range(min(2, height)):
            subtract_lines(pairs[n, 0, y], pairs[n, 1, y], lines[y])
        for y in range(height):
            if y + 2 < height:
                subtract_lines(pairs[n, 0, y + 2], pairs[n, 1, y + 2], lines[(y + 2) % 3])
            here = lines[y % 3]
            for x in range(width):
                g, value = group[y, x], here[x]
                total = np.float64(pairs[n, 0, y, x]) + np.float64(pairs[n, 1, y, x])
                if g < 0 or (total == 0.0 and value == 0.0):
                    continue
                moments[n, g, 0] += total
                if value == 0.0:
                    continue
                moments[n, g, 1] += value * value
                if x + 1 < width and group[y, x + 1] >= 0:
                    moments[n, g, 2] += value * here[x + 1]
                if x + 2 < width and group[y, x + 2] >= 0:
                    moments[n, g, 6] += value * here[x + 2]
                if y + 1 < height:
                    below = lines[(y + 1) % 3]
                    if x > 0 and group[y + 1, x - 1] >= 0:
                        moments[n, g, 3] += value * below[x - 1]
                    if group[y + 1, x] >= 0:
                        moments[n, g, 4] += value * below[x]
                    if x + 1 < width and group[y + 1, x + 1] >= 0:
                        moments[n, g, 5] += value * below[x + 1]
                if y + 2 < height and group[y + 2, x] >= 0:
                    moments[n, g, 7] += value * lines[(y + 2) % 3, x]


@compiled()
def subtract_lines(a: Array, b: Array, target: Array) -> None:
    """Fill target (n,) float64 with a (n,) less b (n,)."""
    for x in range(target.size):
        target[x] = np.float64(a[x]) - np.float64(b[x])
