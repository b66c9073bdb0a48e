"""Files of frames: fields of a header, and frames at equal distances, mapped so that only what is used is read."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

from clustem.errors import InputError


def read_fields(path: Path, layout: str, offset: int = 0) -> tuple[Any, ...]:
    """Return the fields that `layout` (as of :mod:`struct`) describes, at a place in a file.

    Raises
    ------
    InputError
        If the file ends before.
    """
    size = struct.calcsize(layout)
    with path.open("rb") as file:
        file.seek(offset)
        content = file.read(size)
    if len(content) < size:
        raise InputError(
            f"{path.name}: is incomplete: {path.stat().st_size} bytes, but its header ends at {offset + size}; copy it "
            "again"
        )
    return struct.unpack(layout, content)


def map_frames(
    path: Path,
    *,
    frame_shape: tuple[int, int],
    dtype: np.dtype[Any] | str,
    offset: int = 0,
    before: int = 0,
    after: int = 0,
    most: int | None = None,
) -> np.ndarray[Any, Any]:
    """Return the frames (frame, k_y, k_x) of a file, memory-mapped: all, or the first `most`, if they are there.

    The frames begin at `offset`; each has `before` bytes in front of it and `after` bytes behind.

    Raises
    ------
    InputError
        If the frames have no pixels, there is none, or the last one is not whole.
    """
    if min(frame_shape) < 1 or frame_shape[0] * frame_shape[1] > 2**28 or min(offset, before, after) < 0:
        raise InputError(f"{path.name}: its header says {frame_shape[0]}×{frame_shape[1]} pixels: it is damaged")
    number_type = np.dtype(dtype)
    pixels = frame_shape[0] * frame_shape[1] * number_type.itemsize
    record = np.dtype(
        {
            "names": ["frame"],
            "formats": [(number_type, frame_shape)],
            "offsets": [before],
            "itemsize": before + pixels + after,
        }
    )
    count, rest = divmod(max(0, path.stat().st_size - offset), record.itemsize)
    if count < 1 or (rest and (most is None or count < most)):
        raise InputError(
            f"{path.name}: is incomplete: it holds {count} whole frames of {frame_shape[0]}×{frame_shape[1]} "
            f"{number_type.name} and {rest} bytes more; copy it again"
            + (f", or cut it to {offset + count * record.itemsize} bytes" if count else "")
        )
    mapped = np.memmap(path, dtype=record, mode="r", offset=offset, shape=(min(count, most or count),))
    frames: np.ndarray[Any, Any] = mapped["frame"]
    return frames
