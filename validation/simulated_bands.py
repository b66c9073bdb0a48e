"""Kikuchi patterns of simulated scans, as a camera for backscattered electrons records them: bands, no direct beam."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from simulated_crystals import HALF_WIDTH, Array, Crystal, Optics
from simulated_patterns import Image

PATTERN_CENTRE = 0.42, 0.5
"""Where the screen is nearest to the specimen, as shares of its height and width."""
DISTANCE = 0.6
"""From the specimen to the screen, in heights of the screen."""
WIDEST = 0.75
"""1/Å, of the planes that show as bands."""
SOFTNESS = 0.006
"""Width of the edges of bands, as the sine of an angle."""


@dataclass(frozen=True, eq=False)
class Bands:
    """Grains of one crystal: which one is where (1, 2, …), their rotations (crystal to sample) and contrasts."""

    grain: NDArray[np.int32]
    crystal: Crystal
    rotations: Array
    contrast: Array
    optics: Optics

    @property
    def shape(self) -> tuple[int, int]:
        """Positions (scan_y, scan_x)."""
        return self.grain.shape[0], self.grain.shape[1]

    def patterns(self, start: int, stop: int) -> Image:
        """Return the patterns of rows, each of sum 1."""
        names, which = np.unique(self.grain[start:stop], return_inverse=True)
        return np.stack([self._pattern(int(name)) for name in names])[which.reshape(-1, self.shape[1])]

    def diffracted(self) -> float:
        """Return the mean share of the electrons by which bands differ from the background."""
        return float(self.contrast[self.grain - 1].mean())

    def _pattern(self, name: int) -> Image:
        bands = bands_of(self.crystal, self.rotations[name - 1], self.optics)
        height, width = self.optics.detector
        y, x = np.indices(self.optics.detector)
        away = np.hypot(y / height - 0.35, x / width - 0.45)
        whole = (0.15 + np.exp(-((away / 0.45) ** 2))) * (1 + self.contrast[name - 1] * bands)
        return np.asarray(whole / whole.sum(), np.float32)


def bands_of(crystal: Crystal, rotation: Array, optics: Optics) -> Array:
    """Return the bands (k_y, k_x) in gnomonic projection, of mean 0 and standard deviation 1."""
    height, width = optics.detector
    y, x = np.indices(optics.detector)
    rays = np.stack([x / height - PATTERN_CENTRE[1] * width / height, y / height - PATTERN_CENTRE[0], 0 * y + DISTANCE])
    rays = rays / np.linalg.norm(rays, axis=0)
    vectors = crystal.reflections.vectors
    length = np.linalg.norm(vectors, axis=1)
    first = vectors @ np.array([1.0, 1e-3, 1e-6]) > 0  # one of each pair of opposite sides
    seen = np.zeros(optics.detector)
    for vector, size in zip(vectors[first & (length < WIDEST)], length[first & (length < WIDEST)], strict=True):
        sine = np.abs(np.tensordot(rotation @ vector / size, rays, axes=1))
        edge = np.clip((optics.wavelength * size / 2 - sine) / SOFTNESS, -30, 30)
        seen += 1 / (1 + np.exp(-edge)) / (1 + (size / HALF_WIDTH) ** 2) ** 2
    found: Array = (seen - seen.mean()) / seen.std()
    return found
