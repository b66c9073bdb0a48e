"""NanoMEGAS TopSpin .app5 files: HDF5 with one group per pattern, its position in a text beside it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from clustem.calibration import Calibration
from clustem.errors import InputError
from clustem.formats.assembly import array_scan
from clustem.formats.axes import Axis, as_text, from_axes, plausible_energy_keV
from clustem.formats.choosing import Candidate, listing
from clustem.formats.contract import Format, Options, has_ending
from clustem.formats.hdf5_tree import open_hdf5_file
from clustem.formats.heaps import heap_checks
from clustem.scan import Scan

_VOLTAGE = re.compile(r">(?:Gun)?HighVoltage</Name>\s*<Value[^>]*>([^<]{1,40})<")
_MOST_TEXT = 2**22  # characters of a description


@dataclass(frozen=True)
class Patterns:
    """The patterns of a group, (pattern, k_y, k_x), each a dataset of its own."""

    group: Any
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]

    def __getitem__(self, key: slice, /) -> NDArray[Any]:
        numbers = range(*key.indices(self.shape[0]))
        out = np.empty((len(numbers), *self.shape[1:]), self.dtype)
        for pattern, number in zip(out, numbers, strict=True):
            self.group[f"{number}/Data"].read_direct(pattern)
        return out


@dataclass(frozen=True)
class Raster:
    """How the positions of the patterns run: rows and columns, steps in m (y, x), and whether as a snake."""

    scan_shape: tuple[int, int]
    steps: tuple[float, float]
    snake: bool


def open_app5(path: Path, options: Options) -> Scan:
    """Open the scan of a TopSpin file lazily; of several, the one that `options.dataset` names.

    Raises
    ------
    InputError
        If there is no scan, or several, or the file is damaged.
    """
    file = open_hdf5_file(path)
    with heap_checks() as checks:
        described = _chosen(_scans(checks.file(path)), path, options)
        group = file[described.name]
        count = _count(group, path)
        raster = _raster(described, count)
        calibration = _calibration(described, raster, options.energy_keV)
    first = group["0/Data"]
    notes: tuple[str, ...] = ()
    if raster is not None and raster.snake and not options.snake:
        options = replace(options, snake=True)
        notes = ("the positions of the patterns run as a snake: every second row was turned round",)
    return array_scan(
        Patterns(group, (count, *first.shape), first.dtype),
        options,
        name=path.name,
        path=path,
        dataset=group.name,
        recorded_shape=None if raster is None or options.scan_shape is not None else raster.scan_shape,
        assume_square=True,
        calibration=calibration,
        assumptions=notes,
    )


def _scans(file: Any) -> list[Any]:
    """Return the groups with numbered patterns, at most two levels down."""
    import h5py

    groups = [node for node in file.values() if isinstance(node, h5py.Group)]
    groups += [node for group in groups for node in group.values() if isinstance(node, h5py.Group)]
    return [group for group in groups if len(getattr(group.get("0/Data"), "shape", ())) == 2]


def _chosen(scans: list[Any], path: Path, options: Options) -> Any:
    if options.dataset is not None:
        scans = [group for group in scans if group.name == "/" + options.dataset.strip("/")]
    if len(scans) == 1:
        return scans[0]
    found = [Candidate(g.name, (len(g), *g["0/Data"].shape), "f", str(g["0/Data"].dtype)) for g in scans]
    raise InputError(
        f"{path.name}: expected one scan, got {len(scans)}; "
        + (
            f"choose one with dataset= of\n{listing(found)}"
            if found
            else "there are only images in it, or it is damaged"
        )
    )


def _count(group: Any, path: Path) -> int:
    """Return the number of patterns, all of which have to be there."""
    count = len([name for name in group if name.isdigit()])
    lost = next((number for number in range(count) if f"{number}/Data" not in group), None)
    if lost is not None:
        raise InputError(f"{path.name}: pattern {lost} of {count} in {group.name} is missing: copy the file again")
    return count


def _position(group: Any, number: int) -> NDArray[np.float64]:
    """Return the position (y, x) of a pattern in m."""
    root = ET.fromstring(as_text(group[f"{number}/Metadata"][()])[:_MOST_TEXT])
    item = root.find(".//Value[@Serializer='ImagePositionSerializer']")
    texts = ("", "") if item is None else (item.findtext("Y", ""), item.findtext("X", ""))
    return np.array([float(text) for text in texts])


def _raster(group: Any, count: int) -> Raster | None:
    """Return how the patterns were scanned, from where the second row begins; None if the positions do not say."""
    try:
        places = [_position(group, 0), _position(group, min(1, count - 1))]
        step = places[1] - places[0]
        while len(places) < count:
            places.append(_position(group, len(places)))
            if np.linalg.norm(places[-1] - places[-2] - step) > 0.5 * np.linalg.norm(step):
                break
        columns = len(places) - 1
        down, across = (float(np.linalg.norm(places[-1] - places[k])) for k in (0, -2))
    except (AttributeError, KeyError, OSError, RuntimeError, TypeError, ValueError):
        return None
    width = float(np.linalg.norm(step))
    if columns < 1 or count % columns or count == columns or not np.isfinite([down, across, width]).all():
        return None
    snake = across < down and columns > 1
    steps = (across if snake else down, width)
    return Raster((count // columns, columns), steps, snake) if min(steps) > 0 else None


def _calibration(group: Any, raster: Raster | None, energy_keV: float | None) -> Calibration:
    """Return energy, scan step, and the pixel size from the angle that the file gives."""
    text = "".join(as_text(node["Metadata"][()]) for node in (group.parent, group.file) if "Metadata" in node)
    match = _VOLTAGE.search(text[: 4 * _MOST_TEXT])
    energy = None if match is None else plausible_energy_keV(_number(match[1]) / 1e3)
    known = Calibration(energy_keV=energy)
    if raster is not None:
        known = known.updated(
            Calibration(scan_step_nm=(round(raster.steps[0] * 1e9, 6), round(raster.steps[1] * 1e9, 6)))
        )
    rows, columns = group["0/Data"].shape
    axes = [_axis(group, "Y", rows), _axis(group, "X", columns)]
    return from_axes([None, None, *axes], energy_keV=energy_keV or energy).updated(known)


def _axis(group: Any, name: str, size: int) -> Axis | None:
    """Return an axis of the detector; the kind "Angle" is in rad."""
    try:
        root = ET.fromstring(as_text(group["0/Metadata"][()])[:_MOST_TEXT])
    except (ET.ParseError, KeyError, ValueError):
        return None
    item = root.find(f"Calibration/{name}")
    if item is None or item.findtext("Type/Text") != "Angle":
        return None
    return Axis.from_values(item.findtext("Scale"), "rad", item.findtext("Offset"), size)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


FORMAT = Format(
    "NanoMEGAS TopSpin",
    (".app5",),
    lambda path: path.is_file() and has_ending(path, (".app5",)),
    open_app5,
    ("scan_shape", "dataset"),
    calibration="energy, scan step, pixel size",
)
