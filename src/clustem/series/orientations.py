"""The record of the orientations of tracks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clustem.crystallography import Crystal
from clustem.crystallography.rotations import misorientation_deg, to_quaternion

Array = NDArray[np.float64]

STRAINS = ("e_xx", "e_yy", "e_xy", "e_xx_error", "e_yy_error", "e_xy_error", "omega", "omega_error")


@dataclass(frozen=True, eq=False)
class TrackOrientations:
    """Orientation and strain of every track in every frame; index i is that of the appearances.

    Attributes
    ----------
    rotation : (N, 3, 3) float64
        Crystal → sample, as of :class:`clustem.Orientations`; NaN where none was found.
    phase : (N,) str
        Name of its crystal; empty where none was found.
    probability : (N,) float64
        That it is the right one of the candidates of its frame, given those of all other frames of its track.
    score : (N,) float64
        Correlation of measured and expected amplitudes.
    e_xx, e_yy, e_xy, e_xx_error, e_yy_error, e_xy_error : (N,) float64
        Strain as of :class:`clustem.Strain`, and its standard errors.
    omega, omega_error : (N,) float64
        Rotation relative to the median in radians, as of :class:`clustem.Strain`; NaN relative to the crystal.
    crystals : tuple of Crystal
    reference : str
        What strain is relative to: ``"crystal"``, or ``"median"`` of the domains of the same frame.
    """

    rotation: Array
    phase: NDArray[np.str_]
    probability: Array
    score: Array
    e_xx: Array
    e_yy: Array
    e_xy: Array
    e_xx_error: Array
    e_yy_error: Array
    e_xy_error: Array
    omega: Array
    omega_error: Array
    crystals: tuple[Crystal, ...]
    reference: str = "crystal"

    @property
    def quaternion(self) -> Array:
        """(N, 4) passive quaternions from sample to crystal, scalar first, as orix stores them; NaN where none."""
        out = np.full((len(self.phase), 4), np.nan)
        found = np.isfinite(self.rotation).all(axis=(1, 2))
        out[found] = to_quaternion(self.rotation[found])
        return out

    def misorientation_deg(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> Array:
        """Return the misorientations (M,) of pairs; NaN where one is −1 or has no orientation, or phases differ."""
        angles = np.full(len(first), np.nan)
        same = (first >= 0) & (second >= 0) & (self.phase[first] == self.phase[second])
        for crystal in self.crystals:
            pairs = same & (self.phase[first] == crystal.name)
            if pairs.any():
                between = self.rotation[first[pairs]], self.rotation[second[pairs]]
                angles[pairs] = misorientation_deg(*between, crystal.rotations)
        return angles
