"""Beams of a crystal in one orientation, and which peak of a pattern each of them makes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clustem.crystallography import _geometry_kernels as kernels
from clustem.crystallography.pattern import Pattern
from clustem.crystallography.structure_factors import Reflections

Array = NDArray[np.float64]

_DAMPING = 0.01  # 1/Å; keeps beams on the Ewald sphere from counting without limit


@dataclass(frozen=True, eq=False, repr=False)
class Beams:
    """Beams near the Ewald sphere: indices (N, 3), reciprocal vectors (N, 3) in the crystal frame, and |F|² (N,)."""

    hkl: NDArray[np.int64]
    g: Array
    intensity: Array

    @classmethod
    def near(
        cls, reflections: Reflections, rotation: Array, wavelength: float, *, reach: float, length: float, most: int
    ) -> Beams:
        """Take at most `most` reflections within `reach` of the sphere and shorter than `length`, strongest first."""
        strength = kernels.strengths(
            reflections.g, reflections.length, reflections.intensity, rotation, wavelength, (reach, length, _DAMPING)
        )
        chosen = np.flatnonzero(strength >= 0)
        if len(chosen) > most:
            chosen = np.sort(chosen[np.argsort(-strength[chosen], kind="stable")[:most]])
        return cls(reflections.hkl[chosen], reflections.g[chosen], reflections.intensity[chosen])

    def with_incident(self) -> Beams:
        """Return the beams with the incident one before them."""
        return Beams(
            np.concatenate([np.zeros((1, 3), np.int64), self.hkl]),
            np.concatenate([np.zeros((1, 3)), self.g]),
            np.concatenate([[0.0], self.intensity]),
        )


@dataclass(frozen=True, eq=False, repr=False)
class Pairing:
    """Peaks of beams: `flat` (N, 2) are x, y of the beams without strain; `partner` (N,) their peaks, −1 = none.

    `visible` (N,) is where a peak could have been found; `trust` (n,), 0 … 1, how near a beam each peak is.
    """

    flat: Array
    partner: NDArray[np.int64]
    visible: NDArray[np.bool_]
    trust: Array

    @classmethod
    def of(cls, pattern: Pattern, g: Array, rotation: Array, strain: Array, *, radius: float) -> Pairing:
        """Give each beam g (N, 3) the nearest peak within `radius`; the incident beam gets none."""
        number = len(g)
        flat = np.ascontiguousarray((g @ rotation.T)[:, :2])
        partner, visible = np.empty(number, np.int64), np.empty(number, np.bool_)
        trust = np.zeros(len(pattern.g))
        kernels.pair(flat, number, strain, pattern.g, radius, partner)
        incident = ~g.any(axis=1)
        partner[incident] = -1
        kernels.judge(
            flat,
            number,
            partner,
            strain,
            pattern.g,
            radius,
            pattern.to_detector,
            pattern.centre,
            pattern.mask,
            pattern.blocked,
            visible,
            trust,
        )
        return cls(flat, partner, visible & ~incident, trust)


def fit_plane(
    pattern: Pattern, pairing: Pairing, rotation: Array, *, weight: Array, stiffness: float
) -> tuple[Array, Array]:
    """Return the orientation turned about the beam, and the strains xx, yy, xy, that bring beams to their peaks.

    `weight` (N,), 0 … 1, is how much each beam counts.
    """
    found = np.zeros(4)
    kernels.fit_plane(
        pairing.flat, len(pairing.flat), pairing.partner, weight, pattern.g, pattern.precision, stiffness, found
    )
    return kernels.turn_about_beam(rotation, found[0]), found[1:]


def hexagonal(step: float, radius: float) -> Array:
    """Return points (n, 2) within a radius of the origin, every one a step from its six neighbours."""
    most = int(radius / step) + 1
    i, j = np.mgrid[-2 * most : 2 * most + 1, -most - 1 : most + 2].reshape(2, -1)
    points = step * np.stack([i + 0.5 * j, np.sqrt(0.75) * j], axis=1)
    inside: Array = points[np.hypot(*points.T) <= radius * (1 + 1e-9)]
    return inside
