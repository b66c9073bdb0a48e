"""Analytic scans: spots on a lattice around a direct beam, on a diffuse ring, with Poisson noise."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.segmentation.features.basis import Basis
from clustem.segmentation.features.features import Features, WindowFeatures
from clustem.segmentation.features.windows import windows_of

Array = NDArray[np.float64]

DETECTOR = (48, 48)
MIDDLE = 23.5
BEAM_RADIUS = 2.5


def _distance(centre: tuple[float, float] = (MIDDLE, MIDDLE)) -> Array:
    y, x = np.indices(DETECTOR)
    distance: Array = np.hypot(y - centre[0], x - centre[1])
    return distance


def diffuse() -> Array:
    """Pattern (k_y, k_x) of what holds no crystal, of sum 1: it falls from the beam outwards."""
    ring = np.exp(-_distance() / 10)
    whole: Array = ring / ring.sum()
    return whole


def beam(centre: tuple[float, float] = (MIDDLE, MIDDLE)) -> Array:
    """Pattern of a direct beam of sum 1: a disk with soft edges."""
    disk = np.clip(BEAM_RADIUS + 0.5 - _distance(centre), 0, 1)
    whole: Array = disk / disk.sum()
    return whole


def spots(angle: float, *, length: float = 9.0, tilt: tuple[float, float] = (0.0, 0.0)) -> Array:
    """Pattern of the spots of a square lattice, of sum 1, turned by an angle in degrees.

    Intensities fall outwards; with a tilt, in 1/px, they rise towards one side, while positions stay.
    """
    turn = np.deg2rad(angle)
    axes = length * np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    pattern = np.zeros(DETECTOR)
    y, x = np.indices(DETECTOR)
    for h, k in np.ndindex(9, 9):
        dy, dx = (h - 4, k - 4) @ axes
        if (h, k) != (4, 4) and np.hypot(dy, dx) < 22:
            height = np.exp(-np.hypot(dy, dx) / 12 + tilt[0] * dy + tilt[1] * dx)
            pattern += height * np.exp(-((y - MIDDLE - dy) ** 2 + (x - MIDDLE - dx) ** 2) / (2 * 1.2**2))
    whole: Array = pattern / pattern.sum()
    return whole


def crystal(angle: float, *, scattered: float = 0.4, **options: Any) -> Array:
    """Pattern of a crystal, of sum 1: direct beam, spots, and a tenth of diffuse scattering."""
    return (0.9 - scattered) * beam() + scattered * spots(angle, **options) + 0.1 * diffuse()


def vacuum() -> Array:
    """Pattern of the beam alone, with very little beside it."""
    return 0.99 * beam() + 0.01 * diffuse()


def counts(expected: NDArray[Any], *, seed: int = 0, dtype: Any = np.uint16) -> NDArray[Any]:
    """Poisson counts with the given means, of any shape."""
    drawn: NDArray[Any] = np.random.default_rng(seed).poisson(np.maximum(expected, 0)).astype(dtype)
    return drawn


def scene(labels: NDArray[np.integer[Any]], patterns: list[Array], *, electrons: float = 1000, **options: Any) -> Any:
    """Counts (scan_y, scan_x, k_y, k_x) of patterns 0 … at the positions of labels (scan_y, scan_x)."""
    return counts(electrons * np.stack(patterns)[labels], **options)


def halves(shape: tuple[int, int]) -> NDArray[np.int64]:
    """Labels 0 and 1 of the left and the right half of a scan."""
    labels: NDArray[np.int64] = np.broadcast_to(np.arange(shape[1]) >= shape[1] // 2, shape).astype(np.int64)
    return labels


def quarters(shape: tuple[int, int]) -> NDArray[np.int64]:
    """Labels 0 … 3 of the quarters of a scan."""
    return 2 * halves((shape[1], shape[0])).T + halves(shape)


def features_of(
    values: NDArray[Any], *, noise: float | NDArray[Any] = 1.0, electrons: float | NDArray[Any] = 100.0
) -> Features:
    """Features with the given contrasts (scan_y, scan_x, D), of equal weight and independent noise.

    On the pixels of a pattern, each contrast is one reflection of its own, on a ring of as many pixels again that are
    dark.
    """
    shape, size = values.shape[:2], values.shape[2]
    back, ring = np.eye(2 * size, size, dtype=np.float32), np.zeros(2 * size, np.int64)
    basis = Basis(
        matrix=np.eye(size, size + 2, dtype=np.float32),
        weight=np.ones(size, np.float32),
        back=back,
        ring=ring,
        place=np.stack(np.divmod(np.arange(2 * size), 2), axis=1),
        spot=0.4,
        whole=np.eye(size),
        radial=np.full((size, size), 0.5 / size),
        structure=100.0,
    )
    energy, sums = (np.broadcast_to(np.asarray(x, np.float32), shape) for x in (noise, electrons))
    windows = [
        WindowFeatures(
            window, np.ascontiguousarray(values[window.around], np.float32), energy[window.around].copy(), basis
        )
        for window in windows_of(shape)
    ]
    return Features(shape, windows, sums.copy())
