"""Averages as EMD 1.0 (https://emdatasets.com/format), the format of py4DSTEM and emdfile."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from clustem.averaging import Averages
from clustem.calibration import Calibration
from clustem.results.record import Results

_NAME = "averages"


def write_emd(results: Results, folder: Path) -> None:
    """Write `averages.emd.h5` for py4DSTEM, and `arrays.emd.h5` for emdfile without py4DSTEM.

    The first is a DataCube (1, K, k_y, k_x), so that what works on scans works on the averages. Position (0, i) is the
    average of label i + 1; neighbours there are no neighbours in the scan, so the positions are not calibrated. emdfile
    refuses classes that it does not know, such as DataCube, so the second has averages and labels as plain arrays.
    Without a domain there are only labels.
    """
    if len(results.averages.patterns):
        write_emd_cube(results.averages, folder / "averages.emd.h5")
    (folder / "arrays.emd.h5").write_bytes(_file_of(partial(_write_arrays, results=results)))


def write_emd_cube(averages: Averages, path: Path) -> None:
    """Write averages as a DataCube (1, K, k_y, k_x) to the file `path`."""
    path.write_bytes(_file_of(partial(_write_cube, averages=averages)))


def _file_of(write: Callable[[h5py.Group], None]) -> bytes:
    """Return an EMD file below whose root is what `write` writes."""
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        file.attrs.update(
            {
                "emd_group_type": "file",
                "version_major": 1,
                "version_minor": 0,
                "authoring_program": "clustem",
                "authoring_user": "",
            }
        )
        write(_group(file, f"{_NAME}_root", "root", "Root"))
    return memory.getvalue()


def _group(parent: h5py.Group, name: str, kind: str, python_class: str | None = None) -> h5py.Group:
    group = parent.create_group(name)
    group.attrs["emd_group_type"] = kind
    if python_class is not None:
        group.attrs["python_class"] = python_class
    return group


def _write_cube(root: h5py.Group, averages: Averages) -> None:
    _write_calibration(root, averages)
    cube = _group(root, _NAME, "array", "DataCube")
    for name, value in averages.calibration.to_dict().items():
        if name != "scan_step_nm":
            cube.attrs[name] = value
    values, unit = _detector_axes(averages)
    axes = [np.arange(1.0), np.arange(float(len(averages.patterns))), *values]
    names = ("Rx", "Ry", "Qx", "Qy")  # py4DSTEM calls the first axis of a pair x
    _write_array(cube, averages.patterns[None], "pixel intensity", axes, ("pixels", "pixels", unit, unit), names)


def _write_arrays(root: h5py.Group, results: Results) -> None:
    averages, labels = results.averages, results.domains.labels
    values, unit = _detector_axes(averages)
    axes = [np.arange(1.0, len(averages.patterns) + 1), *values]
    if len(averages.patterns):
        group = _group(root, _NAME, "array", "Array")
        _write_array(group, averages.patterns, "pixel intensity", axes, ("", unit, unit), ("label", "ky", "kx"))
    step = results.domains.calibration.scan_step_yx_nm
    axes = [np.arange(length) * size for length, size in zip(labels.shape, step or (1.0, 1.0), strict=True)]
    unit = "pixels" if step is None else "nm"
    _write_array(_group(root, "labels", "array", "Array"), labels, "", axes, (unit, unit), ("y", "x"))


def _detector_axes(averages: Averages) -> tuple[list[NDArray[np.float64]], str]:
    """Return k_y and k_x in 1/Å from the direct beam, or in pixels from the first one, and the unit's name."""
    pixel = averages.calibration.inv_angstrom_per_px
    unit, size = ("pixels", 1.0) if pixel is None else ("A^-1", pixel)
    centre = np.zeros(2) if pixel is None else np.nan_to_num(averages.centre_px)
    return [(np.arange(n) - c) * size for n, c in zip(averages.patterns.shape[1:], centre, strict=True)], unit


def _write_array(
    group: h5py.Group,
    data: NDArray[Any],
    unit: str,
    axes: list[NDArray[np.float64]],
    units: tuple[str, ...],
    names: tuple[str, ...],
) -> None:
    large = {"compression": "gzip", "compression_opts": 4, "shuffle": True} if data.size > 256 else {}
    group.create_dataset("data", data=data, track_times=False, **large).attrs["units"] = unit
    for k, (values, name, axis_unit) in enumerate(zip(axes, names, units, strict=True)):
        axis = group.create_dataset(f"dim{k}", data=values, track_times=False)
        axis.attrs.update({"name": name, "units": axis_unit})


def _write_calibration(root: h5py.Group, averages: Averages) -> None:
    """Write the calibration as py4DSTEM knows it, for all data below this root."""
    bundle = _group(root, "metadatabundle", "metadatabundle")
    group = _group(bundle, "calibration", "metadata", "Calibration")
    for name, value in _calibration_values(averages).items():
        if isinstance(value, np.ndarray):
            kind = "array"
        else:
            kind = "bool" if isinstance(value, bool) else "string" if isinstance(value, str) else "number"
        group.create_dataset(name, data=value, track_times=False).attrs["type"] = kind
    targets = group.create_group("_target_paths")
    targets.attrs.update({"type": "list_of_strings", "length": 1})
    targets.create_dataset("0", data=f"/{_NAME}", track_times=False)


def _calibration_values(averages: Averages) -> dict[str, Any]:
    """Return the values by py4DSTEM's names.

    There rotations turn row towards column, so the sign is reversed; its flip exchanges the two detector axes, which
    is a reversal of k_y and a rotation by 90°.
    """
    calibration: Calibration = averages.calibration
    pixel = calibration.inv_angstrom_per_px
    values: dict[str, Any] = {
        "Q_pixel_size": 1.0 if pixel is None else pixel,
        "Q_pixel_units": "pixels" if pixel is None else "A^-1",
        "R_pixel_size": 1.0,
        "R_pixel_units": "pixels",
        "_root_treepath": "",
    }
    if calibration.detector_rotation_deg is not None:
        flip = bool(calibration.detector_flip)
        degrees = (90.0 if flip else 0.0) - calibration.detector_rotation_deg
        values |= {"QR_flip": flip, "QR_rotation_degrees": degrees, "QR_rotation": math.radians(degrees)}
    if calibration.semiangle_mrad is not None:
        values["convergence_semiangle_mrad"] = calibration.semiangle_mrad
    if np.isfinite(averages.centre_px).all() and len(averages.patterns):
        for name, centre in zip(("qx0", "qy0"), averages.centre_px, strict=True):
            origins = np.full((1, len(averages.patterns)), float(centre))
            values |= {name: origins, f"{name}_mean": float(centre), f"{name}_shift": np.zeros_like(origins)}
    return values
