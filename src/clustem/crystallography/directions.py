"""Directions in a crystal as whole numbers [u v w]."""

from __future__ import annotations

from functools import cache
from math import gcd

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clustem.crystallography.crystals import Crystal

Indices = tuple[int, int, int]

_LARGEST = 6
_PRICE_DEG = 1.0  # how much nearer a direction must be for every one that its indices are larger


def low_index_direction(direction: ArrayLike, crystal: Crystal) -> tuple[Indices, float]:
    """Return the direction [u v w] with low indices near a Cartesian one (3,), and the angle between them in degrees.

    Larger indices, up to 6, are chosen where they are nearer by 1° for each one that they add.

    Examples
    --------
    >>> from clustem import read_crystal
    >>> low_index_direction([1.0, 1.02, 0.0], read_crystal("clustem:Au"))
    ((1, 1, 0), 0.5672...)
    """
    indices = _small_indices()
    axes = indices @ crystal.direct.T
    along = np.asarray(direction, np.float64)
    cosine = axes @ along / (np.linalg.norm(axes, axis=1) * np.linalg.norm(along))
    angle = np.rad2deg(np.arccos(np.clip(cosine, -1, 1)))
    best = int(np.argmin(angle + _PRICE_DEG * np.abs(indices).sum(axis=1)))
    u, v, w = indices[best].tolist()
    return (u, v, w), float(angle[best])


def family_of(indices: Indices, crystal: Crystal) -> Indices:
    """Return the direction ⟨u v w⟩ that stands for all that symmetry makes equal, and their opposites.

    It is the one with the largest sum of its indices; of those, with the first index the largest, then the second.

    Examples
    --------
    >>> from clustem import read_crystal
    >>> family_of((1, -2, 1), read_crystal("clustem:Au"))
    (2, 1, 1)
    """
    turned = crystal.rotations @ (crystal.direct @ np.array(indices, np.float64))
    equal = np.rint(turned @ np.linalg.inv(crystal.direct).T).astype(int)
    u, v, w = max(np.concatenate([equal, -equal]).tolist(), key=lambda row: (sum(row), row))
    return u, v, w


@cache
def _small_indices() -> NDArray[np.int64]:
    """Return all directions (n, 3) with indices up to 6 and no common factor."""
    span = range(-_LARGEST, _LARGEST + 1)
    return np.array([(u, v, w) for u in span for v in span for w in span if gcd(u, v, w) == 1], np.int64)
