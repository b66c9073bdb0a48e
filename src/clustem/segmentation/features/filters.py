"""What is compared of a pattern: what stands out of its own surroundings, at the size of its features."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from clustem.segmentation.features._filter_kernels import weighted_differences

Array = NDArray[Any]

COARSE = 4.0  # times the fine blur is the coarse one: what is as smooth as that is background
_LEAST = 0.05  # of the blur that lies on pixels in use, at least


@dataclass(frozen=True, eq=False)
class SpotFilter:
    """A zero-sum filter (n_y, n_x): the fine blur of a pattern less the coarse one, each over the pixels in use.

    It is linear. A constant, and nearly all that is smooth over several spots, is 0 in it, whatever its strength.
    """

    use: NDArray[np.bool_]
    size: float

    @property
    def matrices(self) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        """(down, across) of the fine and of the coarse blur; they are symmetric."""
        down, across = (_blurring(length, self.size) for length in self.use.shape)
        wide_down, wide_across = (_blurring(length, self.size * COARSE) for length in self.use.shape)
        return (down, across), (wide_down, wide_across)

    @cached_property
    def shares(self) -> tuple[Array, Array]:
        """What the fine and the coarse blur (n_y, n_x) are multiplied with: 1 over what lies on pixels in use."""
        fine, coarse = (self.use / np.maximum(down @ self.use @ across, _LEAST) for down, across in self.matrices)
        return fine, coarse

    def blurred(self, pattern: Array) -> Array:
        """Return the fine blur of a pattern (n_y, n_x), over the pixels in use."""
        (down, across), _ = self.matrices
        return np.asarray(down @ (pattern * self.use) @ across * self.shares[0])

    def apply(self, patterns: Array) -> Array:
        """Return the filtered patterns (n, pixels in use) of patterns (n, n_y, n_x), in their precision."""
        kind, number = patterns.dtype, len(patterns)
        lit = patterns * self.use.astype(kind)
        fine, coarse = (down.astype(kind) @ lit @ across.astype(kind) for down, across in self.matrices)
        shares = [share[self.use].astype(kind) for share in self.shares]
        result = np.empty((number, shares[0].size), kind)
        pixels = np.flatnonzero(self.use)
        weighted_differences(fine.reshape(number, -1), coarse.reshape(number, -1), *shares, pixels, result)
        return result

    def transposed(self, directions: Array) -> Array:
        """Return what patterns (n_y n_x,) are multiplied with to get their filtered part along directions (D, used)."""
        kind = directions.dtype
        spread = np.zeros((len(directions), *self.use.shape), kind)
        spread[:, self.use] = directions
        fine, coarse = (
            down.astype(kind) @ (spread * share.astype(kind)) @ across.astype(kind)
            for share, (down, across) in zip(self.shares, self.matrices, strict=True)
        )
        return np.asarray(((fine - coarse) * self.use).reshape(len(directions), -1))


@lru_cache(maxsize=32)
def _blurring(length: int, sigma: float) -> Array:
    """Return the symmetric matrix (n, n) that blurs a line of so many pixels, with nothing beyond its ends."""
    matrix: Array = gaussian_filter1d(np.eye(length), sigma, axis=0, mode="constant")
    return matrix
