"""What neighbouring tiles of a scan have in common: the directions in which their patterns are not noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpstrf

Array = NDArray[Any]

_LEAST = 1e-7  # of the largest energy of a tile, below which what is left of the others is rounding


@dataclass(frozen=True, eq=False)
class Shared:
    """Directions that neighbouring tiles share.

    Attributes
    ----------
    directions : (D, n)
        Orthonormal, by falling covariance.
    values : (m,) float64
        All eigenvalues of the covariance between neighbouring tiles, summed over pairs, falling; first those of the
        directions.
    pairs : int
    """

    directions: Array
    values: Array
    pairs: int


def shared_directions(contrast: Array, tiles: tuple[int, int], *, chance: float | None, most: int) -> Shared:
    """Return up to `most` directions that neighbours share beyond chance, of contrasts (t_y · t_x, n) of tiles.

    Without a chance, as large as the most negative eigenvalue, which signal has none of. One direction is always kept.
    """
    products = (contrast @ contrast.T).astype(np.float64)
    root = root_of(products)
    beside = around(root, tiles)
    values, mixing = np.linalg.eigh(_even(root.T @ beside))
    if not values.size or abs(values[-1]) <= _LEAST * products.diagonal().max():
        direction = np.zeros((1, contrast.shape[1]), contrast.dtype)
        direction[0, 0] = 1
        return Shared(direction, np.zeros(1), pairs_of(tiles))
    least = max(-float(values[0]), 1e-9 * float(abs(values[-1]))) if chance is None else chance
    found = int(np.clip((values > least).sum(), 1, most))
    values, mixing = values[::-1], mixing[:, ::-1][:, :found]
    directions = (beside @ mixing / values[:found]).T.astype(contrast.dtype) @ contrast
    strongest = directions[np.arange(found), np.abs(directions).argmax(axis=1)]
    directions *= np.where(strongest < 0, -1, 1).astype(contrast.dtype)[:, None]
    return Shared(directions, values, pairs_of(tiles))


def shared_values(products: Array, tiles: tuple[int, int]) -> Array:
    """Return the eigenvalues of the covariance between neighbours, rising, from the products of tiles (t_y · t_x)²."""
    root = root_of(products)
    return np.asarray(np.linalg.eigvalsh(_even(root.T @ around(root, tiles))))


def root_of(products: Array) -> Array:
    """Return values (n, m) float64 whose products are those (n, n) of n vectors, which span m dimensions."""
    lower, order, rank, _ = dpstrf(products, tol=_LEAST * products.diagonal().max(), lower=1)
    root = np.empty((len(products), rank))
    root[order - 1] = np.tril(lower)[:, :rank]
    return root


def pairs_of(tiles: tuple[int, int]) -> int:
    """Return the number of neighbours of all tiles (t_y, t_x)."""
    return int(around(np.ones((tiles[0] * tiles[1], 1)), tiles).sum())


def around(values: Array, tiles: tuple[int, int]) -> Array:
    """Return the sums of values (t_y · t_x, D) over the up to eight tiles around each."""
    block = values.reshape(*tiles, -1)
    rows = block.copy()
    rows[1:] += block[:-1]
    rows[:-1] += block[1:]
    sums = rows - block
    sums[:, 1:] += rows[:, :-1]
    sums[:, :-1] += rows[:, 1:]
    return sums.reshape(values.shape)


def _even(matrix: Array) -> Array:
    return np.asarray((matrix + matrix.T) / 2)
