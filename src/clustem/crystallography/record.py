"""The record of Bragg peaks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from clustem.calibration import Calibration
from clustem.tables import table_text

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "label",
    "k_y",
    "k_x",
    "k_y_error",
    "k_x_error",
    "g_y",
    "g_x",
    "g_error",
    "intensity",
    "intensity_error",
    "score",
)


@dataclass(frozen=True, eq=False, repr=False)
class Peaks:
    """Bragg peaks of averaged patterns, made by :func:`clustem.find_peaks`.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per peak, sorted by label, then by falling intensity; the direct beam is not among them. Columns:
        `label`, 1 … K; `k_y`, `k_x` and `k_y_error`, `k_x_error`, position on the detector and its standard error in
        px; `g_y`, `g_x`, the scattering vector in the sample frame, and `g_error`, the standard error of one
        component, in 1/Å, or in px where the detector is not calibrated; `intensity` above the background, in
        electrons (units of the data) per scan position, integrated over the disk, and `intensity_error`; `score`, the
        correlation of the template with the pattern around the peak, −1 … 1.
    centres : (K, 2) float64
        Beam centre (y, x) of every average in px, NaN where it was not found.
    calibration : Calibration
        What the scattering vectors were made with.
    shape : (k_y, k_x)
    mask : (k_y, k_x) bool
        Detector pixels that were used.
    radius : float
        Radius of the probe in px.
    noise_intensity : (K,) float64
        Intensity that a peak must have in each pattern to be told from the noise, at the median of the places where
        none was found.
    probe : str
        What the template was.
    warnings : tuple of str
    """

    table: pd.DataFrame
    centres: NDArray[np.float64]
    calibration: Calibration
    shape: tuple[int, int]
    mask: NDArray[np.bool_]
    radius: float
    noise_intensity: NDArray[np.float64]
    probe: str = ""
    warnings: tuple[str, ...] = field(default=())

    @property
    def number(self) -> int:
        """Number of patterns, K."""
        return len(self.centres)

    @property
    def unit(self) -> str:
        """Unit of the scattering vectors: ``"1/Å"``, or ``"px"`` where the detector is not calibrated."""
        return "px" if self.calibration.inv_angstrom_per_px is None else "1/Å"

    @property
    def counts(self) -> NDArray[np.int64]:
        """(K,) number of peaks of every pattern."""
        return np.bincount(self.table["label"].to_numpy(), minlength=self.number + 1)[1:].astype(np.int64)

    def of(self, label: int) -> pd.DataFrame:
        """Return the rows of one label, with their row numbers in `table` as index."""
        return self.table[self.table["label"] == label]

    def __repr__(self) -> str:
        counts = self.counts
        found = f"median {np.median(counts):.0f}, from {counts.min()} to {counts.max()}" if self.number else None
        error = f"median {self.table['g_error'].median():.2g} {self.unit}" if len(self.table) else None
        return table_text(
            f"Peaks of {self.number} pattern{'s' * (self.number != 1)}",
            [
                ("peaks", len(self.table)),
                ("per pattern", found),
                ("probe", self.probe or None),
                ("radius", f"{self.radius:.2f} px"),
                ("position error", error),
                ("centre not found", int(np.isnan(self.centres).any(axis=1).sum()) or None),
                *(("warning", text) for text in self.warnings),
            ],
        )
