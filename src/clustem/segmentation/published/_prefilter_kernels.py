"""Compiled loops of the correlative prefilter: arrays and scalars in, arrays filled."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.compiling import compiled
from clustem.segmentation.similarity import blur_pattern

Array = NDArray[Any]

_PRODUCT_STRETCH = 2048  # values of features that are worked on together
_SUM_STRETCH = 8192  # values of patterns that are


@compiled()
def make_features(
    patterns: Array,
    taps: Array,
    rows: Array,
    columns: Array,
    weight: Array,
    runs: Array,
    first: int,
    last: int,
    features: Array,
    alive: Array,
) -> None:
    """Vectors that are compared of patterns (n, k_y, k_x) first … last-1: features (n, k used) float32.

    NaN where not alive. Blurred by blur_pattern, about their mean under weight (k used,), times it, L2-normalised.
    runs (m, 2) are the used stretches of the flat pattern.
    """
    k_y, k_x = patterns.shape[1], patterns.shape[2]
    blurred = np.empty((k_y, k_x), np.float32)
    top, bottom = runs[0, 0] // k_x, (runs[-1, 1] - 1) // k_x + 1
    scratch = np.empty((2, rows.size * columns.size), np.float32)
    whole = 0.0
    for k in range(weight.size):
        whole += weight[k]
    for n in range(first, last):
        blur_pattern(patterns[n], taps, rows, columns, top, bottom, scratch, blurred)
        flat, vector = blurred.ravel(), features[n]
        place = 0
        for r in range(runs.shape[0]):
            length = runs[r, 1] - runs[r, 0]
            vector[place : place + length] = flat[runs[r, 0] : runs[r, 1]]
            place += length
        norm = normalise(vector, weight, whole)
        alive[n] = norm > 0.0


@compiled(fastmath={"reassoc", "contract"})
def normalise(vector: Array, weight: Array, whole: float) -> float:
    """Turn a vector (k,) into its deviation from the weighted mean, times weight, over its norm, which is returned."""
    mean = 0.0
    for k in range(vector.size):
        mean += weight[k] * vector[k]
    mean /= whole
    square = 0.0
    for k in range(vector.size):
        value = (vector[k] - mean) * weight[k]
        square += value * value
    norm = math.sqrt(square)
    scale = 1.0 / norm if norm > 0.0 else math.nan
    for k in range(vector.size):
        vector[k] = (vector[k] - mean) * weight[k] * scale
    return norm


@compiled(fastmath={"reassoc", "contract"})
def four_products(own: Array, a: Array, b: Array, c: Array, d: Array) -> Any:
    """Products of own (k,) float32 with four others, in 32 bits."""
    pa, pb, pc, pd = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
    for k in range(own.size):
        value = own[k]
        pa += value * a[k]
        pb += value * b[k]
        pc += value * c[k]
        pd += value * d[k]
    return pa, pb, pc, pd


@compiled(fastmath={"reassoc", "contract"})
def exact_product(own: Array, other: Array) -> float:
    """Product of own (k,) float32 with another, in 64 bits."""
    total = 0.0
    for k in range(own.size):
        total += np.float64(own[k]) * np.float64(other[k])
    return total


@compiled()
def pair_products(
    features: Array, offsets: Array, rows: Array, lowest: int, first: int, last: int, products: Array
) -> None:
    """Fill products (m, rows held, scan_x) of new rows (n,) with the rows from lowest on, columns first … last-1.

    features (rows held, scan_x, k) float32 and products are rings: row y is at y modulo their length. A product stands
    at the upper left of its two positions, which are offsets (m, 2) apart. Stretch by stretch of k, so that neighbours
    stay in the cache.
    """
    held, width, pixels = features.shape
    number = offsets.shape[0]
    places = np.zeros((number + 3, 2), np.int64)
    numbers = np.zeros(number, np.int64)
    for k in range(0, pixels, _PRODUCT_STRETCH):
        end = min(k + _PRODUCT_STRETCH, pixels)
        for row in rows:
            for x in range(first, last):
                near = 0
                for m in range(number):
                    y, u = row - offsets[m, 0], x - offsets[m, 1]
                    if y >= lowest and 0 <= u < width:
                        places[near, 0], places[near, 1], numbers[near] = y, u, m
                        near += 1
                places[near : near + 3, 0], places[near : near + 3, 1] = row, x
                own = features[row % held, x, k:end]
                for n in range(0, near, 4):
                    part = four_products(
                        own,
                        features[places[n, 0] % held, places[n, 1], k:end],
                        features[places[n + 1, 0] % held, places[n + 1, 1], k:end],
                        features[places[n + 2, 0] % held, places[n + 2, 1], k:end],
                        features[places[n + 3, 0] % held, places[n + 3, 1], k:end],
                    )
                    for i in range(min(4, near - n)):
                        m, y, u = numbers[n + i], places[n + i, 0] % products.shape[1], places[n + i, 1]
                        products[m, y, u] = part[i] + (products[m, y, u] if k else 0.0)


@compiled()
def sharpen_products(
    features: Array,
    offsets: Array,
    rows: Array,
    lowest: int,
    low: float,
    high: float,
    first: int,
    last: int,
    products: Array,
) -> None:
    """Compute those of the same products that lie from low to high again, in 64 bits."""
    held, width = features.shape[0], features.shape[1]
    for row in rows:
        for m in range(offsets.shape[0]):
            y = row - offsets[m, 0]
            place = y % products.shape[1]
            for x in range(first, last):
                u = x - offsets[m, 1]
                if y >= lowest and 0 <= u < width and low <= products[m, place, u] <= high:
                    products[m, place, u] = exact_product(features[y % held, u], features[row % held, x])


@compiled()
def neighbour_weights(
    products: Array, offsets: Array, low: float, high: float, donors: Array, own: Array, row: int, weights: Array
) -> None:
    """Fill weights (rows, scan_x, 1 + 2m) float32 of patterns and of their neighbours at ± offsets (m, 2).

    The first of the rows is row. Weight of a neighbour: clip((product - low) / (high - low), 0, 1), dropped up to 1e-3,
    only from donors (scan_y, scan_x); own (rows, scan_x) is the weight of the pattern itself. products are those of
    pair_products.
    """
    height, width = donors.shape
    held = products.shape[1]
    for i in range(weights.shape[0]):
        y = row + i
        for x in range(width):
            weights[i, x, 0] = own[i, x]
            for n in range(2 * offsets.shape[0]):
                m, sign = n // 2, 1 - 2 * (n % 2)
                u, v = y + sign * offsets[m, 0], x + sign * offsets[m, 1]
                weight = 0.0
                if 0 <= u < height and 0 <= v < width and donors[u, v]:
                    product = products[m, y % held, x] if sign > 0 else products[m, u % held, v]
                    weight = (product - low) / (high - low)
                weights[i, x, 1 + n] = min(1.0, weight) if weight > 1e-3 else 0.0  # 0 also if NaN


@compiled(fastmath={"reassoc", "contract"})
def add_six(sums: Array, weights: Array, a: Array, b: Array, c: Array, d: Array, e: Array, f: Array) -> None:
    """Add six patterns (k,) times weights (6,) float32 to sums (k,) float32."""
    wa, wb, wc, wd, we, wf = weights[0], weights[1], weights[2], weights[3], weights[4], weights[5]
    for k in range(sums.size):
        near = wa * np.float32(a[k]) + wb * np.float32(b[k]) + wc * np.float32(c[k])
        sums[k] += near + wd * np.float32(d[k]) + we * np.float32(e[k]) + wf * np.float32(f[k])


@compiled()
def add_patterns(
    sums: Array, patterns: Array, places: Array, shares: Array, number: int, scale: float, start: int, stop: int
) -> None:
    """Add the first number patterns at places (number + 5, 2), times shares and scale, to sums (k,): values start …."""
    weights = np.zeros(6, np.float32)
    for n in range(0, number, 6):
        last = min(6, number - n)
        for i in range(6):
            weights[i] = shares[n + i] * scale if i < last else 0.0
            if i >= last:
                places[n + i] = places[n]
        add_six(
            sums,
            weights,
            patterns[places[n, 0], places[n, 1], start:stop],
            patterns[places[n + 1, 0], places[n + 1, 1], start:stop],
            patterns[places[n + 2, 0], places[n + 2, 1], start:stop],
            patterns[places[n + 3, 0], places[n + 3, 1], start:stop],
            patterns[places[n + 4, 0], places[n + 4, 1], start:stop],
            patterns[places[n + 5, 0], places[n + 5, 1], start:stop],
        )


@compiled()
def weighted_sums(
    patterns: Array, weights: Array, offsets: Array, exact: bool, row: int, first: int, last: int, filtered: Array
) -> None:
    """Fill filtered (rows, scan_x, k) float32, columns first … last-1, with weighted means; its first row is row.

    patterns (rows held, scan_x, k) is a ring: row y is at y modulo its length; weights as neighbour_weights makes them.
    Stretch by stretch of k, so that neighbours stay in the cache. If their sums are exact in 32 bits, those of weight 1
    are summed on the way along the row: only what comes and goes from one position to the next is added.
    """
    held, width, pixels = patterns.shape
    number = weights.shape[2]
    near, shares = np.zeros((number + 5, 2), np.int64), np.zeros(number + 5, np.float32)
    moves, signs = np.zeros((2 * number + 5, 2), np.int64), np.zeros(2 * number + 5, np.float32)
    members, old = np.zeros((number + 5, 2), np.int64), np.zeros((number, 2), np.int64)
    ones = np.ones(number + 5, np.float32)
    seen, stamp = np.zeros((held, width), np.int64), 0
    running = np.zeros(_SUM_STRETCH, np.float32)
    for k in range(0, pixels, _SUM_STRETCH):
        end = min(k + _SUM_STRETCH, pixels)
        along = running[: end - k]
        for i in range(filtered.shape[0]):
            y = row + i
            stamp += 2  # nothing has been seen in this row
            count = 0
            along[:] = 0.0
            for x in range(first, last):
                stamp += 1
                before = count
                old[:before] = members[:before]
                partial, changes, count, whole = 0, 0, 0, 0.0
                for n in range(number):
                    weight = weights[i, x, n]
                    if weight > 0.0:
                        m, sign = (n - 1) // 2, 1 - 2 * ((n - 1) % 2)
                        u = (y + sign * offsets[m, 0] if n else y) % held
                        v = x + sign * offsets[m, 1] if n else x
                        whole += weight
                        if not exact or weight != 1.0:
                            near[partial, 0], near[partial, 1], shares[partial] = u, v, weight
                            partial += 1
                        else:
                            members[count, 0], members[count, 1] = u, v
                            count += 1
                            if seen[u, v] != stamp - 1:
                                moves[changes, 0], moves[changes, 1], signs[changes] = u, v, 1.0
                                changes += 1
                            seen[u, v] = stamp
                for n in range(before):
                    if seen[old[n, 0], old[n, 1]] != stamp:
                        moves[changes, 0], moves[changes, 1], signs[changes] = old[n, 0], old[n, 1], -1.0
                        changes += 1
                if changes < count:
                    add_patterns(along, patterns, moves, signs, changes, 1.0, k, end)
                else:
                    along[:] = 0.0
                    add_patterns(along, patterns, members, ones, count, 1.0, k, end)
                sums = filtered[i, x, k:end]
                scale = np.float32(1.0 / whole)
                for n in range(sums.size):
                    sums[n] = along[n] * scale
                add_patterns(sums, patterns, near, shares, partial, 1.0 / whole, k, end)
