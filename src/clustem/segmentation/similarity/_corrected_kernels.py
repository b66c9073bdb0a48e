"""Compiled loops of the noise-corrected similarity: arrays and scalars in, arrays filled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.compiling import compiled
from clustem.segmentation.similarity._kernels import blur_pattern

Array = NDArray[Any]


@compiled()
def gather_pattern(
    pattern: Array, good: Array, mask: Array, binning: int, move: Array, offset: float, target: Array
) -> None:
    """Fill target (n_y, n_x) float32 with a pattern (k_y, k_x) less offset, moved, binned, and 0 outside mask.

    Pixels outside good (k_y, k_x) count 0. move is (whole y, whole x, fraction y, fraction x) of where a pixel comes
    from; between pixels it is interpolated, and beyond the edge the detector goes on periodically.
    """
    height, width = pattern.shape
    rows, columns = target.shape[0] * binning, target.shape[1] * binning
    target[:] = 0.0
    top, left = int(move[0]) % height, int(move[1]) % width
    line = np.empty(columns, np.float32)
    for ty in range(1 if move[2] == 0.0 else 2):
        for tx in range(1 if move[3] == 0.0 else 2):
            share = np.float32((1.0 - move[2] if ty == 0 else move[2]) * (1.0 - move[3] if tx == 0 else move[3]))
            start = (left + tx) % width
            here = min(columns, width - start)
            for y in range(rows):
                source = (y + top + ty) % height
                set_line(pattern[source, start : start + here], good[source, start : start + here], offset, line[:here])
                set_line(pattern[source, : columns - here], good[source, : columns - here], offset, line[here:])
                add_bins(line, binning, share, target[y // binning])
    for y in range(target.shape[0]):
        for x in range(target.shape[1]):
            target[y, x] *= mask[y, x]


@compiled()
def set_line(values: Array, use: Array, offset: float, line: Array) -> None:
    """Fill line (n,) float32 with values (n,) less offset where use (n,), else 0."""
    for x in range(line.size):
        line[x] = np.float32(np.float64(values[x]) - offset) * use[x]


@compiled()
def add_bins(line: Array, binning: int, share: float, target: Array) -> None:
    """Add a line (n binning,) float32 times share to target (n,)."""
    if binning == 1:
        for x in range(target.size):
            target[x] += share * line[x]
        return
    for x in range(target.size):
        total = np.float32(0.0)
        for k in range(x * binning, (x + 1) * binning):
            total += line[k]
        target[x] += share * total


@compiled(fastmath={"reassoc", "contract"})
def weighted_excess(pattern: Array, template: Array, offset: float) -> float:
    """Sum of a pattern (k,) less offset, times template (k,)."""
    total = 0.0
    for k in range(pattern.size):
        total += template[k] * (np.float64(pattern[k]) - offset)
    return total


@compiled(fastmath={"reassoc", "contract"})
def centre_features(blurred: Array, norm: Array, weight: Array, features: Array) -> float:
    """Fill features (n,) float32 with weight (n,) times blurred · norm (n,) less its weighted mean; their energy."""
    total, weights = 0.0, 0.0
    for k in range(features.size):
        square = weight[k] * weight[k]
        weights += square
        total += square * norm[k] * np.float64(blurred[k])
    mean, energy = total / weights, 0.0
    for k in range(features.size):
        value = weight[k] * (norm[k] * np.float64(blurred[k]) - mean)
        features[k] = value
        energy += value * value
    return energy


@compiled(fastmath={"reassoc", "contract"})
def noise_terms(gathered: Array, blurred: Array, back: Array, own: Array, plan: Array, noise: Array, out: Array) -> Any:
    """Fill the lines 1 … 4 of out (5, n) of a pattern, and return its sums of noise by signal and of noise by noise.

    gathered, blurred and back (n,) are the pattern, the same blurred, and its features blurred back; own (n,) is what a
    pixel adds to the energy itself; plan (3, n) is the mask, the blurred mask, and the squared weight of the noise;
    noise (6,) is gain, offset, squared read noise of a bin, sharing, spread and middle of the blur. The lines are the
    variance, the features blurred back, their product less the own share, and the variance blurred and weighted.
    """
    gain, read, sharing = np.float32(noise[0]), np.float32(noise[2]), np.float32(noise[3])
    spread, middle = np.float32(noise[4]), np.float32(noise[5])
    signal, chance = 0.0, 0.0
    for k in range(gathered.size):
        variance = sharing * (gain * gathered[k] + read * plan[0, k])
        along = plan[0, k] * back[k]
        less = along - gain * own[k]
        weight = spread * plan[2, k] * sharing
        wide = weight * (gain * blurred[k] + read * plan[1, k])
        out[1, k], out[2, k], out[3, k], out[4, k] = variance, along, variance * less, wide
        signal += variance * less * less
        chance += variance * (wide - weight * middle * gain * gain)
    return signal, chance


@compiled(fastmath={"reassoc", "contract"})
def pair_sums(a: Array, b: Array) -> tuple[float, float, float, float, float, float]:
    """Sums of a pair of patterns (5, n): covariance; noise of each by the other; of each by both; noise by noise."""
    cross, first, second, own, other, chance = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    fa, va, ua, ra = a[0], a[1], a[2], a[3]
    fb, vb, ub, rb, zb = b[0], b[1], b[2], b[3], b[4]
    for k in range(fa.size):
        cross += np.float64(fa[k]) * np.float64(fb[k])
        first += va[k] * ub[k] * ub[k]
        second += vb[k] * ua[k] * ua[k]
        own += ra[k] * ub[k]
        other += rb[k] * ua[k]
        chance += va[k] * zb[k]
    return cross, first, second, own, other, chance


@compiled()
def describe_pattern(
    pattern: Array,
    good: Array,
    mask: Array,
    binning: int,
    move: Array,
    template: Array,
    maps: Array,
    weight: Array,
    taps: Array,
    rows: Array,
    columns: Array,
    noise: Array,
    scratch: Array,
    work: Array,
    out: Array,
) -> tuple[float, float, float, float]:
    """Fill out (5, n) of a pattern (k_y, k_x): features, then those of noise_terms; energy, noise and its two sums.

    maps (5, n) are the norm of the blur, the own share, and the plan of noise_terms; work is (4, n_y, n_x) float32.
    """
    height = mask.shape[0]
    gathered, blurred, back = work[0], work[1], work[2]
    gather_pattern(pattern, good, mask, binning, move, noise[1], gathered)
    blur_pattern(gathered, taps, rows, columns, 0, height, scratch, blurred)
    energy = centre_features(blurred.ravel(), maps[0], weight, out[0])
    lines, flat = out[0], back.ravel()
    for k in range(flat.size):
        flat[k] = weight[k] * maps[0, k] * lines[k]
    blur_pattern(back, taps, rows, columns, 0, height, scratch, work[3])
    signal, chance = noise_terms(gathered.ravel(), blurred.ravel(), work[3].ravel(), maps[1], maps[2:], noise, out)
    return energy, weighted_excess(pattern.ravel(), template.ravel(), noise[1]), signal, chance


@compiled()
def corrected_products(
    patterns: Array,
    places: Array,
    moves: Array,
    templates: Array,
    maps: Array,
    good: Array,
    mask: Array,
    binning: int,
    weight: Array,
    taps: Array,
    rows: Array,
    columns: Array,
    noise: Array,
    first: int,
    last: int,
    single: Array,
    pairs: Array,
) -> None:
    """Fill single (4, rows, scan_x) and pairs (6, 4, rows, scan_x) for the columns first … last-1 of patterns.

    patterns are (rows + halo, scan_x, k_y, k_x); places (rows + halo, scan_x) say which of moves (m, 4), templates
    (m, k_y, k_x) and maps (m, 5, n) belongs to each. Pairs are with the neighbours (0,1), (1,-1), (1,0), (1,1); where
    there is none they are meaningless.
    """
    height, width = patterns.shape[0], patterns.shape[1]
    low, high = max(0, first - 1), min(width, last + 1)
    ring = np.empty((2, high - low, 5, mask.size), np.float32)
    scratch = np.empty((2, rows.size * columns.size), np.float32)
    work = np.empty((4, *mask.shape), np.float32)
    for y in range(-1, single.shape[1]):
        below = min(y + 1, height - 1)
        if below > y:
            for x in range(low, high):
                m = places[below, x]
                energy, mean, signal, chance = describe_pattern(
                    patterns[below, x],
                    good,
                    mask,
                    binning,
                    moves[m],
                    templates[m],
                    maps[m],
                    weight,
                    taps,
                    rows,
                    columns,
                    noise,
                    scratch,
                    work,
                    ring[below % 2, x - low],
                )
                if below < single.shape[1] and first <= x < last:
                    single[0, below, x], single[1, below, x] = energy, mean
                    single[2, below, x], single[3, below, x] = signal, chance
        if y < 0:
            continue
        for x in range(first, last):
            left, right = max(x - 1, 0) - low, min(x + 1, width - 1) - low
            own, there = ring[y % 2, x - low], ring[below % 2]
            for n in range(4):
                other = ring[y % 2, right] if n == 0 else there[left if n == 1 else x - low if n == 2 else right]
                sums = pair_sums(own, other)
                for k in range(6):
                    pairs[k, n, y, x] = sums[k]
