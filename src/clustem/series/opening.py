"""`open_series`: from whatever the user has to a Series."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from clustem.calibration import Calibration
from clustem.errors import InputError, MissingFileError
from clustem.formats import open_scan
from clustem.formats.registry import find_format
from clustem.formats.signals import is_array
from clustem.formats.zarr_stores import is_zarr
from clustem.scan import Scan
from clustem.series.naming import files_of, matching_files, missing_numbers
from clustem.series.record import Frame, Series
from clustem.series.stored import Stored, stored_frames
from clustem.series.times import frame_times, seconds_in, stored_time

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class _Slice:
    """One frame of a 5-D array, sliced lazily as a 4-D one."""

    array: Any
    time: int

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.array.shape[1:])

    @property
    def dtype(self) -> Any:
        return self.array.dtype

    def __getitem__(self, key: Any, /) -> Any:
        return np.asarray(self.array[(self.time, *key) if isinstance(key, tuple) else (self.time, key)])


@dataclass(frozen=True)
class _How:
    """How every frame is opened: the options of open_scan, and the energy, that turns angles into lengths."""

    dataset: str | None = None
    scan_shape: tuple[int, int] | None = None
    detector_shape: tuple[int, int] | None = None
    dtype: DTypeLike | None = None
    snake: bool = False
    flyback: int = 0
    calibration: Calibration = field(default_factory=Calibration)

    def opening(self, item: Any) -> Callable[[], Scan]:
        """Return what opens a frame."""
        return partial(open_scan, item, **{one.name: getattr(self, one.name) for one in fields(self)})


def open_series(
    source: Any,
    *,
    dataset: str | None = None,
    scan_shape: tuple[int, int] | None = None,
    detector_shape: tuple[int, int] | None = None,
    dtype: DTypeLike | None = None,
    snake: bool = False,
    flyback: int = 0,
    time_step: float | str | None = None,
    calibration: Calibration | None = None,
) -> Series:
    """Open scans of the same area, taken one after the other, without reading their patterns.

    Parameters
    ----------
    source : path, pattern, folder, list, array, or Series
        A file with one 5-D array (time, scan_y, scan_x, k_y, k_x), or with several 4-D arrays of the same shape; a
        pattern such as ``"frame_*.h5"``; a folder; a list of whatever :func:`clustem.open_scan` takes; a 5-D array
        of NumPy, Dask, h5py or Zarr, or an object with such an array as ``data``. Names are put into natural order:
        ``frame_2`` before ``frame_10``.
    dataset : str, optional
        Address of the array inside every file.
    scan_shape : (scan_y, scan_x), optional
        Where files have their patterns in one row and do not say how they were scanned.
    detector_shape, dtype, snake, flyback
        Of every frame, as for :func:`clustem.open_scan`.
    time_step : float or str, optional
        From one frame to the next, in seconds or with a unit, as ``"12s"``, ``"200 ms"``, ``"2 min"``. It takes the
        place of the times in the files.
    calibration : Calibration, optional
        Its fields take the place of what the files say.

    Returns
    -------
    Series
        A frame that is missing, cannot be opened, or has another shape than the others, stays as a gap in time; its
        `warnings` say so. In names that count, a number left out is a missing frame.

    Raises
    ------
    MissingFileError
        If a file or folder does not exist, or no file is named so.
    InputError
        If no frame can be opened, or an argument is not usable.

    Examples
    --------
    >>> import numpy as np
    >>> series = open_series(np.zeros((3, 4, 4, 8, 8), dtype="uint16"), time_step="2 min")
    >>> series.shape, series.times_s.tolist(), series[1].shape
    ((3, 4, 4, 8, 8), [0.0, 120.0, 240.0], (4, 4, 8, 8))
    """
    if calibration is not None and not isinstance(calibration, Calibration):
        raise InputError(f"calibration: expected a clustem.Calibration, got {type(calibration).__name__}")
    step = None if time_step is None else seconds_in(time_step)
    energy = None if calibration is None or calibration.energy_keV is None else calibration.energy_keV
    how = _How(dataset, scan_shape, detector_shape, dtype, snake, flyback, Calibration(energy_keV=energy))
    if isinstance(source, Series):
        if replace(how, calibration=Calibration()) != _How():
            raise InputError("source: a Series is open already; give options of opening where it is opened")
        name, frames = source.name, list(source.frames)
    else:
        name, frames = _frames(source, how)
    return _assemble(name, frames, step, calibration)


def names_series(text: str, *, dataset: str | None = None, meant: bool = False) -> bool:
    """Return whether a text names several scans in time: a folder of files, a pattern, or a file with several.

    A file is asked only for what it holds; one that cannot be opened is taken for one scan. `meant` says that several
    scans in it are a series.

    Raises
    ------
    InputError
        If a file holds several scans that are not numbered, or by their names are something else than a series in time,
        and not `meant` as one.
    """
    path = Path(text)
    if not path.exists():
        return any(sign in text for sign in "*?[") and not text.startswith("clustem:") and "::" not in text
    if is_zarr(path) or path.is_file():
        try:
            found = _series_in(path, dataset)
        except Exception:  # whatever libraries raise over damaged files: opening the scan tells what it is
            return False
        if found is None or found.number < 2:
            return False
        if not (meant or found.in_time):
            raise InputError(_which(path, found))
        return True
    return path.is_dir()


def _which(path: Path, found: Stored) -> str:
    """Return the question for which of several scans is meant, or whether all are."""
    many = "or, if they are one after the other in time, follow all of them with --series, or --time-step 12s"
    if found.array is not None:
        return (
            f"{path.name}: holds {found.number} scans in an array of five axes, the first of which is something else "
            f"than time; choose one with --frame, 0 to {found.number - 1}; {many}"
        )
    addresses = "".join(f"\n  {address}" for address in found.addresses[:20])
    return (
        f"{path.name}: holds {found.number} arrays of one shape that can be the scan, and does not say that they are a "
        f'series; choose one, for example with "{path.name}::{found.addresses[0]}" or --dataset '
        f"{found.addresses[0]}; {many}:{addresses}"
    )


def _frames(source: Any, how: _How) -> tuple[str, list[Frame]]:
    """Return a name for the series, and its frames."""
    if isinstance(source, (str, os.PathLike)):
        return _named_frames(os.fspath(source), how)
    array = source if is_array(source) else getattr(source, "data", None)
    if array is not None and is_array(array) and not isinstance(source, (list, tuple)):
        return _array_frames(array, how)
    if isinstance(source, Iterable) and not isinstance(source, (bytes, dict, Scan)):
        items = list(source)
        if not items:
            raise InputError("source: the list of frames is empty; expected at least one scan")
        frames = _listed_frames(items, how)
        return f"{frames[0].name} … {frames[-1].name}" if len(frames) > 1 else frames[0].name, frames
    raise InputError(
        "source: expected a path, a pattern, a folder, a list of scans, or a 5-D array "
        f"(time, scan_y, scan_x, k_y, k_x), got {type(source).__name__}"
    )


def _array_frames(array: Any, how: _How) -> tuple[str, list[Frame]]:
    shape = tuple(array.shape)
    if len(shape) != 5 or not shape[0]:
        raise InputError(
            f"source: expected a 5-D array (time, scan_y, scan_x, k_y, k_x), got shape {shape}; "
            "for one scan use open_scan, or put it into a list"
        )
    return "array", [Frame(f"frame {k}", partial(_open_slice, array, k, how)) for k in range(shape[0])]


def _open_slice(array: Any, time: int, how: _How) -> Scan:
    return replace(how.opening(_Slice(array, time))(), name=f"frame {time}")


def _named_frames(text: str, how: _How) -> tuple[str, list[Frame]]:
    """Return the frames that a path, a folder or a pattern names."""
    path = Path(text)
    if not path.exists():
        if not any(sign in text for sign in "*?["):
            raise MissingFileError(f"{text}: there is no such file or folder; check the path, seen from {Path.cwd()}")
        return text, _file_frames(matching_files(text), how)
    if path.is_dir() and not is_zarr(path):
        return path.name or str(path), _file_frames(files_of(path), how)
    return path.name, _frames_in(path, how)


def _frames_in(path: Path, how: _How) -> list[Frame]:
    """Return the frames in one file: of its 5-D array, its 4-D arrays, or its one scan."""
    found = _series_in(path, how.dataset)
    if found is None:
        return [_frame(path, 0, how)]
    if found.array is not None:
        return _array_frames(found.array, replace(how, dataset=None))[1]
    return [
        replace(_frame(path, k, replace(how, dataset=address)), name=address.strip("/"), time_s=time)
        for k, (address, time) in enumerate(zip(found.addresses, found.times, strict=True))
    ]


def _series_in(path: Path, dataset: str | None) -> Stored | None:
    """Return the scans that a file holds; None if it is one scan."""
    try:
        kind = find_format(path)
    except InputError:  # which is said on opening it
        return None
    return stored_frames(path, dataset) if kind.holds_series else None


def _listed_frames(items: list[Any], how: _How) -> list[Frame]:
    """Return one frame per item of a list; between files of one folder whose names count also gaps."""
    paths = [Path(os.fsdecode(os.fspath(item))) for item in items if isinstance(item, (str, os.PathLike))]
    if len(paths) == len(items) and len({path.parent for path in paths}) == 1:
        return _file_frames(paths, how)
    return [_frame(item, k, how) for k, item in enumerate(items)]


def _file_frames(paths: list[Path], how: _How) -> list[Frame]:
    """Return one frame per file, and gaps for missing numbers."""
    frames = [_frame(path, k, how) for k, path in enumerate(paths)]
    for place, name in missing_numbers([path.name for path in paths]):
        frames.insert(place, Frame(name, problem="there is no file of this number"))
    return frames


def _frame(item: Any, number: int, how: _How) -> Frame:
    named = isinstance(item, (str, os.PathLike))
    name = Path(os.fsdecode(os.fspath(item))).name if named else getattr(item, "name", None)
    time = stored_time(Path(os.fsdecode(os.fspath(item))), how.dataset) if named else float("nan")
    shown = name if isinstance(name, str) and name != "array" else f"frame {number}"
    return Frame(shown, how.opening(item), time_s=time)


def _assemble(name: str, frames: list[Frame], step: float | None, calibration: Calibration | None) -> Series:
    """Try every frame and return the series, with gaps where that fails."""
    tried = [_tried(frame) for frame in frames]
    shapes = Counter(found[0] for _, found in tried if found is not None)
    if not shapes:
        raise InputError(f"{name}: none of {len(frames)} frames can be opened; the first: {tried[0][0].problem}")
    shape = max(shapes, key=lambda key: (shapes[key], -[found and found[0] for _, found in tried].index(key)))
    checked = [_of_shape(frame, found, shape) for frame, found in tried]
    fitting = [found for _, found in tried if found is not None and found[0] == shape]
    _, dtype, common = fitting[0]
    common = common.updated(calibration)
    warnings = [
        f"frame {k} ({frame.name}) is a gap: {frame.problem}" for k, frame in enumerate(checked) if frame.problem
    ]
    if any(found[2].updated(calibration) != common for found in fitting):
        warnings.append("the calibrations of the frames do not agree; that of the first is used for all")
    for text in warnings:
        _LOG.warning("%s: %s", name, text)
    return Series(
        name, tuple(checked), (len(checked), *shape), dtype, common, frame_times(checked, step), tuple(warnings)
    )


_Found = tuple[tuple[int, int, int, int], np.dtype[Any], Calibration]


def _tried(frame: Frame) -> tuple[Frame, _Found | None]:
    """Open a frame and return what is needed of it, or the frame as a gap."""
    if frame.open is None:
        return frame, None
    try:
        scan = frame.open()
    except (InputError, OSError) as error:
        return Frame(frame.name, problem=str(error), time_s=frame.time_s), None
    calibration = Calibration.from_dict({k: v for k, v in scan.calibration.to_dict().items() if k != "centre_px"})
    return frame, (scan.shape, scan.dtype, calibration)


def _of_shape(frame: Frame, found: _Found | None, shape: tuple[int, ...]) -> Frame:
    if found is None or found[0] == shape:
        return frame
    return Frame(frame.name, problem=f"its shape is {found[0]}, that of the others {shape}", time_s=frame.time_s)
