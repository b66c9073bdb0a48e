"""DECTRIS masters (Arina and other NeXus writers of the firm): patterns in several data files beside a master."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.calibration import Calibration
from clustem.errors import InputError
from clustem.formats.assembly import array_scan
from clustem.formats.axes import plausible_energy_keV
from clustem.formats.chunks import checked
from clustem.formats.contract import Format, Options
from clustem.formats.hdf5 import is_hdf5, open_hdf5
from clustem.formats.hdf5_tree import (
    UNREADABLE,
    broken_link,
    check_readable,
    hdf5_holds,
    missing_data_file,
    open_hdf5_file,
)
from clustem.formats.heaps import HeapChecks, heap_checks
from clustem.formats.shapes import shapes_text
from clustem.formats.stacks import Stack
from clustem.scan import Scan

_DETECTOR = "entry/instrument/detector"
_VIRTUAL_PIXEL = np.uint32(1 << 31)
_DATA_FILE = re.compile(r"^(?P<stem>.+)_data_\d+(?P<ending>\.\w+)$")
_DATA_LINK = re.compile(r"^data_(\d+)$")


def is_master(path: Path) -> bool:
    """Return whether an HDF5 file is a master with links to data, or one of its data files."""
    if not is_hdf5(path):
        return False
    if _DATA_FILE.match(path.name) is not None:
        return True
    return hdf5_holds(path, lambda file: bool(_link_names(file)))


def _link_names(file: Any) -> list[str]:
    """Return the names of the data links in numeric order."""
    import h5py

    group = file.get("entry/data")
    names = [name for name in group if _DATA_LINK.match(name)] if isinstance(group, h5py.Group) else []
    return sorted(names, key=lambda name: int(name.rpartition("_")[2]))


def open_master(path: Path, options: Options) -> Scan:
    """Open the patterns that a master names, lazily across its data files; the pixel mask is honoured.

    Raises
    ------
    MissingFileError
        If a data file is not beside the master.
    InputError
        If a data file was given in place of the master, or the number of patterns does not fit the scan shape.
    """
    if options.dataset is not None:
        return open_hdf5(path, options)
    file = open_hdf5_file(path)
    if _DATA_FILE.match(path.name) is not None and not _link_names(file):
        raise _name_the_master(path)
    with heap_checks() as checks:
        stack = Stack.from_parts(_parts(file, path, checks))
    side = _side_file(path)
    recorded = None if options.scan_shape else _side_scan_shape(side, stack.shape[0], path)
    mask, notes = _mask(file, stack.shape[1:])
    return array_scan(
        stack,
        options,
        name=path.name,
        path=path,
        dataset="/entry/data",
        recorded_shape=recorded,
        assume_square=True,
        chunks=stack.parts[0].chunks,
        calibration=_calibration(file, side),
        detector_mask=mask,
        assumptions=notes,
    )


def _name_the_master(path: Path) -> InputError:
    match = _DATA_FILE.match(path.name)
    master = path.name if match is None else f"{match['stem']}_master{match['ending']}"
    there = (path.parent / master).exists()
    return InputError(
        f"{path.name}: is one data file of a measurement; open its master, {master}"
        + (", beside it" if there else f", which is not beside it: copy it into {path.parent}")
        + f", or name the dataset in this file, {path.name}::/entry/data/data, with scan_shape"
    )


def _parts(file: Any, path: Path, checks: HeapChecks) -> list[Any]:
    """Return the datasets with patterns, in order."""
    import h5py

    group = file["entry/data"]
    parts: list[Any] = []
    for name in _link_names(file):
        try:
            part = checks.node(group, name)
        except UNREADABLE as error:
            raise missing_data_file(broken_link(group, name, f"/entry/data/{name}", error), path) from error
        if not isinstance(part, h5py.Dataset) or part.ndim != 3 or part.shape[1:] != (parts or [part])[0].shape[1:]:
            raise InputError(
                f"{path.name}: expected patterns (pattern, k_y, k_x) of one size in /entry/data/{name}, "
                f"got {getattr(part, 'shape', 'a group')}; the data files do not belong together"
            )
        check_readable(part, path)
        if len(part):
            parts.append(checked(part))
    if not parts:
        raise InputError(f"{path.name}: its data files hold no patterns; the measurement was not recorded")
    return parts


def _mask(file: Any, detector_shape: tuple[int, ...]) -> tuple[NDArray[np.bool_] | None, tuple[str, ...]]:
    """Return which pixels to use; bit 31 alone marks a virtual pixel, whose value is interpolated but good."""
    for address in (f"{_DETECTOR}/detectorSpecific/pixel_mask", f"{_DETECTOR}/pixel_mask"):
        if address not in file:
            continue
        stored = file[address]
        if stored.shape == detector_shape and stored.dtype.kind in "iu":
            return (stored[()].astype(np.uint32) & ~_VIRTUAL_PIXEL) == 0, ()
        sentence = (
            f"the file's pixel mask has shape {stored.shape}, the patterns {detector_shape}: it was not applied; "
            "pixels that do not count may be in the data"
        )
        return None, (sentence,)
    return None, ()


def _side_file(path: Path) -> dict[str, Any]:
    """Return the scan's parameters from the file that the vendor's program writes beside the master."""
    side = path.with_name(re.sub(r"_master(?=\.\w+$)", "", path.name))
    if side == path or not side.is_file():
        return {}
    try:
        with heap_checks() as checks:
            group = checks.file(side).get("STEM Metadata")
            attributes = {} if group is None else dict(group.attrs)
    except (InputError, OSError, RuntimeError, ValueError):
        return {}
    return {name: np.asarray(value).ravel()[0] for name, value in attributes.items() if np.size(value) == 1}


def _side_scan_shape(side: dict[str, Any], count: int, path: Path) -> tuple[int, int] | None:
    """Return the scan shape from the side file, None where it has none."""
    try:
        shape = int(side["NumPixelsY"]), int(side["NumPixelsX"])
    except (KeyError, TypeError, ValueError):
        return None
    if min(shape) < 1:
        return None
    if shape[0] * shape[1] != count:
        raise InputError(
            f"{path.name}: the file beside it says {shape[0]}×{shape[1]} scan positions, but there are {count} "
            f"patterns (the measurement may have been stopped); give scan_shape=(y, x); {shapes_text(count, shape)}"
        )
    return shape


def _calibration(file: Any, side: dict[str, Any]) -> Calibration:
    """Return the energy, which both files give in eV or V, if it is one of an electron microscope."""
    address = f"{_DETECTOR}/detectorSpecific/photon_energy"
    stored = file.get(address)
    numeric = getattr(stored, "size", 0) == 1 and stored.dtype.kind in "iuf"
    values = [stored[()] if numeric else None, side.get("High Tension")]
    energies = [plausible_energy_keV(np.ravel(v)[0] / 1e3) for v in values if v is not None and np.size(v) == 1]
    return Calibration(energy_keV=next((energy for energy in energies if energy is not None), None))


FORMAT = Format(
    "DECTRIS master",
    ("_master.h5",),
    is_master,
    open_master,
    ("scan_shape", "dataset"),
    calibration="energy, pixel mask",
)
