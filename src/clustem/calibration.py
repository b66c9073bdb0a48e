"""Calibration of a scan: what a detector pixel and a scan step are in physical units."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from numbers import Real
from typing import Any

import numpy as np

from clustem.errors import InputError
from clustem.tables import table_text


def _number(name: str, value: Any, *, positive: bool) -> float:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (Real, np.integer, np.floating)):
        raise InputError(f"calibration {name}: expected a number, got {value!r}")
    number = float(value)
    if not math.isfinite(number) or (positive and number <= 0):
        kind = "a positive finite number" if positive else "a finite number"
        raise InputError(f"calibration {name}: expected {kind}, got {value!r}")
    return number


def _pair(name: str, value: Any, *, positive: bool) -> tuple[float, float]:
    items = np.asarray(value, dtype=object).ravel().tolist()
    if len(items) == 1:
        items = items * 2
    if len(items) != 2:
        raise InputError(f"calibration {name}: expected one number or a (y, x) pair, got {value!r}")
    return _number(name, items[0], positive=positive), _number(name, items[1], positive=positive)


def _ellipse(value: Any) -> tuple[float, float]:
    items = np.asarray(value, dtype=object).ravel().tolist()
    if len(items) != 2:
        raise InputError(f"calibration ellipse: expected a (ratio, angle_deg) pair, got {value!r}")
    return _number("ellipse ratio", items[0], positive=True), _number("ellipse angle", items[1], positive=False)


@dataclass(frozen=True, repr=False)
class Calibration:
    """Physical meaning of the axes of a scan. Every field may be None, which means "not calibrated".

    Parameters
    ----------
    inv_angstrom_per_px : float, optional
        Reciprocal-space size of a detector pixel in 1/Å (|g| = 1/d, no 2π).
    scan_step_nm : float or (y, x) pair, optional
        Distance of neighbouring scan positions in nm. A pair of equal numbers becomes one number.
    energy_keV : float, optional
        Kinetic energy of the electrons in keV.
    semiangle_mrad : float, optional
        Convergence semi-angle of the probe in mrad.
    centre_px : (y, x) pair, optional
        Position of the undiffracted beam on the detector, in pixel indices of pixel centres.
    detector_rotation_deg : float, optional
        A vector at angle α on the detector (after `detector_flip`) points at α + detector_rotation_deg in the
        sample frame; angles are positive from x towards y, clockwise on the screen.
    detector_flip : bool, optional
        Whether k_y is to be reversed before the rotation.
    ellipse : (ratio, angle_deg) pair, optional
        Distortion of the detector: in the direction at `angle_deg` on the detector, positive from k_x towards k_y and
        before the flip, lengths are `ratio` times too large compared with the direction across. It is taken out
        without a change of area: `inv_angstrom_per_px` stays the geometric mean of both directions.

    Raises
    ------
    InputError
        If a field is not a finite number (or, for sizes and energies, not positive).

    Examples
    --------
    >>> calibration = Calibration(inv_angstrom_per_px=0.0375, energy_keV=200)
    >>> round(calibration.mrad_per_px, 3)
    0.94
    """

    inv_angstrom_per_px: float | None = None
    scan_step_nm: float | tuple[float, float] | None = None
    energy_keV: float | None = None
    semiangle_mrad: float | None = None
    centre_px: tuple[float, float] | None = None
    detector_rotation_deg: float | None = None
    detector_flip: bool | None = None
    ellipse: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        for name in ("inv_angstrom_per_px", "energy_keV", "semiangle_mrad", "detector_rotation_deg"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, _number(name, value, positive=name != "detector_rotation_deg"))
        if self.scan_step_nm is not None:
            step = _pair("scan_step_nm", self.scan_step_nm, positive=True)
            object.__setattr__(self, "scan_step_nm", step[0] if step[0] == step[1] else step)
        if self.centre_px is not None:
            object.__setattr__(self, "centre_px", _pair("centre_px", self.centre_px, positive=False))
        if self.detector_flip is not None:
            if not isinstance(self.detector_flip, (bool, np.bool_)):
                raise InputError(f"calibration detector_flip: expected True or False, got {self.detector_flip!r}")
            object.__setattr__(self, "detector_flip", bool(self.detector_flip))
        if self.ellipse is not None:
            object.__setattr__(self, "ellipse", _ellipse(self.ellipse))

    @property
    def scan_step_yx_nm(self) -> tuple[float, float] | None:
        """Scan step as a (y, x) pair in nm, or None."""
        step = self.scan_step_nm
        return step if step is None or isinstance(step, tuple) else (step, step)

    @property
    def wavelength_angstrom(self) -> float | None:
        """Relativistic de Broglie wavelength in Å, or None without `energy_keV`."""
        if self.energy_keV is None:
            return None
        energy, rest = self.energy_keV * 1e3, 510998.95  # eV
        return 12398.4198 / math.sqrt(energy * (energy + 2 * rest))

    @property
    def mrad_per_px(self) -> float | None:
        """Scattering angle of a detector pixel in mrad (small angles), or None when it is not known."""
        if self.inv_angstrom_per_px is None or self.wavelength_angstrom is None:
            return None
        return 1e3 * self.inv_angstrom_per_px * self.wavelength_angstrom

    def updated(self, other: Calibration | None) -> Calibration:
        """Return a calibration with the fields of `other` where it has them, else those of this one."""
        if other is None:
            return self
        return Calibration(**{**self.to_dict(), **other.to_dict()})

    def to_dict(self) -> dict[str, Any]:
        """Return the calibrated fields by name; None is left out."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) is not None}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Calibration:
        """Make a calibration from a mapping of field names; unknown names raise InputError."""
        known = [f.name for f in fields(cls)]
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise InputError(f"calibration: unknown field {unknown[0]!r}; known are {', '.join(known)}")
        return cls(**values)

    def __repr__(self) -> str:
        return table_text("Calibration", self.to_dict().items() or [("none", "all lengths in px")])
