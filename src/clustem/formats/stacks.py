"""Array-likes made of others: several datasets read as one, one of a series, frames put where they were recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Stack:
    """Patterns (pattern, k_y, k_x) in several datasets, read as one; `first` is the number before each dataset."""

    parts: tuple[Any, ...]
    first: tuple[int, ...]
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]

    @classmethod
    def from_parts(cls, parts: Sequence[Any]) -> Stack:
        """Make a stack of datasets in this order."""
        edges = np.cumsum([0, *(len(part) for part in parts)]).tolist()
        dtype = np.result_type(*(part.dtype for part in parts))
        return cls(tuple(parts), tuple(edges[:-1]), (edges[-1], *parts[0].shape[1:]), dtype)

    def between(self, start: int, stop: int) -> Stack:
        """Return the patterns from `start` to before `stop` as another stack."""
        parts = [
            part[max(0, start - first) : max(0, stop - first)]
            for part, first in zip(self.parts, self.first, strict=True)
        ]
        return Stack.from_parts([part for part in parts if len(part)])

    def __getitem__(self, key: slice, /) -> NDArray[Any]:
        start, stop, _ = key.indices(self.shape[0])
        out = np.empty((stop - start, *self.shape[1:]), self.dtype)
        self.read_direct(out, key)
        return out

    def read_direct(self, out: NDArray[Any], key: slice) -> None:
        """Fill a contiguous array with the patterns of a slice, as the method of an h5py dataset does."""
        start, stop, _ = key.indices(self.shape[0])
        for part, first in zip(self.parts, self.first, strict=True):
            low, high = max(start, first), min(stop, first + len(part))
            if low < high:
                target, wanted = out[low - start : high - start], np.s_[low - first : high - first]
                if hasattr(part, "read_direct"):
                    part.read_direct(target, wanted)
                else:
                    target[...] = part[wanted]


@dataclass(frozen=True)
class Selected:
    """An array with one index of one axis fixed, read lazily along the first axis that is left."""

    array: Any
    axis: int
    index: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes that are left."""
        shape = tuple(self.array.shape)
        return shape[: self.axis] + shape[self.axis + 1 :]

    @property
    def dtype(self) -> Any:
        """Type of the values."""
        return self.array.dtype

    def __getitem__(self, key: slice | tuple[slice, slice], /) -> Any:
        keys = key if isinstance(key, tuple) else (key,)
        if self.axis == 0:
            return self.array[(self.index, *keys)]
        return self.array[(*keys, *(slice(None),) * (self.axis - len(keys)), self.index)]


@dataclass(frozen=True)
class FramesLast:
    """Patterns stored as (k_y, k_x, pattern), served as (pattern, k_y, k_x)."""

    array: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """(pattern, k_y, k_x)."""
        rows, columns, count = self.array.shape
        return (count, rows, columns)

    @property
    def dtype(self) -> Any:
        """Type of the values."""
        return self.array.dtype

    def __getitem__(self, key: slice, /) -> NDArray[Any]:
        return np.moveaxis(np.asarray(self.array[:, :, key]), -1, 0)


@dataclass(frozen=True)
class Gathered:
    """Frames at the scan positions where they were recorded; those of one position are added.

    `order` (frame) lists the frames by position; those of position number y·scan_x + x begin at `starts` (position).
    A position without frames is 0.
    """

    frames: Any
    order: NDArray[np.int64]
    starts: NDArray[np.int64]
    shape: tuple[int, int, int, int]
    dtype: np.dtype[Any]

    @classmethod
    def from_positions(cls, frames: Any, positions: NDArray[np.int64], scan_shape: tuple[int, int]) -> Gathered:
        """Make it from the (y, x) of every frame, in the order of the frames."""
        places = positions[:, 0] * scan_shape[1] + positions[:, 1]
        order = np.argsort(places, kind="stable")
        starts = np.searchsorted(places[order], np.arange(scan_shape[0] * scan_shape[1] + 1))
        dtype = summed_dtype(frames.dtype, int(np.diff(starts).max()))
        return cls(frames, order, starts, (*scan_shape, *frames.shape[1:]), dtype)

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Number of frames at every position (scan_y, scan_x)."""
        return np.diff(self.starts).reshape(self.shape[:2])

    def __getitem__(self, key: slice | tuple[slice, slice], /) -> NDArray[Any]:
        rows, columns = key if isinstance(key, tuple) else (key, slice(None))
        places = np.arange(self.starts.size - 1).reshape(self.shape[:2])[rows, columns]
        out = np.zeros((*places.shape, *self.shape[2:]), self.dtype)
        for place, pattern in zip(places.ravel().tolist(), out.reshape(-1, *self.shape[2:]), strict=True):
            for frame in self.order[self.starts[place] : self.starts[place + 1]].tolist():
                pattern += np.asarray(self.frames[frame])
        return out


def summed_dtype(dtype: np.dtype[Any], number: int) -> np.dtype[Any]:
    """Return the smallest type of the same kind that holds the sum of `number` values.

    Examples
    --------
    >>> summed_dtype(np.dtype("uint8"), 2), summed_dtype(np.dtype(">u2"), 1)
    (dtype('uint16'), dtype('uint16'))
    """
    dtype = np.dtype(dtype).newbyteorder("=")
    if dtype.kind not in "ui" or number == 1:
        return dtype
    needed = int(np.iinfo(dtype).max) * number
    sizes = [np.dtype(f"{dtype.kind}{size}") for size in (1, 2, 4, 8)]
    return next((kind for kind in sizes if int(np.iinfo(kind).max) >= needed), sizes[-1])
