"""Small patterns and scans of the tests of features: spots on a lattice, a direct beam, and smooth background."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

DETECTOR = (36, 36)
MIDDLE = 17.5
BEAM_RADIUS = 2.5

_y, _x = np.indices(DETECTOR)
DISTANCE: Array = np.hypot(_y - MIDDLE, _x - MIDDLE)
USE: NDArray[np.bool_] = DISTANCE > 2 * BEAM_RADIUS


def of_sum_one(pattern: Array) -> Array:
    """Return the pattern over its sum."""
    whole: Array = pattern / pattern.sum()
    return whole


def smooth() -> Array:
    """Background of sum 1 that falls slowly from the middle outwards."""
    return of_sum_one(np.exp(-((DISTANCE / 14) ** 2)))


def beam() -> Array:
    """Direct beam of sum 1: a disk with soft edges."""
    return of_sum_one(np.clip(BEAM_RADIUS + 0.5 - DISTANCE, 0, 1))


def spots(angle: float) -> Array:
    """Spots of a square lattice, of sum 1, turned by an angle in degrees."""
    turn = np.deg2rad(angle)
    axes = 8.0 * np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    pattern = np.zeros(DETECTOR)
    for h, k in np.ndindex(5, 5):
        dy, dx = (h - 2, k - 2) @ axes
        if (h, k) != (2, 2):
            pattern += np.exp(-((_y - MIDDLE - dy) ** 2 + (_x - MIDDLE - dx) ** 2) / 2) * np.exp(-np.hypot(dy, dx) / 12)
    return of_sum_one(pattern)


def crystal(angle: float) -> Array:
    """Pattern of a crystal, of sum 1: half direct beam, the rest spots on some background."""
    return 0.5 * beam() + 0.4 * spots(angle) + 0.1 * smooth()


def counts(expected: NDArray[Any], *, seed: int = 0, dtype: Any = np.uint16) -> NDArray[Any]:
    """Poisson counts of the given means."""
    drawn: NDArray[Any] = np.random.default_rng(seed).poisson(expected).astype(dtype)
    return drawn


def halves(shape: tuple[int, int]) -> NDArray[np.int64]:
    """Labels 0 and 1 of the left and the right half of a scan."""
    return np.broadcast_to(np.arange(shape[1]) >= shape[1] // 2, shape).astype(np.int64)


def two_crystals(
    shape: tuple[int, int], *, electrons: float = 2000.0, seed: int = 0, dtype: Any = np.uint16
) -> NDArray[Any]:
    """Counts of one crystal in the left half of a scan and another in the right half."""
    both = np.stack([crystal(0), crystal(25)])
    return counts(electrons * both[halves(shape)], seed=seed, dtype=dtype)
