"""Lattices in the plane, found in the peaks themselves, without a crystal."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from clustem.crystallography.indexing import Candidates

_STRONGEST = 14  # peaks that may be lattice vectors
_DIFFERENCES = 8  # strongest peaks whose differences may be lattice vectors
_TOLERANCE = 0.35  # probe radii between a peak and its lattice point
_TOLERANCE_SHARE = 0.01  # of |g|, in addition
_LEAST_ANGLE = 0.3  # sine, between two lattice vectors
_LEAST_LENGTH = 1.5  # probe radii
_LEAST_SCORE = 0.5
_LEAST_PEAKS = 4
_REFINEMENTS = 5
_TURN_STEP_DEG = 0.5
_AS_GOOD = 0.9  # of the closeness of the best turn


def find_lattice(
    peaks: NDArray[np.float64], intensities: NDArray[np.float64], radius: float
) -> NDArray[np.float64] | None:
    """Return the lattice (2, 2), columns g1 and g2, that most of the peaks (n, 2) lie on; None if there is none.

    Parameters
    ----------
    peaks : (n, 2) float64
        (x, y) from the beam centre.
    intensities : (n,) float64
    radius : float
        Of the probe, in the same unit.

    Notes
    -----
    All pairs of strong peaks, and of their differences, are tried. What counts is the share of the peaks, weighted by
    the square root of their intensity, that lie on the lattice, less what a lattice as dense would meet by chance: so
    neither a part nor a multiple of the lattice wins. The vectors are then fitted, and reduced to the shortest.

    Examples
    --------
    >>> h, k = np.mgrid[-3:4, -3:4].reshape(2, -1)
    >>> peaks = np.outer(h, [0.4, 0.1]) + np.outer(k, [-0.1, 0.5])
    >>> peaks = peaks[(h != 0) | (k != 0)]
    >>> lattice = find_lattice(peaks, np.ones(len(peaks)), 0.05)
    >>> np.abs(lattice).round(6).tolist()
    [[0.4, 0.1], [0.1, 0.5]]
    """
    order = np.argsort(-intensities, kind="stable")
    strong = peaks[order[:_STRONGEST]]
    few = strong[:_DIFFERENCES]
    vectors = np.vstack([strong, *(few[n + 1 :] - few[n] for n in range(len(few) - 1)), np.zeros((0, 2))])
    vectors = vectors[np.hypot(*vectors.T) > _LEAST_LENGTH * radius]
    weights = np.sqrt(np.maximum(intensities, 0))
    best, found = _LEAST_SCORE, None
    for first, second in combinations(vectors, 2):
        lattice = np.column_stack([first, second])
        area = abs(np.linalg.det(lattice))
        if area > _LEAST_ANGLE * np.hypot(*first) * np.hypot(*second):
            score = _score(lattice, peaks, weights, radius)
            if score > best + 1e-9:
                best, found = score, lattice
    return None if found is None else _refined(found, peaks, weights, radius)


def turn_onto(
    lattice: NDArray[np.float64], peaks: NDArray[np.float64], intensities: NDArray[np.float64], radius: float
) -> float | None:
    """Return the angle in radians, −π/2 … π/2, that turns a lattice onto the peaks (n, 2); None if none does.

    Of turns that are about as good, as of a square lattice by 90°, it is the smallest: a small strain would decide.
    """
    weights = np.sqrt(np.maximum(intensities, 0))
    angles = np.deg2rad(np.arange(-90, 90, _TURN_STEP_DEG))
    closeness = np.array([(weights * _closeness(_turned(lattice, angle), peaks, radius)).sum() for angle in angles])
    highest = (closeness >= np.roll(closeness, 1)) & (closeness >= np.roll(closeness, -1))
    good = angles[highest & (closeness >= _AS_GOOD * closeness.max())]
    best = float(good[np.argmin(np.abs(good))])
    turned = _turned(lattice, best)
    enough = _hits(turned, peaks, radius).sum() >= _LEAST_PEAKS
    return best if enough and _score(turned, peaks, weights, radius) > _LEAST_SCORE else None


def lattice_points(lattice: NDArray[np.float64], turn: float, largest: float) -> Candidates:
    """Return the points of a turned lattice up to a length, as candidates for indexing; l and g_z are 0."""
    turned = _turned(lattice, turn)
    most = int(np.ceil(largest / np.linalg.svd(turned, compute_uv=False)[-1]))
    grid = np.arange(-most, most + 1)
    hk = np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1).reshape(-1, 2)
    g = hk @ turned.T
    length = np.hypot(*g.T)
    near = (length > 0) & (length <= largest)
    order = np.argsort(length[near], kind="stable")
    hk, g = hk[near][order], g[near][order]
    return Candidates(np.pad(hk, ((0, 0), (0, 1))), np.pad(g, ((0, 0), (0, 1))), np.exp(-np.hypot(*g.T)))


def _turned(lattice: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return turn @ lattice


def _reach(peaks: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
    reach: NDArray[np.float64] = _TOLERANCE * radius + _TOLERANCE_SHARE * np.hypot(*peaks.T)
    return reach


def _closeness(lattice: NDArray[np.float64], peaks: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
    """Return 1 for peaks on a point of the lattice other than 0, falling to 0 where they are out of reach of it."""
    indices = np.rint(peaks @ np.linalg.inv(lattice).T)
    misses = ((peaks - indices @ lattice.T) ** 2).sum(axis=1) / _reach(peaks, radius) ** 2
    closeness: NDArray[np.float64] = np.where((indices != 0).any(axis=1), np.clip(1 - misses, 0, None), 0)
    return closeness


def _hits(lattice: NDArray[np.float64], peaks: NDArray[np.float64], radius: float) -> NDArray[np.bool_]:
    return np.asarray(_closeness(lattice, peaks, radius) > 0)


def _score(
    lattice: NDArray[np.float64], peaks: NDArray[np.float64], weights: NDArray[np.float64], radius: float
) -> float:
    chance = np.minimum(np.pi * _reach(peaks, radius) ** 2 / abs(np.linalg.det(lattice)), 1)
    return float((weights * (_hits(lattice, peaks, radius) - chance)).sum() / weights.sum())


def _refined(
    lattice: NDArray[np.float64], peaks: NDArray[np.float64], weights: NDArray[np.float64], radius: float
) -> NDArray[np.float64] | None:
    for _ in range(_REFINEMENTS):
        on = _hits(lattice, peaks, radius)
        indices = np.rint(peaks[on] @ np.linalg.inv(lattice).T)
        if on.sum() < _LEAST_PEAKS or np.linalg.matrix_rank(indices) < 2:
            return None
        by = np.sqrt(weights[on])[:, None]
        lattice = np.linalg.lstsq(by * indices, by * peaks[on], rcond=None)[0].T
    return _reduced(lattice)


def _reduced(lattice: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the two shortest vectors of a lattice, right-handed, the shorter first."""
    first, second = sorted(lattice.T, key=lambda vector: float(np.hypot(*vector)))
    while True:
        second = second - np.rint(first @ second / (first @ first)) * first
        if np.hypot(*second) >= np.hypot(*first):
            break
        first, second = second, first
    found = np.column_stack([first, second])
    found[:, 1] *= np.sign(np.linalg.det(found))
    return found
