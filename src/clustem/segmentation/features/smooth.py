"""What smooth scattering leaves in filtered patterns: nearly nothing, but many times what crystals scatter is much.

Diffuse scattering depends on the distance from the centre, nearly, and changes little over several spots. The filter
leaves its curvature, and more at the edges of a mask or a beam stop. All that such scattering can leave there is known
beforehand: it is taken off, and with it a few per cent of the signal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from clustem.segmentation.features._filter_kernels import take_off
from clustem.segmentation.features.constants import FEATURES
from clustem.segmentation.features.filters import COARSE, SpotFilter

Array = NDArray[np.float64]

_LEAST_RING = 12  # pixels in use of a ring that has a mean
_ROUNDING = 1e-5  # of a kind of smooth scattering, below which the filter leaves nothing of it
_NEW = 1e-3  # of what the filter leaves of a kind of smooth scattering, that others do not leave as well


@dataclass(frozen=True, eq=False)
class SmoothScattering:
    """What smooth scattering leaves in filtered patterns (p pixels in use).

    Attributes
    ----------
    ring : (p,) int64
        Ring about the centre of every pixel.
    share : (p, R) float32
        What means over rings weigh pixels with; rings with few pixels have none.
    kinds : (S, p) float32
        What the filter leaves of several kinds of smooth scattering.
    """

    ring: NDArray[np.int64]
    share: NDArray[np.float32]
    kinds: NDArray[np.float32]

    @classmethod
    def of(cls, spot: SpotFilter, centre: Array, mean: Array, *, known: bool) -> SmoothScattering:
        """Return that of patterns with a mean (n_y, n_x) about a centre (y, x), all in binned px.

        If the centre is not `known`, for want of a direct beam, scattering may also be one-sided or oval, or have no
        centre at all.
        """
        y, x = np.nonzero(spot.use)
        ring = np.rint(np.hypot(y - centre[0], x - centre[1])).astype(np.int64)
        sizes = np.bincount(ring)
        share = np.zeros((ring.size, sizes.size), np.float32)
        share[np.arange(ring.size), ring] = np.where(sizes >= _LEAST_RING, 1 / np.maximum(sizes, 1), 0)[ring]
        patterns = _around(spot, centre, _profile(spot, ring, mean[spot.use]), 0 if known else FEATURES.azimuthal)
        patterns += _across(spot.use.shape, 0 if known else FEATURES.across)
        images = np.array(patterns)
        images /= np.sqrt((images**2).sum(axis=(1, 2), keepdims=True))
        return cls(ring, share, spot.apply(images.astype(np.float32)))

    def taken_off(self, weight: NDArray[np.float32]) -> SmoothPart:
        """Return how it is taken off filtered patterns that are weighed with (p,) numbers."""
        kinds = self.kinds * weight
        size = np.sqrt((kinds.astype(np.float64) ** 2).sum(axis=1))
        take_off(kinds, kinds @ self.share, self.ring)
        kept = size > _ROUNDING * np.sqrt((weight.astype(np.float64) ** 2).mean())
        left = kinds[kept] / size[kept, None]
        energy, axes = np.linalg.eigh(left @ left.T)
        new = energy > _NEW**2
        return SmoothPart(self, ((axes[:, new] / np.sqrt(energy[new])).T @ left).astype(np.float32))


@dataclass(frozen=True, eq=False)
class SmoothPart:
    """The part of filtered and weighed patterns (n, p) that smooth scattering can leave: `axes` (S, p), orthonormal."""

    smooth: SmoothScattering
    axes: NDArray[np.float32]

    def take_off(self, patterns: NDArray[np.float32]) -> None:
        """Take it off patterns (n, p)."""
        take_off(patterns, patterns @ self.smooth.share, self.smooth.ring)
        patterns -= (patterns @ self.axes.T) @ self.axes


def _profile(spot: SpotFilter, ring: NDArray[np.int64], mean: Array) -> Array:
    """Return how much is scattered at every distance from the centre, without spots: medians (R,) of rings."""
    known = np.unique(ring)
    medians = np.array([np.median(mean[ring == k]) for k in known])
    return np.asarray(gaussian_filter1d(np.interp(np.arange(ring.max() + 1), known, medians), spot.size))


def _around(spot: SpotFilter, centre: Array, profile: Array, periods: int) -> list[Array]:
    """Return smooth scattering (n_y, n_x) with up to so many periods around a centre, out to the last pixel."""
    y, x = np.indices(spot.use.shape) - np.asarray(centre)[:, None, None]
    distance, angle = np.hypot(y, x), np.arctan2(y, x)
    level, step = np.interp(distance, np.arange(profile.size), profile), COARSE * spot.size
    patterns = []
    for radius in np.arange(0, distance[spot.use].max() + step, step):
        shell = level * np.clip(1 - np.abs(distance - radius) / step, 0, None)
        turned = [shell, *(shell * f(m * angle) for m in range(1, periods + 1) for f in (np.cos, np.sin))]
        patterns += [pattern for pattern in turned if (pattern * spot.use).any()]
    return patterns


def _across(shape: tuple[int, ...], waves: int) -> list[Array]:
    """Return smooth scattering (n_y, n_x) that has no centre, of up to so many half waves across the detector."""
    y, x = (np.pi * (np.arange(length) + 0.5) / length for length in shape)
    orders = range(waves + 1)
    return [np.cos(i * y)[:, None] * np.cos(j * x) for i in orders for j in orders if i + j <= waves]
