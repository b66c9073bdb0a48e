"""Velox .emd files: HDF5 with image stacks (k_y, k_x, frame) and a description of every frame as text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from clustem.calibration import Calibration
from clustem.errors import InputError
from clustem.formats.assembly import array_scan
from clustem.formats.axes import Axis, from_axes, plausible_energy_keV, refuse_images
from clustem.formats.choosing import Candidate, listing
from clustem.formats.contract import Format, Options
from clustem.formats.hdf5 import is_hdf5
from clustem.formats.hdf5_tree import check_readable, hdf5_holds, open_hdf5_file
from clustem.formats.heaps import heap_checks
from clustem.formats.stacks import FramesLast
from clustem.scan import Scan

_IMAGES = "Data/Image"
_MOST_TEXT = 2**22  # characters of a description


def is_velox(path: Path) -> bool:
    """Return whether a file is HDF5 with Velox's groups in it."""
    return is_hdf5(path) and hdf5_holds(path, lambda file: _IMAGES in file and "Version" in file)


def open_velox(path: Path, options: Options) -> Scan:
    """Open the only stack of diffraction patterns of a Velox file lazily.

    A stack whose pixels are lengths holds images of the sample: it is a scan only if `scan_shape` says so.

    Raises
    ------
    InputError
        If there is no stack of patterns, several, or the number of frames fits no scan shape.
    """
    file = open_hdf5_file(path)
    with heap_checks() as checks:
        group = file[_chosen(checks.file(path)[_IMAGES], path, options).name]
    data = group["Data"]
    check_readable(data, path)
    about = _description(group)
    axes = _axes(about, data.shape)
    refuse_images(axes, options.scan_shape, name=path.name)
    return array_scan(
        FramesLast(data),
        options,
        name=path.name,
        path=path,
        dataset=data.name,
        assume_square=True,
        calibration=_calibration(about, axes, options),
    )


def _chosen(images: Any, path: Path, options: Options) -> Any:
    """Return the group of the stack that was asked for, or of the only one."""
    groups = {f"/{_IMAGES}/{name}": images[name] for name in images if "Data" in images[name]}
    stacks = {
        name: group for name, group in groups.items() if len(group["Data"].shape) == 3 and group["Data"].shape[2] > 1
    }
    if options.dataset is not None:
        wanted = "/" + options.dataset.strip("/").removesuffix("/Data")
        stacks = {name: group for name, group in groups.items() if name == wanted}
    if len(stacks) == 1:
        return next(iter(stacks.values()))
    found = [Candidate(name, tuple(g["Data"].shape), "u", str(g["Data"].dtype)) for name, g in groups.items()]
    raise InputError(
        f"{path.name}: expected one stack of images (k_y, k_x, frame), got {len(stacks)}; "
        + ("choose one with dataset= of" if found else "it is not a scan, there is no image")
        + f"\n{listing(found)}"
    )


def _description(group: Any) -> dict[str, Any]:
    """Return what the file says of the first frame, nothing if that cannot be read."""
    if "Metadata" not in group or len(group["Metadata"].shape) != 2 or group["Metadata"].shape[0] > _MOST_TEXT:
        return {}
    try:
        text = np.asarray(group["Metadata"][:, 0], np.uint8).tobytes().rstrip(b"\0").decode("utf-8")
        about = json.loads(text)
    except (OSError, RuntimeError, ValueError, RecursionError):
        return {}
    return {name: part for name, part in about.items() if isinstance(part, dict)} if isinstance(about, dict) else {}


def _axes(about: dict[str, Any], shape: tuple[int, ...]) -> list[Axis | None]:
    """Return the axes (k_y, k_x) of the detector."""
    pixel = about.get("BinaryResult", {})
    sizes = pixel.get("PixelSize")
    if not isinstance(sizes, dict):
        return [None, None]
    return [
        Axis.from_values(sizes.get(side), pixel.get(f"PixelUnit{axis}", ""), 0, size)
        for side, axis, size in (("height", "Y", shape[0]), ("width", "X", shape[1]))
    ]


def _calibration(about: dict[str, Any], axes: list[Axis | None], options: Options) -> Calibration:
    """Return energy and pixel size."""
    try:
        volts = float(about.get("Optics", {}).get("AccelerationVoltage", 0))
    except (TypeError, ValueError):
        volts = 0.0
    known = Calibration(energy_keV=plausible_energy_keV(volts / 1e3))
    return from_axes([None, None, *axes], energy_keV=options.energy_keV or known.energy_keV).updated(known)


FORMAT = Format(
    "Velox EMD",
    (".emd",),
    is_velox,
    open_velox,
    ("scan_shape", "dataset"),
    calibration="energy, pixel size",
)
