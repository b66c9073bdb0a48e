"""Compiled loops that take patterns near boundaries for mixtures: arrays and scalars in, arrays filled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.compiling import compiled
from clustem.solving import invert_positive

Array = NDArray[Any]

_SWEEPS = 300  # of the coordinate descent, at most
_STILL = 1e-7  # change of a share that counts as none


@compiled()
def solve_shares(gram: Array, product: Array, number: int, shares: Array) -> None:
    """Fill shares (m,) with the non-negative least squares solution of gram (m, m) · shares = product (m,)."""
    for i in range(number):
        shares[i] = max(0.0, product[i] / gram[i, i]) if gram[i, i] > 0.0 else 0.0
    for _ in range(_SWEEPS):
        largest = 0.0
        for i in range(number):
            if not gram[i, i] > 0.0:
                continue
            rest = product[i]
            for j in range(number):
                if j != i:
                    rest -= gram[i, j] * shares[j]
            share = max(0.0, rest / gram[i, i])
            largest = max(largest, abs(share - shares[i]))
            shares[i] = share
        if largest < _STILL:
            break


@compiled()
def near_labels(labels: Array, y: int, x: int, reach: int, near: Array) -> int:
    """Fill near with the labels within reach of a position, most frequent first; return how many, at most all."""
    counts = np.zeros(near.size, np.int64)
    number = 0
    for u in range(max(0, y - reach), min(labels.shape[0], y + reach + 1)):
        for v in range(max(0, x - reach), min(labels.shape[1], x + reach + 1)):
            label = labels[u, v]
            if label < 0:
                continue
            place = 0
            while place < number and near[place] != label:
                place += 1
            if place == number:
                if number == near.size:
                    continue
                near[number], counts[number] = label, 0
                number += 1
            counts[place] += 1
    for i in range(1, number):  # few: insertion sort, by count and then by label
        j = i
        while j > 0 and (counts[j] > counts[j - 1] or (counts[j] == counts[j - 1] and near[j] < near[j - 1])):
            counts[j], counts[j - 1] = counts[j - 1], counts[j]
            near[j], near[j - 1] = near[j - 1], near[j]
            j -= 1
    return number


@compiled()
def local_means(
    patterns: Array,
    labels: Array,
    core: Array,
    y: int,
    x: int,
    radius: int,
    least: int,
    near: Array,
    number: int,
    means: Array,
    counts: Array,
) -> None:
    """Fill means (m, d) with those of the regions near (m,) around a position, its own pattern left out.

    They are over the core (h, w) of a region, as far as the radius, if that has so many positions at least, else over
    all of it. counts (2, m) are the positions of both; where there is none, the mean is 0.
    """
    size = patterns.shape[2]
    counts[:] = 0
    for u in range(max(0, y - radius), min(labels.shape[0], y + radius + 1)):
        for v in range(max(0, x - radius), min(labels.shape[1], x + radius + 1)):
            for i in range(number):
                if labels[u, v] == near[i] and (u != y or v != x):
                    counts[0, i] += core[u, v]
                    counts[1, i] += 1
    means[:number] = 0.0
    for u in range(max(0, y - radius), min(labels.shape[0], y + radius + 1)):
        for v in range(max(0, x - radius), min(labels.shape[1], x + radius + 1)):
            if labels[u, v] < 0 or (u == y and v == x):
                continue
            for i in range(number):
                if labels[u, v] == near[i] and (core[u, v] or counts[0, i] < least):
                    for d in range(size):
                        means[i, d] += patterns[u, v, d]
    for i in range(number):
        members = counts[0, i] if counts[0, i] >= least else counts[1, i]
        if members > 0:
            for d in range(size):
                means[i, d] /= members


@compiled()
def _weights(one: int, other: int, background: int, favour: Array) -> tuple[float, float]:
    """Return what the shares of two regions count when they are compared."""
    if one == background:
        return 1.0, favour[other]
    if other == background:
        return favour[one], 1.0
    return 1.0, 1.0


@compiled()
def explain_positions(
    patterns: Array,
    labels: Array,
    core: Array,
    spans: tuple[int, int, int, int],
    reach: int,
    radius: int,
    least: int,
    favour: Array,
    background: int,
    interior: bool,
    near: Array,
    shares: Array,
    energies: Array,
    rest: Array,
) -> None:
    """Explain patterns (h, w, d) by the means around them of the regions within reach.

    labels (h, w) are regions 0 … or −1, core (h, w) bool is where all neighbours are of the same region; spans are the
    first and last row, and the first and last column, that are explained, and what is filled begins there: near
    (rows, columns, m) regions, −1 = none; their shares, not negative; energies, half the increase of χ² if a region had
    as large a share as the largest; and rest (rows, columns), χ² of the whole. Where only its own region is near, that
    has the whole pattern, which is only compared with it with `interior`. Against the background, a region or −1, the
    shares of the others count times favour (K,).
    """
    most, size = near.shape[2], patterns.shape[2]
    found, counts = np.empty(most, np.int64), np.zeros((2, most), np.int64)
    columns = np.empty((most, size))
    product, share = np.empty(most), np.empty(most)
    for y in range(spans[0], spans[1]):
        for x in range(spans[2], spans[3]):
            row, column = y - spans[0], x - spans[2]
            near[row, column, :], shares[row, column, :], energies[row, column, :] = -1, 0.0, 0.0
            rest[row, column] = 0.0
            number = near_labels(labels, y, x, reach, found)
            if number == 1 and found[0] == labels[y, x] and not interior:
                near[row, column, 0], shares[row, column, 0] = found[0], 1.0
                continue
            local_means(patterns, labels, core, y, x, radius, least, found, number, columns, counts)
            kept = 0
            for i in range(number):
                if counts[1, i] > 0:
                    found[kept] = found[i]
                    columns[kept] = columns[i]
                    kept += 1
            number = kept
            if number == 0:
                continue
            pattern = patterns[y, x]
            gram = np.zeros((number, number))
            for i in range(number):
                product[i] = 0.0
                for d in range(size):
                    product[i] += columns[i, d] * pattern[d]
                for j in range(i + 1):
                    total = 0.0
                    for d in range(size):
                        total += columns[i, d] * columns[j, d]
                    gram[i, j] = gram[j, i] = total
            solve_shares(gram, product, number, share)
            top, ridge = 0, 0.0
            for i in range(number):
                ridge = max(ridge, gram[i, i])
                a, b = _weights(found[top], found[i], background, favour)
                if b * share[i] > a * share[top]:
                    top = i
            for d in range(size):
                left = np.float64(pattern[d])
                for i in range(number):
                    left -= share[i] * columns[i, d]
                rest[row, column] += left * left
            for i in range(number):
                gram[i, i] += 1e-9 * ridge + 1e-300
            inverse = np.empty((number, number))
            invert_positive(gram, inverse)
            for i in range(number):
                near[row, column, i], shares[row, column, i] = found[i], share[i]
                if i != top:
                    a, b = _weights(found[top], found[i], background, favour)
                    spread = b * b * inverse[i, i] + a * a * inverse[top, top] - 2.0 * a * b * inverse[i, top]
                    energies[row, column, i] = 0.5 * (a * share[top] - b * share[i]) ** 2 / max(spread, 1e-300)


@compiled()
def settle_labels(near: Array, energies: Array, attraction: float, sweeps: int, labels: Array) -> None:
    """Give every position of labels (scan_y, scan_x) the region near (…, m) of least energy (…, m).

    Each of the eight neighbours with the same label takes attraction off. Sweeps end when nothing changes.
    """
    height, width, most = near.shape
    for y in range(height):
        for x in range(width):
            best = -1
            for i in range(most):
                if near[y, x, i] >= 0 and (best < 0 or energies[y, x, i] < energies[y, x, best]):
                    best = i
            if best >= 0:
                labels[y, x] = near[y, x, best]
    for _ in range(sweeps):
        changes = 0
        for y in range(height):
            for x in range(width):
                if near[y, x, 0] < 0 or near[y, x, min(1, most - 1)] < 0:
                    continue
                best, least = labels[y, x], np.inf
                for i in range(most):
                    if near[y, x, i] < 0:
                        break
                    energy = np.float64(energies[y, x, i])
                    for u in range(max(0, y - 1), min(height, y + 2)):
                        for v in range(max(0, x - 1), min(width, x + 2)):
                            if (u != y or v != x) and labels[u, v] == near[y, x, i]:
                                energy -= attraction
                    if energy < least:
                        best, least = near[y, x, i], energy
                if best != labels[y, x]:
                    labels[y, x] = best
                    changes += 1
        if changes == 0:
            break
