"""The tilt of a crystal at a position, from the intensities of the disks that its domain has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clustem.crystallography import _dynamical_kernels as dynamical
from clustem.crystallography import _refining_kernels as kinematic
from clustem.crystallography._geometry_kernels import tilted
from clustem.crystallography.pattern import Pattern
from clustem.crystallography.refining import LAST_RADIUS, STIFFNESS, Beam
from clustem.crystallography.scattering import Scattering
from clustem.crystallography.spots import Beams, Pairing, fit_plane
from clustem.crystallography.structure_factors import Reflections

Array = NDArray[np.float64]

_STEPS = 10  # to either side
_LARGEST_STEP = np.deg2rad(0.4)
_SHARE = 0.5  # of the angle within which a relrod is bright
_LENGTH = 1.0  # 1/Å, of a reflection that this angle is taken for
_MODEL_ERROR = 0.2  # of an expected amplitude, relative to it and at least to the mean of all
_FAINT = 0.05  # of the mean intensity: amplitudes of fainter disks are no better known than this
_SLICE = 2.0  # Å, of the crystal that beams pass at once
_MOST_BEAMS = 80
_REACH = 0.24  # 1/Å; beams farther from the Ewald sphere do not matter at any of the tilts
_LONGEST = 1.9  # 1/Å, of a beam
_FITTED = 3  # two tilts and the scale


@dataclass(frozen=True, eq=False)
class LocalTilts:
    """Expected amplitudes of the disks of a domain over a grid of tilts about its orientation.

    Attributes
    ----------
    axis : (s,) float64
        Tilts in radians, evenly spaced, 0 in the middle.
    expected : (s · s, n) float64
        Amplitude of each disk, tilted about x and y; the tilt about y changes faster.
    measured : (n,) float64
        Intensities in the average of the domain, which say how well each amplitude is known.
    """

    axis: Array
    expected: Array
    measured: Array

    @classmethod
    def of(
        cls,
        pattern: Pattern,
        rows: NDArray[np.int64],
        measured: Array,
        reflections: Reflections,
        scattering: Scattering | None,
        rotation: Array,
        thickness: float,
        beam: Beam,
    ) -> LocalTilts:
        """Compute the amplitudes of the peaks `rows` of a pattern around an orientation, at a thickness in Å."""
        step = min(_LARGEST_STEP, _SHARE / (thickness * _LENGTH))
        axis = step * np.arange(-_STEPS, _STEPS + 1)
        tilts = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
        beams = Beams.near(
            reflections, rotation, beam.wavelength, reach=_REACH, length=_LONGEST, most=_MOST_BEAMS - 1
        ).with_incident()
        matrix, partner = _paired(pattern, beams, rotation)
        turned = [tilted(matrix, about_x, about_y) for about_x, about_y in tilts]
        bright = _intensities(beams, turned, thickness, scattering, beam)
        expected = np.zeros((len(tilts), len(pattern.g)))
        for at in np.flatnonzero(partner >= 0):
            expected[:, partner[at]] += bright[:, at]
        return cls(axis, np.sqrt(expected[:, rows]), measured.clip(0))

    def fit(self, intensities: Array, variances: Array) -> tuple[Array, Array, Array]:
        """Return tilts (m, 2) about x and y in radians, their covariances (m, 2, 2), and correlations (m,).

        Intensities (m, n) with variances (n,) are compared with all tilts of the grid at once, as amplitudes and at the
        scale that fits best; between them, the misfit is a parabola. The covariances grow with what is left over. NaN
        where the best tilt lies on the rim of the grid.
        """
        size = len(self.axis)
        faint = np.maximum(self.measured, _FAINT * self.measured.mean())
        error = _MODEL_ERROR * np.maximum(np.sqrt(faint), np.sqrt(faint).mean())
        weight = 1 / (variances / (4 * faint) + error**2)
        amplitudes = np.sqrt(intensities.clip(0))
        product = (amplitudes * weight) @ self.expected.T
        gain = np.maximum(product, 0) ** 2 / np.maximum(self.expected**2 @ weight, 1e-300)
        whole, best = np.maximum(amplitudes**2 @ weight, 1e-300), gain.max(axis=1)
        left = (whole - best) / max(1, len(weight) - _FITTED)
        about_x, about_y = np.unravel_index(gain.argmax(axis=1), (size, size))
        move, covariance = _peak(_around(gain.reshape(-1, size, size), about_x, about_y) / 2)
        step = self.axis[1] - self.axis[0]
        tilts = np.stack([self.axis[about_x], self.axis[about_y]], axis=-1) + step * move
        return tilts, step**2 * covariance * np.maximum(left, 1)[:, None, None], np.sqrt(best / whole)


def _paired(pattern: Pattern, beams: Beams, rotation: Array) -> tuple[Array, NDArray[np.int64]]:
    """Return the orientation turned about the beam onto the peaks, and which of them each beam makes, −1 = none."""
    loose = Pairing.of(pattern, beams.g, rotation, np.zeros(3), radius=LAST_RADIUS)
    matrix, strain = fit_plane(pattern, loose, rotation, weight=np.ones(len(beams.g)), stiffness=STIFFNESS)
    return matrix, Pairing.of(pattern, beams.g, matrix, strain, radius=LAST_RADIUS).partner


def _intensities(
    beams: Beams, turned: list[Array], thickness: float, scattering: Scattering | None, beam: Beam
) -> Array:
    """Return the intensities (t, N) of beams in several orientations; kinematic without `scattering`."""
    number = len(beams.g)
    if scattering is None:
        bright, change = np.empty((len(turned), number)), np.empty((number, 3))
        light = np.array([beam.wavelength, beam.precession])
        for row, matrix in zip(bright, turned, strict=True):
            kinematic.shine(beams.g, beams.intensity, matrix, thickness, light, row, change)
        return bright
    errors, slopes = np.empty((len(turned), number)), np.empty((number, 2))
    for row, matrix in zip(errors, turned, strict=True):
        dynamical.excite(beams.g, matrix, beam.wavelength, row, slopes)
    slices = np.empty((len(turned), max(1, round(thickness / _SLICE)), number), np.float32)
    dynamical.propagate(scattering.slice_matrix(beams.hkl, _SLICE), errors, _SLICE, slices)
    return slices[:, -1].astype(np.float64)


def _around(images: Array, y: NDArray[np.intp], x: NDArray[np.intp]) -> Array:
    """Return the 3×3 values (m, 3, 3) of images (m, s, s) around one place in each; NaN where it is on the rim."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)), constant_values=np.nan)
    steps = np.arange(3)
    rows, columns = y[:, None, None] + steps[:, None], x[:, None, None] + steps
    return np.asarray(padded[np.arange(len(images))[:, None, None], rows, columns])


def _peak(values: Array) -> tuple[Array, Array]:
    """Return where parabolas through 3×3 values (m, 3, 3) of log likelihoods are highest, and their covariances.

    In steps from the middle, at most one; NaN where there is no maximum.
    """
    slope = np.stack([values[:, 2, 1] - values[:, 0, 1], values[:, 1, 2] - values[:, 1, 0]], axis=-1) / 2
    yy = 2 * values[:, 1, 1] - values[:, 2, 1] - values[:, 0, 1]
    xx = 2 * values[:, 1, 1] - values[:, 1, 2] - values[:, 1, 0]
    yx = -(values[:, 2, 2] - values[:, 2, 0] - values[:, 0, 2] + values[:, 0, 0]) / 4
    determinant = yy * xx - yx**2
    good = np.isfinite(values).all(axis=(1, 2)) & (yy > 0) & (xx > 0) & (determinant > 0)
    scale = 1 / np.where(good, determinant, np.nan)
    inverse = np.array([[xx, -yx], [-yx, yy]]).transpose(2, 0, 1) * scale[:, None, None]
    return np.clip(np.einsum("mij,mj->mi", inverse, slope), -1, 1), inverse
