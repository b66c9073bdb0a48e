"""Bitshuffle chunks of HDF5 datasets are checked before they are decompressed, each once.

The filter trusts the sizes inside a chunk: where they are damaged, it reads beyond the chunk and the program ends. A
chunk is the total number of bytes (8 bytes), that of a block (4), then each block behind its own number of bytes (4);
what is left of eight values at the end is stored as it is. High bytes come first.
"""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BITSHUFFLE = 32008
_COMPRESSION = 4  # place of the kind of compression among the filter's parameters; 0 = only shuffled
_TOGETHER = 8  # values that are shuffled together


@dataclass(frozen=True)
class Places:
    """Where the chunks are in the file, by their place in the grid of chunks; size 0 = not there, or not compressed.

    `checked` says of every row of chunks whether it was checked.
    """

    content: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    checked: NDArray[np.bool_]

    @classmethod
    def of_dataset(cls, dataset: Any) -> Places:
        """List the chunks of a dataset."""
        grid = [-(-n // c) for n, c in zip(dataset.shape, dataset.chunks, strict=True)]
        offsets, sizes = np.zeros(grid, np.int64), np.zeros(grid, np.int64)
        numbers = array("q")  # millions of chunks as objects would need much memory

        def add(chunk: Any) -> None:
            numbers.extend((*chunk.chunk_offset, chunk.byte_offset, 0 if chunk.filter_mask else chunk.size))

        dataset.id.chunk_iter(add)
        table = np.array(numbers, np.int64).reshape(-1, len(grid) + 2)
        places = tuple((table[:, :-2] // dataset.chunks).T)
        offsets[places], sizes[places] = table[:, -2], table[:, -1]
        content = np.memmap(dataset.file.filename, np.uint8, mode="r")
        return cls(content, offsets, sizes, np.zeros(grid[0], np.bool_))


@dataclass(frozen=True)
class CheckedDataset:
    """An HDF5 dataset whose chunks are checked when they are first read."""

    dataset: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        shape: tuple[int, ...] = self.dataset.shape
        return shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        dtype: np.dtype[Any] = self.dataset.dtype
        return dtype

    @property
    def chunks(self) -> tuple[int, ...]:
        """Lengths of a chunk."""
        chunks: tuple[int, ...] = self.dataset.chunks
        return chunks

    @cached_property
    def places(self) -> Places:
        """Where the chunks are."""
        return Places.of_dataset(self.dataset)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any, /) -> NDArray[Any]:
        first = key[0] if isinstance(key, tuple) else key
        self._check(first if isinstance(first, slice) else slice(first, first + 1))
        rows: NDArray[Any] = self.dataset[key]
        return rows

    def read_direct(self, out: NDArray[Any], key: Any) -> None:
        """Fill an array as the method of the dataset does."""
        self._check(key[0] if isinstance(key, tuple) else key)
        self.dataset.read_direct(out, key)

    def _check(self, key: slice) -> None:
        """Raise OSError if a chunk of these rows is damaged."""
        from clustem.formats._kernels import first_damaged

        start, stop, _ = key.indices(self.shape[0])
        rows = slice(start // self.chunks[0], -(-stop // self.chunks[0]))
        if self.places.checked[rows].all():
            return
        itemsize = self.dtype.itemsize
        offsets, sizes = (values[rows].ravel() for values in (self.places.offsets, self.places.sizes))
        size = math.prod(self.chunks) * itemsize
        damaged = first_damaged(self.places.content, offsets, sizes, size, _TOGETHER * itemsize)
        if damaged >= 0:
            raise OSError(f"the chunk at byte {offsets[damaged]} is damaged")
        self.places.checked[rows] = True


def checked(dataset: Any) -> Any:
    """Return a dataset that checks its chunks if they are compressed with bitshuffle; else the dataset itself."""
    pipeline = dataset.id.get_create_plist()
    number = pipeline.get_nfilters()
    if not number or dataset.chunks is None or dataset.file.userblock_size:
        return dataset
    code, _, values, _ = pipeline.get_filter(number - 1)
    shuffled_only = len(values) > _COMPRESSION and values[_COMPRESSION] == 0
    return dataset if code != _BITSHUFFLE or shuffled_only else CheckedDataset(dataset)
