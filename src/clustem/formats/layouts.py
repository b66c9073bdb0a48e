"""Calibration as HDF5 and Zarr files hold it: named attributes, HyperSpy's axes, and EMD 1.0's metadata.

Both libraries offer groups with `attrs`, `in` and `[]`, and that is all that is used here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from clustem.calibration import Calibration
from clustem.formats.axes import Axis, from_axes, from_named_values

_PRISMATIC = "metadata/metadata_0/original/simulation_parameters"
_EMD_NAMES = (
    "Q_pixel_size",
    "Q_pixel_units",
    "R_pixel_size",
    "R_pixel_units",
    "QR_rotation",
    "QR_rotation_degrees",
    "QR_flip",
    "qx0_mean",
    "qy0_mean",
    "convergence_semiangle_mrad",
)


def stored_calibration(
    nodes: Sequence[Any],
    shape: tuple[int, ...],
    energy_keV: float | None,
) -> tuple[Calibration, tuple[str, ...]]:
    """Return the calibration of an array in a file, and a sentence for every value that cannot be used.

    Parameters
    ----------
    nodes : sequence of HDF5 or Zarr objects
        The array, then the groups that hold it, nearest first, the file's root last.
    shape : tuple of int
        Of the array.
    energy_keV : float, optional
        What the caller knows, to convert axes in mrad.

    Notes
    -----
    Attributes named as the fields of Calibration come first, the nearest ones above all; then EMD 1.0's calibration
    (as py4DSTEM writes it); then the axes beside the array (HyperSpy, EMD 1.0).
    """
    attributes: dict[str, Any] = {}
    ancestors = nodes[1:]
    for node in nodes[::-1]:
        attributes.update((name, node.attrs[name]) for name in Calibration.__dataclass_fields__ if name in node.attrs)
    named, notes = from_named_values(attributes)
    instrument = _hyperspy_instrument(ancestors[0]) if ancestors else Calibration()
    energy = energy_keV or named.energy_keV or instrument.energy_keV
    axes = _axes_beside(ancestors[0], shape) if ancestors else []
    if any(_PRISMATIC in group for group in ancestors):
        axes = [None if axis is None else replace(axis, units=_in_angstrom(axis.units)) for axis in axes]
    from_file = from_axes(axes, energy_keV=energy) if axes else Calibration()
    emd, emd_notes = _emd_of(ancestors, energy)
    return from_file.updated(instrument).updated(emd).updated(named), notes + emd_notes


def _in_angstrom(units: str) -> str:
    """Return the unit that Prismatic means: its numbers are in Å, whatever it calls them."""
    return {"[n_m]": "Å", "[n_m^-1]": "1/Å"}.get(units, units)


def _axes_beside(group: Any, shape: tuple[int, ...]) -> list[Axis | None]:
    """Return the axes that HyperSpy (axis-0 …) or EMD (dim0 … or dim1 …) keeps beside an array, or none."""
    ndim = len(shape)
    if all(f"axis-{k}" in group for k in range(ndim)):
        attributes = [group[f"axis-{k}"].attrs for k in range(ndim)]
        return [
            Axis.from_values(a.get("scale"), a.get("units", ""), a.get("offset", 0), a.get("size", 0))
            for a in attributes
        ]
    for first in (0, 1):  # EMD 1.0 counts from 0, EMD 0.2 from 1
        if all(f"dim{k + first}" in group for k in range(ndim)):
            return [_emd_axis(group[f"dim{k + first}"], size) for k, size in enumerate(shape)]
    return []


def _emd_axis(values: Any, size: int) -> Axis | None:
    """Return the axis of an EMD dimension: all its values, or only the first two."""
    if "units" not in values.attrs or len(values.shape) != 1 or values.shape[0] < 2 or values.dtype.kind not in "iuf":
        return None
    first, second = (float(value) for value in values[:2])
    return Axis.from_values(second - first, values.attrs["units"], first, size)


def _hyperspy_instrument(group: Any) -> Calibration:
    """Return energy and convergence angle from HyperSpy's metadata."""
    node = group
    for name in ("metadata", "Acquisition_instrument", "TEM"):
        if name not in node:
            return Calibration()
        node = node[name]
    values = {
        "energy_keV": node.attrs.get("beam_energy"),
        "semiangle_mrad": node.attrs.get("convergence_angle"),
    }
    return from_named_values({name: value for name, value in values.items() if value is not None})[0]


def _emd_of(ancestors: Sequence[Any], energy_keV: float | None) -> tuple[Calibration, tuple[str, ...]]:
    """Return the calibration of the nearest group that has EMD 1.0's metadata."""
    for group in ancestors:
        if "metadatabundle" in group and "calibration" in group["metadatabundle"]:
            return emd_calibration(partial(_scalar, group["metadatabundle"]["calibration"]), energy_keV)
    return Calibration(), ()


def _scalar(group: Any, name: str) -> Any:
    """Return a single value, or None where there is none of that name."""
    if name not in group or getattr(group[name], "shape", None) != ():
        return None
    return group[name][()]


def emd_calibration(
    get: Callable[[str], Any],
    energy_keV: float | None = None,
) -> tuple[Calibration, tuple[str, ...]]:
    """Return the calibration that py4DSTEM knows by the names that it uses, and what could not be used.

    Notes
    -----
    There the first axis is x. Its rotation θ turns row towards column, so it is −θ here; its flip exchanges the two
    detector axes, which is a reversal of k_y and a rotation by 90°. A rotation without a value says nothing.
    """
    values = {name: get(name) for name in _EMD_NAMES}
    pixel = Axis.from_values(values["Q_pixel_size"], values["Q_pixel_units"])
    step = Axis.from_values(values["R_pixel_size"], values["R_pixel_units"])
    result = from_axes([step, step, pixel, pixel], energy_keV=energy_keV)
    rotation = values["QR_rotation_degrees"]
    if rotation is None and values["QR_rotation"] is not None:
        rotation = math.degrees(values["QR_rotation"])
    extra: dict[str, Any] = {"semiangle_mrad": values["convergence_semiangle_mrad"]}
    if rotation is not None:
        flip = bool(values["QR_flip"])
        extra |= {"detector_flip": flip, "detector_rotation_deg": (90.0 if flip else 0.0) - float(rotation)}
    if values["qx0_mean"] is not None and values["qy0_mean"] is not None:
        extra["centre_px"] = (values["qx0_mean"], values["qy0_mean"])
    more, notes = from_named_values({name: value for name, value in extra.items() if value is not None})
    return result.updated(more), notes
