"""The few directions in which the patterns of a scan differ, found without knowing the domains.

A pattern, binned, is blurred, freed of its share of the scan mean, and divided by the square root of the mean, which
makes the noise even. What two neighbours have in common beyond chance is signal, as their noise is
independent: so the directions are the eigenvectors of the covariance between neighbouring tiles of the scan, and the
most negative eigenvalue says how large chance makes them. Everything is linear: a pattern times one matrix.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.ndimage import gaussian_filter, uniform_filter

Array = NDArray[np.float64]

MOST = 61  # directions; with the sum and the noise a pattern has at most 63 features
_SIGMA = 1.0  # blur in binned px: about half of the smallest spot
_FLOOR = 0.02  # of the mean outside the beam, added to it in the denominator: dark pixels are not blown up
_SHRINK = 0.1  # signal per position, in noise variances, that halves the weight of a direction
_CHANCE = 2.2  # largest eigenvalue over the most negative one: of noise and single crystals at most 1.9
_TILES_AT_ONCE, _FEWER_AT_ONCE = 400, 200  # singular vectors of the tiles that are kept


@dataclass(frozen=True, eq=False)
class Basis:
    """What is computed of every binned pattern.

    Attributes
    ----------
    matrix : (n_y n_x, D + 2) float32
        Pattern → D contrasts of noise variance 1 in a position of mean dose, the sum outside the beam, and the energy
        of the noise relative to that of a position of mean dose.
    weight : (D,) float64
        Of the contrasts when regions are compared: directions with little signal weigh less.
    covariance : (D + 1, D + 1) float64
        Of the noise of the contrasts and the sum, at mean dose.
    back : (D + 1, n_y n_x) float64
        Contrasts and sum → the blurred pattern outside of the beam.
    spectrum : (n,) float64
        Eigenvalues of the covariance between neighbouring tiles over the most negative one.
    diffuse : (D + 1,) float64
        Contrasts and sum of what the mean pattern has at every distance from the beam, whatever the direction.
    """

    matrix: NDArray[np.float32]
    weight: Array
    covariance: Array
    back: Array
    spectrum: Array
    diffuse: Array

    @property
    def size(self) -> int:
        """D, number of directions."""
        return self.weight.size

    @property
    def structured(self) -> bool:
        """Whether neighbours have more in common than chance makes: without it, there is nothing to divide."""
        return bool(self.spectrum[0] > _CHANCE)

    @cached_property
    def whitening(self) -> Array:
        """(D + 1, D + 1): contrasts and sum → the same with independent noise of variance 1."""
        scale = np.sqrt(np.diag(self.covariance))
        correlation = self.covariance / np.outer(scale, scale) + 1e-9 * np.eye(scale.size)
        result: Array = np.linalg.cholesky(np.linalg.inv(correlation)).T / scale
        return result

    @cached_property
    def without_diffuse(self) -> Array:
        """(D, D + 1): contrasts and sum → whitened, at right angles to the diffuse scattering."""
        whitened = self.whitening @ self.diffuse
        others: Array = np.linalg.qr(whitened[:, None], mode="complete")[0][:, 1:]
        return others.T @ self.whitening


def find_basis(
    strips: list[NDArray[np.float32]],
    patterns: int,
    use: NDArray[np.bool_],
    read_variance: float,
    centre: NDArray[np.float64],
    *,
    rough: bool = False,
) -> Basis:
    """Return the directions in which tiles of a scan differ.

    Parameters
    ----------
    strips : list of (t_y, t_x, n_y, n_x) float32
        Sums of binned patterns, in electrons, over tiles that are neighbours within each strip.
    patterns : int
        Positions in a tile.
    use : (n_y, n_x) bool
        Binned pixels that are compared: outside of the direct beam.
    read_variance : float
        Variance of a binned pixel without electrons, in electrons squared.
    centre : (2,) float64
        Of the beam, in binned px.
    rough : bool
        Whether to compute in single precision, from fewer singular vectors of the tiles: for parts of a scan.
    """
    precision: Any = np.float32 if rough else np.float64
    shape, flat = use.shape, use.ravel()
    tiles = np.concatenate([strip.reshape(-1, flat.size) for strip in strips]) * flat
    raw = tiles.mean(axis=0, dtype=np.float64) / patterns
    mean = np.maximum(_blur(raw[None], shape)[0], 0)
    level = max(float(mean[flat].mean()), 1e-12)
    weight = np.where(flat, 1 / np.sqrt(mean + read_variance + _FLOOR * level), 0)
    share = np.where(flat, mean, 0) / max(float(mean[flat].sum()), 1e-12)
    lit = _blur(np.asarray(tiles, precision), shape)
    contrast = ((lit - lit[:, flat].sum(axis=1)[:, None] * share.astype(precision)) * weight.astype(precision))[:, flat]
    most = _FEWER_AT_ONCE if rough else _TILES_AT_ONCE
    directions, spectrum = _shared_directions(contrast, [strip.shape[:2] for strip in strips], most)
    spread = np.zeros((len(directions), flat.size))
    spread[:, flat] = directions
    weighted = spread * weight
    matrix = _blur((weighted - (weighted @ share)[:, None]) * flat, shape) * flat
    variance = (np.maximum(raw, 0) + read_variance) * flat
    factor = np.linalg.cholesky(np.linalg.inv(_covariance(matrix, variance))).T
    rotation, signal = _signal_axes(
        tiles @ (factor @ matrix).T.astype(precision), [s.shape[:2] for s in strips], patterns
    )
    turn = rotation @ factor
    matrix = turn @ matrix
    total = _blur(flat[None].astype(float), shape) * flat
    back = np.zeros((len(matrix) + 1, flat.size))
    back[:-1, flat] = (np.linalg.inv(turn).T @ directions) / weight[flat]
    back[-1] = share
    noise = (matrix**2).sum(axis=0)
    noise /= noise @ variance
    whole = np.concatenate([matrix, total, noise[None]])
    return Basis(
        matrix=np.ascontiguousarray(whole.T, np.float32),
        weight=np.sqrt(signal / (signal + _SHRINK)),
        covariance=_covariance(whole[:-1], variance),
        back=back,
        spectrum=spectrum,
        diffuse=whole[:-1] @ _diffuse(raw * flat, use, centre),
    )


def _diffuse(mean: Array, use: NDArray[np.bool_], centre: Array) -> Array:
    """Return the median of a pattern (n_y n_x,) on every ring about the centre, on all pixels in use of the ring."""
    y, x = np.indices(use.shape)
    ring = np.rint(np.hypot(y - centre[0], x - centre[1])).astype(np.int64).ravel()
    pattern = np.zeros(ring.size)
    used = use.ravel()
    for number in np.unique(ring[used]):
        here = used & (ring == number)
        pattern[here] = np.median(mean[here])
    return pattern


def _blur(patterns: Array, shape: tuple[int, ...]) -> Array:
    blurred: Array = gaussian_filter(patterns.reshape(-1, *shape), (0, _SIGMA, _SIGMA))
    return blurred.reshape(len(patterns), -1)


def _covariance(matrix: Array, variance: Array) -> Array:
    covariance: Array = (matrix * variance) @ matrix.T
    return np.asarray(covariance + 1e-9 * np.trace(covariance) / len(covariance) * np.eye(len(covariance)))


def _shared_directions(contrast: Array, strips: list[tuple[int, ...]], most: int) -> tuple[Array, Array]:
    """Return orthonormal directions (D, k) that neighbouring tiles share, and the whole spectrum."""
    last = len(contrast) - 1
    energy, vectors = eigh(contrast @ contrast.T, subset_by_index=(max(0, last + 1 - most), last))
    kept = np.flatnonzero(energy > 1e-10 * max(float(energy[-1]), 1e-300))[::-1]
    if not kept.size:
        return _any_direction(contrast.shape[1]), np.zeros(1)
    size = np.sqrt(energy[kept])
    values, mixing = np.linalg.eigh(_between_neighbours(vectors[:, kept] * size, strips))
    values, mixing = values[::-1], mixing[:, ::-1]
    chance = max(-float(values[-1]), 1e-9 * float(abs(values[0])), 1e-300)
    number = int(np.clip((values > chance).sum(), 1, MOST))
    directions: Array = (mixing[:, :number].T / size) @ (vectors[:, kept].T @ contrast)
    directions *= np.where(directions[np.arange(number), np.abs(directions).argmax(axis=1)] < 0, -1, 1)[:, None]
    return directions, values / chance


def _any_direction(pixels: int) -> Array:
    """Return a direction for patterns that do not differ at all."""
    direction = np.zeros((1, pixels))
    direction[0, 0] = 1
    return direction


def _signal_axes(values: Array, strips: list[tuple[int, ...]], patterns: int) -> tuple[Array, Array]:
    """Return the rotation to axes (D, D) of falling signal, and the signal (D,) per position in noise variances."""
    pairs = sum(int(_neighbours(np.ones((*shape, 1))).sum()) for shape in strips)
    shared = _between_neighbours(values, strips) / max(1, pairs) / patterns**2
    signal, axes = np.linalg.eigh(shared)
    axes = axes * np.where(axes[np.abs(axes).argmax(axis=0), np.arange(len(axes))] < 0, -1, 1)
    return axes[:, ::-1].T, np.clip(signal[::-1], 1e-6, None)


def _between_neighbours(values: Array, strips: list[tuple[int, ...]]) -> Array:
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
