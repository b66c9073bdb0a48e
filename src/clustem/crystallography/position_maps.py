"""The record of orientation and strain at every position."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clustem.crystallography.rotations import to_quaternion
from clustem.tables import table_text

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class PositionMaps:
    """Orientation and strain of every position inside of domains, made by :func:`clustem.map_positions`.

    All maps are (scan_y, scan_x), NaN where nothing was measured: outside of domains, in domains without an answer,
    and where the standard error is too large to say anything.

    Attributes
    ----------
    rotation : (scan_y, scan_x, 3, 3) float64
        Orientation, crystal → sample, refined from that of the domain; of its crystal, `Orientations.phase`. All NaN
        without crystals.
    angle_error_in_plane_deg, angle_error_out_of_plane_deg : float64
        Standard error of the rotation about the beam, and of the tilt (root mean square over its two directions),
        against the domain; in degrees. The error of the domain's own orientation is not in it: neighbours share that.
    e_xx, e_yy, e_xy : float64
        Strain, relative to what `Strain.reference` of the domains is.
    omega : float64
        Rotation about the beam in radians, clockwise on the screen, relative to the same; NaN against the ideal
        crystal.
    e_xx_error, e_yy_error, e_xy_error, omega_error : float64
        Standard errors, against the domain too.
    score : float64
        Correlation of measured and expected amplitudes, 0 … 1; NaN without crystals.
    averaged : int32
        How many patterns were averaged: the position and neighbours in its domain, more where the dose is low, so that
        maps are smoothed over them; 0 where nothing was measured.
    reference : str
        What strain is relative to.
    warnings : tuple of str
    """

    rotation: Array
    angle_error_in_plane_deg: Array
    angle_error_out_of_plane_deg: Array
    e_xx: Array
    e_yy: Array
    e_xy: Array
    omega: Array
    e_xx_error: Array
    e_yy_error: Array
    e_xy_error: Array
    omega_error: Array
    score: Array
    averaged: NDArray[np.int32]
    reference: str
    warnings: tuple[str, ...] = ()

    @property
    def oriented(self) -> NDArray[np.bool_]:
        """(scan_y, scan_x) whether there is an orientation."""
        return np.asarray(np.isfinite(self.rotation).all(axis=(2, 3)))

    @property
    def measured(self) -> NDArray[np.bool_]:
        """(scan_y, scan_x) whether there is a strain."""
        return np.isfinite(self.e_xx)

    @property
    def quaternion(self) -> Array:
        """(scan_y, scan_x, 4) passive quaternions from sample to crystal, scalar first; NaN where there is none."""
        out = np.full((*self.averaged.shape, 4), np.nan)
        out[self.oriented] = to_quaternion(self.rotation[self.oriented])
        return out

    def __repr__(self) -> str:
        tilt = self.angle_error_out_of_plane_deg[self.oriented]
        errors = np.stack([self.e_xx_error, self.e_yy_error, self.e_xy_error])[:, self.measured]
        together = self.averaged[self.averaged > 0]
        return table_text(
            f"Maps of {self.averaged.shape[0]}×{self.averaged.shape[1]} positions",
            [
                ("orientations", f"{tilt.size}, tilt error median {np.median(tilt):.2f}°" if tilt.size else 0),
                ("strains", f"{errors.shape[1]}, standard error median {np.median(errors):.2%}" if errors.size else 0),
                ("reference", self.reference),
                ("averaged", f"up to {together.max()} positions" if together.size else None),
                *(("warning", text) for text in self.warnings),
            ],
        )
