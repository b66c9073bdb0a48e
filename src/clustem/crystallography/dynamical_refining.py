"""The fit of an orientation to the peaks of a pattern with beams that scatter into each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clustem.crystallography import _agreement_kernels as agreements
from clustem.crystallography import _dynamical_kernels as kernels
from clustem.crystallography import _geometry_kernels as geometry
from clustem.crystallography.pattern import Pattern
from clustem.crystallography.refining import LAST_RADIUS, STIFFNESS, Beam, Fit, Place, gather
from clustem.crystallography.scattering import Scattering
from clustem.crystallography.spots import Beams, Pairing, fit_plane, hexagonal
from clustem.crystallography.structure_factors import Reflections

Array = NDArray[np.float64]

_SLICE = 2.0  # Å; thinner slices change no intensity by more than a hundredth; twice that in the search for a tilt
_THICKNESS = 8.0, 120.0  # Å, of crystals
_MARGIN = 30.0  # Å more than the best thickness that are looked at in the end
_MOST_BEAMS = 40
_REACH = 0.12  # 1/Å; beams farther from the Ewald sphere exchange next to nothing
_LENGTH = 1.9  # 1/Å
_STEP = 0.005  # radians between the tilts that are looked at
_AROUND = 0.02  # radians; how far they are from the start at most
_PLACES = 3  # best ones of them from which the fit climbs
_ROUNDS = 2, 6  # of climbing: from each of them, and from the best after the plane is fitted again
_LONGEST = np.array([0.006, 0.006, 5.0])  # steps of the tilts in radians and of the slice in one round, at most
_FAR = 0.008  # radians; after a longer way, all is looked at once more around the new place
_HOPS = 3
_TILTS = hexagonal(_STEP, _AROUND)
_NEIGHBOURS = np.hypot(*(_TILTS[:, None] - _TILTS).transpose(2, 0, 1)) < 1.1 * _STEP


@dataclass(frozen=True, eq=False, repr=False)
class _Summit:
    """An orientation that was climbed to: intensities (N,), agreement, thickness in Å, minus the curvature (3, 3)."""

    rotation: Array
    bright: Array
    agreement: float
    thickness: float
    curvature: Array


@dataclass(frozen=True, eq=False, repr=False)
class _Slices:
    """Slices of a thickness in Å that beams g (N, 3) of a wavelength go through: the matrix (N, N) of one."""

    matrix: NDArray[np.complex64]
    g: Array
    wavelength: float
    thickness: float

    def until(self, most: float) -> tuple[int, int]:
        """Return the slice below which the crystal may end, and the number of slices, if it has at most so many Å."""
        return round(_THICKNESS[0] / self.thickness), round(min(most, _THICKNESS[1]) / self.thickness)

    def look_around(self, rotation: Array, tilts: Array, peaks: kernels.Peaks) -> Array:
        """Return the agreement (T,) of an orientation tilted by tilts (T, 2)."""
        values = np.empty(len(tilts))
        slices = self.until(np.inf)
        kernels.look_around(
            self.matrix, self.g, rotation, tilts, self.wavelength, self.thickness, slices, peaks, values
        )
        return values

    def climb(self, rotation: Array, most: float, rounds: int, peaks: kernels.Peaks) -> _Summit:
        """Tilt to the best agreement, with a thickness of at most so many Å."""
        matrix, bright, best, curvature = rotation.copy(), np.zeros(len(self.g)), np.zeros(2), np.zeros((3, 3))
        light, beam = (self.matrix, self.g), (self.wavelength, self.thickness, self.until(most))
        kernels.climb(*light, matrix, *beam, rounds, _LONGEST, peaks, bright, best, curvature)
        return _Summit(matrix, bright, float(best[0]), self.thickness * (best[1] + 1), curvature)


def refine_dynamical(
    pattern: Pattern, reflections: Reflections, scattering: Scattering, start: Place, *, beam: Beam
) -> Fit:
    """Fit tilts and thickness, up to 12 nm, once more, with beams that scatter into each other.

    There may be several local optima, so that tilts within 1.1° are looked at first, and again around what is found if
    that is another half of a degree away.
    """
    fit, way = _hop(pattern, reflections, scattering, start, beam)
    for _ in range(_HOPS - 1):
        if way < _FAR:
            break
        next_fit, way = _hop(pattern, reflections, scattering, fit, beam)
        if next_fit.score <= fit.score:
            break
        fit = next_fit
    return fit


def _hop(
    pattern: Pattern, reflections: Reflections, scattering: Scattering, start: Place, beam: Beam
) -> tuple[Fit, float]:
    """Return the best fit near a start, and how far it is from there in radians."""
    beams = Beams.near(
        reflections, start.rotation, beam.wavelength, reach=_REACH, length=_LENGTH, most=_MOST_BEAMS - 1
    ).with_incident()
    single = scattering.slice_matrix(beams.hkl, _SLICE)
    fine = _Slices(single, beams.g, beam.wavelength, _SLICE)
    coarse = _Slices(single @ single, beams.g, beam.wavelength, 2 * _SLICE)
    pairing = Pairing.of(pattern, beams.g, start.rotation, start.strain, radius=LAST_RADIUS)
    peaks = _peaks(pattern, pairing)
    values = coarse.look_around(start.rotation, _TILTS, peaks)
    highest = np.flatnonzero(values >= np.where(_NEIGHBOURS, values, -1.0).max(axis=1))
    highest = highest[np.argsort(-values[highest], kind="stable")[:_PLACES]]
    starts = [geometry.tilted(start.rotation, *_TILTS[at]) for at in highest]
    summits = [fine.climb(matrix, np.inf, _ROUNDS[0], peaks) for matrix in starts]
    best = max(summits, key=lambda summit: summit.agreement)
    pairing = Pairing.of(pattern, beams.g, best.rotation, start.strain, radius=LAST_RADIUS)
    weight = np.sqrt(best.bright)
    weight[0] = 0.0
    weight /= max(weight.max(), 1e-30)
    matrix, strain = fit_plane(pattern, pairing, best.rotation, weight=weight, stiffness=STIFFNESS)
    pairing = Pairing.of(pattern, beams.g, matrix, strain, radius=LAST_RADIUS)
    last = fine.climb(matrix, best.thickness + _MARGIN, _ROUNDS[1], _peaks(pattern, pairing))
    covariance = np.zeros((2, 2))
    agreements.spread_of_tilt(last.agreement, len(pattern.g), last.curvature, covariance)
    place = Place(last.rotation, last.thickness, strain, last.agreement, covariance)
    way = float(np.arccos(np.clip(last.rotation[2] @ start.rotation[2], -1, 1)))
    return gather(place, beams, pairing, last.bright, peaks=len(pattern.g)), way


def _peaks(pattern: Pattern, pairing: Pairing) -> kernels.Peaks:
    """Return what the compiled loops know of the peaks."""
    floor = float(np.sqrt(pattern.floor))
    return pairing.partner, pairing.visible, pattern.amplitude, pairing.trust, floor, np.empty(len(pattern.g))
