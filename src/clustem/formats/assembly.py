"""From an array-like that is sliced lazily, 4-D or 3-D, to a Scan: every format ends here."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from clustem.calibration import Calibration
from clustem.errors import InputError
from clustem.formats.shapes import checked_scan_shape, shapes_text, square_scan_shape
from clustem.scan import RowFiller, RowReader, Scan

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
    *,
    name: str,
    scan_shape: tuple[int, int] | None = None,
    assume_square: bool = False,
    first_chunk: int = 1,
    calibration: Calibration = _NOT_CALIBRATED,
    path: Path | None = None,
    dataset: str | None = None,
    detector_mask: NDArray[np.bool_] | None = None,
    assumptions: tuple[str, ...] = (),
) -> Scan:
    """Return the scan that a 4-D array (scan_y, scan_x, k_y, k_x) or a 3-D one (pattern, k_y, k_x) holds.

    `first_chunk` is what the source stores together along the first axis. A 3-D array needs `scan_shape`, or
    `assume_square` if a square number of patterns may be taken as a square scan.

    Raises
    ------
    InputError
        If the array has other than 3 or 4 axes, an empty one, or does not fit `scan_shape`.
    """
    shape = tuple(array.shape)
    if len(shape) not in (3, 4) or not all(isinstance(n, (int, np.integer)) and n > 0 for n in shape):
        raise InputError(
            f"{name}: expected a scan (scan_y, scan_x, k_y, k_x), or (pattern, k_y, k_x) with scan_shape, "
            f"without empty axes; got shape {shape}"
        )
    if len(shape) == 4:
        _same_scan_shape(shape, scan_shape, name)
        grid, rows = (int(shape[0]), int(shape[1])), first_chunk
        reader, filler = _rows_of(array), _filler_of(array, 1)
    else:
        grid, notes = _split(int(shape[0]), scan_shape, assume_square, name)
        rows = first_chunk // grid[1]
        reader, filler = _rows_of_patterns(array, grid[1]), _filler_of(array, grid[1])
        assumptions += notes
    return Scan(
        (*grid, int(shape[-2]), int(shape[-1])),
        np.dtype(array.dtype),
        reader,
        calibration=calibration,
        name=name,
        path=path,
        dataset=dataset,
        detector_mask=detector_mask,
        filler=filler,
        rows_per_chunk=max(1, min(rows, grid[0])),
        assumptions=assumptions,
    )


def _same_scan_shape(shape: tuple[int, ...], scan_shape: tuple[int, int] | None, name: str) -> None:
    if scan_shape is not None and scan_shape != shape[:2]:
        raise InputError(
            f"{name}: scan_shape {scan_shape} does not agree with the data, which are 4-D of shape {shape}: "
            f"scan shape {shape[:2]}; leave scan_shape out"
        )


def _split(
    count: int, scan_shape: tuple[int, int] | None, assume_square: bool, name: str
) -> tuple[tuple[int, int], tuple[str, ...]]:
    """Return the scan shape of `count` patterns and what was assumed for it."""
    if scan_shape is not None:
        return checked_scan_shape(count, scan_shape, name=name), ()
    if not assume_square:
        raise InputError(f"{name}: has 3 axes: {count} patterns in a row; give scan_shape=(y, x); {shapes_text(count)}")
    square, sentence = square_scan_shape(count, name=name)
    return square, (sentence,)


def _rows_of(array: Sliceable) -> RowReader:
    def read(start: int, stop: int) -> NDArray[Any]:
        return np.asarray(array[start:stop])

    return read


def _rows_of_patterns(array: Sliceable, scan_x: int) -> RowReader:
    def read(start: int, stop: int) -> NDArray[Any]:
        patterns = np.asarray(array[start * scan_x : stop * scan_x])
        return patterns.reshape(stop - start, scan_x, *patterns.shape[1:])

    return read


def _filler_of(array: Sliceable, together: int) -> RowFiller | None:
    """Return what fills rows of `together` items of the first axis; None for arrays that are in memory or mapped."""
    if isinstance(array, np.ndarray):
        return None
    read_direct = getattr(array, "read_direct", None)  # of h5py
    if np.dtype(array.dtype).kind not in "iuf":
        read_direct = None

    def fill(start: int, stop: int, rows: NDArray[Any]) -> None:
        items = rows.reshape((stop - start) * together, *array.shape[1:])
        wanted = np.s_[start * together : stop * together]
        if read_direct is None:
            items[...] = np.asarray(array[wanted])
        else:
            read_direct(items, wanted)

    return fill
