"""Coincidence site lattices of cubic crystals: Σ3, Σ5, Σ7 … and which one a misorientation is near."""

from __future__ import annotations

from functools import cache
from itertools import permutations, product
from math import gcd, isqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clustem.crystallography.rotations import from_rotation_vector

Array = NDArray[np.float64]

LARGEST = 49  # Σ up to which coincidences are named
BRANDON_DEG = 15.0  # deviation that Brandon's criterion allows at Σ = 1; it falls as 1/√Σ
_SAME_DEG = 1e-4
_LETTERS = "abcdefgh"


@cache
def cubic_rotations() -> Array:
    """Return the 24 rotations (24, 3, 3) of a cubic lattice, axes along e1, e2, e3."""
    signed = [
        np.diag(signs)[list(order)] for order in permutations(range(3)) for signs in product((1.0, -1.0), repeat=3)
    ]
    return np.array([matrix for matrix in signed if np.linalg.det(matrix) > 0])


@cache
def coincidences() -> tuple[tuple[str, int, Array], ...]:
    """Return name, Σ and rotation (3, 3) of every coincidence of cubic lattices with 3 ≤ Σ ≤ 49.

    Those of one Σ have the letters a, b, … in the order of their smallest angles (Grimmer, Bollmann, Warrington, Acta
    Cryst. A 30, 197 (1974), doi 10.1107/S056773947400043X).

    Notes
    -----
    A rotation is a coincidence if its quaternion is proportional to whole numbers. Up to the symmetry of the lattice
    and the order of the two crystals there is one for every sum a² + b² + c² + d² = Σ of numbers a ≥ b ≥ c ≥ d ≥ 0
    without a common factor, with Σ odd; different sums may be the same rotation.

    Examples
    --------
    >>> [name for name, *_ in coincidences()][:6]
    ['Σ3', 'Σ5', 'Σ7', 'Σ9', 'Σ11', 'Σ13a']
    """
    named = []
    for sigma in range(3, LARGEST + 1, 2):
        found: list[tuple[float, Array]] = []
        for numbers in _sums_of_four_squares(sigma):
            rotation = _matrix_of(numbers)
            angle = float(_angles(_equivalent(rotation), np.eye(3)[None]).min())
            if all(_apart(rotation, other) > _SAME_DEG for _, other in found):
                found.append((angle, rotation))
        found.sort(key=lambda entry: entry[0])
        letters = _LETTERS if len(found) > 1 else ("",)
        named += [(f"Σ{sigma}{letter}", sigma, rotation) for letter, (_, rotation) in zip(letters, found, strict=False)]
    return tuple(named)


def nearest_coincidence(misorientation: ArrayLike) -> tuple[str, float]:
    """Return name and deviation in degrees of the coincidence that a misorientation of cubic crystals is near.

    Brandon's criterion (Acta Metall. 14, 1479 (1966), doi 10.1016/0001-6160(66)90168-4): the deviation is at most
    15° / √Σ. Of several as near, the one with the lowest Σ is taken; where none is, the name is empty and the deviation
    NaN.

    Parameters
    ----------
    misorientation : (3, 3)
        From the axes of one crystal to those of the other, either way.

    Examples
    --------
    >>> turn = from_rotation_vector(np.deg2rad(60) * np.ones(3) / np.sqrt(3))
    >>> nearest_coincidence(turn)[0]
    'Σ3'
    """
    names = coincidences()
    equivalent, starts = _all_equivalent()
    trace = np.maximum.reduceat(equivalent @ np.asarray(misorientation, np.float64).ravel(), starts)
    deviation = np.rad2deg(np.arccos(np.clip((trace - 1) / 2, -1, 1)))
    sigma = np.array([number for _, number, _ in names])
    order = np.lexsort((deviation, sigma))
    near = order[deviation[order] <= BRANDON_DEG / np.sqrt(sigma[order])]
    return (names[near[0]][0], float(deviation[near[0]])) if near.size else ("", np.nan)


def _sums_of_four_squares(total: int) -> list[tuple[int, int, int, int]]:
    """Return all (a, b, c, d) with a ≥ b ≥ c ≥ d ≥ 0, a² + b² + c² + d² = `total`, and no common factor."""
    most = range(isqrt(total) + 1)
    return [
        (a, b, c, d)
        for a, b, c, d in product(most, repeat=4)
        if a >= b >= c >= d and a * a + b * b + c * c + d * d == total and gcd(a, b, c, d) == 1
    ]


def _matrix_of(numbers: tuple[int, int, int, int]) -> Array:
    """Return the rotation of the quaternion (w, x, y, z) along whole numbers."""
    vector = np.array(numbers[1:], np.float64)
    length = float(np.linalg.norm(vector))
    return from_rotation_vector(vector / length * 2 * np.arctan2(length, numbers[0]))


@cache
def _all_equivalent() -> tuple[Array, NDArray[np.int64]]:
    """Return the distinct rotations (N, 9) that are the same coincidence, one coincidence after the other.

    Second, where each starts. A matrix times a row is the trace of the rotation between the two.
    """
    parts = []
    for *_, rotation in coincidences():
        rows = _equivalent(rotation).reshape(-1, 9)
        parts.append(rows[np.unique(rows.round(6), axis=0, return_index=True)[1]])
    starts = np.cumsum([0, *(len(part) for part in parts[:-1])])
    return np.concatenate(parts), starts


def _equivalent(rotation: Array) -> Array:
    """Return the rotation and its inverse with all choices of axes in both crystals, (1152, 3, 3)."""
    symmetry = cubic_rotations()
    turned = np.einsum("iab,bc,jcd->ijad", symmetry, rotation, symmetry).reshape(-1, 3, 3)
    return np.concatenate([turned, np.swapaxes(turned, 1, 2)])


def _angles(first: Array, second: Array) -> Array:
    """Return the angles (n, m) in degrees between rotations (n, 3, 3) and (m, 3, 3)."""
    trace = first.reshape(-1, 9) @ second.reshape(-1, 9).T
    angle: Array = np.rad2deg(np.arccos(np.clip((trace - 1) / 2, -1, 1)))
    return angle


def _apart(first: Array, second: Array) -> float:
    return float(_angles(_equivalent(first), second[None]).min())
