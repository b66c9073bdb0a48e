"""What neighbouring tiles of a scan have in common: the directions in which their patterns are not noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

Array = NDArray[Any]

_LEAST = 1e-7  # of the largest energy, below which a direction of the tiles is none


@dataclass(frozen=True, eq=False)
class Shared:
    """Directions that neighbouring tiles share.

    Attributes
    ----------
    directions : (D, n) float64
        Orthonormal, by falling covariance.
    values : (m,) float64
        All eigenvalues of the covariance, falling.
    between : (D, D) float64
        Covariance between neighbouring tiles in these directions, summed over pairs.
    pairs : int
    """

    directions: Array
    values: Array
    between: Array
    pairs: int


def shared_directions(contrast: Array, tiles: tuple[int, int], *, chance: float | None, most: int) -> Shared:
    """Return up to `most` directions that neighbours share beyond chance, of contrasts (t_y · t_x, n) of tiles.

    Without a chance, as large as the most negative eigenvalue, which signal has none of. One direction is always kept.
    """
    energy, vectors = np.linalg.eigh((contrast @ contrast.T).astype(np.float64))
    kept = np.flatnonzero(energy > _LEAST * max(float(energy[-1]), 1e-300))[::-1]
    if not kept.size:
        direction = np.zeros((1, contrast.shape[1]))
        direction[0, 0] = 1
        return Shared(direction, np.zeros(1), np.zeros((1, 1)), pairs_of(tiles))
    size = np.sqrt(energy[kept])
    between = between_neighbours(vectors[:, kept] * size, tiles)
    values, mixing = np.linalg.eigh(between)
    least = max(-float(values[0]), 1e-9 * float(abs(values[-1]))) if chance is None else chance
    found = int(np.clip((values > least).sum(), 1, most))
    mixing = mixing[:, ::-1][:, :found]
    to_pixels = (vectors[:, kept] / size) @ mixing
    directions = to_pixels.T.astype(contrast.dtype) @ contrast
    strongest = directions[np.arange(found), np.abs(directions).argmax(axis=1)]
    sign = np.where(strongest < 0, -1.0, 1.0)
    turned = sign[:, None] * (mixing.T @ between @ mixing) * sign
    return Shared(directions.astype(np.float64) * sign[:, None], values[::-1], turned, pairs_of(tiles))


def shared_values(contrast: Array, tiles: tuple[int, int]) -> Array:
    """Return the eigenvalues of the covariance between neighbours of contrasts (t_y · t_x, n), rising."""
    energy, vectors = np.linalg.eigh((contrast @ contrast.T).astype(np.float64))
    return np.asarray(np.linalg.eigvalsh(between_neighbours(vectors * np.sqrt(np.maximum(energy, 0)), tiles)))


def pairs_of(tiles: tuple[int, int]) -> int:
    """Return the number of neighbours of all tiles (t_y, t_x)."""
    return int(_neighbours(np.ones((*tiles, 1))).sum().round())


def between_neighbours(values: Array, tiles: tuple[int, int]) -> Array:
    """Return the covariance (D, D) between values (t_y · t_x, D) and those of the tiles around them."""
    around = _neighbours(values.reshape(*tiles, -1)).reshape(len(values), -1)
    result = values.T @ around
    return np.asarray((result + result.T) / 2)


def _neighbours(block: Array) -> Array:
    """Return the sums over the up to eight tiles around each, (t_y, t_x, D)."""
    return np.asarray(uniform_filter(block, (3, 3, 1), mode="constant") * 9 - block)
