"""The record of the first read of a scan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.calibration import Calibration
from clustem.surveying.noise import NoiseModel
from clustem.tables import table_text


@dataclass(frozen=True, eq=False, repr=False)
class Survey:
    """What one read of a scan tells, made by :func:`clustem.survey`.

    Attributes
    ----------
    name : str
        Name of the scan.
    shape, dtype : tuple of int, str
        Of the scan.
    calibration : Calibration
    mean, variance : (k_y, k_x) float64
        Over all live positions, per detector pixel.
    maximum : (k_y, k_x) float64
    total : (scan_y, scan_x) float64
        Sum of each pattern over the usable pixels.
    bright_field, annular_dark_field : (scan_y, scan_x) float64
        Sum inside the direct beam; sum outside 1.5 times its radius. NaN where no direct beam was found.
    centre_px : (2,) float64
        Centre of the direct beam in the mean pattern, (y, x) pixel indices, from its edge.
    beam_radius_px : float
        Radius of the direct beam, NaN if none was found.
    centres_px : (scan_y, scan_x, 2) float64
        Centre of the direct beam in every pattern, from its edge; NaN where it cannot be measured.
    descan_px : (scan_y, scan_x, 2) float64
        Smooth displacement of the beam from `centre_px` by which patterns are centred; 0 everywhere when the beam
        stands still within half a pixel.
    hot_pixels, dead_pixels : (k_y, k_x) bool
    misfit_pixels : (k_y, k_x) bool
        Pixels whose variance does not fit the noise model: saturated, or flickering.
    dead_positions : (scan_y, scan_x) bool
        Patterns without a count.
    detector_mask : (k_y, k_x) bool
        True = usable: neither masked by the file, nor hot, dead or a misfit.
    is_counts : bool
        Whether all values are whole and not negative, so that they can be electron counts.
    noise : NoiseModel
        How the variance of a pixel follows from its mean: measured, or given.
    fingerprint : str
        SHA-256 of the images above: the same data give the same string.
    warnings : tuple of str
    """

    name: str
    shape: tuple[int, int, int, int]
    dtype: str
    calibration: Calibration
    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    maximum: NDArray[np.float64]
    total: NDArray[np.float64]
    bright_field: NDArray[np.float64]
    annular_dark_field: NDArray[np.float64]
    centre_px: NDArray[np.float64]
    beam_radius_px: float
    centres_px: NDArray[np.float64]
    descan_px: NDArray[np.float64]
    hot_pixels: NDArray[np.bool_]
    dead_pixels: NDArray[np.bool_]
    misfit_pixels: NDArray[np.bool_]
    dead_positions: NDArray[np.bool_]
    detector_mask: NDArray[np.bool_]
    is_counts: bool
    noise: NoiseModel
    fingerprint: str
    warnings: tuple[str, ...] = ()

    @property
    def usable(self) -> NDArray[Any] | None:
        """`detector_mask`, or None if every pixel is usable."""
        return None if self.detector_mask.all() else self.detector_mask

    @property
    def bad_pixels(self) -> NDArray[np.bool_]:
        """Hot, dead and misfit pixels, (k_y, k_x) bool."""
        return self.hot_pixels | self.dead_pixels | self.misfit_pixels

    def __repr__(self) -> str:
        live = self.total[~self.dead_positions]
        amount = "electrons" if self.is_counts and self.noise.kind == "counts" else "summed intensity"
        return table_text(
            f"Survey of {self.name}",
            [
                ("shape", "×".join(map(str, self.shape)) + f" {self.dtype}"),
                (f"{amount} per pattern", f"mean {live.mean():.5g}, from {live.min():.5g} to {live.max():.5g}"),
                ("beam centre (y, x)", f"{self.centre_px[0]:.2f}, {self.centre_px[1]:.2f} px"),
                ("beam radius", f"{self.beam_radius_px:.2f} px" if np.isfinite(self.beam_radius_px) else "not found"),
                ("beam moves", f"{np.abs(self.descan_px).max():.2f} px at most" if self.descan_px.any() else "no"),
                ("bad pixels", self._bad_pixels_text()),
                ("noise", self.noise.summary),
                ("dead positions", int(self.dead_positions.sum())),
                *(("warning", text) for text in self.warnings),
            ],
        )

    def _bad_pixels_text(self) -> str:
        misfits = int(self.misfit_pixels.sum())
        text = f"{self.hot_pixels.sum()} hot, {self.dead_pixels.sum()} dead"
        return f"{text}, {misfits} saturated or flickering" if misfits else text
