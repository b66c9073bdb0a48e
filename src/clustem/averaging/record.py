"""The record of averaged patterns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.calibration import Calibration
from clustem.tables import size_text, table_text


@dataclass(frozen=True, eq=False, repr=False)
class Averages:
    """Mean diffraction pattern of every domain, made by :func:`clustem.average`. Index i belongs to label i + 1.

    Attributes
    ----------
    patterns : (K, k_y, k_x) float32
        Mean of the raw patterns of the domain, each moved to the common origin `centre_px`.
    variance : (K, k_y, k_x) float32
        Variance over the patterns of the domain, per pixel (NaN for a domain of one position).
    electrons : (K,) float64
        Sum of all values of the domain; the number of electrons where the values are counts.
    positions : (K,) int64
        Number of scan positions averaged.
    snr_single, snr_domain : (K,) float64
        Measured signal-to-noise ratio (amplitude) of one pattern and of the domain's mean, direct beam masked:
        SNR² = 2R/(1 − R), R the correlation of two thinned halves. NaN where it cannot be measured.
    chi_squared : (K,) float64
        χ²/n of the patterns of the domain about their mean, outside the direct beam: their variance over that of the
        noise model. 1 if one pattern explains them all, more with gradients or mixtures inside; NaN for one position.
    examples : (K, k_y, k_x)
        One single raw pattern of each domain, from a position deep inside it.
    example_positions : (K, 2) int64
        (y, x) of that position.
    centre_px : (2,) float64
        Beam centre common to all patterns, (y, x).
    margin_px : float
        Largest shift applied. Shifts are periodic, so a border of this width may hold counts from the opposite side.
    bytes_in, bytes_out : int
        Size of the scan, and of the averages and labels.
    calibration : Calibration
    warnings : tuple of str
    """

    patterns: NDArray[np.float32]
    variance: NDArray[np.float32]
    electrons: NDArray[np.float64]
    positions: NDArray[np.int64]
    snr_single: NDArray[np.float64]
    snr_domain: NDArray[np.float64]
    chi_squared: NDArray[np.float64]
    examples: NDArray[Any]
    example_positions: NDArray[np.int64]
    centre_px: NDArray[np.float64]
    margin_px: float
    bytes_in: int
    bytes_out: int
    calibration: Calibration = field(default_factory=Calibration)
    warnings: tuple[str, ...] = ()

    @property
    def snr_gain(self) -> NDArray[np.float64]:
        """(K,) ratio of the signal-to-noise ratios of the mean and of one pattern; NaN where one pattern shows none."""
        return self.snr_domain / np.where(self.snr_single > 0, self.snr_single, np.nan)

    @property
    def data_reduction(self) -> float:
        """Bytes of the scan over bytes of averages and labels."""
        return self.bytes_in / self.bytes_out

    def to_hyperspy(self) -> Any:
        """Return the patterns as a signal of HyperSpy, or of pyxem where that is installed too.

        Its navigation axis is the label, 1 … K; the signal axes are `kx`, `ky` in 1/Å, 0 at the direct beam (px where
        they are not calibrated).

        Raises
        ------
        InputError
            If HyperSpy is not installed; the package does not need it for anything else.
        """
        from clustem.averaging.conversion import signal_of_averages, to_signal

        return to_signal(signal_of_averages(self))

    def __repr__(self) -> str:
        gain = self.snr_gain[np.isfinite(self.snr_gain)]
        return table_text(
            f"Averages of {len(self.patterns)} domain{'s' * (len(self.patterns) != 1)}",
            [
                ("patterns", "×".join(map(str, self.patterns.shape))),
                ("positions", int(self.positions.sum())),
                ("electrons", f"{self.electrons.sum():.5g}"),
                ("signal-to-noise gain", f"median {np.median(gain):.3g}" if gain.size else None),
                ("data reduction", f"{size_text(self.bytes_in)} → {size_text(self.bytes_out)}"),
                *(("warning", text) for text in self.warnings),
            ],
        )
