"""What noise alone gives neighbouring tiles in common, found by filtering some."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from clustem.segmentation.features.constants import FEATURES
from clustem.segmentation.features.filters import SpotFilter
from clustem.segmentation.features.shared_directions import shared_values

_SEED = 20260101


def chance(spot: SpotFilter, tiles: tuple[int, int]) -> float:
    """Return the largest value that noise of variance 1 gives the covariance of neighbouring tiles (t_y, t_x).

    Tiles that are turned by 90° have the same noise.
    """
    return chance_of_noise(spot.use.shape, spot.use.tobytes(), spot.size, (min(tiles), max(tiles)))


@lru_cache(maxsize=64)
def chance_of_noise(shape: tuple[int, int], use: bytes, size: float, tiles: tuple[int, int]) -> float:
    """Return the same for a filter of pixels (n_y, n_x) in use, as bytes, and a size; values are kept."""
    spot = SpotFilter(np.frombuffer(use, bool).reshape(shape), size)
    generator = np.random.default_rng(_SEED)
    noise = np.empty((tiles[0] * tiles[1], int(spot.use.sum())), np.float32)
    for start in range(0, len(noise), FEATURES.filtered_together):
        part = noise[start : start + FEATURES.filtered_together]
        part[:] = spot.apply(generator.standard_normal((len(part), *shape), np.float32))
    return float(np.abs(shared_values((noise @ noise.T).astype(np.float64), tiles)).max(initial=0.0))
