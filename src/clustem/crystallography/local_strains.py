"""The deformation at a position against its domain, from the moves of the disks that the domain has."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clustem.calibration import Calibration
from clustem.crystallography.frames import detector_matrix

Array = NDArray[np.float64]

_CENTRE = 0.1  # px; standard deviation of the beam's place about what the survey says
_BRIGHTEST = 3.0  # times the intensity in the average, that a disk is taken for at most
_SWAP = np.array([[0.0, 1.0], [1.0, 0.0]])
# (e_xx, e_yy, e_xy, ω) of F = (1 + D)⁻ᵀ for small D = (D_xx, D_xy, D_yx, D_yy)
_COMPONENTS = np.array([[-1, 0, 0, 0], [0, 0, 0, -1], [0, -0.5, -0.5, 0], [0, -0.5, 0.5, 0]])


def fit_gradients(
    places: Array, intensities: Array, average: Array, moves: Array, variances: Array, offsets: Array
) -> tuple[Array, Array]:
    """Return the gradients D (m, 2, 2) of the moves of disks, in (y, x) order, and their covariances (m, 4, 4).

    Parameters
    ----------
    places : (n, 2) float64
        Of the disks from the beam, px.
    intensities : (m, n) float64
    average : (n,) float64
        Intensities in the average.
    moves, variances : (m, n, 2) float64, (n, 2) float64
        Moves in px, of disks as bright as in the average.
    offsets : (m, 2) float64
        How far the beam lies from where it does in the average, px.

    Notes
    -----
    A disk at k moves by D k + c, c near the offset; it counts by its intensity. The covariances grow with the
    residuals.
    """
    brightness = np.clip(intensities / average, 0, _BRIGHTEST)
    whole = np.concatenate([places, np.ones((len(places), 1))], axis=1)
    gradients, covariances = np.empty((len(moves), 2, 2)), np.zeros((len(moves), 4, 4))
    for axis in range(2):
        design = brightness[:, :, None] * whole
        weight = 1 / variances[:, axis]
        normal = np.einsum("mni,n,mnj->mij", design, weight, design)
        pull = np.einsum("mni,n,mn->mi", design, weight, moves[:, :, axis])
        normal[:, 2, 2] += _CENTRE**-2
        pull[:, 2] += _CENTRE**-2 * offsets[:, axis]
        normal += 1e-12 * np.trace(normal, axis1=1, axis2=2)[:, None, None] * np.eye(3)
        inverse = np.linalg.inv(normal)
        found = np.einsum("mij,mj->mi", inverse, pull)
        left = (moves[:, :, axis] - np.einsum("mni,mi->mn", design, found)) ** 2 @ weight
        excess = np.maximum(left / max(1, len(places) - 3), 1)
        gradients[:, axis] = found[:, :2]
        part = slice(2 * axis, 2 * axis + 2)
        covariances[:, part, part] = excess[:, None, None] * inverse[:, :2, :2]
    return gradients, covariances


def deformations(gradients: Array, covariances: Array, calibration: Calibration) -> tuple[Array, Array]:
    """Return F (m, 2, 2) in the sample frame, (x, y) order, and standard errors (m, 4) of e_xx, e_yy, e_xy, ω.

    `gradients` and `covariances` are those of `fit_gradients`, on the detector.
    """
    to_sample = _SWAP @ detector_matrix(calibration)  # from (k_y, k_x) to (g_x, g_y)
    back = np.linalg.inv(to_sample)
    turned = to_sample @ gradients @ back
    slopes = _COMPONENTS @ np.kron(to_sample, back.T)
    errors: Array = np.sqrt(np.einsum("ij,mjk,ik->mi", slopes, covariances, slopes))
    return np.asarray(np.linalg.inv(np.eye(2) + turned)).transpose(0, 2, 1), errors


def strains(deformation: Array) -> Array:
    """Return (e_xx, e_yy, e_xy, ω) (m, 4) of F (m, 2, 2) = V R: e = V − 1, ω in radians.

    Examples
    --------
    >>> strains(np.array([[[0.0, -1.01], [1.0, 0.0]]])).round(6) + 0.0
    array([[0.01    , 0.      , 0.      , 1.570796]])
    """
    angle = np.arctan2(deformation[:, 1, 0] - deformation[:, 0, 1], deformation[:, 0, 0] + deformation[:, 1, 1])
    cos, sin = np.cos(angle), np.sin(angle)
    back = np.array([[cos, sin], [-sin, cos]]).transpose(2, 0, 1)  # R⁻¹
    stretch = deformation @ back
    return np.stack([stretch[:, 0, 0] - 1, stretch[:, 1, 1] - 1, stretch[:, 0, 1], angle], axis=-1)
