"""Calibration from linear axes: a scale, a unit and an offset for each, as most formats of the field have them."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from clustem.calibration import Calibration
from clustem.errors import InputError
from clustem.formats.units import to_inverse_angstrom, to_mrad, to_nm

_log = logging.getLogger(__name__)

_LOWEST_KEV, _HIGHEST_KEV = 20.0, 2000.0


@dataclass(frozen=True)
class Axis:
    """A linear axis: value = offset + scale · index, in `units`."""

    scale: float
    units: str
    offset: float = 0.0
    size: int = 0

    @classmethod
    def from_values(cls, scale: Any, units: Any, offset: Any = 0.0, size: Any = 0) -> Axis | None:
        """Make an axis from what a file holds; None where that is no finite, non-zero scale."""
        try:
            axis = cls(float(scale), as_text(units), float(offset), int(size))
        except (TypeError, ValueError):
            return None
        return axis if math.isfinite(axis.scale) and axis.scale != 0 and math.isfinite(axis.offset) else None


def plausible_energy_keV(value: Any) -> float | None:  # noqa: N802
    """Return an energy in keV if it is one of an electron microscope: programs write 0 or 1 where they do not know it.

    Examples
    --------
    >>> plausible_energy_keV(200), plausible_energy_keV(0)
    (200.0, None)
    """
    try:
        energy = float(value)
    except (TypeError, ValueError):
        return None
    return energy if _LOWEST_KEV <= energy <= _HIGHEST_KEV else None


def as_text(value: Any) -> str:
    """Return text that a file may hold as bytes or inside an array."""
    value = value.item() if isinstance(value, (np.ndarray, np.generic)) and value.size == 1 else value
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def from_axes(axes: Sequence[Axis | None], *, energy_keV: float | None = None) -> Calibration:
    """Return what the axes (…, k_y, k_x) tell: pixel size, scan step and, from the offsets, the centre.

    Four axes begin with scan_y and scan_x. Pixel sizes that differ by more than 1 % between k_y and k_x are not used,
    because a calibration holds one. A centre is given only if the zero of both detector axes lies inside the detector,
    not on its border: an offset of 0 is what programs write that do not know it. Axes that look swapped are warned of.
    """
    detector, scan = axes[-2:], axes[-4:-2]
    if len(axes) >= 4 and _are_lengths(detector) and all(_is_reciprocal(axis) for axis in scan):
        _log.warning(
            "the last two axes are lengths, the two before scattering vectors or angles: that looks like images of the "
            "sample for every point of the diffraction pattern; if so, swap the axes to (scan_y, scan_x, k_y, k_x)"
        )
    sizes = [None if axis is None else _detector_pixel(axis, energy_keV) for axis in detector]
    result = Calibration()
    if None not in sizes:
        first, second = (abs(size) for size in sizes if size is not None)
        if abs(first - second) > 0.01 * max(first, second):
            _log.warning("detector pixels of %g and %g 1/Å differ: not calibrated", first, second)
            return _scan_step(scan)
        result = Calibration(inv_angstrom_per_px=(first + second) / 2, centre_px=_centre(detector))
    return _scan_step(scan).updated(result)


def refuse_images(axes: Sequence[Axis | None], scan_shape: tuple[int, int] | None, *, name: str) -> None:
    """Raise InputError if a stack is one of images of the sample: if the axes of its pixels are lengths.

    Units are sometimes wrong, so a scan shape that the user gives is taken as a sign that it is a scan after all.
    """
    pixel = axes[-1]
    if pixel is not None and _are_lengths(axes[-2:]) and scan_shape is None:
        raise InputError(
            f"{name}: holds images of the sample (pixels in {pixel.units}), not diffraction patterns; "
            "if it is a scan after all, give scan_shape=(y, x)"
        )


def _are_lengths(axes: Sequence[Axis | None]) -> bool:
    """Return whether there are two axes and both are lengths."""
    return len(axes) == 2 and all(axis is not None and to_nm(axis.units) is not None for axis in axes)


def _is_reciprocal(axis: Axis | None) -> bool:
    """Return whether an axis is one of scattering vectors or angles."""
    return axis is not None and (to_inverse_angstrom(axis.units) is not None or to_mrad(axis.units) is not None)


def _detector_pixel(axis: Axis, energy_keV: float | None) -> float | None:
    """Return the size of a pixel in 1/Å; angles need the energy."""
    reciprocal = to_inverse_angstrom(axis.units)
    if reciprocal is not None:
        return axis.scale * reciprocal
    angle = to_mrad(axis.units)
    wavelength = Calibration(energy_keV=energy_keV).wavelength_angstrom
    if angle is None:
        return None
    if wavelength is None:
        _log.warning("detector axes are in %s: give energy_keV to calibrate them", axis.units)
        return None
    return axis.scale * angle * 1e-3 / wavelength


def _centre(detector: Sequence[Axis | None]) -> tuple[float, float] | None:
    """Return where both axes are zero, in pixels, if that is inside the detector."""
    zeros = [-axis.offset / axis.scale for axis in detector if axis is not None]
    inside = all(0 < zero < axis.size - 1 for zero, axis in zip(zeros, detector, strict=True) if axis is not None)
    return (zeros[0], zeros[1]) if inside else None


def _scan_step(scan: Sequence[Axis | None]) -> Calibration:
    """Return the scan step, if both axes have one in a unit of length."""
    steps = []
    for axis in scan:
        factor = None if axis is None else to_nm(axis.units)
        if axis is None or factor is None:
            return Calibration()
        steps.append(abs(axis.scale) * factor)
    return Calibration(scan_step_nm=(steps[0], steps[1])) if len(steps) == 2 else Calibration()


def from_named_values(values: Mapping[str, Any]) -> tuple[Calibration, tuple[str, ...]]:
    """Return the calibration of the entries named as its fields, and a sentence for each that cannot be used."""
    found, notes = Calibration(), []
    for name in Calibration.__dataclass_fields__:
        if name not in values:
            continue
        value = np.asarray(values[name])
        try:
            found = found.updated(Calibration(**{name: value.item() if value.size == 1 else value.tolist()}))
        except InputError as error:
            notes.append(f"the file's value was ignored ({error})")
    return found, tuple(notes)
