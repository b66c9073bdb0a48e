"""Scan: lazy 4-D data with its calibration, served as blocks of scan rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.calibration import Calibration
from clustem.errors import InputError
from clustem.tables import size_text, table_text

RowReader = Callable[[int, int], NDArray[Any]]
RowFiller = Callable[[int, int, NDArray[Any]], None]
ColumnReaders = Callable[[int, int], tuple[RowReader, RowFiller | None]]


@dataclass(frozen=True, eq=False, repr=False)
class Scan:
    """A 4D-STEM scan ``data[scan_y, scan_x, k_y, k_x]`` that is read only as far as it is needed.

    Made by :func:`clustem.open_scan`. ``numpy.asarray(scan)`` reads it whole.

    Parameters
    ----------
    shape : tuple of int
        (scan_y, scan_x, k_y, k_x).
    dtype : numpy.dtype
        Type of the values as `read` returns them: a native integer or floating type.
    reader : callable
        ``reader(start, stop)`` returns the scan rows start … stop-1 as an array (rows, scan_x, k_y, k_x).
    calibration : Calibration
    name : str
        Short name for messages and reports, such as the file's name.
    path : Path, optional
        The file it comes from.
    dataset : str, optional
        Address inside that file.
    detector_mask : (k_y, k_x) bool array, optional
        The file's own mask, True = use. Masked pixels read as 0.
    rows_per_chunk : int
        Scan rows that the file stores together; reading multiples of it avoids decompressing twice.
    columns_per_chunk : int
        Positions of a row that the file stores together.
    working_bytes : float
        Bytes that `reader` allocates per value beyond the values themselves, for the memory budget.
    held_bytes : int
        Bytes that `reader` holds between its calls, however much is read.
    filler : callable, optional
        ``filler(start, stop, rows)`` does the same as `reader`, but fills a given contiguous array of type `dtype`:
        for sources that would otherwise need new memory for everything they read.
    narrow : callable, optional
        ``narrow(first, last)`` returns reader and filler (or None) of the columns first … last-1 alone, for sources
        that need not read whole rows.
    assumptions : tuple of str
        What had to be assumed to open it, one sentence each.
    opened_with : mapping
        The options it was opened with, so that it can be opened again.
    """

    shape: tuple[int, int, int, int]
    dtype: np.dtype[Any]
    reader: RowReader
    calibration: Calibration = field(default_factory=Calibration)
    name: str = "array"
    path: Path | None = None
    dataset: str | None = None
    detector_mask: NDArray[np.bool_] | None = None
    rows_per_chunk: int = 1
    columns_per_chunk: int = 1
    working_bytes: float = 0.0
    held_bytes: int = 0
    filler: RowFiller | None = None
    narrow: ColumnReaders | None = None
    assumptions: tuple[str, ...] = ()
    opened_with: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.shape) != 4 or min(self.shape) < 1:
            raise InputError(
                f"{self.name}: expected 4-D data (scan_y, scan_x, k_y, k_x) without empty axes, got shape {self.shape}"
            )
        if min(self.shape[2:]) < 2:
            raise InputError(
                f"{self.name}: expected diffraction patterns of at least 2×2 pixels in the last two axes, "
                f"got shape {self.shape}"
            )
        dtype = np.dtype(self.dtype)
        if dtype.kind not in "buif":
            raise InputError(
                f"{self.name}: expected integer or real values, got dtype {dtype}; "
                "for complex data pass the intensity, abs(data)**2"
            )
        object.__setattr__(self, "dtype", _native(dtype))
        if self.detector_mask is not None and self.detector_mask.shape != self.shape[2:]:
            raise InputError(
                f"{self.name}: expected a detector mask of shape {self.shape[2:]}, got {self.detector_mask.shape}"
            )

    @property
    def scan_shape(self) -> tuple[int, int]:
        """(scan_y, scan_x)."""
        return self.shape[:2]

    @property
    def detector_shape(self) -> tuple[int, int]:
        """(k_y, k_x)."""
        return self.shape[2:]

    @property
    def nbytes(self) -> int:
        """Size of all values in memory, in bytes."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    def buffer(self, rows: int) -> NDArray[Any] | None:
        """Return an array to read up to so many rows into, or None where that would not save anything."""
        return None if self.filler is None else np.empty((rows, *self.shape[1:]), self.dtype)

    def read(self, start: int, stop: int, *, buffer: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return the scan rows start … stop-1, contiguous, (stop - start, scan_x, k_y, k_x).

        With a `buffer`, as :meth:`buffer` gives it, they are its first rows.

        Raises
        ------
        InputError
            If the file cannot be read there, for example because it is damaged.
        """
        if not 0 <= start < stop <= self.shape[0]:
            raise InputError(f"{self.name}: scan rows {start}:{stop} are outside 0:{self.shape[0]}")
        try:
            rows = self._rows(start, stop, buffer)
        except (InputError, MemoryError):
            raise
        except Exception as error:
            raise InputError(
                f"{self.name}: scan rows {start} to {stop - 1} cannot be read ({error}); "
                "the file seems damaged, incomplete, or was changed while it was being read: copy it again"
            ) from error
        expected = (stop - start, *self.shape[1:])
        if rows.shape != expected:
            raise InputError(f"{self.name}: scan rows {start}:{stop} have shape {rows.shape}, expected {expected}")
        rows = np.ascontiguousarray(rows, dtype=self.dtype)
        if self.detector_mask is None or self.detector_mask.all():
            return rows
        if buffer is None:
            return np.where(self.detector_mask, rows, rows.dtype.type(0))
        rows[..., ~self.detector_mask] = 0
        return rows

    def _rows(self, start: int, stop: int, buffer: NDArray[Any] | None) -> NDArray[Any]:
        if buffer is None or self.filler is None:
            return np.asarray(self.reader(start, stop))
        rows = buffer[: stop - start]
        self.filler(start, stop, rows)
        return rows

    def pattern(self, y: int, x: int) -> NDArray[Any]:
        """Return the diffraction pattern at scan position (y, x), (k_y, k_x)."""
        if not (0 <= y < self.shape[0] and 0 <= x < self.shape[1]):
            raise InputError(f"{self.name}: position ({y}, {x}) is outside the scan {self.scan_shape}")
        pattern: NDArray[Any] = self.with_columns(x, x + 1).read(y, y + 1)[0, 0]
        return pattern

    def with_columns(self, first: int, last: int) -> Scan:
        """Return the scan with its columns first … last-1 alone; nothing else is read if the source allows that.

        Raises
        ------
        InputError
            If they are not columns of the scan.
        """
        width = self.shape[1]
        if not 0 <= first < last <= width:
            raise InputError(f"{self.name}: scan columns {first}:{last} are outside 0:{width}")
        if (first, last) == (0, width):
            return self
        shape = (self.shape[0], last - first, *self.shape[2:])
        if self.narrow is not None:
            narrow = self.narrow
            reader, filler = narrow(first, last)
            return replace(
                self,
                shape=shape,
                reader=reader,
                filler=filler,
                narrow=lambda a, b: narrow(first + a, first + b),
                columns_per_chunk=min(self.columns_per_chunk, last - first),
                path=None,
                opened_with={},
            )
        return replace(
            self,
            shape=shape,
            reader=lambda start, stop: self.read(start, stop)[:, first:last],
            filler=None,
            working_bytes=self.working_bytes + self.dtype.itemsize * width / (last - first),
            path=None,
            opened_with={},
        )

    def with_calibration(self, calibration: Calibration | None) -> Scan:
        """Return the same scan with the fields of `calibration` in place of its own where it has them."""
        return replace(self, calibration=self.calibration.updated(calibration))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("a Scan is read from its source, so an array of it is always a copy")
        return self.read(0, self.shape[0]).astype(dtype or self.dtype, copy=False)

    def __repr__(self) -> str:
        rows: list[tuple[str, object]] = [
            ("shape", f"{self.shape[0]}×{self.shape[1]} scan of {self.shape[2]}×{self.shape[3]} patterns"),
            ("type", f"{self.dtype}, {size_text(self.nbytes)}"),
            ("dataset", self.dataset),
        ]
        rows += [(name, value) for name, value in self.calibration.to_dict().items()]
        rows += [("assumed", text) for text in self.assumptions]
        return table_text(f"Scan {self.name}", rows)


def _native(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the native type in which values of `dtype` are served: booleans as uint8, half floats as float32."""
    if dtype.kind == "b":
        return np.dtype(np.uint8)
    if dtype.kind == "f" and dtype.itemsize not in (4, 8):
        return np.dtype(np.float32 if dtype.itemsize < 4 else np.float64)
    return dtype.newbyteorder("=")


def is_whole(dtype: np.dtype[Any]) -> bool:
    """Return whether values are integers of at most 32 bits, which sum exactly and fast."""
    return dtype.kind in "ui" and dtype.itemsize <= 4
