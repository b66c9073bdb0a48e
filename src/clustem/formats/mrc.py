"""MRC stacks, and Direct Electron's movies with the _info.txt and _scan_coordinates.csv beside them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.calibration import Calibration
from clustem.errors import InputError
from clustem.formats import direct_electron
from clustem.formats.assembly import array_scan
from clustem.formats.binary import map_frames, read_fields
from clustem.formats.contract import Format, Options, has_ending
from clustem.formats.shapes import announced_scan_shape
from clustem.formats.stacks import Gathered
from clustem.scan import Scan

_NUMBER_TYPES = {0: "u1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
_HEADER_BYTES = 1024
_LITTLE, _BIG = "<", ">"
_SPARSEST = 100  # positions per frame; sparser lists are damaged


def open_mrc(path: Path, options: Options) -> Scan:
    """Open the frames of an .mrc file, memory-mapped, in the order in which they were scanned.

    Frames that belong to one position (more than one per point, or a position visited again) are added. A position
    that was never visited is 0.

    Raises
    ------
    MissingFileError
        If the scan was no raster and the file with its coordinates is not there.
    InputError
        If it is one image, is damaged, or its frames do not fit the scan shape.
    """
    frames = _frames(path)
    about = direct_electron.read_info(path)
    if about is None or not about.scanning or options.scan_shape is not None:
        return array_scan(
            frames,
            options,
            name=path.name,
            path=path,
            assume_square=True,
            calibration=Calibration() if about is None else about.calibration,
            assumptions=() if about is None else about.notes,
        )
    if not about.raster:
        return _open_positions(frames, path, options, about)
    return _open_raster(frames, path, options, about)


def _open_raster(frames: Any, path: Path, options: Options, about: direct_electron.Info) -> Scan:
    """Open frames in the order of a raster, several of a position or of several scans one after the other."""
    y, x = about.scan_shape
    positions = y * x
    source: Any = frames
    recorded: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()
    if about.scans > 1 and len(frames) == about.scans * about.frames_per_point * positions:
        scan = _chosen_scan(about.scans, options.frame, path)
        per_scan = len(frames) // about.scans
        source, options = frames[scan * per_scan : (scan + 1) * per_scan], replace(options, frame=None)
    if about.frames_per_point > 1 and len(source) == about.frames_per_point * positions:
        order = np.repeat(np.arange(positions), about.frames_per_point)
        source = Gathered.from_positions(source, np.stack([order // x, order % x], axis=1), (y, x))
        notes = (f"the {about.frames_per_point} frames of every position were added",)
    else:
        recorded = announced_scan_shape((y, x), len(source), None, name=path.name)
    return array_scan(
        source,
        options,
        name=path.name,
        path=path,
        recorded_shape=recorded,
        calibration=about.calibration,
        assumptions=notes + about.notes,
    )


def _chosen_scan(number: int, frame: int | None, path: Path) -> int:
    """Return which of several scans is wanted."""
    if frame is None or frame >= number:
        raise InputError(
            f"{path.name}: holds {number} scans one after the other; choose one with frame=0 … {number - 1}"
            + ("" if frame is None else f", got {frame}")
        )
    return frame


def _open_positions(frames: Any, path: Path, options: Options, about: direct_electron.Info) -> Scan:
    """Open frames at positions that are listed in the file beside the movie."""
    positions = direct_electron.read_positions(path, len(frames))
    y, x = (int(n) + 1 for n in positions.max(axis=0))
    if y * x > _SPARSEST * len(positions):
        raise InputError(f"{path.name}: {len(positions)} frames are spread over {y}×{x} positions: the list is damaged")
    source = Gathered.from_positions(frames, positions, (y, x))
    most, visited = int(source.numbers.max()), int(np.count_nonzero(source.numbers))
    notes: tuple[str, ...] = ("the frames were put at the positions in the list beside the movie",)
    if most > 1:
        notes += (f"the frames of a position, up to {most}, were added",)
    if visited < y * x:
        notes += (f"{y * x - visited} of {y * x} positions were not visited: their patterns are 0",)
    return array_scan(
        source,
        options,
        name=path.name,
        path=path,
        calibration=about.calibration,
        assumptions=notes + about.notes,
    )


def _frames(path: Path) -> NDArray[Any]:
    """Return the frames (frame, k_y, k_x), memory-mapped."""
    order = _BIG if read_fields(path, "4s", 212)[0][:1] == b"\x11" else _LITTLE
    columns, rows, number, mode = read_fields(path, order + "4I")
    (extended,) = read_fields(path, order + "I", 92)
    if mode not in _NUMBER_TYPES or min(columns, rows, number) < 1:
        raise InputError(
            f"{path.name}: expected an MRC file of mode {', '.join(map(str, _NUMBER_TYPES))}, got mode {mode}, "
            f"{number} images of {rows}×{columns}: it is damaged, or of a kind that holds no counts"
        )
    if number == 1:
        raise InputError(
            f"{path.name}: is one image of {rows}×{columns}, not a scan; open the file with the diffraction patterns"
            + (_movie_hint(path) or "")
        )
    frames = map_frames(
        path,
        frame_shape=(rows, columns),
        dtype=order + _NUMBER_TYPES[mode],
        offset=_HEADER_BYTES + extended,
        most=number,
    )
    if len(frames) < number:
        raise InputError(f"{path.name}: is incomplete: it holds {len(frames)} of {number} frames; copy it again")
    return frames


def _movie_hint(path: Path) -> str | None:
    """Return the name of the movie that an image belongs to, if one is beside it."""
    movies = [p for p in path.parent.glob("*_movie.mrc") if path.name.startswith(p.name.removesuffix("_movie.mrc"))]
    return f", {min(movies).name}" if movies else None


FORMAT = Format(
    "MRC, Direct Electron",
    (".mrc",),
    lambda path: path.is_file() and has_ending(path, (".mrc",)),
    open_mrc,
    calibration="energy, scan step (from _info.txt)",
)
