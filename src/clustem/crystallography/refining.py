"""The fit of an orientation to the peaks of a pattern."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from clustem.crystallography import _refining_kernels as kinematic
from clustem.crystallography._geometry_kernels import collect
from clustem.crystallography.pattern import Pattern
from clustem.crystallography.spots import Beams, Pairing, hexagonal
from clustem.crystallography.structure_factors import Reflections
from clustem.errors import InputError

Array = NDArray[np.float64]

_LARGEST_PRECESSION = 5.0  # degrees
_REACH = 0.12  # 1/Å; reflections farther from the Ewald sphere are hardly ever seen
_FIRST_RADIUS = 0.06  # 1/Å; how far a peak may be from its spot, at first
LAST_RADIUS = 0.03  # 1/Å; and at last
STIFFNESS = 0.015**-2  # strains are expected to be about as large: holds them back where peaks say nothing of them
_THICKNESS = (10.0, 600.0)  # Å
_FIRST_THICKNESS = 40.0
_CYCLES = 2
_ROUNDS = 12  # of climbing in each cycle
_TILTS = hexagonal(0.006, 0.012)  # radians; looked at before climbing


@dataclass(frozen=True, eq=False, repr=False)
class Place:
    """Where a fit of an orientation to a pattern ends.

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
    tilt_covariance : (2, 2) float64
        Of the rotations about x and y, radians².
    """

    rotation: Array
    thickness: float
    strain: Array
    score: float
    tilt_covariance: Array


@dataclass(frozen=True, eq=False, repr=False)
class Fit(Place):
    """An orientation fitted to a pattern, and what it says of each peak.

    Attributes
    ----------
    expected : (n,) float64
        Expected intensity at each peak, in units of the incident beam.
    missing : (m,) float64
        Expected intensities of the spots without a peak, where one could have been found.
    hkl : (n, 3) int64
        Indices of the brightest reflection at each peak; 0 0 0 where there is none.
    spots : (n, 2) float64
        (x, y) in 1/Å where the unstrained crystal has it.
    """

    expected: Array
    missing: Array
    hkl: NDArray[np.int64]
    spots: Array

    def only(self, peaks: NDArray[np.int64]) -> Fit:
        """Return what is said of some of the peaks, by their numbers."""
        return replace(self, expected=self.expected[peaks], hkl=self.hkl[peaks], spots=self.spots[peaks])


@dataclass(frozen=True)
class Beam:
    """What the incident beam is: wavelength in Å, and precession angle in radians."""

    wavelength: float
    precession: float = 0.0


def check_precession(angle_deg: float) -> None:
    """Raise InputError if a precession angle is not one of 0 to 5 degrees."""
    if not 0 <= angle_deg <= _LARGEST_PRECESSION:
        raise InputError(f"precession_deg: expected 0 to 5 degrees, got {angle_deg!r}")


def climb_kinematic(pattern: Pattern, reflections: Reflections, rotation: Array, *, beam: Beam) -> Place:
    """Fit orientation, thickness and strain in the plane with sinc² relrods, from a start within two degrees or so."""
    settings = np.array([_REACH, _FIRST_RADIUS, LAST_RADIUS, STIFFNESS, *_THICKNESS, _CYCLES, _ROUNDS])
    matrix, state = np.array(rotation, np.float64), np.array([_FIRST_THICKNESS, 0, 0, 0, 0])
    covariance = np.zeros((2, 2))
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
        _light(beam),
        settings,
        _TILTS,
        matrix,
        state,
        covariance,
    )
    return Place(matrix, float(state[0]), state[1:4], float(state[4]), covariance)


def describe_kinematic(pattern: Pattern, reflections: Reflections, place: Place, *, beam: Beam) -> Fit:
    """Say what each peak is in a place that was climbed to."""
    matrix = place.rotation
    beams = Beams.near(reflections, matrix, beam.wavelength, reach=_REACH, length=np.inf, most=len(reflections))
    intensity, change = np.empty(len(beams.g)), np.empty((len(beams.g), 3))
    kinematic.shine(beams.g, beams.intensity, matrix, place.thickness, _light(beam), intensity, change)
    pairing = Pairing.of(pattern, beams.g, matrix, place.strain, radius=LAST_RADIUS)
    return gather(place, beams, pairing, intensity, peaks=len(pattern.g))


def refine_kinematic(pattern: Pattern, reflections: Reflections, rotation: Array, *, beam: Beam) -> Fit:
    """Climb from a start within two degrees or so, and say what each peak is there."""
    place = climb_kinematic(pattern, reflections, rotation, beam=beam)
    return describe_kinematic(pattern, reflections, place, beam=beam)


def _light(beam: Beam) -> Array:
    return np.array([beam.wavelength, beam.precession])


def gather(place: Place, beams: Beams, pairing: Pairing, intensity: Array, *, peaks: int) -> Fit:
    """Gather what beams of some intensity (N,) say of each of a number of peaks."""
    expected, hkl, spots = np.empty(peaks), np.empty((peaks, 3), np.int64), np.empty((peaks, 2))
    collect(intensity, pairing.partner, beams.hkl, pairing.flat, expected, hkl, spots)
    return Fit(
        place.rotation,
        place.thickness,
        place.strain,
        place.score,
        place.tilt_covariance,
        expected,
        intensity[(pairing.partner < 0) & pairing.visible],
        hkl,
        spots,
    )
