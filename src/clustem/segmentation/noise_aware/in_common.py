"""What two mean patterns have in common if they are of one crystal: reflections, and the lattice these lie on."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2, next_fast_len, rfft2

from clustem.segmentation.features import Basis
from clustem.segmentation.noise_aware.constants import SEGMENTATION

Array = NDArray[Any]
_SEED = 20260102
_TOGETHER = 32  # pairs looked at at once: their patterns stay in the cache
_LEAST = 0.25  # reliability of a measurement, at least: what is less is unknown


class _Vectors(NamedTuple):
    """Vectors between pixels of a grid of patterns, one of each two that are opposite.

    The grid (n_y, n_x) is that of the transform; centre (c,) and others (v,) are places in its half (n_y, n_x / 2 + 1),
    and ring (v,) tells how long the others are, of which there are so many (r,).
    """

    grid: tuple[int, int]
    centre: NDArray[np.int64]
    others: NDArray[np.int64]
    ring: NDArray[np.int64]
    sizes: NDArray[np.int64]


def in_common(means: Array, variances: Array, basis: Basis) -> Array:
    """Return what crystals of mean patterns (m, 2, D), of noise variances (m, 2), have in common, (m,).

    The one half is the cosine of what stands out of both patterns. A crystal that bends loses and gains reflections,
    but they lie on one lattice, and two crystals may share a row of reflections, but not the others: the other half is
    the cosine of both autocorrelations (Patterson, Phys. Rev. 46, 372, 1934), less the shape of a spot. It counts for
    less where a pattern has so few reflections that the shape of a spot is most of it. Both are taken over what noise
    leaves of them: a mean with noise added and with noise taken away is like two measurements of twice the variance
    (Spearman and Brown).
    """
    draw = np.random.default_rng(_SEED).standard_normal((means.shape[2],))
    shared = [
        _in_common(means[n : n + _TOGETHER], variances[n : n + _TOGETHER], basis, draw)
        for n in range(0, len(means), _TOGETHER)
    ]
    return np.concatenate([np.empty(0), *shared])


def _in_common(means: Array, variances: Array, basis: Basis, draw: Array) -> Array:
    one, two = (_Crystals(means[:, side], basis) for side in (0, 1))
    reflections, lattice = _cosine(one.shown, two.shown), _cosine(one.vectors, two.vectors)
    share = np.minimum(one.share, two.share)
    for side in (0, 1):
        energy = (means[:, side] ** 2).sum(axis=1)
        noisy = np.flatnonzero(variances[:, side] * means.shape[2] >= SEGMENTATION.clear * energy)
        if noisy.size:
            noise = np.sqrt(variances[noisy, side])[:, None] * draw
            more, less = (_Crystals(means[noisy, side] + sign * noise, basis) for sign in (1, -1))
            reflections[noisy] /= _reliability(more.shown, less.shown)
            lattice[noisy] /= _reliability(more.vectors, less.vectors)
    return np.asarray((1 - share) * reflections + share * np.maximum(lattice, 0))


def _reliability(one: Array, two: Array) -> Array:
    """Return the square root of that of measurements of which both (m, n) are halves."""
    half = np.maximum(_cosine(one, two), _LEAST)
    return np.asarray(np.sqrt(2 * half / (1 + half)))


class _Crystals:
    """What stands out of mean patterns (m, D) on pixels, (m, P); the vectors in between, (m, v); and what these count.

    That is half of the whole, unless they hold less than a third of the energy that the shape of a spot has.
    """

    def __init__(self, means: Array, basis: Basis) -> None:
        bright = np.maximum(means.astype(np.float32) @ basis.back.T, 0) ** np.float32(SEGMENTATION.evened)
        self.shown = _less_rings(bright, basis.ring, np.bincount(basis.ring))
        shape = int(basis.place[:, 0].max()) + 1, int(basis.place[:, 1].max()) + 1
        vectors = _vectors(shape, SEGMENTATION.centre * basis.spot, SEGMENTATION.vectors)
        grid = np.zeros((len(means), *vectors.grid), np.float32)
        grid[:, basis.place[:, 0], basis.place[:, 1]] = self.shown
        spectrum = rfft2(grid, workers=1)
        power = spectrum.real**2 + spectrum.imag**2
        found = irfft2(power, s=vectors.grid, workers=1)[:, :, : vectors.grid[1] // 2 + 1].reshape(len(means), -1)
        self.vectors = _less_rings(found[:, vectors.others], vectors.ring, vectors.sizes)
        own, between = ((part.astype(np.float64) ** 2).sum(axis=1) for part in (found[:, vectors.centre], self.vectors))
        self.share = np.minimum(2 * between / np.maximum(own + between, 1e-300), 0.5)


def _less_rings(values: Array, ring: NDArray[np.int64], sizes: NDArray[np.int64]) -> Array:
    """Return values (m, P) less their means over rings (P,) of so many of them (R,)."""
    sums = np.zeros((len(values), len(sizes)), np.float32)
    for n, line in enumerate(values):
        sums[n] = np.bincount(ring, line, len(sizes))
    return np.asarray(values - (sums / np.maximum(sizes, 1))[:, ring], np.float32)


def _cosine(one: Array, two: Array) -> Array:
    """Return the cosines of patterns (m, P), 0 where one is nothing."""
    energy = np.einsum("mp,mp->m", one, one, dtype=float) * np.einsum("mp,mp->m", two, two, dtype=float)
    return np.asarray(np.einsum("mp,mp->m", one, two, dtype=float) / np.sqrt(np.maximum(energy, 1e-300)))


@lru_cache(maxsize=32)
def _vectors(shape: tuple[int, int], shortest: float, share: float) -> _Vectors:
    """Return the vectors between pixels of patterns of a shape, up to that share of it, and up to `shortest` apart."""
    longest = [share * length for length in shape]
    height, width = (
        next_fast_len(length + int(most) + 1, real=True) for length, most in zip(shape, longest, strict=True)
    )
    down, across = np.indices((height, width // 2 + 1))
    down = np.where(down > height // 2, down - height, down)
    length = np.hypot(down, across)
    near = length <= shortest
    once = (across > 0) | (down >= 0)
    within = (down / longest[0]) ** 2 + (across / longest[1]) ** 2 <= 1
    centre, others = (np.flatnonzero(part & once) for part in (near, within & ~near))
    ring = length.ravel()[others].astype(np.int64)
    return _Vectors((height, width), centre, others, ring, np.bincount(ring))
