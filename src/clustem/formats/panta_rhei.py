"""CEOS Panta Rhei .prz files: a NumPy archive with the data, and the kind and calibration of its axes as JSON.

Stored without compression, as Panta Rhei does it, the data are memory-mapped.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from clustem.calibration import Calibration
from clustem.errors import InputError
from clustem.formats.assembly import array_scan
from clustem.formats.axes import Axis, from_axes, plausible_energy_keV
from clustem.formats.contract import Format, Options, has_ending, reason
from clustem.formats.numpy_files import load_member, map_member, read_members
from clustem.scan import Scan

_ORDER = ("ScanY", "ScanX", "CameraY", "CameraX")
_MOST_TEXT = 2**24  # bytes of a description


def open_prz(path: Path, options: Options) -> Scan:
    """Open a .prz file: memory-mapped if it is stored without compression, else loaded.

    Raises
    ------
    InputError
        If it is damaged, is no scan, or does not fit into memory.
    """
    try:
        members = {member.address: member for member in read_members(path)}
        if "data" not in members:
            raise InputError(f"{path.name}: is no Panta Rhei file, which has an array named data")
        about = _description(path, members)
        array = map_member(path, "data")
        if array is None:
            array = load_member(path, members["data"])
    except (zipfile.BadZipFile, EOFError, KeyError, OSError, ValueError, NotImplementedError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path.name}: cannot be read as .prz ({reason(error)}); the file is damaged or incomplete: copy it again"
        ) from error
    array, axes = _in_order(array, about)
    volts = about.get("electron_gun.voltage")
    energy = plausible_energy_keV(volts / 1e3) if isinstance(volts, (int, float)) else None
    calibration = from_axes(axes, energy_keV=options.energy_keV or energy).updated(Calibration(energy_keV=energy))
    return array_scan(array, options, name=path.name, path=path, assume_square=True, calibration=calibration)


def _description(path: Path, members: Mapping[str, Any]) -> dict[str, Any]:
    """Return the description; older files have it as a pickle, which is not read because it can run programs."""
    member = members.get("meta_data_json")
    if member is None:
        return {}
    if member.shape not in ((), (1,)) or np.dtype(member.type_name).itemsize > _MOST_TEXT:
        raise InputError(f"{path.name}: its description is damaged: copy it again")
    try:
        about = json.loads(str(load_member(path, member).item()))
    except (RecursionError, ValueError) as error:
        raise InputError(f"{path.name}: its description cannot be read ({reason(error)}): copy it again") from error
    about = about[0] if isinstance(about, list) and about else about
    return about if isinstance(about, dict) else {}


def _in_order(array: Any, about: Mapping[str, Any]) -> tuple[Any, list[Axis | None]]:
    """Return the array with scan axes before detector axes, and its axes; without a description as it is."""
    kinds = about.get("content.types")
    scales = about.get("device.calib")
    known = isinstance(kinds, list) and len(kinds) == array.ndim
    names = [str(kind) for kind in kinds[::-1]] if known and isinstance(kinds, list) else []
    found = [_axis(scale) for scale in scales[::-1]] if isinstance(scales, list) else []
    axes = [
        None if axis is None else Axis(axis.scale, axis.units, axis.offset, size)
        for axis, size in zip(found, array.shape, strict=False)
    ]
    if len(axes) != array.ndim:
        axes = [None] * array.ndim
    if sorted(names) == sorted(_ORDER):
        order = [names.index(name) for name in _ORDER]
        array, axes = array.transpose(order), [axes[k] for k in order]
    return array, axes


def _axis(scale: Any) -> Axis | None:
    """Return an axis: a pixel is value · pixel_factor, in a unit."""
    if not isinstance(scale, dict):
        return None
    try:
        value = float(scale.get("value", 0))
        pixel = value * float(scale.get("pixel_factor", 1))
        offset = float(scale.get("offset", 0)) * value
    except (TypeError, ValueError):
        return None
    return Axis.from_values(pixel, scale.get("unit", ""), offset)


FORMAT = Format(
    "Panta Rhei",
    (".prz",),
    lambda path: path.is_file() and has_ending(path, (".prz",)),
    open_prz,
    loads_compressed=True,
    calibration="energy, scan step, pixel size",
)
