"""Quantum Detectors Merlin .mib files, read through rosettasciio."""

from __future__ import annotations

import logging
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clustem.errors import InputError
from clustem.formats.assembly import array_scan
from clustem.formats.contract import Format, Options, first_bytes, has_ending
from clustem.scan import Scan

_PIXEL_BYTES = {"U08": 1, "U16": 2, "U32": 4}
_HEADER_BYTES = (384, 768)
_FRAMES_EXPECTED = re.compile(r"^Frames in Acquisition \(Number\):\s*(\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Header:
    """What the header before each frame says: its own size, the frame's (k_y, k_x), and bytes per pixel."""

    size: int
    detector_shape: tuple[int, int]
    pixel_bytes: int

    @property
    def frame_bytes(self) -> int:
        """Size of a frame with its header in the file."""
        return self.size + self.detector_shape[0] * self.detector_shape[1] * self.pixel_bytes


def read_header(path: Path) -> Header:
    """Return the first header of a .mib file.

    Raises
    ------
    InputError
        If it is no .mib file, or one in raw mode.
    """
    words = first_bytes(path, 384).decode("latin-1").split(",")
    try:
        if words[0] != "MQ1":
            raise ValueError("does not begin with MQ1")
        size, columns, rows, pixel = int(words[2]), int(words[4]), int(words[5]), words[6].strip()
    except (IndexError, ValueError) as error:
        raise InputError(f"{path.name}: is no Merlin .mib file, or damaged ({error}): copy it again") from error
    if pixel.startswith("R"):
        raise InputError(
            f"{path.name}: was recorded in raw mode ({pixel}), which cannot be read; "
            "convert it with the Merlin software, or record with raw mode off"
        )
    if pixel not in _PIXEL_BYTES or size not in _HEADER_BYTES or min(columns, rows) < 1:
        raise InputError(
            f"{path.name}: expected a header of {' or '.join(map(str, _HEADER_BYTES))} bytes and pixels of type "
            f"{', '.join(_PIXEL_BYTES)}, got {size} bytes, {pixel}, {rows}×{columns} pixels"
        )
    return Header(size, (rows, columns), _PIXEL_BYTES[pixel])


def open_mib(path: Path, options: Options) -> Scan:
    """Open a .mib file lazily, one scan row at a time.

    The scan shape is `options.scan_shape`; without it what rosettasciio finds in the .hdr file and the frames' time
    stamps, if that accounts for every frame; else a square.

    Raises
    ------
    InputError
        If a .hdr file was given, the file is incomplete, in raw mode, or its number of frames fits no scan shape.
    """
    if has_ending(path, (".hdr",)):
        raise InputError(
            f"{path.name}: is only the description; open the measurement itself, {path.with_suffix('.mib').name}"
        )
    header = read_header(path)
    frames = _frames(path, header)
    missing = _missing_frames(path, frames)
    recorded, notes = (None, ()) if options.scan_shape else _recorded_scan_shape(path, frames)
    row = (recorded or options.scan_shape or (1, math.isqrt(frames)))[1]
    try:
        stack = _read(path, (frames,), chunks=(max(1, min(row, frames)), *header.detector_shape))
    except (ValueError, IndexError, KeyError, OSError, RuntimeError) as error:
        hdr = path.with_suffix(".hdr").name
        raise InputError(
            f"{path.name}: its header cannot be read ({error}); if there is a damaged {hdr} beside it, move that away"
        ) from error
    stack = stack.reshape(frames, *header.detector_shape)
    return array_scan(
        stack,
        options,
        name=path.name,
        path=path,
        recorded_shape=recorded,
        assume_square=True,
        assumptions=(*notes, *missing),
    )


def _frames(path: Path, header: Header) -> int:
    """Return the number of frames, from the size of the file."""
    size = path.stat().st_size
    frames, rest = divmod(size, header.frame_bytes)
    if frames < 1 or rest:
        raise InputError(
            f"{path.name}: is incomplete: {size} bytes are {frames} whole frames of {header.frame_bytes} bytes and "
            f"{rest} bytes more; copy the file again, or cut it to {frames * header.frame_bytes} bytes"
            if frames
            else f"{path.name}: holds no whole frame: {size} bytes, a frame has {header.frame_bytes}; copy it again"
        )
    return frames


def _missing_frames(path: Path, frames: int) -> tuple[str, ...]:
    """Return a sentence if the .hdr file beside it says that there should be more frames."""
    hdr = path.with_suffix(".hdr")
    words = _FRAMES_EXPECTED.search(hdr.read_text("latin-1")) if hdr.is_file() else None
    if words is None or int(words[1]) <= frames:
        return ()
    sentence = (
        f"{hdr.name} announces {int(words[1])} frames, the file holds {frames}: the measurement was stopped or the "
        "copy is incomplete, and the scan shape may be wrong"
    )
    return (sentence,)


def _recorded_scan_shape(path: Path, frames: int) -> tuple[tuple[int, int] | None, tuple[str, ...]]:
    """Return the scan shape that the headers suggest, if they do, and the sentence that says so."""
    try:
        shape = tuple(_read(path, None).shape)
    except (ValueError, IndexError, KeyError, OSError, RuntimeError):
        shape = ()
    if len(shape) == 4 and shape[0] * shape[1] == frames:
        sentence = (
            f"the scan shape {shape[0]}×{shape[1]} was taken from the time stamps of the frames; "
            "give scan_shape if that is wrong"
        )
        return (int(shape[0]), int(shape[1])), (sentence,)
    return None, ()


def _read(path: Path, navigation_shape: tuple[int, ...] | None, **chunks: Any) -> Any:
    """Return the frames as a Dask array. That a .hdr file is missing is no news: nothing here needs it."""
    from rsciio.quantumdetector import file_reader

    logger = logging.getLogger("rsciio.quantumdetector")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        signals = file_reader(str(path), lazy=True, navigation_shape=navigation_shape, **chunks)
    finally:
        logger.setLevel(level)
    return signals[0]["data"]


def is_merlin(path: Path) -> bool:
    """Return whether a file is named like Merlin's data or its description."""
    return path.is_file() and has_ending(path, (".mib", ".hdr"))


FORMAT = Format("Merlin", (".mib",), is_merlin, open_mib)
