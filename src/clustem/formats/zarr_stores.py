"""Zarr stores, formats 2 and 3, and HyperSpy's .zspy, with zarr 2.18 or 3."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.errors import InputError, MissingFileError
from clustem.formats.assembly import array_scan
from clustem.formats.choosing import Candidate, choose, listing
from clustem.formats.contract import Format, Options, has_ending, reason
from clustem.formats.layouts import stored_calibration
from clustem.scan import Scan

_ENDINGS = (".zarr", ".zspy")
_MARKERS = ("zarr.json", ".zgroup", ".zarray", ".zmetadata")


class _Guarded:
    """A Zarr array whose decompression errors, of any type, are OSError, as the reading of a Scan expects."""

    def __init__(self, array: Any) -> None:
        self._array = array
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.dtype = array.dtype

    def __getitem__(self, key: Any, /) -> NDArray[Any]:
        try:
            return np.asarray(self._array[key])
        except Exception as error:
            raise OSError(f"{type(error).__name__}: {error}") from error


def is_zarr(path: Path) -> bool:
    """Return whether a path is named like a Zarr store or is a folder that holds one."""
    return has_ending(path, _ENDINGS) or (path.is_dir() and any((path / name).exists() for name in _MARKERS))


def open_zarr(path: Path, options: Options) -> Scan:
    """Open the scan in a Zarr store, read-only and lazily.

    Raises
    ------
    MissingFileError
        If the folder holds no Zarr store.
    InputError
        If it cannot be read, holds no scan, or several and `options.dataset` does not choose one.
    """
    root = _open_store(path)
    try:
        array, ancestors, assume_square = _find(root, path, options)
        calibration, notes = stored_calibration((array, *ancestors), tuple(array.shape), options.energy_keV)
    except InputError:
        raise
    except Exception as error:
        raise _unreadable(path, error) from error
    chunks = getattr(array, "shards", None) or array.chunks
    return array_scan(
        _Guarded(array),
        options,
        name=path.name,
        path=path,
        dataset=f"/{array.path}",
        assume_square=assume_square,
        chunks=chunks,
        calibration=calibration,
        assumptions=notes,
    )


def _open_store(path: Path) -> Any:
    import zarr

    if path.is_dir() and not any((path / name).exists() for name in _MARKERS):
        raise MissingFileError(
            f"{path.name}: expected a Zarr store, but the folder has none of {', '.join(_MARKERS)}; "
            "name the folder that has"
        )
    try:
        return zarr.open(str(path) if path.is_dir() else zarr.storage.ZipStore(str(path), mode="r"), mode="r")
    except Exception as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{path.name}: cannot be read as a Zarr store ({type(error).__name__}: {reason(error)}); "
        "it is damaged, incomplete, or written by a newer version of zarr: copy it again or update zarr"
    )


def _find(root: Any, path: Path, options: Options) -> tuple[Any, list[Any], bool]:
    """Return the array, the groups that hold it, nearest first, and whether a square scan may be assumed."""
    if not hasattr(root, "groups"):
        if options.dataset is not None and options.dataset.strip("/"):
            raise InputError(f"{path.name}: is a single Zarr array; leave dataset out")
        return root, [], True
    arrays = {"/" + address: (array, groups) for address, array, groups in _walk(root, "", [root])}
    found = [_candidate(address, array) for address, (array, _) in arrays.items()]
    if options.dataset is None:
        chosen = choose(found, name=path.name, scan_shape=options.scan_shape).address
        return (*arrays[chosen], True)
    wanted = "/" + options.dataset.strip("/")
    if wanted in arrays:
        return (*arrays[wanted], False)
    within = [entry for entry in found if entry.address.startswith(wanted.rstrip("/") + "/")]
    if within:
        return (*arrays[choose(within, name=path.name, scan_shape=options.scan_shape).address], True)
    raise InputError(f"{path.name}: has nothing at {options.dataset!r}; there are\n{listing(found)}")


def _candidate(address: str, array: Any) -> Candidate:
    dtype = np.dtype(array.dtype)
    return Candidate(address, tuple(array.shape), dtype.kind, str(dtype))


def _walk(group: Any, prefix: str, groups: list[Any]) -> Iterator[tuple[str, Any, list[Any]]]:
    """Yield (address, array, groups that hold it, nearest first)."""
    for name, array in group.arrays():
        yield prefix + name, array, groups
    for name, child in group.groups():
        yield from _walk(child, f"{prefix}{name}/", [child, *groups])


FORMAT = Format(
    "Zarr",
    _ENDINGS,
    is_zarr,
    open_zarr,
    ("scan_shape", "dataset"),
    calibration="as HDF5",
    holds_series=True,
)
