"""Compiled loops of filtered patterns: arrays in, arrays filled or changed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.compiling import compiled

Array = NDArray[Any]


@compiled()
def weighted_differences(
    one: Array, other: Array, weight: Array, other_weight: Array, pixels: Array, out: Array
) -> None:
    """Fill out (n, p) with one · weight − other · other_weight at p of the pixels of one and the other (n, k)."""
    for n in range(len(out)):
        for i in range(pixels.size):
            place = np.uint64(pixels[i])
            out[n, i] = one[n, place] * weight[i] - other[n, place] * other_weight[i]


@compiled()
def take_off(values: Array, amounts: Array, places: Array) -> None:
    """Take amounts (n, m) off values (n, p), place by place from that of the m that places (p,) says."""
    for n in range(len(values)):
        for i in range(places.size):
            values[n, i] -= amounts[n, np.uint64(places[i])]
