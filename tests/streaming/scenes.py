"""Scans of grains in a small detector, recorded row by row."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

DETECTOR = (32, 32)
MIDDLE = 15.5
BEAM_RADIUS = 2.0

Array = NDArray[np.float64]


def _distance() -> Array:
    y, x = np.indices(DETECTOR)
    distance: Array = np.hypot(y - MIDDLE, x - MIDDLE)
    return distance


def beam() -> Array:
    """Pattern (k_y, k_x) of a direct beam of sum 1: a disk with soft edges."""
    disk = np.clip(BEAM_RADIUS + 0.5 - _distance(), 0, 1)
    whole: Array = disk / disk.sum()
    return whole


def vacuum() -> Array:
    """Pattern of the beam alone, with a little diffuse scattering beside it."""
    ring = np.exp(-_distance() / 7)
    whole: Array = 0.95 * beam() + 0.05 * ring / ring.sum()
    return whole


def crystal(angle: float) -> Array:
    """Pattern of a crystal, of sum 1: half of it in the spots of a square lattice turned by an angle in degrees."""
    turn = np.deg2rad(angle)
    axes = 6.5 * np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    y, x = np.indices(DETECTOR)
    spots = np.zeros(DETECTOR)
    for h, k in np.ndindex(5, 5):
        dy, dx = (h - 2, k - 2) @ axes
        if (h, k) != (2, 2):
            spots += np.exp(-((y - MIDDLE - dy) ** 2 + (x - MIDDLE - dx) ** 2) / 2)
    whole: Array = 0.5 * vacuum() + 0.5 * spots / spots.sum()
    return whole


def grains(shape: tuple[int, int], number: int, *, seed: int = 0) -> NDArray[np.int64]:
    """Labels 0 … (scan_y, scan_x) of the grains that are nearest to random points."""
    points = np.random.default_rng(seed).uniform(0, shape, (number, 2))
    y, x = np.indices(shape)
    nearest: NDArray[np.int64] = np.hypot(y[..., None] - points[:, 0], x[..., None] - points[:, 1]).argmin(axis=2)
    return nearest


def record(labels: NDArray[np.int64], patterns: list[Array], *, electrons: float = 2000, seed: int = 0) -> Any:
    """Counts (scan_y, scan_x, k_y, k_x) uint16 of patterns 0 … at the positions of labels."""
    expected = electrons * np.stack(patterns)[labels]
    return np.random.default_rng(seed).poisson(expected).astype(np.uint16)
