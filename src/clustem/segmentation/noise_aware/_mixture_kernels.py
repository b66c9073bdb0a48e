"""Compiled loops that take patterns near boundaries for mixtures: arrays and scalars in, arrays filled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.compiling import compiled
from clustem.solving import factorise_positive, solve_positive

Array = NDArray[Any]

_LITTLE = 1e-10  # of the energy of a mean, below which what it would explain is rounding


@compiled()
def solve_shares(gram: Array, product: Array, number: int, shares: Array) -> None:
    """Fill shares (m,) with the non-negative least squares solution of gram (m, m) · shares = product (m,).

    Lawson and Hanson, Solving Least Squares Problems (1974), chapter 23, for a few columns.
    """
    shares[:number] = 0.0
    used = np.zeros(number, np.bool_)
    for _ in range(3 * number):
        best, most = -1, _LITTLE
        for i in range(number):
            if not used[i] and gram[i, i] > 0.0:
                rest = product[i]
                for j in range(number):
                    rest -= gram[i, j] * shares[j]
                if rest > most * gram[i, i]:
                    best, most = i, rest / gram[i, i]
        if best < 0:
            break
        used[best] = True
        while not step_to_solution(gram, product, used, shares):
            pass


@compiled()
def hold_share(gram: Array, product: Array, number: int, held: int, share: float, shares: Array) -> None:
    """Fill shares (m,) as `solve_shares` does, with one that is given."""
    others, rest = gram[:number, :number].copy(), product[:number] - share * gram[:number, held]
    others[held], others[:, held], rest[held] = 0.0, 0.0, 0.0
    solve_shares(others, rest, number, shares)
    shares[held] = share


@compiled()
def solve_bounded(gram: Array, product: Array, number: int, bounded: int, most: float, shares: Array) -> None:
    """Fill shares (m,) as `solve_shares` does, with one, −1 = none, that is not more than given."""
    solve_shares(gram, product, number, shares)
    if bounded >= 0 and shares[bounded] > most:
        hold_share(gram, product, number, bounded, most, shares)


@compiled()
def step_to_solution(gram: Array, product: Array, used: Array, shares: Array) -> bool:
    """Move shares (m,) to the least squares of those in use, as far as none is negative; return whether it is reached.

    Those that become 0 are no longer in use.
    """
    members = np.flatnonzero(used)
    if members.size == 0:
        return True
    part, wanted = np.empty((members.size, members.size)), np.empty(members.size)
    for i in range(members.size):
        wanted[i] = product[members[i]]
        for j in range(members.size):
            part[i, j] = gram[members[i], members[j]]
        part[i, i] *= 1.0 + _LITTLE
    factorise_positive(part)
    solve_positive(part, wanted)
    way, stops = 1.0, -1
    for i in range(members.size):
        if wanted[i] <= 0.0:
            share = shares[members[i]]
            here = share / max(share - wanted[i], 1e-300)
            if here < way:
                way, stops = here, members[i]
    for i in range(members.size):
        shares[members[i]] += way * (wanted[i] - shares[members[i]])
    if stops < 0:
        return True
    shares[stops], used[stops] = 0.0, False
    return False


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
def add_column(
    patterns: Array, labels: Array, core: Array, x: int, rows: tuple[int, int], sign: float, sums: Array, counts: Array
) -> None:
    """Add column x of patterns (h, w, d), from a first row to before a last, times a sign, to sums of their regions.

    sums (k, 2, d) float64 and counts (k, 2) are of positions in the core (h, w) of a region, and of the others.
    """
    for y in range(rows[0], rows[1]):
        label = labels[y, x]
        if label < 0:
            continue
        kind = 0 if core[y, x] else 1
        counts[label, kind] += sign
        for d in range(patterns.shape[2]):
            sums[label, kind, d] += sign * patterns[y, x, d]


@compiled()
def local_mean(sums: Array, counts: Array, label: int, kind: int, pattern: Array, least: int, mean: Array) -> bool:
    """Fill mean (d,) with that of a region from sums (k, 2, d) and counts (k, 2), and return whether there is one.

    It is over the core if that has so many positions at least, else over all. With a kind, 0 or 1, a pattern (d,) that
    is counted there is left out.
    """
    inner, outer = counts[label, 0], counts[label, 1]
    if kind == 0:
        inner -= 1.0
    elif kind == 1:
        outer -= 1.0
    members = inner if inner >= least else inner + outer
    if members < 0.5:
        return False
    everything = 1.0 if inner < least else 0.0
    own = 1.0 if kind == 0 or (kind == 1 and inner < least) else 0.0
    for d in range(mean.size):
        mean[d] = (sums[label, 0, d] + everything * sums[label, 1, d] - own * pattern[d]) / members
    return True


@compiled(fastmath={"reassoc", "contract"})
def product_of(one: Array, two: Array) -> float:
    """Sum of the products of two vectors (d,)."""
    total = 0.0
    for d in range(one.size):
        total += one[d] * two[d]
    return total


@compiled()
def _weights(one: int, other: int, background: int, favour: Array) -> tuple[float, float]:
    """Return what the shares of two regions count when they are compared."""
    if one == background:
        return 1.0, favour[other]
    if other == background:
        return favour[one], 1.0
    return 1.0, 1.0


@compiled()
def spread_of(gram: Array, share: Array, number: int, top: int, other: int, a: float, b: float) -> float:
    """Variance of a · share of `top` less b · share of another region, where only these and those with a share count.

    gram (m, m) and share (m,) are of so many regions. Others explain nothing: were they free to be negative, any two
    means that are nearly alike would make every share unsure.
    """
    members, used = np.empty(number, np.int64), 0
    ridge = 0.0
    for i in range(number):
        ridge = max(ridge, gram[i, i])
        if share[i] > 0.0 and i != top and i != other:
            members[used] = i
            used += 1
    members[used], members[used + 1] = top, other
    used += 2
    part, last = np.empty((used, used)), np.zeros(used)
    for i in range(used):
        for j in range(used):
            part[i, j] = gram[members[i], members[j]]
        part[i, i] += 1e-9 * ridge + 1e-300
    factorise_positive(part)
    last[used - 2], last[used - 1] = a, -b
    solve_positive(part, last)
    return float(a * last[used - 2] - b * last[used - 1])


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
    doubt: float,
    interior: bool,
    near: Array,
    shares: Array,
    energies: Array,
    rest: Array,
) -> None:
    """Explain patterns (h, w, d) by the means around them of the regions within reach.

    labels (h, w) are regions 0 … k−1 or −1, core (h, w) bool is where all neighbours are of the same region; spans are
    the first and last row, and the first and last column, that are explained, and what is filled begins there: near
    (rows, columns, m) regions, −1 = none; their shares, not negative; energies, half the increase of χ² if a region had
    as large a share as the largest; and rest (rows, columns), χ² of the whole. Where only its own region is near, that
    has the whole pattern, which is only compared with it with `interior`. Against the background, a region or −1, the
    shares of the others count times favour (k,), and it has no more than one share and `doubt` standard errors: no more
    of it is behind a crystal than beside. What all shares lack of one is its own, too: vacuum has no pattern to be
    recognised by. Sums over the square around a position move along with it.
    """
    most, size = near.shape[2], patterns.shape[2]
    found, columns = np.empty(most, np.int64), np.empty((most, size))
    product, share = np.empty(most), np.empty(most)
    sums, counts = np.zeros((favour.size, 2, size)), np.zeros((favour.size, 2))
    for y in range(spans[0], spans[1]):
        sums[:], counts[:] = 0.0, 0.0
        rows = max(0, y - radius), min(labels.shape[0], y + radius + 1)
        for x in range(max(0, spans[2] - radius), min(labels.shape[1], spans[2] + radius)):
            add_column(patterns, labels, core, x, rows, 1.0, sums, counts)
        for x in range(spans[2], spans[3]):
            if x + radius < labels.shape[1]:
                add_column(patterns, labels, core, x + radius, rows, 1.0, sums, counts)
            if x - radius - 1 >= max(0, spans[2] - radius):
                add_column(patterns, labels, core, x - radius - 1, rows, -1.0, sums, counts)
            row, column = y - spans[0], x - spans[2]
            near[row, column, :], shares[row, column, :], energies[row, column, :] = -1, 0.0, 0.0
            rest[row, column] = 0.0
            number = near_labels(labels, y, x, reach, found)
            if number == 1 and found[0] == labels[y, x] and not interior:
                near[row, column, 0], shares[row, column, 0] = found[0], 1.0
                continue
            pattern, kept = patterns[y, x], 0
            for i in range(number):
                kind = (0 if core[y, x] else 1) if found[i] == labels[y, x] else 2
                if local_mean(sums, counts, found[i], kind, pattern, least, columns[kept]):
                    found[kept] = found[i]
                    kept += 1
            number = kept
            if number == 0:
                continue
            gram = np.zeros((number, number))
            for i in range(number):
                product[i] = product_of(columns[i], pattern)
                for j in range(i + 1):
                    gram[i, j] = gram[j, i] = product_of(columns[i], columns[j])
            empty, most_of_it = -1, 0.0
            for i in range(number):
                if found[i] == background:
                    empty, most_of_it = i, 1.0 + doubt / np.sqrt(max(gram[i, i], 1e-300))
            solve_bounded(gram, product, number, empty, most_of_it, share)
            for d in range(size):
                left = np.float64(pattern[d])
                for i in range(number):
                    left -= share[i] * columns[i, d]
                rest[row, column] += left * left
            if empty >= 0:
                share[empty] += max(1.0 - share[:number].sum(), 0.0)
            top = 0
            for i in range(number):
                a, b = _weights(found[top], found[i], background, favour)
                if b * share[i] > a * share[top]:
                    top = i
            for i in range(number):
                near[row, column, i], shares[row, column, i] = found[i], share[i]
                if i != top:
                    a, b = _weights(found[top], found[i], background, favour)
                    spread = spread_of(gram, share, number, top, i, a, b)
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
