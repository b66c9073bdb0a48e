"""FEI TIA: an .emi that describes, and beside it .ser files, one per signal: of those, the one with patterns is opened.

The unit of the detector axes is not in the file. It is told by size: a pixel in m is far below 1, one in 1/m far above.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.calibration import Calibration
from clustem.errors import InputError, MissingFileError
from clustem.formats.assembly import array_scan
from clustem.formats.axes import Axis, from_axes, plausible_energy_keV, refuse_images
from clustem.formats.binary import read_fields
from clustem.formats.contract import Format, Options, has_ending
from clustem.formats.shapes import announced_scan_shape
from clustem.scan import Scan

_MAGIC = (0x4949, 0x0197)
_IMAGES, _SPECTRA = 0x4122, 0x4120
_WIDE_OFFSETS = 0x0220  # version from which offsets have 8 bytes
_NUMBER_TYPES = {1: "u1", 2: "<u2", 3: "<u4", 4: "i1", 5: "<i2", 6: "<i4", 7: "<f4", 8: "<f8"}
_ELEMENT = "<ddIddIHII"
_ELEMENT_BYTES = 50
_SIGNAL = re.compile(r"^(?P<stem>.+)_\d+\.ser$", re.IGNORECASE)
_MOST_BYTES = 2**24  # of an .emi, to look for the energy in
_VOLTAGE = re.compile(rb"<AcceleratingVoltage>([^<]{1,40})<")


@dataclass(frozen=True)
class Elements:
    """The images of a .ser file (image, k_y, k_x), each read from its own place; its last row is stored first."""

    content: NDArray[np.uint8]
    places: NDArray[np.int64]
    frame_shape: tuple[int, int]
    dtype: np.dtype[Any]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(image, k_y, k_x)."""
        return (len(self.places), *self.frame_shape)

    def __getitem__(self, key: slice, /) -> NDArray[Any]:
        places = self.places[key].tolist()
        size = self.frame_shape[0] * self.frame_shape[1] * self.dtype.itemsize
        out = np.empty((len(places), *self.frame_shape), self.dtype)
        for image, place in zip(out, places, strict=True):
            image[...] = self.content[place : place + size].view(self.dtype).reshape(self.frame_shape)[::-1]
        return out


def open_tia(path: Path, options: Options) -> Scan:
    """Open the patterns that TIA recorded, lazily, from the .emi or from their own .ser.

    Raises
    ------
    MissingFileError
        If an .emi has no .ser files beside it.
    InputError
        If there are no patterns, several signals with patterns, or the file is damaged.
    """
    if has_ending(path, (".emi",)):
        return _open_ser(_with_patterns(path), path, options)
    return _open_ser(path, path, options)


def _with_patterns(emi: Path) -> Path:
    """Return the .ser file beside an .emi that holds a series of images."""
    names = [p for p in sorted(emi.parent.iterdir()) if (m := _SIGNAL.match(p.name)) and m["stem"] == emi.stem]
    if not names:
        raise MissingFileError(
            f"{emi.name}: its signals are in other files, {emi.stem}_1.ser and so on, which are not there; "
            f"copy them into {emi.parent}"
        )
    kinds = {ser: read_fields(ser, "<3H4I") for ser in names}
    series = [ser for ser, (*_, kind, _, _, valid) in kinds.items() if kind == _IMAGES and valid > 1]
    if len(series) != 1:
        found = ", ".join(ser.name for ser in series or names)
        raise InputError(
            f"{emi.name}: expected one signal with diffraction patterns beside it, got "
            f"{len(series) or 'none'} ({found}); " + ("open one of them" if series else "it is not a scan")
        )
    return series[0]


def _open_ser(ser: Path, shown: Path, options: Options) -> Scan:
    elements, axes, announced = _read(ser)
    refuse_images(axes, options.scan_shape, name=shown.name)
    calibration, notes = _calibration(axes, _energy(ser, shown))
    return array_scan(
        elements,
        options,
        name=shown.name,
        path=shown,
        dataset=None if ser == shown else ser.name,
        recorded_shape=announced_scan_shape(announced, len(elements.places), options.scan_shape, name=ser.name),
        assume_square=True,
        calibration=calibration,
        assumptions=notes,
    )


def _read(ser: Path) -> tuple[Elements, list[Axis | None], tuple[int, int] | None]:
    """Return the images of a .ser file, the axes (scan_y, scan_x, k_y, k_x), and the scan shape it announces."""
    order, series, version, kind, _, total, valid = read_fields(ser, "<3H4I")
    if (order, series) != _MAGIC:
        raise InputError(f"{ser.name}: is not a TIA series although its name ends so: copy it again")
    if kind != _IMAGES:
        what = "spectra" if kind == _SPECTRA else "no images"
        raise InputError(f"{ser.name}: holds {what}, not diffraction patterns; open the other .ser, or the .emi")
    wide = version >= _WIDE_OFFSETS
    table, dimensions = read_fields(ser, "<QI" if wide else "<II", 22)
    scan_axes = _dimensions(ser, dimensions, 34 if wide else 30)
    places = _places(ser, table, "<u8" if wide else "<u4", min(total, valid))
    elements, head = _elements(ser, places)
    rows, columns = elements.frame_shape
    axes: list[Axis | None] = [axis for _, axis in scan_axes[::-1]] if len(scan_axes) == 2 else [None, None]
    axes += [_detector_axis(head[3:6], rows), _detector_axis(head[:3], columns)]
    announced = (scan_axes[1][0], scan_axes[0][0]) if len(scan_axes) == 2 else None
    return elements, axes, announced


def _elements(ser: Path, places: NDArray[np.int64]) -> tuple[Elements, tuple[Any, ...]]:
    """Return the images, which are all like the first one, and the fields before that."""
    head = read_fields(ser, _ELEMENT, int(places[0]))
    number_type, columns, rows = head[6:]
    if number_type not in _NUMBER_TYPES or min(columns, rows) < 1:
        raise InputError(
            f"{ser.name}: expected images of real numbers, got type {number_type}, {rows}×{columns} pixels; "
            "it is damaged, or holds complex numbers"
        )
    dtype = np.dtype(_NUMBER_TYPES[number_type])
    content = np.memmap(ser, np.uint8, mode="r")
    if int(places.min()) < 0 or int(places.max()) + _ELEMENT_BYTES + rows * columns * dtype.itemsize > len(content):
        raise InputError(
            f"{ser.name}: is incomplete: {len(content)} bytes do not hold {len(places)} images; copy it again"
        )
    return Elements(content, places + _ELEMENT_BYTES, (rows, columns), dtype), head


def _dimensions(ser: Path, number: int, place: int) -> list[tuple[int, Axis | None]]:
    """Return size and axis of every dimension of the series, the fastest first."""
    found = []
    for _ in range(min(number, 3)):
        size, offset, delta, element, length = read_fields(ser, "<IddII", place)
        place += struct.calcsize("<IddII") + length
        (units_length,) = read_fields(ser, "<I", place)
        (units,) = read_fields(ser, f"<{min(units_length, 64)}s", place + 4)
        place += 4 + units_length
        found.append((size, Axis.from_values(delta, units, offset - element * delta, size)))
    return found


def _detector_axis(values: tuple[float, float, int], size: int) -> Axis | None:
    """Return an axis of the detector from offset, delta and element; its size says whether it is in 1/m or in m."""
    offset, delta, element = values
    return Axis.from_values(delta, "1/m" if abs(delta) > 1 else "m", offset - element * delta, size)


def _calibration(axes: list[Axis | None], energy: float | None) -> tuple[Calibration, tuple[str, ...]]:
    """Return energy, scan step and pixel size; the centre in the file is nominal and not used.

    If it is not even near the middle, the pixel size may be that of another binning: that is said.
    """
    found = from_axes(axes)
    notes: tuple[str, ...] = ()
    detector = [axis for axis in axes[-2:] if axis is not None]
    zeros = [(-axis.offset / axis.scale, axis.size) for axis in detector]
    if found.inv_angstrom_per_px is not None and any(abs(zero / size - 0.5) > 0.1 for zero, size in zeros):
        sentence = (
            f"the file has the middle of the diffraction pattern at pixel {zeros[0][0]:.0f} of {zeros[0][1]}: "
            f"its pixel size, {found.inv_angstrom_per_px:.4g} 1/Å, may be that of another binning"
        )
        notes = (sentence,)
    return replace(found, centre_px=None, energy_keV=energy), notes


def _energy(ser: Path, shown: Path) -> float | None:
    """Return the energy from the .emi, if it is there."""
    match = _SIGNAL.match(ser.name)
    emi = shown if shown != ser or match is None else ser.with_name(f"{match['stem']}.emi")
    if emi == ser or not emi.is_file():
        return None
    with emi.open("rb") as file:
        volts = _VOLTAGE.search(file.read(_MOST_BYTES))
    try:
        return None if volts is None else plausible_energy_keV(float(volts[1]) / 1e3)
    except ValueError:
        return None


def _places(ser: Path, table: int, kind: str, count: int) -> NDArray[np.int64]:
    """Return where every image begins."""
    size = np.dtype(kind).itemsize
    if count < 1 or table < 0 or table + count * size > ser.stat().st_size:
        raise InputError(
            f"{ser.name}: is incomplete, or nothing was recorded: {count} images are announced; copy it again"
        )
    return np.fromfile(ser, kind, count=count, offset=table).astype(np.int64)


FORMAT = Format(
    "FEI TIA",
    (".emi", ".ser"),
    lambda path: path.is_file() and has_ending(path, (".emi", ".ser")),
    open_tia,
    calibration="energy, scan step, pixel size",
)
