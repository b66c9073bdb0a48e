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
def near_labels(labels: Array, live: Array, y: int, x: int, reach: int, near: Array) -> int:
    """Fill near with the live labels within reach of a position, most frequent first; return how many, at most all."""
    counts = np.zeros(near.size, np.int64)
    number = 0
    for u in range(max(0, y - reach), min(labels.shape[0], y + reach + 1)):
        for v in range(max(0, x - reach), min(labels.shape[1], x + reach + 1)):
            label = labels[u, v]
            if label < 0 or not live[label]:
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
def _weights(one: int, other: int, background: int, favour: Array) -> tuple[float, float]:
    """Return what the shares of two regions count when they are compared."""
    if one == background:
        return 1.0, favour[other]
    if other == background:
        return favour[one], 1.0
    return 1.0, 1.0


@compiled()
def mix_positions(
    patterns: Array,
    labels: Array,
    live: Array,
    means: Array,
    members: Array,
    inside: Array,
    favour: Array,
    background: int,
    reach: int,
    first: int,
    last: int,
    origin: int,
    near: Array,
    shares: Array,
    energies: Array,
    rest: Array,
) -> None:
    """Explain every pattern (scan_y, scan_x, d), rows first … last-1, by the means of the regions around it.

    labels (scan_y, scan_x) are regions 0 … or −1, live (K,) those with a mean (K, d), which is over members (K,)
    positions, those inside (scan_y, scan_x); a position's own counts are left out of it. Filled are, from row origin
    on, near (rows, scan_x, m) regions, −1 = none; their shares, not negative; energies, half the increase of χ² if a
    region had as large a share as the largest; and rest (rows, scan_x), χ² of the whole. Against the background, a
    region or −1, the shares of the others count times favour (K,).
    """
    most, size = near.shape[2], patterns.shape[2]
    found = np.empty(most, np.int64)
    columns = np.empty((most, size))
    product, share = np.empty(most), np.empty(most)
    for y in range(first, last):
        for x in range(labels.shape[1]):
            row = y - origin
            near[row, x, :], shares[row, x, :], energies[row, x, :], rest[row, x] = -1, 0.0, 0.0, 0.0
            number = near_labels(labels, live, y, x, reach, found)
            pattern = patterns[y, x]
            for i in range(number):
                k = found[i]
                own = inside[y, x] and labels[y, x] == k and members[k] > 1
                for d in range(size):
                    mean = means[k, d]
                    columns[i, d] = (members[k] * mean - pattern[d]) / (members[k] - 1) if own else mean
            if number == 0:
                continue
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
                rest[row, x] += left * left
            for i in range(number):
                gram[i, i] += 1e-9 * ridge + 1e-300
            inverse = np.empty((number, number))
            invert_positive(gram, inverse)
            for i in range(number):
                near[row, x, i], shares[row, x, i] = found[i], share[i]
                if i != top:
                    a, b = _weights(found[top], found[i], background, favour)
                    spread = b * b * inverse[i, i] + a * a * inverse[top, top] - 2.0 * a * b * inverse[i, top]
                    energies[row, x, i] = 0.5 * (a * share[top] - b * share[i]) ** 2 / max(spread, 1e-300)


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
