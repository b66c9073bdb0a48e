"""The few directions in which the patterns of a window differ from noise, found without knowing the domains.

A pattern, binned, is filtered at the size of its spots, which takes away its own smooth background, and divided by the
square root of the mean, which makes the noise even. What two neighbours have in common beyond chance is signal, as
their noise is independent. Everything is linear: a pattern times one matrix.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from clustem.computing import in_threads
from clustem.segmentation.features.chance import chance
from clustem.segmentation.features.constants import FEATURES
from clustem.segmentation.features.filters import SpotFilter
from clustem.segmentation.features.shared_directions import shared_directions
from clustem.segmentation.features.smooth import SmoothScattering

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Basis:
    """What is computed of every binned pattern of a window.

    Attributes
    ----------
    matrix : (n_y n_x, D + 2) float32
        Pattern → D contrasts, of independent noise of variance 1 in a position of mean dose; the sum of the pixels that
        are compared; and the energy of the noise relative to that of a position of mean dose.
    weight : (D,) float32
        What single positions are weighed with, where little of a direction is signal.
    back : (P, D) float32
        Contrasts → the filtered pattern, in units of its noise, on some of its pixels.
    ring : (P,) int64
        Ring about the centre that these pixels lie on, 0 ….
    place : (P, 2) int64
        Their row and column, counted in the rows and columns that are shown.
    spot : float
        Size of the filter in these.
    whole, radial : (D, D) float64
        Energy of the filtered pattern in these pixels, and of its mean over the rings: c · whole · c for contrasts c.
    structure : float
        Largest eigenvalue of the covariance between neighbours over what chance makes.
    """

    matrix: NDArray[np.float32]
    weight: NDArray[np.float32]
    back: NDArray[np.float32]
    ring: NDArray[np.int64]
    place: NDArray[np.int64]
    spot: float
    whole: Array
    radial: Array
    structure: float


def find_basis(
    tiles: NDArray[np.float32],
    patterns: int,
    spot: SpotFilter,
    *,
    read_variance: float,
    counts: bool,
    smooth: SmoothScattering,
) -> Basis:
    """Return the directions in which tiles of a window differ from noise.

    Parameters
    ----------
    tiles : (t_y, t_x, n_y, n_x) float32
        Sums of binned patterns, in electrons.
    patterns : int
        Positions in a tile.
    spot : SpotFilter
    read_variance : float
        Variance of a binned pixel without electrons, in electrons squared.
    counts : bool
        Whether the variance of a pixel is its mean and the read variance; otherwise nothing is known of it.
    smooth : SmoothScattering
        What it leaves in filtered patterns.
    """
    use, tiling = spot.use, (tiles.shape[0], tiles.shape[1])
    flat = tiles.reshape(-1, *use.shape)
    raw = flat.mean(axis=0, dtype=np.float64) / patterns * use
    weight = _weight(raw, spot, read_variance) if counts else np.ones(int(use.sum()), np.float32)
    background = smooth.taken_off(weight)
    contrast = np.empty((len(flat), weight.size), np.float32)
    together = FEATURES.filtered_together

    def filter_tiles(first: int, last: int) -> None:
        for start in range(first * together, min(last * together, len(flat)), together):
            part = slice(start, start + together)
            filtered = spot.apply(flat[part])
            filtered *= weight
            background.take_off(filtered)
            contrast[part] = filtered

    in_threads(filter_tiles, -(-len(flat) // together))
    most_of_noise = FEATURES.beyond_chance * chance(spot, tiling) * patterns if counts else None
    found = shared_directions(contrast, tiling, chance=most_of_noise, most=FEATURES.most_directions)
    least = max(-float(found.values[-1]) if most_of_noise is None else most_of_noise, 1e-300)
    background.take_off(found.directions)
    matrix = spot.transposed(found.directions * weight).astype(np.float64)
    variance = ((np.maximum(raw, 0) + read_variance) * use).ravel() if counts else np.ones(use.size)
    if not variance.any():  # a window without an electron: any noise will do
        variance = np.ones(use.size)
    covariance = (matrix * variance) @ matrix.T
    covariance += np.eye(len(matrix)) * max(1e-9 * np.trace(covariance) / len(matrix), 1e-300)
    factor = np.linalg.cholesky(np.linalg.inv(covariance)).T
    between = factor * found.values[: len(factor)] @ factor.T / max(1, found.pairs) / patterns**2
    signal, axes = np.linalg.eigh((between + between.T) / 2)
    axes = axes * np.where(axes[np.abs(axes).argmax(axis=0), np.arange(len(axes))] < 0, -1, 1)
    turn = axes[:, ::-1].T @ factor
    signal = np.clip(signal[::-1], 1e-6, None)
    matrix = turn @ matrix
    noise = (matrix**2).sum(axis=0)
    noise /= max(float(noise @ variance), 1e-300)
    whole = np.concatenate([matrix, use.reshape(1, -1), noise[None]])
    shown, place, step = _shown(use)
    back = np.linalg.inv(turn)
    image = found.directions[:, shown].T @ back.astype(np.float32)
    return Basis(
        matrix=np.ascontiguousarray(whole.T, np.float32),
        weight=np.sqrt(signal / (signal + FEATURES.little_signal)).astype(np.float32),
        back=image,
        ring=smooth.ring[shown],
        place=place,
        spot=spot.size / step,
        whole=image.T.astype(np.float64) @ image,
        radial=_radial(image, smooth.ring[shown]),
        structure=float(found.values[0]) / least,
    )


def _weight(raw: Array, spot: SpotFilter, read_variance: float) -> NDArray[np.float32]:
    """Return what makes the noise of contrasts even, on the pixels in use."""
    mean = np.maximum(spot.blurred(raw), 0)[spot.use]
    level = max(float(mean.mean()), 1e-12)
    return np.asarray(1 / np.sqrt(mean + read_variance + FEATURES.dark_floor * level), np.float32)


def _radial(image: NDArray[np.float32], ring: NDArray[np.int64]) -> Array:
    """Return the energy (D, D) of the means over rings (P,) of images (P, D)."""
    pixels = np.maximum(np.bincount(ring), 1)
    sums = csr_array((np.ones(ring.size), (ring, np.arange(ring.size))), shape=(pixels.size, ring.size)) @ image
    means = sums / np.sqrt(pixels)[:, None]
    return np.asarray(means.T @ means)


def _shown(use: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Return which of the pixels in use patterns are shown on (P,), where these are (P, 2), and their step.

    They are every second row and column of large patterns.
    """
    pixels = np.argwhere(use)
    step = 2 if len(pixels) > FEATURES.shown_pixels else 1
    shown = np.flatnonzero((pixels % step == 0).all(axis=1))
    return shown, pixels[shown] // step, step
