"""The record of orientations and phases."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from clustem.crystallography.crystals import Crystal
from clustem.crystallography.rotations import to_euler_deg, to_quaternion
from clustem.tables import table_text

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

SURE = 0.8
"""Probability of the best candidate below which an orientation is ambiguous."""


@dataclass(frozen=True, eq=False, repr=False)
class Orientations:
    """Orientation and phase of every domain, made by :func:`clustem.match_orientations`; i belongs to label i + 1.

    Attributes
    ----------
    rotation : (K, 3, 3) float64
        Best orientation, crystal → sample: v_sample = rotation @ v_crystal, with e1 ∥ a and e3 ∥ c* in the crystal, x
        right, y down and z along the beam in the sample. NaN where none was found.
    phase : (K,) str
        Name of its crystal; empty where no crystal explains the pattern.
    ambiguous : (K,) bool
        Whether another orientation explains the pattern nearly as well. True as well where none was found.
    score : (K,) float64
        Correlation of measured and expected amplitudes, 0 … 1.
    probability : (K,) float64
        That the best candidate is the right one, if one of the candidates is.
    reliability : (K,) float64
        That the phase is right, if it is one of the candidate crystals: 1 − the probability of all other phases.
    explained : (K,) float64
        Share of the amplitude of the peaks that the best orientation expects.
    angle_error_in_plane_deg, angle_error_out_of_plane_deg : (K,) float64
        Standard error of the rotation about the beam, and of the tilt of the beam in the crystal (root mean square over
        its two directions), in degrees; with what an unknown shear out of the plane, as large as the strain in the
        plane, does to the tilt.
    scale : (K,) float64
        Measured over expected length of scattering vectors.
    thickness_nm : (K,) float64
        That fits best.
    candidates : pandas.DataFrame
        At most five rows per domain: `label`, `rank` (1 is the best), `phase`, `score`, `misfit`, `probability`,
        `share` (of the pattern that it makes together with the other candidates), `misorientation_deg` to the best (NaN
        between phases), `half_turn` (whether it is the best one turned by 180° about the beam or the zone axis, within
        5°), `thickness_nm`, and the passive quaternion `q0` … `q3` from sample to crystal, scalar first.
    indexed : pandas.DataFrame
        Peaks with their reflections in the best orientation: `peak` (row of the table of peaks), `label`, `h`, `k`,
        `l`, `g_y`, `g_x` (where the unstrained crystal has the reflection, 1/Å, sample frame).
    crystals : tuple of Crystal
        The candidate crystals.
    reason : (K,) str
        Why there is no orientation; empty where there is one.
    warnings : tuple of str
    """

    rotation: Array
    phase: NDArray[np.str_]
    ambiguous: NDArray[np.bool_]
    score: Array
    probability: Array
    reliability: Array
    explained: Array
    angle_error_in_plane_deg: Array
    angle_error_out_of_plane_deg: Array
    scale: Array
    thickness_nm: Array
    candidates: pd.DataFrame
    indexed: pd.DataFrame
    crystals: tuple[Crystal, ...]
    reason: NDArray[np.str_]
    warnings: tuple[str, ...] = field(default=())

    @property
    def number(self) -> int:
        """Number of domains, K."""
        return len(self.rotation)

    @property
    def found(self) -> NDArray[np.bool_]:
        """(K,) whether there is an orientation."""
        return np.asarray(np.isfinite(self.rotation).all(axis=(1, 2)))

    @property
    def quaternion(self) -> Array:
        """(K, 4) passive quaternions from sample to crystal, scalar first, as orix stores them; NaN where none."""
        out = np.full((self.number, 4), np.nan)
        out[self.found] = to_quaternion(self.rotation[self.found])
        return out

    @property
    def euler_deg(self) -> Array:
        """(K, 3) Bunge angles φ1, Φ, φ2 in degrees, in the frames of `rotation`; NaN where none."""
        out = np.full((self.number, 3), np.nan)
        out[self.found] = to_euler_deg(self.rotation[self.found])
        return out

    def crystal_of(self, phase: str) -> Crystal:
        """Return the crystal of a phase."""
        return next(crystal for crystal in self.crystals if crystal.name == phase)

    def __repr__(self) -> str:
        found = self.found
        number = {crystal.name: int((self.phase == crystal.name).sum()) for crystal in self.crystals}
        error = self.angle_error_out_of_plane_deg[found & np.isfinite(self.angle_error_out_of_plane_deg)]
        reasons = {text: int((self.reason == text).sum()) for text in sorted(set(self.reason[~found].tolist()))}
        return table_text(
            f"Orientations of {self.number} domain{'s' * (self.number != 1)}",
            [
                ("found", int(found.sum())),
                ("phases", ", ".join(f"{name} {n}" for name, n in number.items())),
                ("ambiguous", int((self.ambiguous & found).sum())),
                ("median score", f"{np.median(self.score[found]):.2f}" if found.any() else None),
                ("tilt error", f"median {np.median(error):.2f}°" if error.size else None),
                *(("none", f"{n}: {text}") for text, n in reasons.items()),
                *(("warning", text) for text in self.warnings),
            ],
        )
