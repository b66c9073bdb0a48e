"""What is compared of a pattern: what stands out of its own surroundings, at the size of its features."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from clustem.segmentation.features.shared_directions import shared_values

Array = NDArray[Any]

_WIDER = 4.0  # times the fine blur is the coarse one: what is as smooth as that is background
_LEAST = 0.05  # of the blur that lies on pixels in use, at least
_SEED = 20260101


@dataclass(frozen=True, eq=False)
class SpotFilter:
    """A zero-sum filter (n_y, n_x): the fine blur of a pattern less the coarse one, each over the pixels in use.

    It is linear. A constant, and nearly all that is smooth over several spots, is 0 in it, whatever its strength.
    """

    use: NDArray[np.bool_]
    size: float

    @property
    def matrices(self) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        """(down, across) of the fine and of the coarse blur."""
        down, across = (_blurring(length, self.size) for length in self.use.shape)
        wide_down, wide_across = (_blurring(length, self.size * _WIDER) for length in self.use.shape)
        return (down, across), (wide_down, wide_across)

    def blurred(self, pattern: Array) -> Array:
        """Return the fine blur of a pattern (n_y, n_x), over the pixels in use."""
        (down, across), _ = self.matrices
        result: Array = down @ (pattern * self.use) @ across.T / self._norms(down, across)
        return result * self.use

    def apply(self, patterns: Array) -> Array:
        """Return the filtered patterns (n, pixels in use) of patterns (n, n_y, n_x), in their precision."""
        kind = patterns.dtype
        lit = patterns * self.use.astype(kind)
        result = np.zeros_like(lit)
        for sign, (down, across) in zip((1, -1), self.matrices, strict=True):
            result += sign * (down.astype(kind) @ lit @ across.T.astype(kind)) / self._norms(down, across).astype(kind)
        return np.asarray(result[:, self.use])

    def transposed(self, directions: Array) -> Array:
        """Return what patterns (n_y n_x,) are multiplied with to get their filtered part along directions (D, used)."""
        spread = np.zeros((len(directions), *self.use.shape))
        spread[:, self.use] = directions
        result = np.zeros_like(spread)
        for sign, (down, across) in zip((1, -1), self.matrices, strict=True):
            result += sign * (down.T @ (spread / self._norms(down, across)) @ across)
        return np.asarray((result * self.use).reshape(len(directions), -1))

    def _norms(self, down: Array, across: Array) -> Array:
        return np.asarray(np.maximum(down @ self.use @ across.T, _LEAST))

    def chance(self, tiles: tuple[int, int]) -> float:
        """Return the largest value that noise of variance 1 gives the covariance of neighbouring tiles (t_y, t_x)."""
        return _chance(self.use.shape, self.use.tobytes(), self.size, tiles)


@lru_cache(maxsize=16)
def _chance(shape: tuple[int, int], use: bytes, size: float, tiles: tuple[int, int]) -> float:
    spot = SpotFilter(np.frombuffer(use, bool).reshape(shape), size)
    noise = np.random.default_rng(_SEED).standard_normal((tiles[0] * tiles[1], *shape), np.float32)
    values = shared_values(spot.apply(noise), tiles)
    return float(np.abs(values).max(initial=0.0))


@lru_cache(maxsize=32)
def _blurring(length: int, sigma: float) -> Array:
    """Return the matrix (n, n) that blurs a line of so many pixels, with nothing beyond its ends."""
    matrix: Array = gaussian_filter1d(np.eye(length), sigma, axis=0, mode="constant")
    return matrix
