"""Small series with known particles: analytic patterns that turn, on a liquid's ring, drawn at any dose."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

DETECTOR = 32
MIDDLE = 15.5
SCAN = (24, 24)


def lattice(seed: int) -> tuple[Array, Array]:
    """Reflections (N, 2) of a random lattice, and their heights."""
    random = np.random.default_rng(seed)
    length, start = random.uniform(5.5, 7.5, 2), random.uniform(0, 2 * np.pi)
    axes = length[:, None] * np.array([[np.sin(a), np.cos(a)] for a in (start, start + random.uniform(1.2, 1.5))])
    spots = np.array([(h, k) for h in range(-3, 4) for k in range(-3, 4) if (h, k) != (0, 0)]) @ axes
    spots = spots[np.hypot(*spots.T) < 14]
    return spots, random.gamma(1.5, 1.0, len(spots))


def crystal(seed: int, turn_deg: float = 0.0) -> Array:
    """Pattern (k_y, k_x) of sum 1, turned from x towards y."""
    spots, heights = lattice(seed)
    turn = np.deg2rad(turn_deg)
    spots = spots @ np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    y, x = np.indices((DETECTOR, DETECTOR)) - MIDDLE
    pattern = sum(h * np.exp(-((y - s[0]) ** 2 + (x - s[1]) ** 2) / 2) for s, h in zip(spots, heights, strict=True))
    return np.asarray(pattern / np.sum(pattern))


def parts() -> tuple[Array, Array]:
    """Direct beam and the ring of a liquid, each of sum 1."""
    radius = np.hypot(*np.indices((DETECTOR, DETECTOR)) - MIDDLE)
    beam, ring = np.clip(2.5 - radius, 0, 1), np.exp(-((radius - 7) ** 2) / 10)
    return beam / beam.sum(), ring / ring.sum()


def disk(y: float, x: float, radius: float) -> NDArray[np.bool_]:
    """Positions of the scan within a circle."""
    rows, columns = np.indices(SCAN)
    return np.asarray(np.hypot(rows - y, columns - x) <= radius)


def draw(particles: list[tuple[NDArray[np.bool_], Array]], *, electrons: float, seed: int) -> NDArray[np.uint16]:
    """Counts (scan_y, scan_x, k_y, k_x) of particles (where, pattern) in liquid."""
    beam, ring = parts()
    expected = np.tile(0.9 * beam + 0.1 * ring, (*SCAN, 1, 1))
    for where, pattern in particles:
        expected[where] = 0.55 * beam + 0.05 * ring + 0.4 * pattern
    return np.random.default_rng(seed).poisson(electrons * expected).astype(np.uint16)


def rotating_series(*, faint: int | None = None) -> tuple[NDArray[np.uint16], NDArray[np.int32]]:
    """Five frames of three particles, the third from frame 2 on, with drift (0, t); counts and identities 1 … 3.

    The first turns by 8° per frame; frame `faint` has a tenth of the electrons.
    """
    truth = np.zeros((5, *SCAN), np.int32)
    frames = []
    for t in range(5):
        places = [(6, 5 + t, 3.4), (16, 6 + t, 3.0), (12, 14 + t, 3.2)]
        present = [(n, disk(*place)) for n, place in enumerate(places) if n < 2 or t >= 2]
        for n, where in present:
            truth[t][where] = n + 1
        drawn = [(where, crystal(n, 8.0 * t if n == 0 else 0.0)) for n, where in present]
        frames.append(draw(drawn, electrons=200 if t == faint else 2000, seed=t))
    return np.stack(frames), truth
