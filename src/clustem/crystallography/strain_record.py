"""The record of strain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import polar

from clustem.tables import table_text

if TYPE_CHECKING:
    import pandas as pd

_SWAP = np.array([[0.0, 1.0], [1.0, 0.0]])


@dataclass(frozen=True, eq=False, repr=False)
class Strain:
    """Strain of every domain, made by :func:`clustem.fit_strain`. Index i belongs to label i + 1.

    Attributes
    ----------
    e_xx, e_yy, e_xy : (K,) float64
        Of V − 1, where F = V R: tension positive, e_xy the tensor shear, in the sample frame (x right, y down).
        NaN where it cannot be measured, see `reason`.
    omega : (K,) float64
        Angle of R in radians, clockwise on the screen, relative to the reference. NaN against the ideal crystal, whose
        orientation was itself fitted to the pattern.
    e_xx_error, e_yy_error, e_xy_error, omega_error : (K,) float64
        Standard errors.
    deformation : (K, 2, 2) float64
        F relative to the reference, in (x, y) order; against the ideal crystal V, because R means nothing there.
    reflections : (K,) int64
        How many were fitted.
    residual : (K,) float64
        Size of their residuals over their standard errors.
    indexed : pandas.DataFrame
        What was fitted: `peak`, the row of `Peaks.table`; `label`; `h`, `k`, `l` (l is 0 for a lattice without a
        crystal); `expected_g_y`, `expected_g_x`, where the fitted deformation puts it; `miss_g_y`, `miss_g_x`,
        measured minus that; `weight`, 0 … 1, what the robust fit left to it.
    reference : str
        What the strain is relative to.
    reason : (K,) str
        Why there is no strain; empty where there is.
    warnings : tuple of str
    """

    e_xx: NDArray[np.float64]
    e_yy: NDArray[np.float64]
    e_xy: NDArray[np.float64]
    omega: NDArray[np.float64]
    e_xx_error: NDArray[np.float64]
    e_yy_error: NDArray[np.float64]
    e_xy_error: NDArray[np.float64]
    omega_error: NDArray[np.float64]
    deformation: NDArray[np.float64]
    reflections: NDArray[np.int64]
    residual: NDArray[np.float64]
    indexed: pd.DataFrame
    reference: str
    reason: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    @property
    def measured(self) -> NDArray[np.bool_]:
        """(K,) whether there is a strain."""
        return np.isfinite(self.e_xx)

    def to_py4dstem(self) -> dict[str, NDArray[np.float64]]:
        """Return `e_xx`, `e_yy`, `e_xy`, `theta` as py4DSTEM defines them.

        Its x axis points down and y to the right; the strain is 1 − M with g = M g0, without polar decomposition, and
        theta half of the difference of the off-diagonal elements.
        """
        m = _SWAP @ np.linalg.inv(self.deformation).transpose(0, 2, 1) @ _SWAP
        theta = np.where(np.isnan(self.omega), np.nan, (m[:, 0, 1] - m[:, 1, 0]) / 2)
        return {
            "e_xx": 1 - m[:, 0, 0],
            "e_yy": 1 - m[:, 1, 1],
            "e_xy": -(m[:, 0, 1] + m[:, 1, 0]) / 2,
            "theta": theta,
        }

    def to_pyxem(self) -> dict[str, NDArray[np.float64]]:
        """Return `e11`, `e22`, `e12`, `theta` as pyxem's strain maps define them.

        From g = R U g0: e11 = 1 − U_xx, e22 = 1 − U_yy, but e12 = +U_xy, whose sign is that of compression, in the
        frame before the rotation; theta is positive anticlockwise on the screen.
        """
        result = {name: np.full(len(self.e_xx), np.nan) for name in ("e11", "e22", "e12", "theta")}
        for n in np.flatnonzero(self.measured):
            rotation, stretch = polar(np.linalg.inv(self.deformation[n]).T, side="right")
            result["e11"][n], result["e22"][n] = 1 - stretch[0, 0], 1 - stretch[1, 1]
            result["e12"][n] = stretch[0, 1]
            if np.isfinite(self.omega[n]):
                result["theta"][n] = -np.arcsin(np.clip(rotation[1, 0], -1, 1))
        return result

    def __repr__(self) -> str:
        known = self.measured
        size = np.abs(np.stack([self.e_xx, self.e_yy, self.e_xy]))[:, known]
        errors = np.stack([self.e_xx_error, self.e_yy_error, self.e_xy_error])[:, known]
        return table_text(
            f"Strain of {len(known)} domain{'s' * (len(known) != 1)}",
            [
                ("measured", int(known.sum())),
                ("reference", self.reference),
                ("size", f"median {np.median(size):.2%}, at most {size.max():.2%}" if known.any() else None),
                ("standard error", f"median {np.median(errors):.2%}" if known.any() else None),
                ("reflections", f"median {np.median(self.reflections[known]):.0f}" if known.any() else None),
                *(("warning", text) for text in self.warnings),
            ],
        )
