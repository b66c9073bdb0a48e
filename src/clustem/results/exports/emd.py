"""Averages as EMD 1.0 (https://emdatasets.com/format), the format of py4DSTEM and emdfile."""

from __future__ import annotations

import io
import math
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
    """Write `averages.emd.h5`: a DataCube (1, K, k_y, k_x), so that what works on scans works on the averages.

    The labels are an array below it. Position (0, i) is the average of label i + 1; neighbours there are no neighbours
    in the scan, so the positions are not calibrated.
    """
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
        root = _group(file, f"{_NAME}_root", "root", "Root")
        _write_calibration(root, results.averages)
        cube = _write_cube(root, results.averages)
        _write_labels(cube, results)
    (folder / "averages.emd.h5").write_bytes(memory.getbuffer())


def _group(parent: h5py.Group, name: str, kind: str, python_class: str | None = None) -> h5py.Group:
    group = parent.create_group(name)
    group.attrs["emd_group_type"] = kind
    if python_class is not None:
        group.attrs["python_class"] = python_class
    return group


def _write_cube(root: h5py.Group, averages: Averages) -> h5py.Group:
    cube = _group(root, _NAME, "array", "DataCube")
    pixel = averages.calibration.inv_angstrom_per_px
    for name, value in averages.calibration.to_dict().items():
        if name != "scan_step_nm":
            cube.attrs[name] = value
    unit, size = ("pixels", 1.0) if pixel is None else ("A^-1", pixel)
    centre = np.nan_to_num(averages.centre_px) if pixel is not None else np.zeros(2)
    values = [np.arange(1.0), np.arange(float(len(averages.patterns)))]
    values += [(np.arange(length) - c) * size for length, c in zip(averages.patterns.shape[1:], centre, strict=True)]
    _write_array(cube, averages.patterns[None], "pixel intensity", values, ("pixels", "pixels", unit, unit))
    return cube


def _write_labels(cube: h5py.Group, results: Results) -> None:
    labels, step = results.domains.labels, results.domains.calibration.scan_step_yx_nm
    group = _group(cube, "labels", "array", "Array")
    values = [np.arange(length) * size for length, size in zip(labels.shape, step or (1.0, 1.0), strict=True)]
    unit = "pixels" if step is None else "nm"
    _write_array(group, labels, "", values, (unit, unit), names=("y", "x"))


def _write_array(
    group: h5py.Group,
    data: NDArray[Any],
    unit: str,
    axes: list[NDArray[np.float64]],
    units: tuple[str, ...],
    *,
    names: tuple[str, ...] = ("Rx", "Ry", "Qx", "Qy"),
) -> None:
    """Write data and axes; py4DSTEM calls the first axis of a pair x."""
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
