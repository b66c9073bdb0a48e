"""The same scan in files of several formats, for the benchmark of reading."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import zarr
from synthetic import Counts

_MERLIN_HEADER = 384


@dataclass(frozen=True)
class Format:
    """A way to store a scan: its name in the tables, the name of the file, and what writes it."""

    name: str
    file: str
    write: Callable[[Path, Counts], None]
    needs_scan_shape: bool = False


def write_npy(path: Path, counts: Counts) -> None:
    """Write NumPy's own format."""
    np.save(path, counts, allow_pickle=False)


def write_hdf5(path: Path, counts: Counts) -> None:
    """Write an HDF5 file without chunks and compression."""
    _write_hdf5(path, counts, {})


def write_hdf5_patterns(path: Path, counts: Counts) -> None:
    """Write an HDF5 file, bitshuffle and LZ4, each pattern a chunk."""
    _write_hdf5(path, counts, {"chunks": (1, 1, *counts.shape[2:]), **hdf5plugin.Bitshuffle(cname="lz4")})


def write_hdf5_rows(path: Path, counts: Counts) -> None:
    """Write an HDF5 file, bitshuffle and LZ4, each scan row a chunk."""
    _write_hdf5(path, counts, {"chunks": (1, *counts.shape[1:]), **hdf5plugin.Bitshuffle(cname="lz4")})


def _write_hdf5(path: Path, counts: Counts, options: dict[str, Any]) -> None:
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("counts", counts.shape, counts.dtype, **options)
        for y, row in enumerate(counts):
            dataset[y] = row


def write_zarr(path: Path, counts: Counts) -> None:
    """Write a Zarr store with the compression that Zarr chooses, each scan row a chunk."""
    chunks = (1, *counts.shape[1:])
    store = zarr.open(str(path), mode="w", shape=counts.shape, chunks=chunks, dtype=counts.dtype)
    for y, row in enumerate(counts):
        store[y] = row


def write_mib(path: Path, counts: Counts) -> None:
    """Write a Merlin file of 16-bit frames, high byte first and bottom row first, each after its header."""
    height, width = counts.shape[2:]
    with path.open("wb") as file:
        for number, pattern in enumerate(counts.reshape(-1, height, width)):
            text = (
                f"MQ1,{number + 1:06},{_MERLIN_HEADER:05},01,{width:04},{height:04},U16,   1x1,01,"
                "2021-05-07 18:51:00.000000,0.100000,0,0,0,4.0E+1,5.11E+2,3RX,068,511,MQ1A,"
                "2021-05-07T18:51:00.000000000Z,100000ns,12,"
            )
            file.write(text.encode().ljust(_MERLIN_HEADER, b"\0"))
            file.write(pattern[::-1].astype(">u2").tobytes())


FORMATS = (
    Format("npy", "scan.npy", write_npy),
    Format("HDF5, plain", "plain.h5", write_hdf5),
    Format("HDF5, bitshuffle+LZ4, chunk = pattern", "patterns.h5", write_hdf5_patterns),
    Format("HDF5, bitshuffle+LZ4, chunk = scan row", "rows.h5", write_hdf5_rows),
    Format("Zarr, chunk = scan row", "scan.zarr", write_zarr),
    Format("Merlin .mib", "scan.mib", write_mib, needs_scan_shape=True),
)


def files_of(path: Path) -> Iterator[Path]:
    """Yield a file, or all files below a folder."""
    return iter([path]) if path.is_file() else (entry for entry in path.rglob("*") if entry.is_file())


def stored_bytes(path: Path) -> int:
    """Return the size on disk."""
    return sum(entry.stat().st_size for entry in files_of(path))


def forget_cached(path: Path) -> bool:
    """Make the system drop what it holds of the files in memory; returns False where it cannot be asked to."""
    if not hasattr(os, "posix_fadvise"):
        return False
    for entry in files_of(path):
        descriptor = os.open(entry, os.O_RDONLY)
        try:
            os.fsync(descriptor)  # what is not on disk yet cannot be dropped
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)
    return True
