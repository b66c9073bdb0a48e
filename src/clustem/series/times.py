"""Times of frames: what files say, and steps with units."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.errors import InputError
from clustem.formats.axes import as_text
from clustem.formats.hdf5 import is_hdf5
from clustem.formats.hdf5_tree import UNREADABLE, BrokenLink, open_hdf5_file, walk
from clustem.formats.heaps import HeapChecks, heap_checks
from clustem.series.record import Frame

_UNITS = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
_STEP = re.compile(r"\s*([0-9.eE+-]+)\s*([a-z]*)\s*")
_AXES = ("t", "time", "times", "frame", "frames")
_NAMES = ("time_s", "timestamp", "acquisition_time", "start_time", "time", "date_time")


def seconds_in(value: float | str) -> float:
    """Return a time step in seconds.

    Raises
    ------
    InputError
        If it is not positive, or its unit is not ms, s, min or h.

    Examples
    --------
    >>> seconds_in("200 ms")
    0.2
    """
    number, unit = value, "s"
    if isinstance(value, str):
        parts = _STEP.fullmatch(value)
        number, unit = (parts.group(1), parts.group(2) or "s") if parts else ("", "")
    try:
        seconds = float(number) * _UNITS[unit]
    except (KeyError, TypeError, ValueError):
        seconds = math.nan
    if isinstance(value, bool) or not 0 < seconds < math.inf:
        raise InputError(f"time_step: expected a positive time such as 12, '12s', '200 ms' or '2 min', got {value!r}")
    return seconds


def is_time_axis(name: Any, units: Any) -> bool:
    """Return whether the name or the units of an axis are those of time.

    Examples
    --------
    >>> is_time_axis("Time", "<undefined>"), is_time_axis("z", "ms"), is_time_axis("depth", "nm")
    (True, True, False)
    """
    return as_text(name).strip().lower() in _AXES or as_text(units).strip() in _UNITS


def time_of(node: Any) -> float:
    """Return the time in s that an HDF5 node or the groups that hold it tell, by attribute or dataset; NaN if none."""
    attributes, group = node, node.parent
    while True:
        for name in _NAMES:
            for value in (attributes.attrs.get(name), group.get(name)):
                found = math.nan if value is None else _seconds(value)
                if math.isfinite(found):
                    return found
        if group.name == "/" and attributes.name == "/":
            return math.nan
        attributes, group = group, group.parent


def stored_time(path: Path, dataset: str | None) -> float:
    """Return the time in s of the only scan of a file, NaN if it is not told or the file cannot be read."""
    try:
        if not is_hdf5(path):
            return math.nan
        with heap_checks() as checks, open_hdf5_file(path) as file:
            return time_of(checks.twin(_scan_in(file, checks) if dataset is None else checks.node(file, dataset)))
    except UNREADABLE:
        return math.nan


def _scan_in(file: Any, checks: HeapChecks) -> Any:
    """Return the dataset of most axes and values in a file, or the file."""
    arrays = [item for _, item in walk(file, checks) if not isinstance(item, BrokenLink)]
    return max(arrays, key=lambda item: (len(item.shape or ()), item.size or 0), default=file)


def _seconds(value: Any) -> float:
    """Return a number, or a date by ISO 8601, in s."""
    try:
        value = np.asarray(value[()] if hasattr(value, "attrs") else value)
    except (KeyError, OSError, TypeError):
        return math.nan
    if value.size != 1:
        return math.nan
    item = value.ravel()[0]
    if isinstance(item, (Real, np.number)):
        return float(item)
    text = item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item)
    try:
        date = datetime.fromisoformat(text.strip())
    except ValueError:
        return math.nan
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()


def frame_times(frames: Sequence[Frame], step: float | None) -> NDArray[np.float64]:
    """Return the times (time,) in s since the first frame: from the step, or from the frames if they rise.

    Gaps lie between their neighbours. NaN everywhere where times are not known.
    """
    if step is not None:
        return np.arange(len(frames)) * np.float64(step)
    times = np.array([frame.time_s for frame in frames])
    present = np.array([not frame.problem for frame in frames])
    known = np.flatnonzero(np.isfinite(times))
    if not np.isfinite(times[present]).all() or known.size < 2 or (np.diff(times[known]) <= 0).any():
        return np.full(len(frames), math.nan)
    filled = np.interp(np.arange(len(frames)), known, times[known])
    return np.asarray(filled - filled[0])
