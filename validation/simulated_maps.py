"""Maps of simulated scans: where grains, twins, particles and holes are, and how grains are bent."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree
from skimage.measure import label as connected

Array = NDArray[np.float64]
Labels = NDArray[np.int32]
Shape = tuple[int, int]


def grains(shape: Shape, number: int, random: np.random.Generator, *, unequal: bool = False) -> Labels:
    """Return about `number` Voronoi cells, numbered from 1 on.

    Unequal ones have centres whose density falls with the square of the distance from one of two points, so that sizes
    follow a power law, from some positions to a tenth of the scan.
    """
    centres = random.uniform(0, 1, (number, 2)) * shape
    if unequal:
        distance = np.exp(random.uniform(np.log(4), np.log(max(shape)), number))
        angle = random.uniform(0, 2 * np.pi, number)
        middle = (random.uniform(0.2, 0.8, (2, 2)) * shape)[np.arange(number) % 2]
        centres = middle + distance[:, None] * np.column_stack([np.sin(angle), np.cos(angle)])
    y, x = np.indices(shape)
    _, nearest = KDTree(centres).query(np.column_stack([y.ravel(), x.ravel()]))
    _, names = np.unique(nearest, return_inverse=True)
    return (names.reshape(shape) + 1).astype(np.int32)


def lamellae(grain: Labels, angles: Array, random: np.random.Generator) -> NDArray[np.bool_]:
    """Return where the second of two orientations is: lamellae, 4 to 8 positions wide, across each grain's normal."""
    y, x = np.indices(grain.shape)
    along = np.concatenate([[0.0], np.cos(angles)])[grain] * x + np.concatenate([[0.0], np.sin(angles)])[grain] * y
    width, start = random.uniform(4, 8, len(angles) + 1), random.uniform(0, 16, len(angles) + 1)
    second: NDArray[np.bool_] = np.floor((along + start[grain]) / width[grain]).astype(int) % 2 == 1
    return second


def particles(shape: Shape, random: np.random.Generator, *, radius: tuple[float, float]) -> tuple[Labels, Array]:
    """Return spheres that do not touch, numbered 1, 2, …, 0 = around them, and how deep they are, in positions.

    Their centres are at least half a radius within the scan; there are as many as a few hundred tries place.
    """
    where, depth = np.zeros(shape, np.int32), np.zeros(shape)
    placed: list[tuple[float, float, float]] = []
    y, x = np.indices(shape)
    for _ in range(max(300, shape[0] * shape[1] // 20)):
        size = random.uniform(*radius)
        centre = random.uniform(size / 2, np.array(shape) - size / 2)
        if all(np.hypot(centre[0] - a, centre[1] - b) > size + other + 2 for a, b, other in placed):
            placed.append((centre[0], centre[1], size))
            rest = size**2 - (y - centre[0]) ** 2 - (x - centre[1]) ** 2
            where[rest > 0], depth[rest > 0] = len(placed), 2 * np.sqrt(rest[rest > 0])
    return where, depth


def holes(shape: Shape, random: np.random.Generator) -> NDArray[np.bool_]:
    """Return round holes that cover about a tenth of the scan."""
    y, x = np.indices(shape)
    found = np.zeros(shape, bool)
    while found.mean() < 0.1:
        centre, size = random.uniform(0, shape), random.uniform(0.06, 0.12) * min(shape)
        found |= np.hypot(y - centre[0], x - centre[1]) < size
    return found


def bending(grain: Labels, angles: Array, curvature: Array) -> Array:
    """Return by how many radians each position is tilted about the mean of its grain, with radians per position."""
    y, x = np.indices(grain.shape)
    angles, curvature = np.concatenate([[0.0], angles]), np.concatenate([[0.0], curvature])
    along = np.cos(angles)[grain] * x + np.sin(angles)[grain] * y
    sizes = np.maximum(np.bincount(grain.ravel(), minlength=len(angles)), 1)
    mean = np.bincount(grain.ravel(), along.ravel(), minlength=len(angles)) / sizes
    tilted: Array = curvature[grain] * (along - mean[grain])
    return tilted


def domains(grain: Labels) -> tuple[Labels, NDArray[np.int64]]:
    """Return connected domains 1..K, 0 = none, positions that touch at corners included, and the grain of each."""
    labels = connected(grain, background=0, connectivity=2).astype(np.int32)
    of_label = np.zeros(int(labels.max(initial=0)) + 1, np.int64)
    of_label[labels] = grain
    return labels, of_label[1:]
