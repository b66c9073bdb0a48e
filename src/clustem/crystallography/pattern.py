"""What the fit of an orientation knows of one pattern: its peaks, and where peaks would have been seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from clustem.crystallography.frames import detector_matrix
from clustem.crystallography.record import Peaks

Array = NDArray[np.float64]

_BLOCKED_RADII = 2.2  # radii of the probe around the beam centre in which no peak can be told from the direct beam
_MODEL_ERROR = 0.003  # 1/Å; a disk is not where its reciprocal lattice point is by about as much, whatever the noise


@dataclass(frozen=True, eq=False, repr=False)
class Pattern:
    """Peaks of one pattern in the sample frame, x before y.

    Attributes
    ----------
    g : (n, 2) float64
        (x, y) of the peaks in 1/Å.
    g_error : (n,) float64
        Standard error of one component.
    intensity, intensity_error : (n,) float64
    floor : float
        Intensity that a peak must have to be found.
    centre : (2,) float64
        (y, x) of the beam in px.
    to_detector : (2, 2) float64
        Takes (g_y, g_x) to px from the centre.
    mask : (k_y, k_x) bool
    blocked : float
        Distance from the beam in 1/Å within which no peak can be found.
    rows : (n,) int64
        Row of each peak in the table it came from.
    """

    g: Array
    g_error: Array
    intensity: Array
    intensity_error: Array
    floor: float
    centre: Array
    to_detector: Array
    mask: NDArray[np.bool_]
    blocked: float
    rows: NDArray[np.int64]

    @classmethod
    def of(cls, peaks: Peaks, label: int) -> Pattern:
        """Take the peaks of one label."""
        rows = np.flatnonzero(peaks.table["label"].to_numpy() == label)
        table = peaks.table.iloc[rows]
        centre = peaks.centres[label - 1]
        to_sample = detector_matrix(peaks.calibration)
        size = float(np.sqrt(abs(np.linalg.det(to_sample))))
        found = np.isfinite(centre).all()
        return cls(
            g=table[["g_x", "g_y"]].to_numpy(np.float64),
            g_error=table["g_error"].to_numpy(np.float64),
            intensity=np.maximum(table["intensity"].to_numpy(np.float64), 0.0),
            intensity_error=table["intensity_error"].to_numpy(np.float64),
            floor=max(float(peaks.noise_intensity[label - 1]), 0.0),
            centre=centre if found else (np.array(peaks.shape) - 1) / 2,
            to_detector=np.asarray(np.linalg.inv(to_sample), np.float64),
            mask=peaks.mask,
            blocked=_BLOCKED_RADII * peaks.radius * size,
            rows=rows,
        )

    def scaled(self, factor: float) -> Pattern:
        """Return the pattern with all scattering vectors longer by a factor."""
        return replace(
            self,
            g=self.g * factor,
            g_error=self.g_error * factor,
            to_detector=self.to_detector / factor,
            blocked=self.blocked * factor,
        )

    def only(self, peaks: NDArray[np.int64]) -> Pattern:
        """Return the pattern as if no other peaks, by their numbers, had been found."""
        return replace(
            self,
            g=self.g[peaks],
            g_error=self.g_error[peaks],
            intensity=self.intensity[peaks],
            intensity_error=self.intensity_error[peaks],
            floor=max(self.floor, float(self.intensity[peaks].min(initial=np.inf))) if peaks.size else self.floor,
            rows=self.rows[peaks],
        )

    def brightest(self, number: int) -> NDArray[np.int64]:
        """Return the numbers of the brightest peaks, at most so many, brightest first."""
        return np.argsort(-self.amplitude, kind="stable")[:number]

    @cached_property
    def amplitude(self) -> Array:
        """(n,) root of the intensity."""
        return np.sqrt(self.intensity)

    @cached_property
    def precision(self) -> Array:
        """(n,) inverse variance of a component of `g`, in Å²."""
        return 1 / (self.g_error**2 + _MODEL_ERROR**2)

    @property
    def reach(self) -> float:
        """Length in 1/Å to the farthest corner of the detector."""
        corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]) * (np.array(self.mask.shape) - 1)
        to_sample = np.linalg.inv(self.to_detector)
        return float(np.linalg.norm((corners - self.centre) @ to_sample.T, axis=1).max())
