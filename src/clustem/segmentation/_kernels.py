"""Compiled loops of the segmentation: arrays and scalars in, arrays filled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[Any]


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def neighbour_products(
    patterns: Array,
    runs: Array,
    zero: Any,
    first: int,
    last: int,
    everything: Array,
    masked: Array,
    squares: Array,
    dots: Array,
) -> None:
    """Patterns (rows, scan_x, k) of which dots (4, rows - halo, scan_x) are wanted for rows first … last-1.

    runs (m, 2) are the used stretches of k; everything is the sum over k, masked and squares the sums of values and
    squares over the runs, dots the products with the neighbours (0,1), (1,-1), (1,0), (1,1), left alone where there
    is none. zero sets the type of the sums: int64 where it cannot overflow, else float64.
    """
    height, width, pixels = patterns.shape
    for y in range(first, last):
        for x in range(width):
            own = patterns[y, x]
            total = zero
            for k in range(pixels):
                total += own[k]
            east = patterns[y, min(x + 1, width - 1)]
            below = min(y + 1, height - 1)
            south_west, south = patterns[below, max(x - 1, 0)], patterns[below, x]
            south_east = patterns[below, min(x + 1, width - 1)]
            part, square, a, b, c, d = zero, zero, zero, zero, zero, zero
            for r in range(runs.shape[0]):
                for k in range(runs[r, 0], runs[r, 1]):
                    value = zero + own[k]
                    part += value
                    square += value * value
                    a += value * (zero + east[k])
                    b += value * (zero + south_west[k])
                    c += value * (zero + south[k])
                    d += value * (zero + south_east[k])
            everything[y, x], masked[y, x], squares[y, x] = total, part, square
            if x + 1 < width:
                dots[0, y, x] = a
            if y + 1 < height:
                dots[2, y, x] = c
                if x > 0:
                    dots[1, y, x] = b
                if x + 1 < width:
                    dots[3, y, x] = d


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def pair_products(features: Array, offsets: Array, first: int, last: int, products: Array) -> None:
    """Fill products (m, rows, scan_x) of features (rows, scan_x, k) with their neighbours at offsets (m, 2), dy ≥ 0.

    Only rows first … last-1; NaN where there is no neighbour.
    """
    height, width, pixels = features.shape
    for y in range(first, last):
        for x in range(width):
            for m in range(offsets.shape[0]):
                u, v = y + offsets[m, 0], x + offsets[m, 1]
                if u >= height or v < 0 or v >= width:
                    products[m, y, x] = np.nan
                    continue
                total = 0.0
                for k in range(pixels):
                    total += np.float64(features[y, x, k] * features[u, v, k])
                products[m, y, x] = total


@njit(cache=True, nogil=True)
def weighted_sums(
    patterns: Array,
    products: Array,
    offsets: Array,
    low: float,
    high: float,
    donors: Array,
    own: Array,
    halo: int,
    first: int,
    last: int,
    filtered: Array,
) -> None:
    """Fill filtered (rows, scan_x, k) float32, rows first … last-1, from patterns (rows + halo …, scan_x, k).

    Weight of a neighbour: clip((product - low) / (high - low), 0, 1), dropped up to 1e-3, only from donors
    (rows + halo …, scan_x); own, of the same shape, is the weight of the pattern itself.
    """
    height, width, pixels = patterns.shape
    sums = np.empty(pixels)
    for row in range(first, last):
        y = row + halo
        for x in range(width):
            weight_sum = own[y, x]
            for k in range(pixels):
                sums[k] = weight_sum * patterns[y, x, k]
            for side in range(2):
                for m in range(offsets.shape[0]):
                    sign = 1 - 2 * side
                    u, v = y + sign * offsets[m, 0], x + sign * offsets[m, 1]
                    if u < 0 or u >= height or v < 0 or v >= width or not donors[u, v]:
                        continue
                    product = products[m, y, x] if side == 0 else products[m, u, v]
                    weight = (product - low) / (high - low)
                    if weight > 1e-3:  # not if NaN
                        weight = min(1.0, weight)
                        weight_sum += weight
                        for k in range(pixels):
                            sums[k] += weight * patterns[u, v, k]
            for k in range(pixels):
                filtered[row, x, k] = sums[k] / weight_sum


@njit(cache=True, nogil=True)
def follow_merges(
    first: Array, second: Array, size: int, min_size: int, domains: Array, sizes: Array, life: Array
) -> int:
    """Follow merges first–second (M,) of `size` positions, every component of at least min_size being a domain.

    A domain is born when it reaches min_size or when two domains merge, and ends when it merges with another; but one
    that is at least three times as large as the other lives on. domains (3, M) are the numbers of the two that enter
    each merge and of the one that leaves it, -1 = none; sizes (2, M) the positions that enter; life (size + M, 2)
    the merges after which each domain was born and ended, M = never. Returns how many domains there were.
    """
    parent, members, domain = np.arange(size), np.ones(size, np.int64), np.full(size, -1)
    number = 0
    if min_size <= 1:
        domain[:] = np.arange(size)
        life[:size, 0] = 0
        number = size
    life[:, 1] = first.size
    for n in range(first.size):
        a, b = first[n], second[n]
        while parent[a] != a:
            parent[a] = parent[parent[a]]
            a = parent[a]
        while parent[b] != b:
            parent[b] = parent[parent[b]]
            b = parent[b]
        domains[0, n], domains[1, n] = domain[a], domain[b]
        sizes[0, n], sizes[1, n] = members[a], members[b]
        if members[a] < members[b]:
            a, b = b, a
        lives_on = members[a] >= 3 * members[b]
        parent[b] = a
        members[a] += members[b]
        if domain[a] >= 0 and domain[b] >= 0:
            life[domain[b], 1] = n
            if not lives_on:
                life[domain[a], 1] = n
                domain[a] = -1
        elif domain[b] >= 0:
            domain[a] = domain[b]
        if domain[a] < 0 and members[a] >= min_size:
            domain[a] = number
            life[number, 0] = n
            number += 1
        domains[2, n] = domain[a]
    return number
