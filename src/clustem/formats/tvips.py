"""TVIPS video files (.tvips): one stream of frames, split over files _000, _001, … that are read as one."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.calibration import Calibration
from clustem.errors import InputError, MissingFileError
from clustem.formats.assembly import array_scan
from clustem.formats.axes import plausible_energy_keV
from clustem.formats.binary import map_frames, read_fields
from clustem.formats.contract import Format, Options, has_ending
from clustem.formats.stacks import Stack
from clustem.scan import Scan

_PART = re.compile(r"^(?P<stem>.+_)(?P<number>\d{3})(?P<ending>\.\w+)$")
_HEADER = "<13I"
_POSITION_OFFSET = 48  # of the number of the scan position in the header of a frame, from version 2 on
_BITS = (8, 16, 32)


@dataclass(frozen=True)
class Header:
    """What the first file says of all frames."""

    size: int
    frame_shape: tuple[int, int]
    dtype: np.dtype[Any]
    frame_header: int
    energy_keV: float | None


def open_tvips(path: Path, options: Options) -> Scan:
    """Open a TVIPS stream, memory-mapped, with all its files.

    Frames before and after the scan, which carry no number of a scan position, are left out where the numbers tell
    without doubt; that is among the assumptions.

    Raises
    ------
    MissingFileError
        If one of the files is not there.
    InputError
        If a later file was given in place of the first, one is incomplete, or the frames do not fit the scan shape.
    """
    parts = _parts(path)
    header = _read_header(parts[0])
    arrays = _frames(parts, header)
    stack = Stack.from_parts(arrays)
    notes: tuple[str, ...] = ()
    first, stop = 0, stack.shape[0]
    if not _holds(options, stop):
        first, stop = _scanned(_position_numbers(parts, header), stop, options)
    if (first, stop) != (0, stack.shape[0]):
        notes = (f"frames {first} to {stop - 1} of {stack.shape[0]} are the scan: only they have numbers of positions",)
        stack = stack.between(first, stop)
    return array_scan(
        stack,
        options,
        name=path.name,
        path=path,
        assume_square=True,
        calibration=Calibration(energy_keV=header.energy_keV),
        assumptions=notes,
    )


def _parts(path: Path) -> list[Path]:
    """Return all files of the stream, the first one first."""
    match = _PART.match(path.name)
    if match is None:
        return [path]
    first = path.with_name(f"{match['stem']}000{match['ending']}")
    if int(match["number"]) != 0:
        there = "beside it" if first.exists() else "which is not beside it: copy it there"
        raise InputError(f"{path.name}: is a later part of a stream; open its first file, {first.name}, {there}")
    pattern = re.compile(re.escape(match["stem"]) + r"(\d{3})" + re.escape(match["ending"]) + "$")
    numbers = sorted(int(m[1]) for m in map(pattern.match, (p.name for p in path.parent.iterdir())) if m is not None)
    for number in range(numbers[-1] + 1):
        if number not in numbers:
            raise MissingFileError(
                f"{path.name}: its part {match['stem']}{number:03}{match['ending']} is not there; "
                f"copy it into {path.parent}"
            )
    return [path.with_name(f"{match['stem']}{number:03}{match['ending']}") for number in numbers]


def _read_header(path: Path) -> Header:
    size, version, columns, rows, bits, *_, kilovolts, _, frame_header = read_fields(path, _HEADER)
    if version not in (1, 2) or bits not in _BITS or not 52 <= size <= 2**20 or frame_header > 2**20:
        raise InputError(
            f"{path.name}: expected a TVIPS header of version 1 or 2 with 8, 16 or 32 bits per pixel, "
            f"got version {version}, {bits} bits: it is damaged or no TVIPS file"
        )
    return Header(
        size,
        (rows, columns),
        np.dtype(f"<u{bits // 8}"),
        12 if version == 1 else frame_header,
        plausible_energy_keV(kilovolts),
    )


def _frames(parts: list[Path], header: Header) -> list[NDArray[Any]]:
    """Return the frames of all files; only the first has a header."""
    return [
        map_frames(
            part,
            frame_shape=header.frame_shape,
            dtype=header.dtype,
            offset=0 if k else header.size,
            before=header.frame_header,
        )
        for k, part in enumerate(parts)
    ]


def _position_numbers(parts: list[Path], header: Header) -> NDArray[np.int64]:
    """Return the number of the scan position of every frame, from 1; 0 where there is none."""
    pixels = header.frame_shape[0] * header.frame_shape[1] * header.dtype.itemsize
    if header.frame_header < _POSITION_OFFSET + 4:
        return np.zeros(0, np.int64)
    record = np.dtype(
        {
            "names": ["position"],
            "formats": ["<u4"],
            "offsets": [_POSITION_OFFSET],
            "itemsize": header.frame_header + pixels,
        }
    )
    numbers = [
        np.memmap(part, dtype=record, mode="r", offset=0 if k else header.size)["position"]
        for k, part in enumerate(parts)
    ]
    return np.concatenate(numbers).astype(np.int64)


def _holds(options: Options, count: int) -> bool:
    """Return whether the scan shape that was given is that of so many frames."""
    if options.scan_shape is None:
        return False
    return options.scan_shape[0] * (options.scan_shape[1] + options.flyback) == count


def _scanned(numbers: NDArray[np.int64], count: int, options: Options) -> tuple[int, int]:
    """Return the first frame of the scan and the one after its last: all, unless the numbers leave no doubt."""
    scanned = np.flatnonzero(numbers)
    number = len(scanned)
    if number == 0 or not np.array_equal(numbers[scanned[0] : scanned[0] + number], np.arange(1, number + 1)):
        return 0, count
    fits = math.isqrt(number) ** 2 == number if options.scan_shape is None else _holds(options, number)
    return (int(scanned[0]), int(scanned[0]) + number) if fits else (0, count)


FORMAT = Format(
    "TVIPS video",
    (".tvips",),
    lambda path: path.is_file() and has_ending(path, (".tvips",)),
    open_tvips,
    calibration="energy",
)
