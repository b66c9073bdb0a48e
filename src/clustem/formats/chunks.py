"""Bitshuffle chunks of HDF5 datasets are checked before they are decompressed, each once.

The filter trusts the sizes inside a chunk: where they are damaged, it reads beyond the chunk and the program ends. A
chunk is the total number of bytes (8 bytes), that of a block (4), then each block behind its own number of bytes (4);
what is left of eight values at the end is stored as it is. High bytes come first.
"""

from __future__ import annotations

import math
import struct
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.formats.hdf5_tree import UNREADABLE

_BITSHUFFLE = 32008
_COMPRESSION = 4  # place of the kind of compression among the filter's parameters; 0 = only shuffled
_TOGETHER = 8  # values that are shuffled together


class CheckedDataset:
    """An HDF5 dataset whose chunks are checked when they are first read."""

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset
        self._checked = np.zeros([-(-n // c) for n, c in zip(dataset.shape, dataset.chunks, strict=True)], np.bool_)
        self._chunk_bytes = math.prod(dataset.chunks) * dataset.dtype.itemsize
        self.shape: tuple[int, ...] = dataset.shape
        self.dtype: np.dtype[Any] = dataset.dtype
        self.chunks: tuple[int, ...] = dataset.chunks

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: slice, /) -> NDArray[Any]:
        self._check(key)
        rows: NDArray[Any] = self._dataset[key]
        return rows

    def read_direct(self, out: NDArray[Any], key: slice) -> None:
        """Fill an array as the method of the dataset does."""
        self._check(key)
        self._dataset.read_direct(out, key)

    def _check(self, key: slice) -> None:
        start, stop, _ = key.indices(self.shape[0])
        for row in range(start // self.chunks[0], -(-stop // self.chunks[0])):
            if self._checked[row].all():
                continue
            for place in product(*(range(n) for n in self._checked.shape[1:])):
                self._check_chunk((row, *place))
            self._checked[row] = True

    def _check_chunk(self, place: tuple[int, ...]) -> None:
        corner = tuple(number * size for number, size in zip(place, self.chunks, strict=True))
        try:
            left_out, content = self._dataset.id.read_direct_chunk(corner)
        except UNREADABLE:  # never written, or the reading that follows says what is wrong
            return
        if not left_out and not is_sound(content, self._chunk_bytes, self.dtype.itemsize):
            raise OSError(f"the chunk at {corner} is damaged")


def checked(dataset: Any) -> Any:
    """Return a dataset that checks its chunks if they are compressed with bitshuffle; else the dataset itself."""
    pipeline = dataset.id.get_create_plist()
    number = pipeline.get_nfilters()
    if not number or dataset.chunks is None:
        return dataset
    code, _, values, _ = pipeline.get_filter(number - 1)
    shuffled_only = len(values) > _COMPRESSION and values[_COMPRESSION] == 0
    return dataset if code != _BITSHUFFLE or shuffled_only else CheckedDataset(dataset)


def is_sound(chunk: bytes, size: int, itemsize: int) -> bool:
    """Return whether the sizes in a chunk agree with its length and with the `size` in bytes that it has to give."""
    if len(chunk) < 12:
        return False
    total, block = struct.unpack_from(">QI", chunk)
    unit = _TOGETHER * itemsize
    if total != size or block == 0 or block % unit:
        return False
    blocks, rest = divmod(size, block)
    place = 12
    for _ in range(blocks + (rest >= unit)):
        if place + 4 > len(chunk):
            return False
        place += 4 + int.from_bytes(chunk[place : place + 4], "big")
    return place + size % unit == len(chunk)
