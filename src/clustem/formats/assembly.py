"""From an array-like that is sliced lazily, 4-D or 3-D, to a Scan: every format ends here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from clustem.calibration import Calibration
from clustem.errors import InputError
from clustem.formats.contract import Options
from clustem.formats.reading import Readers, grid_readers, list_readers
from clustem.formats.shapes import checked_scan_shape, shapes_text, square_scan_shape
from clustem.formats.stacks import Selected
from clustem.scan import Scan

_NOT_CALIBRATED = Calibration()


class Sliceable(Protocol):
    """An array-like of patterns whose slices along the first axis can be turned into NumPy arrays."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        ...

    @property
    def dtype(self) -> Any:
        """Type of the values."""
        ...

    def __getitem__(self, key: Any, /) -> Any: ...


def array_scan(
    array: Sliceable,
    options: Options,
    *,
    name: str,
    recorded_shape: tuple[int, int] | None = None,
    assume_square: bool = False,
    chunks: tuple[int, ...] | None = None,
    calibration: Calibration = _NOT_CALIBRATED,
    path: Path | None = None,
    dataset: str | None = None,
    detector_mask: NDArray[np.bool_] | None = None,
    assumptions: tuple[str, ...] = (),
) -> Scan:
    """Return the scan that an array holds, with the user's options for how it was scanned.

    That is an array (scan_y, scan_x, k_y, k_x), one of a series of such (`options.frame`), or patterns in a row
    (pattern, k_y, k_x). For those, the scan shape is that of the options, else `recorded_shape`, which the file says
    and which fits; else a square one, if `assume_square` allows that. `chunks` is what the source stores together along
    each axis.

    Raises
    ------
    InputError
        If the array has other than 3 to 5 axes, an empty one, or does not fit the options.
    """
    stored = tuple(int(length) for length in chunks[-4:]) if chunks else (1, 1)
    array = _one_of_series(array, options.frame, name)
    shape = tuple(array.shape)
    if len(shape) == 2:
        raise InputError(
            f"{name}: is one image of {shape[0]}×{shape[1]}, not a scan; open the file with the diffraction patterns"
        )
    if len(shape) not in (3, 4) or not all(isinstance(n, (int, np.integer)) and n > 0 for n in shape):
        raise InputError(
            f"{name}: expected a scan (scan_y, scan_x, k_y, k_x), or (pattern, k_y, k_x) with scan_shape, "
            f"without empty axes; got shape {shape}"
        )
    if len(shape) == 4:
        grid, rows, columns = (int(shape[0]), int(shape[1])), stored[0], stored[1]
        _check_scan_shape(grid, options, name)
        readers: Callable[..., Readers] = partial(grid_readers, array)
    else:
        grid, notes = _split(int(shape[0]), options, recorded_shape, assume_square, name)
        rows, columns = stored[0] // grid[1], stored[0]
        readers = partial(list_readers, array, grid[1])
        assumptions += notes
    reader, filler = readers()
    scan = Scan(
        (*grid, int(shape[-2]), int(shape[-1])),
        np.dtype(array.dtype),
        reader,
        calibration=calibration,
        name=name,
        path=path,
        dataset=dataset,
        detector_mask=detector_mask,
        filler=filler,
        narrow=readers,
        rows_per_chunk=max(1, min(rows, grid[0])),
        columns_per_chunk=min(columns, grid[1]),
        assumptions=assumptions,
    )
    return _in_scan_order(scan, options)


def _one_of_series(array: Sliceable, frame: int | None, name: str) -> Sliceable:
    """Return scan number `frame` of a series (frame, scan_y, scan_x, k_y, k_x); a single scan as it is."""
    shape = tuple(array.shape)
    if len(shape) != 5:
        if frame is not None:
            raise InputError(f"{name}: frame={frame} was given, but it holds one scan, of shape {shape}; leave it out")
        return array
    frame = 0 if shape[0] == 1 and frame is None else frame
    if frame is None or frame >= shape[0]:
        raise InputError(
            f"{name}: holds a series of {shape[0]} scans of shape {shape[1:]}; "
            f"choose one with frame=0 … {shape[0] - 1}" + ("" if frame is None else f", got {frame}")
        )
    return array[frame] if isinstance(array, np.ndarray) else Selected(array, 0, frame)


def _check_scan_shape(grid: tuple[int, int], options: Options, name: str) -> None:
    """Raise InputError if a scan shape was given that is not that of the data, or no column would be left."""
    if options.flyback >= grid[1]:
        raise InputError(f"{name}: flyback={options.flyback} leaves nothing of scan rows of {grid[1]} positions")
    kept = (grid[0], grid[1] - options.flyback)
    if options.scan_shape is not None and options.scan_shape != kept:
        raise InputError(
            f"{name}: scan_shape {options.scan_shape} does not agree with the data, which are 4-D, "
            f"scan shape {kept}; leave scan_shape out"
        )


def _split(
    count: int, options: Options, recorded: tuple[int, int] | None, assume_square: bool, name: str
) -> tuple[tuple[int, int], tuple[str, ...]]:
    """Return the scan shape of `count` patterns, with flyback columns, and what was assumed for it."""
    notes: tuple[str, ...] = ()
    if options.scan_shape is not None:
        shape = checked_scan_shape(count, options.scan_shape, name=name, flyback=options.flyback)
    elif recorded is not None:
        _check_scan_shape(recorded, options, name)
        return recorded, ()
    elif assume_square:
        shape, sentence = square_scan_shape(count, name=name, flyback=options.flyback)
        notes = (sentence,)
    else:
        raise InputError(
            f"{name}: has 3 axes: {count} patterns in a row; give scan_shape=(y, x); "
            f"{shapes_text(count, flyback=options.flyback)}"
        )
    return (shape[0], shape[1] + options.flyback), notes


def _in_scan_order(scan: Scan, options: Options) -> Scan:
    """Return a scan without its flyback columns, and with every second row turned round if it was a snake."""
    if not options.snake and not options.flyback:
        return scan
    width = scan.shape[1] - options.flyback

    def readers(first: int = 0, last: int = width) -> Readers:
        straight = scan.with_columns(first, last).reader
        turned = scan.with_columns(width - last, width - first).reader

        def read(start: int, stop: int) -> NDArray[Any]:
            if not options.snake:
                return np.asarray(straight(start, stop))
            if (first, last) != (0, width):
                rows = [turned(y, y + 1)[:, ::-1] if y % 2 else straight(y, y + 1) for y in range(start, stop)]
                return np.concatenate(rows)
            whole = np.array(straight(start, stop))
            odd = 1 - start % 2
            whole[odd::2] = whole[odd::2, ::-1].copy()
            return whole

        return read, None

    shape = (scan.shape[0], width, *scan.detector_shape)
    columns = min(scan.columns_per_chunk, width)
    return replace(scan, shape=shape, reader=readers()[0], filler=None, narrow=readers, columns_per_chunk=columns)
