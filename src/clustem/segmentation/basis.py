"""The few directions in which the patterns of a scan differ, found without knowing the domains.

A pattern, binned, is blurred, freed of its share of the scan mean, and divided by the square root of the mean, which
makes the noise even. What two neighbours have in common beyond chance is signal, as their noise is
independent: so the directions are the eigenvectors of the covariance between neighbouring tiles of the scan, and the
most negative eigenvalue says how large chance makes them. Everything is linear: a pattern times one matrix.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from clustem.computing import in_threads
from clustem.segmentation.shared_directions import Known, Past, Shared, pairs_of, shared_directions

Array = NDArray[np.float64]

MOST = 61  # directions; with the sum and the noise a pattern has at most 63 features
_SIGMA = 1.0  # blur in binned px: about half of the smallest spot
_FLOOR = 0.02  # of the mean outside the beam, added to it in the denominator: dark pixels are not blown up
_SHRINK = 0.1  # signal per position, in noise variances, that halves the weight of a direction
_CHANCE = 2.2  # largest eigenvalue over the most negative one: of noise and single crystals at most 1.9
_TILES_AT_ONCE, _FEWER_AT_ONCE = 400, 200  # singular vectors of the tiles that are kept
_BLURRED_TOGETHER = 32  # tiles; those of 64×64 binned pixels stay in the cache


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
    """
    tiles = _Tiles.of(strips, patterns, use, read_variance, None)
    found = shared_directions(tiles.contrast(np.float64), tiles.shapes, at_once=_TILES_AT_ONCE, most=MOST)
    return tiles.basis(found, centre, pairs_of(tiles.shapes))


def find_basis_after(
    past: Past | None,
    strips: list[NDArray[np.float32]],
    patterns: int,
    use: NDArray[np.bool_],
    read_variance: float,
    centre: NDArray[np.float64],
    *,
    share: float,
) -> tuple[Basis, Past]:
    """Return the directions in which tiles of a part of a scan and of rows before it differ, and what to keep of both.

    Parameters are those of :func:`find_basis`; `share` of the part, 0 … 1, goes into what is kept. It is computed in
    single precision, from fewer singular vectors of the tiles.
    """
    tiles, flat = _Tiles.of(strips, patterns, use, read_variance, past), use.ravel()
    known = None if past is None else _known(past, tiles.weight, flat, patterns)
    found = shared_directions(tiles.contrast(np.float32), tiles.shapes, at_once=_FEWER_AT_ONCE, most=MOST, known=known)
    pairs, before = pairs_of(tiles.shapes), 0.0 if past is None else past.pairs
    basis = tiles.basis(found, centre, pairs + before)
    directions = np.zeros((len(found.directions), flat.size))
    directions[:, flat] = found.directions
    passed = tiles.before + share * tiles.positions
    mean = share * tiles.positions * tiles.own + (0.0 if past is None else past.positions * past.mean)
    old = 0.0 if known is None else known.chance
    own = float(np.sqrt(max(found.chance**2 - old**2, 0.0)))
    kept = Past(
        positions=passed,
        mean=mean / max(passed, 1e-12),
        weight=tiles.weight,
        directions=directions,
        covariance=(found.before + share * found.here) / patterns**2,
        pairs=before + share * pairs,
        chance=float(np.hypot(old, np.sqrt(share) * own)) / patterns**2,
    )
    return basis, kept


def _known(past: Past, weight: Array, flat: NDArray[np.bool_], patterns: int) -> Known:
    """Return a past as contrasts of tiles with other weights."""
    ratio = np.where(past.weight[flat] > 0, weight[flat] / np.maximum(past.weight[flat], 1e-300), 0)
    return Known(past.directions[:, flat] * ratio, past.covariance * patterns**2, past.chance * patterns**2)


@dataclass(frozen=True, eq=False)
class _Tiles:
    """Tiles (number, n_y n_x) of shapes, the mean pattern with what was before, and that of the tiles alone."""

    values: NDArray[np.float32]
    shapes: list[tuple[int, ...]]
    patterns: int
    use: NDArray[np.bool_]
    read_variance: float
    raw: Array
    own: Array
    before: float

    @classmethod
    def of(
        cls,
        strips: list[NDArray[np.float32]],
        patterns: int,
        use: NDArray[np.bool_],
        read_variance: float,
        past: Past | None,
    ) -> _Tiles:
        parts = [strip.reshape(-1, use.size) for strip in strips]
        values = parts[0] if len(parts) == 1 else np.concatenate(parts)
        own = values.mean(axis=0, dtype=np.float64) / patterns
        positions, before = len(values) * patterns, 0.0 if past is None else past.positions
        whole = own if past is None else (positions * own + before * past.mean) / (positions + before)
        flat, shapes = use.ravel(), [strip.shape[:2] for strip in strips]
        return cls(values, shapes, patterns, use, read_variance, whole * flat, own, before)

    @property
    def positions(self) -> int:
        return len(self.values) * self.patterns

    @cached_property
    def mean(self) -> Array:
        """(n_y n_x,) blurred mean pattern."""
        mean: Array = np.maximum(_blur(self.raw[None], self.use.shape)[0], 0)
        return mean

    @cached_property
    def weight(self) -> Array:
        """(n_y n_x,) what makes the noise of a contrast even; 0 where pixels are not compared."""
        flat = self.use.ravel()
        level = max(float(self.mean[flat].mean()), 1e-12)
        weight: Array = np.where(flat, 1 / np.sqrt(self.mean + self.read_variance + _FLOOR * level), 0)
        return weight

    @cached_property
    def share(self) -> Array:
        """(n_y n_x,) share of every pixel in the mean pattern."""
        flat = self.use.ravel()
        share: Array = np.where(flat, self.mean, 0) / max(float(self.mean[flat].sum()), 1e-12)
        return share

    def contrast(self, precision: Any) -> Array:
        """Return the weighted contrasts (tiles, pixels in use), computed in float32 or float64."""
        flat = self.use.ravel()
        share, weight = self.share[flat].astype(precision), self.weight[flat].astype(precision)
        contrast = np.empty((len(self.values), share.size), precision)

        def work(first: int, last: int) -> None:
            for start in range(first, last, _BLURRED_TOGETHER):
                part = slice(start, min(start + _BLURRED_TOGETHER, last))
                lit = _blur(np.asarray(self.values[part] * flat, precision), self.use.shape)[:, flat]
                contrast[part] = (lit - lit.sum(axis=1)[:, None] * share) * weight

        in_threads(work, len(self.values))
        return contrast

    def basis(self, found: Shared, centre: NDArray[np.float64], pairs: float) -> Basis:
        """Return the basis of directions, with so many pairs of neighbouring tiles."""
        shape, flat, share, weight = self.use.shape, self.use.ravel(), self.share, self.weight
        spread = np.zeros((len(found.directions), flat.size))
        spread[:, flat] = found.directions
        weighted = spread * weight
        matrix = _blur((weighted - (weighted @ share)[:, None]) * flat, shape) * flat
        variance = (np.maximum(self.raw, 0) + self.read_variance) * flat
        factor = np.linalg.cholesky(np.linalg.inv(_covariance(matrix, variance))).T
        together = factor @ (found.here + found.before) @ factor.T
        rotation, signal = _signal_axes(together / max(1.0, pairs) / self.patterns**2)
        turn = rotation @ factor
        matrix = turn @ matrix
        total = _blur(flat[None].astype(float), shape) * flat
        back = np.zeros((len(matrix) + 1, flat.size))
        back[:-1, flat] = (np.linalg.inv(turn).T @ found.directions) / weight[flat]
        back[-1] = share
        noise = (matrix**2).sum(axis=0)
        noise /= noise @ variance
        whole = np.concatenate([matrix, total, noise[None]])
        return Basis(
            matrix=np.ascontiguousarray(whole.T, np.float32),
            weight=np.sqrt(signal / (signal + _SHRINK)),
            covariance=_covariance(whole[:-1], variance),
            back=back,
            spectrum=found.values / found.chance,
            diffuse=whole[:-1] @ _diffuse(self.raw, self.use, centre),
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
    """Return patterns (t, n_y n_x) blurred by a Gaussian, as SciPy's filter does it, but by products of matrices."""
    down, across = (_blurring(length).astype(patterns.dtype) for length in shape)
    blurred: Array = down @ patterns.reshape(-1, *shape) @ across.T
    return blurred.reshape(len(patterns), -1)


@cache
def _blurring(length: int) -> Array:
    """Return the matrix (n, n) that blurs a line of so many pixels."""
    matrix: Array = gaussian_filter1d(np.eye(length), _SIGMA, axis=0)
    return matrix


def _covariance(matrix: Array, variance: Array) -> Array:
    covariance: Array = (matrix * variance) @ matrix.T
    return np.asarray(covariance + 1e-9 * np.trace(covariance) / len(covariance) * np.eye(len(covariance)))


def _signal_axes(shared: Array) -> tuple[Array, Array]:
    """Return the rotation to axes (D, D) of falling signal, and the signal (D,) per position in noise variances."""
    signal, axes = np.linalg.eigh((shared + shared.T) / 2)
    axes = axes * np.where(axes[np.abs(axes).argmax(axis=0), np.arange(len(axes))] < 0, -1, 1)
    return axes[:, ::-1].T, np.clip(signal[::-1], 1e-6, None)
