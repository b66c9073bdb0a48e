"""The fit of an orientation to the peaks of a pattern, kinematic and dynamical."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from clustem.crystallography import _dynamical_kernels as dynamical
from clustem.crystallography import _geometry_kernels as geometry
from clustem.crystallography import _refining_kernels as kinematic
from clustem.crystallography.pattern import Pattern
from clustem.crystallography.scattering import Scattering
from clustem.crystallography.spots import Beams, Pairing, fit_plane
from clustem.crystallography.structure_factors import Reflections

Array = NDArray[np.float64]

_REACH = 0.12  # 1/Å; reflections farther from the Ewald sphere are hardly ever seen
_PAIRING = (0.06, 0.03)  # 1/Å; how far a peak may be from its spot, at first and at last
_STRAIN = 0.015  # strains are expected to be about as large; holds them back where peaks say nothing of them
_THICKNESS = (10.0, 600.0)  # Å
_CYCLES = 3
_SLICE = 2.0  # Å; thinner slices change no intensity by more than a hundredth
_MOST_BEAMS = 80
_BEAM_REACH = 0.12  # 1/Å; beams farther from the Ewald sphere exchange next to nothing
_BEAM_LENGTH = 1.9  # 1/Å
_FIRST_SLICE = 4  # the thinnest crystal is one slice more
_STEPS = (0.006, 0.002)  # radians; edges of the simplex, before and after the plane is fitted again
_SIMPLEX = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
_TILT_STEP = 0.003  # radians; over which the curvature at the optimum is taken


@dataclass(frozen=True, eq=False, repr=False)
class Fit:
    """An orientation fitted to a pattern.

    Attributes
    ----------
    rotation : (3, 3) float64
        Crystal to sample.
    thickness : float
        In Å.
    strain : (3,) float64
        xx, yy, xy of the strain in the plane that brings the spots to their peaks.
    score : float
        Normalised correlation of measured and expected amplitudes, 0 … 1.
    expected : (n,) float64
        Expected intensity at each peak, in units of the incident beam.
    missing : (m,) float64
        Expected intensities of the spots without a peak, where one could have been found.
    hkl : (n, 3) int64
        Indices of the brightest reflection at each peak; 0 0 0 where there is none.
    spots : (n, 2) float64
        (x, y) in 1/Å where the unstrained crystal has it.
    tilt_covariance : (2, 2) float64
        Of the rotations about x and y, radians².
    """

    rotation: Array
    thickness: float
    strain: Array
    score: float
    expected: Array
    missing: Array
    hkl: NDArray[np.int64]
    spots: Array
    tilt_covariance: Array


@dataclass(frozen=True)
class Beam:
    """What the incident beam is: wavelength in Å, and precession angle in radians."""

    wavelength: float
    precession: float = 0.0


def refine_kinematic(
    pattern: Pattern, reflections: Reflections, rotation: Array, *, beam: Beam, thickness: float = 40.0
) -> Fit:
    """Fit orientation, thickness and strain in the plane with sinc² relrods, from a start within two degrees or so."""
    settings = np.array([_REACH, *_PAIRING, _STRAIN**-2, *_THICKNESS, _CYCLES])
    matrix, state = np.array(rotation, np.float64), np.array([thickness, 0, 0, 0, 0], np.float64)
    expected, covariance = np.zeros(len(pattern.g)), np.zeros((2, 2))
    light = np.array([beam.wavelength, beam.precession])
    kinematic.refine(
        reflections.g,
        reflections.intensity,
        pattern.g,
        pattern.amplitude,
        pattern.precision,
        float(np.sqrt(pattern.floor)),
        pattern.to_detector,
        pattern.centre,
        pattern.mask,
        pattern.blocked,
        light,
        settings,
        matrix,
        state,
        expected,
        covariance,
    )
    beams = Beams.near(reflections, matrix, beam.wavelength, reach=_REACH, length=np.inf, most=len(reflections))
    intensity = np.empty(len(beams.g))
    kinematic.shine(beams.g, beams.intensity, matrix, state[0], light, intensity)
    pairing = Pairing.of(pattern, beams.g, matrix, state[1:4], radius=_PAIRING[1])
    return _fit(pattern, beams, pairing, intensity, matrix, state[0], state[1:4], state[4], covariance)


def refine_dynamical(
    pattern: Pattern,
    reflections: Reflections,
    scattering: Scattering,
    start: Fit,
    *,
    beam: Beam,
    thickest: float = 120.0,
) -> Fit:
    """Fit tilts and thickness once more, with beams that scatter into each other; up to `thickest` Å."""
    beams = Beams.near(
        reflections, start.rotation, beam.wavelength, reach=_BEAM_REACH, length=_BEAM_LENGTH, most=_MOST_BEAMS - 1
    ).with_incident()
    matrix, strain = start.rotation, start.strain
    slice_matrix = scattering.slice_matrix(beams.hkl, _SLICE)
    intensity = np.zeros((int(thickest / _SLICE), len(beams.g)), np.float32)
    best = np.zeros(2)
    for step in _STEPS:
        if step != _STEPS[0]:
            weight = np.sqrt(intensity[int(best[1])].astype(np.float64))
            weight[0] = 0.0
            pairing = Pairing.of(pattern, beams.g, matrix, strain, radius=_PAIRING[1])
            matrix, strain = fit_plane(
                pattern, pairing, matrix, weight=weight / max(weight.max(), 1e-30), stiffness=_STRAIN**-2
            )
        pairing = Pairing.of(pattern, beams.g, matrix, strain, radius=_PAIRING[1])
        disagreement = _dynamical_disagreement(pattern, beams, pairing, matrix, slice_matrix, beam, intensity, best)
        options = {"initial_simplex": step * _SIMPLEX, "maxfev": 45, "xatol": 3e-4, "fatol": 1e-4}
        found = minimize(disagreement, np.zeros(2), method="Nelder-Mead", options=options)
        matrix = geometry.tilted(matrix, found.x[0], found.x[1])
    covariance = _covariance(disagreement, found.x, int((pattern.amplitude > 0).sum()))
    score = -disagreement(found.x)
    brightness = intensity[int(best[1])].astype(np.float64)
    thickness = _SLICE * (best[1] + 1)
    return _fit(pattern, beams, pairing, brightness, matrix, thickness, strain, score, covariance)


def _dynamical_disagreement(
    pattern: Pattern,
    beams: Beams,
    pairing: Pairing,
    rotation: Array,
    slice_matrix: NDArray[np.complex64],
    beam: Beam,
    intensity: NDArray[np.float32],
    best: Array,
) -> Callable[[Array], float]:
    """Return the function of two tilts to be minimised; it leaves intensity (slices, N) and best (2,) behind."""
    error, expected = np.empty(len(beams.g), np.float32), np.empty(len(pattern.g))
    floor = float(np.sqrt(pattern.floor))

    def disagreement(tilt: Array) -> float:
        dynamical.excite(beams.g, geometry.tilted(rotation, tilt[0], tilt[1]), beam.wavelength, error)
        dynamical.propagate(slice_matrix, error, _SLICE, intensity)
        dynamical.best_thickness(
            intensity,
            pairing.partner,
            pairing.visible,
            pattern.amplitude,
            pairing.trust,
            floor,
            _FIRST_SLICE,
            expected,
            best,
        )
        return -float(best[0])

    return disagreement


def _covariance(disagreement: Callable[[Array], float], optimum: Array, number: int) -> Array:
    """Return the covariance (2, 2) of two tilts in radians² from the curvature around the optimum.

    With `number` amplitudes of equal, unknown error, the likelihood is (1 − agreement²)^(−number / 2).
    """
    steps = _TILT_STEP * np.array([-1, 0, 1])
    values = np.array([[disagreement(optimum + np.array([a, b])) for b in steps] for a in steps])
    energy = 0.5 * number * np.log(np.maximum(1e-6, 1 - values**2))
    xx = energy[2, 1] - 2 * energy[1, 1] + energy[0, 1]
    yy = energy[1, 2] - 2 * energy[1, 1] + energy[1, 0]
    xy = (energy[2, 2] - energy[2, 0] - energy[0, 2] + energy[0, 0]) / 4
    determinant = xx * yy - xy * xy
    if not (xx > 0 and yy > 0 and determinant > 0):
        return np.diag([np.inf, np.inf])
    inverse: Array = np.array([[yy, -xy], [-xy, xx]]) * (_TILT_STEP**2 / determinant)
    return inverse


def _fit(
    pattern: Pattern,
    beams: Beams,
    pairing: Pairing,
    intensity: Array,
    rotation: Array,
    thickness: float,
    strain: Array,
    score: float,
    covariance: Array,
) -> Fit:
    """Gather what beams of some intensity (N,) say of each peak."""
    number = len(pattern.g)
    expected, brightest = np.zeros(number), np.zeros(number)
    hkl, spots = np.zeros((number, 3), np.int64), np.full((number, 2), np.nan)
    for j in np.flatnonzero(pairing.partner >= 0):
        q = pairing.partner[j]
        expected[q] += intensity[j]
        if intensity[j] > brightest[q]:
            brightest[q], hkl[q], spots[q] = intensity[j], beams.hkl[j], pairing.flat[j]
    missing = intensity[(pairing.partner < 0) & pairing.visible]
    return Fit(rotation, float(thickness), strain.copy(), float(score), expected, missing, hkl, spots, covariance)
