"""Synthetic counts for the benchmarks: grains with a direct beam and Bragg disks, and plain noise.

    python benchmarks/synthetic.py counts.npy --scan 64 --detector 128 --descan 2

Every scan row is drawn from a generator of its own, so the counts depend on the seed alone.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.uint16]

POSITIONS_PER_GRAIN = 700
ELECTRONS_PER_PIXEL = 0.5
"""On average over the detector. Similarities are then alike for any detector size."""
THRESHOLD = 0.7
"""Between the similarity of two patterns of one grain (0.8) and that of two grains (0.5)."""
NOISE = 0.3
"""Electrons per pixel of the plain noise."""
_ORDERS = range(-3, 4)


@dataclass(frozen=True, eq=False)
class Scene:
    """Counts (scan_y, scan_x, k_y, k_x) and the true grains (scan_y, scan_x), 1 … K."""

    counts: Counts
    labels: NDArray[np.int64]


def make_scene(scan: tuple[int, int], detector: int, *, seed: int = 0) -> Scene:
    """Return a scan of Voronoi grains on a square detector.

    Parameters
    ----------
    scan : (scan_y, scan_x)
    detector : int
        Pixels along an edge.
    seed : int
    """
    generator = np.random.default_rng(seed)
    labels = _voronoi(scan, max(3, scan[0] * scan[1] // POSITIONS_PER_GRAIN), generator)
    patterns = _grain_patterns(int(labels.max()), detector, generator) * (ELECTRONS_PER_PIXEL * detector**2)
    counts = np.empty((*scan, detector, detector), np.uint16)

    def draw(y: int) -> None:
        row = np.random.default_rng((seed, y))
        for x in range(scan[1]):
            counts[y, x] = row.poisson(patterns[labels[y, x] - 1])

    _every_row(draw, scan[0])
    return Scene(counts, labels)


def move_patterns(counts: Counts, descan_px: float) -> None:
    """Move the patterns of a scan by whole pixels, in place, slowly over the scan, as a badly set descan does."""

    def move(y: int) -> None:
        for x, pattern in enumerate(counts[y]):
            steps = round(descan_px * np.sin(y / 20)), round(descan_px * np.cos(x / 17))
            pattern[:] = np.roll(pattern, steps, (0, 1))

    _every_row(move, len(counts))


def make_noise(scan: tuple[int, int], detector: int, *, seed: int = 0) -> Counts:
    """Return a scan of Poisson noise without any structure."""
    counts = np.empty((*scan, detector, detector), np.uint16)

    def draw(y: int) -> None:
        counts[y] = np.random.default_rng((seed, y)).poisson(NOISE, counts.shape[1:])

    _every_row(draw, scan[0])
    return counts


def _every_row(draw: Callable[[int], None], rows: int) -> None:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(draw, range(rows)))


def _voronoi(scan: tuple[int, int], number: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Return for every position the nearest of `number` random points; those that are nearest nowhere do not count."""
    points = generator.uniform(0, scan, (number, 2))
    nearest, y = np.empty(scan, np.int64), np.arange(scan[0])
    for x in range(scan[1]):
        nearest[:, x] = np.argmin((y[:, None] - points[:, 0]) ** 2 + (x - points[:, 1]) ** 2, axis=1)
    _, labels = np.unique(nearest, return_inverse=True)
    return labels.reshape(scan).astype(np.int64) + 1


def _grain_patterns(number: int, detector: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Return patterns (number, k_y, k_x) of sum 1: a direct beam, disks on a lattice, a faint halo."""
    y, x = np.indices((detector, detector)) - (detector - 1) / 2
    radius = detector / 24
    patterns = np.empty((number, detector, detector))
    for k in range(number):
        angle, spacing = generator.uniform(0, np.pi), generator.uniform(1.0, 1.3) * detector / 8
        pattern = 0.002 * np.exp(-np.hypot(y, x) / (detector / 6))
        for i in _ORDERS:
            for j in _ORDERS:
                strength = 1.0 if i == j == 0 else generator.uniform(0, 0.2)
                centre = spacing * (i * np.exp(1j * angle) + j * np.exp(1j * (angle + np.pi / 2)))
                distance = np.hypot(y - centre.imag, x - centre.real)
                pattern += strength * np.clip(radius + 0.5 - distance, 0, 1)
        patterns[k] = pattern / pattern.sum()
    return patterns


def main() -> None:
    """Read the arguments and write a scan."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, help="the .npy file to write")
    parser.add_argument("--scan", type=int, default=64, help="positions along an edge")
    parser.add_argument("--detector", type=int, default=128, help="pixels along an edge")
    parser.add_argument("--descan", type=float, default=0.0, help="movement of the patterns in px")
    parser.add_argument("--noise", action="store_true", help="plain noise instead of grains")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    scan = (arguments.scan, arguments.scan)
    if arguments.noise:
        counts = make_noise(scan, arguments.detector, seed=arguments.seed)
    else:
        counts = make_scene(scan, arguments.detector, seed=arguments.seed).counts
        move_patterns(counts, arguments.descan)
    np.save(arguments.output, counts, allow_pickle=False)
    print(f"{arguments.output}: {counts.dtype} {counts.shape}, {counts.mean():.3f} electrons per pixel")


if __name__ == "__main__":
    main()
