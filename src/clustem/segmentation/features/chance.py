"""What noise alone gives neighbouring tiles in common, found by filtering some."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.computing import in_threads
from clustem.segmentation.features.constants import FEATURES
from clustem.segmentation.features.filters import SpotFilter
from clustem.segmentation.features.shared_directions import shared_values

Array = NDArray[Any]

_SEED = 20260101
_TOGETHER = 150  # tiles that are drawn together, so that grids of about as many share them


def chance(spot: SpotFilter, tiles: tuple[int, int]) -> float:
    """Return the largest value that noise of variance 1 gives the covariance of neighbouring tiles (t_y, t_x)."""
    return _chance(spot.use.shape, spot.use.tobytes(), spot.size, tiles)


def prepare_chance(spot: SpotFilter, grids: set[tuple[int, int]]) -> None:
    """Find out about all grids of tiles (t_y, t_x) in threads, so that :func:`chance` knows them."""
    key = spot.use.shape, spot.use.tobytes(), spot.size
    _for_all(lambda drawn: _products(*key, drawn), {_drawn(tiles) for tiles in grids})
    _for_all(lambda tiles: _chance(*key, tiles), grids)


def forget_chance() -> None:
    """Find out anew, as other constants of the filter make it differ."""
    _chance.cache_clear()
    _products.cache_clear()


def _for_all(work: Callable[[Any], object], items: set[Any]) -> None:
    ordered = sorted(items)

    def some(first: int, last: int) -> None:
        for item in ordered[first:last]:
            work(item)

    in_threads(some, len(ordered), longest=1)


def _drawn(tiles: tuple[int, int]) -> int:
    return -(-tiles[0] * tiles[1] // _TOGETHER) * _TOGETHER


@lru_cache(maxsize=64)
def _chance(shape: tuple[int, int], use: bytes, size: float, tiles: tuple[int, int]) -> float:
    number = tiles[0] * tiles[1]
    products = _products(shape, use, size, _drawn(tiles))[:number, :number]
    return float(np.abs(shared_values(products, tiles)).max(initial=0.0))


@lru_cache(maxsize=8)
def _products(shape: tuple[int, int], use: bytes, size: float, number: int) -> Array:
    """Return the products (n, n) of so many tiles of filtered noise, of which the first are always the same."""
    spot = SpotFilter(np.frombuffer(use, bool).reshape(shape), size)
    generator = np.random.default_rng(_SEED)
    noise = np.empty((number, int(spot.use.sum())), np.float32)
    for start in range(0, number, FEATURES.filtered_together):
        part = noise[start : start + FEATURES.filtered_together]
        part[:] = spot.apply(generator.standard_normal((len(part), *shape), np.float32))
    return (noise @ noise.T).astype(np.float64)
