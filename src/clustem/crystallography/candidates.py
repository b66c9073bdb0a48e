"""The few orientations, of all candidate crystals, that may have made a pattern."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from clustem.crystallography._matching_kernels import largest_trace
from clustem.crystallography.crystals import Crystal
from clustem.crystallography.dynamical_refining import refine_dynamical
from clustem.crystallography.matching import Templates, make_templates, match_pattern
from clustem.crystallography.misfit import misfit, model_error
from clustem.crystallography.pattern import Pattern
from clustem.crystallography.refining import Beam, Fit, Place, climb_kinematic, describe_kinematic, refine_kinematic
from clustem.crystallography.rotations import HALF_TURN
from clustem.crystallography.scattering import Scattering
from clustem.crystallography.structure_factors import Reflections, structure_factors

Array = NDArray[np.float64]

STARTS = 8
"""Matches that are refined."""
_MATCHED_LENGTH = 1.6  # 1/Å; longer reflections say little about where the zone is and make templates slow
_REFINED_LENGTH = 2.4
_SAME_DEG = 1.5  # orientations nearer to each other than this are one candidate
_TURNED = 3  # of these, the best ones are also tried turned by 180° about the beam
_KEPT = 4  # refined matches that are looked at dynamically, at most
_ASIDE_DEG = 3.0  # farther from where it begins, a kinematic fit has gone to another optimum
_ROW = 0.05  # size of scattering vectors across a row, of that along it, below which there is no second row
_BEHIND = 0.1  # agreement by which they may be behind the best one: dynamical intensities change it by less


@dataclass(frozen=True, eq=False, repr=False)
class Library:
    """A candidate crystal with everything that is computed once for it."""

    crystal: Crystal
    templates: Templates
    reflections: Reflections
    scattering: Scattering | None

    @classmethod
    def of(
        cls, crystal: Crystal, *, beam: Beam, energy_keV: float, reach: float, step_deg: float, dynamical: bool
    ) -> Library:
        """Compute templates, reflections and, for the dynamical fit, how beams scatter into each other."""
        longest = min(_REFINED_LENGTH, 1.05 * reach + 0.2)
        matched = structure_factors(crystal, max_g=min(_MATCHED_LENGTH, 1.05 * reach))
        scattering = None
        if dynamical:
            scattering = Scattering.of(
                crystal, max_g=2 * min(longest, 1.9), energy_keV=energy_keV, wavelength=beam.wavelength
            )
        templates = make_templates(crystal, matched, wavelength=beam.wavelength, step_deg=step_deg)
        return cls(crystal, templates, structure_factors(crystal, max_g=longest), scattering)


@dataclass(frozen=True, eq=False, repr=False)
class Candidate:
    """A fitted orientation of a crystal, with its misfit."""

    crystal: Crystal
    fit: Fit
    misfit: float


def find_candidates(pattern: Pattern, libraries: Sequence[Library], *, beam: Beam) -> list[Candidate]:
    """Return the orientations of several crystals that may have made a pattern, the least misfit first."""
    near = np.hypot(*pattern.g.T) < _MATCHED_LENGTH
    fits: list[tuple[Crystal, Fit]] = []
    for library in libraries:
        starts, _ = match_pattern(pattern.g[near], pattern.intensity[near], library.templates, most=STARTS)
        starts = np.concatenate([starts, HALF_TURN @ starts[:_TURNED]])
        fits += [(library.crystal, fit) for fit in improve(pattern, library, starts, beam=beam)]
    return rank(pattern, fits)


def rank(pattern: Pattern, fits: Sequence[tuple[Crystal, Fit]]) -> list[Candidate]:
    """Return the distinct ones of several fits as candidates, the least misfit first."""
    error = model_error(pattern, [fit for _, fit in fits])
    found = [Candidate(crystal, fit, misfit(pattern, fit, error)) for crystal, fit in fits]
    kept: list[Candidate] = []
    for candidate in sorted(found, key=lambda candidate: candidate.misfit):
        same = [other.fit for other in kept if other.crystal is candidate.crystal]
        if all(_apart(candidate.fit, fit, candidate.crystal) > _SAME_DEG for fit in same):
            kept.append(candidate)
    return kept


def improve(pattern: Pattern, library: Library, starts: Array, *, beam: Beam) -> list[Fit]:
    """Fit from several orientations (n, 3, 3) of one crystal; what is turned by 180° is tried too."""
    places = [climb_kinematic(pattern, library.reflections, start, beam=beam) for start in starts]
    places = _distinct(sorted(places, key=lambda place: -place.score), library.crystal)
    if library.scattering is None:
        return [describe_kinematic(pattern, library.reflections, place, beam=beam) for place in places]
    near = [place for place in places if place.score > places[0].score - _BEHIND]
    fits = [_dynamical(pattern, library, place, beam) for place in near[:_KEPT]]
    error = model_error(pattern, fits)
    best = min(fits, key=lambda fit: misfit(pattern, fit, error))
    for rotation in half_turns(best, library.crystal):
        turned: Place = replace(best, rotation=rotation)
        start = climb_kinematic(pattern, library.reflections, rotation, beam=beam)
        if _apart(start, turned, library.crystal) > _ASIDE_DEG:
            start = turned
        if all(_apart(start, fit, library.crystal) > _SAME_DEG for fit in fits):
            fits.append(_dynamical(pattern, library, start, beam))
    # what agrees best is not always what is least off, so kinematic fits from there are ranked by their misfit as well
    return fits + [refine_kinematic(pattern, library.reflections, fit.rotation, beam=beam) for fit in fits]


def half_turns(fit: Fit, crystal: Crystal) -> list[Array]:
    """Return an orientation turned by 180° about the beam, and about the zone axis: a zone looks the same then."""
    paired = fit.hkl.any(axis=1)
    g = (fit.hkl[paired] @ crystal.reciprocal.T) * np.sqrt(fit.expected[paired])[:, None]
    _, sizes, axes = np.linalg.svd(np.concatenate([g, np.zeros((3, 3))]))
    axis = axes[2]
    if sizes[1] <= _ROW * sizes[0]:  # one row of spots: of its zones, the one along the beam
        axis = fit.rotation[2] - (fit.rotation[2] @ axes[0]) * axes[0]
        axis /= max(float(np.linalg.norm(axis)), 1e-12)
    return [HALF_TURN @ fit.rotation, fit.rotation @ (2 * np.outer(axis, axis) - np.eye(3))]


def _dynamical(pattern: Pattern, library: Library, place: Place, beam: Beam) -> Fit:
    assert library.scattering is not None
    return refine_dynamical(pattern, library.reflections, library.scattering, place, beam=beam)


def _apart(first: Place, second: Place, crystal: Crystal) -> float:
    trace = largest_trace(first.rotation, second.rotation, crystal.rotations)
    return math.degrees(math.acos(min(max((trace - 1) / 2, -1.0), 1.0)))


def _distinct(places: Sequence[Place], crystal: Crystal) -> list[Place]:
    """Keep the first of those that are the same within `_SAME_DEG`."""
    kept: list[Place] = []
    for place in places:
        if all(_apart(place, other, crystal) > _SAME_DEG for other in kept):
            kept.append(place)
    return kept
