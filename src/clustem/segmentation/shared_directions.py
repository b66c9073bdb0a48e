"""What neighbouring tiles of a scan have in common, also with what rows before them had."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.ndimage import uniform_filter

from clustem.solving import lower_gram, product

Array = NDArray[Any]

_LEAST = 1e-10  # of the largest energy, below which a direction of the tiles is none


@dataclass(frozen=True, eq=False)
class Past:
    """What is kept of rows that have passed, for the directions of those that follow.

    Attributes
    ----------
    positions : float
        Number of positions.
    mean : (n,) float64
        Their mean pattern, in n binned pixels.
    weight : (n,) float64
        By which contrasts were multiplied, 0 where pixels are not compared.
    directions : (D, n) float64
        Orthonormal directions of weighted contrasts.
    covariance : (D, D) float64
        Between neighbours in these directions, per position squared, summed over `pairs` of neighbouring tiles.
    pairs : float
    chance : float
        How large an eigenvalue of this covariance chance makes.
    """

    positions: float
    mean: Array
    weight: Array
    directions: Array
    covariance: Array
    pairs: float
    chance: float


@dataclass(frozen=True, eq=False)
class Shared:
    """Directions that neighbours share.

    Attributes
    ----------
    directions : (D, n) float64
        Orthonormal.
    values : (m,) float64
        All eigenvalues, falling.
    chance : float
        How large chance makes them: as large as the most negative one.
    here : (D, D) float64
        Covariance between neighbouring tiles in these directions.
    before : (D, D) float64
        The same of the past.
    """

    directions: Array
    values: Array
    chance: float
    here: Array
    before: Array


@dataclass(frozen=True, eq=False)
class Known:
    """A past in the units of tiles: rows (D, n), their covariance (D, D), and what chance makes of it."""

    rows: Array
    covariance: Array
    chance: float


def shared_directions(
    contrast: Array, strips: list[tuple[int, ...]], *, at_once: int, most: int, known: Known | None = None
) -> Shared:
    """Return up to `most` directions that neighbouring tiles share, from contrasts (tiles, n) in strips of tiles.

    Of the tiles `at_once` singular vectors are looked at. With a past, the covariance is the sum of both.
    """
    last = len(contrast) - 1
    energy, vectors = eigh(lower_gram(contrast), subset_by_index=(max(0, last + 1 - at_once), last))
    kept = np.flatnonzero(energy > _LEAST * max(float(energy[-1]), 1e-300))[::-1]
    if not kept.size and known is None:
        return _nothing(contrast.shape[1])
    size = np.sqrt(energy[kept])
    between = between_neighbours(vectors[:, kept] * size, strips)
    axes = product(vectors[:, kept].T, contrast) / size[:, None]
    values, directions, chance = (
        _distinct(axes, between, most) if known is None else _joined(axes, between, known, most)
    )
    directions *= np.where(directions[np.arange(len(directions)), np.abs(directions).argmax(axis=1)] < 0, -1, 1)[
        :, None
    ]
    here = between_neighbours(product(contrast, directions.T.astype(contrast.dtype)), strips)
    return Shared(directions, values[::-1], chance, here, _turned(known, directions))


def _distinct(axes: Array, between: Array, most: int) -> tuple[Array, Array, float]:
    """Return the rising eigenvalues, directions and chance of a covariance in axes (r, n)."""
    values, mixing = np.linalg.eigh(between)
    chance = max(-float(values[0]), 1e-9 * float(abs(values[-1])), 1e-300)
    found = int(np.clip((values > chance).sum(), 1, most))
    return values, mixing[:, ::-1][:, :found].T @ axes, chance


def _joined(axes: Array, between: Array, known: Known, most: int) -> tuple[Array, Array, float]:
    """Return the same of the sum of a covariance and that of a past."""
    inside = known.rows @ axes.T
    rest, outside = np.linalg.qr((known.rows - inside @ axes).T)
    coordinates = np.concatenate([inside, outside.T], axis=1)
    whole = coordinates.T @ known.covariance @ coordinates
    number = len(axes)
    whole[:number, :number] += between
    own = -float(np.linalg.eigvalsh(between).min(initial=0.0))
    values, mixing = np.linalg.eigh((whole + whole.T) / 2)
    chance = max(float(np.hypot(own, known.chance)), 1e-9 * float(abs(values[-1])), 1e-300)
    found = int(np.clip((values > chance).sum(), 1, most))
    mixing = mixing[:, ::-1][:, :found]
    return values, mixing[:number].T @ axes + mixing[number:].T @ rest.T, chance


def _turned(known: Known | None, directions: Array) -> Array:
    """Return the covariance of a past in other directions."""
    if known is None:
        return np.zeros((len(directions),) * 2)
    turn = directions @ known.rows.T
    return np.asarray(turn @ known.covariance @ turn.T)


def _nothing(pixels: int) -> Shared:
    """Return a direction for patterns that do not differ at all."""
    direction = np.zeros((1, pixels))
    direction[0, 0] = 1
    return Shared(direction, np.zeros(1), 1e-300, np.zeros((1, 1)), np.zeros((1, 1)))


def pairs_of(strips: list[tuple[int, ...]]) -> int:
    """Return the number of neighbours of all tiles."""
    return sum(int(_neighbours(np.ones((*shape, 1))).sum()) for shape in strips)


def between_neighbours(values: Array, strips: list[tuple[int, ...]]) -> Array:
    """Return the covariance (D, D) between values (tiles, D) and those of the tiles around them."""
    result = np.zeros((values.shape[1],) * 2)
    start = 0
    for shape in strips:
        stop = start + int(np.prod(shape))
        block = values[start:stop].reshape(*shape, -1)
        result += values[start:stop].T @ _neighbours(block).reshape(stop - start, -1)
        start = stop
    return (result + result.T) / 2


def _neighbours(block: Array) -> Array:
    """Return the sums over the up to eight tiles around each, (t_y, t_x, D)."""
    around: Array = uniform_filter(block, (3, 3, 1), mode="constant") * 9 - block
    return around
