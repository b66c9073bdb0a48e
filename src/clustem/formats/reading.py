"""Readers of scan rows, or of some of their columns, from array-likes that are sliced lazily."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.scan import RowFiller, RowReader

Readers = tuple[RowReader, RowFiller | None]


def grid_readers(array: Any, first: int = 0, last: int | None = None) -> Readers:
    """Return what reads the columns first … last-1, or all, of an array (scan_y, scan_x, k_y, k_x)."""

    def wanted(start: int, stop: int) -> Any:
        return np.s_[start:stop] if last is None else np.s_[start:stop, first:last]

    def read(start: int, stop: int) -> NDArray[Any]:
        return np.asarray(array[wanted(start, stop)])

    def fill(start: int, stop: int, rows: NDArray[Any]) -> None:
        _fill(array, wanted(start, stop), rows)

    return read, None if isinstance(array, np.ndarray) else fill


def list_readers(array: Any, scan_x: int, first: int = 0, last: int | None = None) -> Readers:
    """Return what reads the columns first … last-1, or all, of patterns in a row (pattern, k_y, k_x)."""
    detector = tuple(array.shape[1:])

    def fill(start: int, stop: int, rows: NDArray[Any]) -> None:
        if last is None:
            _fill(array, np.s_[start * scan_x : stop * scan_x], rows.reshape(-1, *detector))
            return
        for row, values in zip(range(start, stop), rows, strict=True):
            _fill(array, np.s_[row * scan_x + first : row * scan_x + last], values)

    def read(start: int, stop: int) -> NDArray[Any]:
        if last is None or isinstance(array, np.ndarray):
            patterns = np.asarray(array[start * scan_x : stop * scan_x])
            return patterns.reshape(stop - start, scan_x, *detector)[:, first:last]
        rows = np.empty((stop - start, last - first, *detector), array.dtype)
        fill(start, stop, rows)
        return rows

    return read, None if isinstance(array, np.ndarray) else fill


def _fill(array: Any, wanted: Any, out: NDArray[Any]) -> None:
    """Fill an array with a part of another, without a copy on the way where the library can do that."""
    read_direct = getattr(array, "read_direct", None)  # of h5py
    if read_direct is None or np.dtype(array.dtype).kind not in "iuf":
        out[...] = np.asarray(array[wanted])
    else:
        read_direct(out, wanted)
