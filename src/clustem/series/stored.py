"""Series inside one file: a 5-D array, or several 4-D arrays of the same shape."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from clustem.errors import InputError
from clustem.formats.axes import as_text
from clustem.formats.hdf5 import is_hdf5
from clustem.formats.hdf5_tree import UNREADABLE, BrokenLink, open_hdf5_file, walk
from clustem.formats.heaps import HeapChecks, heap_checks
from clustem.formats.signals import is_array
from clustem.formats.zarr_stores import is_zarr
from clustem.series.naming import are_numbered, is_other_than_time, natural_key
from clustem.series.times import is_time_axis, time_of

_FIVE_AXES = 5
_UNTOLD = ("", "<undefined>", "none", "px", "pixel", "pixels", "1")


@dataclass(frozen=True, eq=False)
class Stored:
    """Several scans in one file.

    Attributes
    ----------
    array : array or None
        The 5-D array, if they are in one.
    addresses : list of str
        Of the 4-D arrays, in natural order, if they are not.
    times : list of float
        Their times in s, NaN where the file does not tell.
    in_time : bool
        Whether they can be taken for one after the other in time: arrays that have times or are numbered, not as depths
        or the like, or an array whose first axis is not said to be anything else.
    """

    array: Any = None
    addresses: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    in_time: bool = True

    @property
    def number(self) -> int:
        """How many scans there are."""
        return len(self.addresses) if self.array is None else int(self.array.shape[0])


def stored_frames(path: Path, dataset: str | None) -> Stored | None:
    """Return the scans that a file holds; None if it is one scan.

    Raises
    ------
    InputError
        If the file is damaged, or holds several 5-D arrays and `dataset` does not choose one.
    """
    if is_hdf5(path):
        return _in_hdf5(path, dataset)
    array = _whole_array(path, dataset)
    return Stored(array) if array is not None else None


def _whole_array(path: Path, dataset: str | None) -> Any:
    """Return the 5-D array of a NumPy file or a Zarr store, if it is one."""
    if not is_zarr(path):
        try:
            array = np.load(path, mmap_mode="r")
        except (OSError, ValueError) as error:
            raise InputError(f"{path.name}: cannot be opened ({error}); copy it again") from error
    else:
        import zarr

        store: Any = zarr.open(str(path), mode="r")
        array = store if is_array(store) else store.get(dataset) if dataset else None
    return array if array is not None and len(getattr(array, "shape", ())) == 5 else None


def _in_hdf5(path: Path, dataset: str | None) -> Stored | None:
    file = open_hdf5_file(path)
    with heap_checks() as checks:
        node = file if dataset is None else _node(file, path, dataset, checks)
        start = "" if dataset is None else "/" + dataset.strip("/")
        items = [(start, node)] if is_array(node) else list(walk(node, checks, start))
        return _series_among(items, path, checks)


def _node(file: Any, path: Path, dataset: str, checks: HeapChecks) -> Any:
    try:
        return checks.node(file, dataset)
    except UNREADABLE as error:
        raise InputError(
            f"{path.name}: has nothing at {dataset!r}, or it cannot be read; leave dataset out to see what there is"
        ) from error


def _series_among(items: list[tuple[str, Any]], path: Path, checks: HeapChecks) -> Stored | None:
    """Return the series among what an HDF5 file holds: an array of five axes, or several scans of one shape."""
    arrays = [
        (address, item) for address, item in items if not isinstance(item, BrokenLink) and item.dtype.kind in "buif"
    ]
    five = [(address, item) for address, item in arrays if len(item.shape or ()) == 5 and min(item.shape) > 0]
    if len(five) > 1:
        found = ", ".join(sorted(address for address, _ in five))
        raise InputError(f"{path.name}: {len(five)} 5-D arrays can be the series: {found}; choose one with dataset=")
    if five:
        return Stored(five[0][1], in_time=_first_axis_can_be_time(checks.twin(five[0][1])))
    scans = [(address, item) for address, item in arrays if len(item.shape or ()) == 4 and min(item.shape) > 1]
    if len(scans) < 2:
        return None
    shapes = Counter(item.shape for _, item in scans)
    shape = max(shapes, key=lambda key: (shapes[key], key))
    chosen = sorted((pair for pair in scans if pair[1].shape == shape), key=lambda pair: natural_key(pair[0]))
    addresses, times = [address for address, _ in chosen], [time_of(checks.twin(item)) for _, item in chosen]
    told = len(set(times)) == len(times) and all(math.isfinite(time) for time in times)
    return Stored(None, addresses, times, told or are_numbered(addresses))


def _first_axis_can_be_time(node: Any) -> bool:
    """Return whether an HDF5 dataset, or what stands beside it, says that its first axis is time, or nothing of it."""
    try:
        told = [(as_text(name), as_text(units)) for name, units in _first_axis(node)]
    except UNREADABLE:
        return True
    other = any(is_other_than_time(name) or units.strip().lower() not in _UNTOLD for name, units in told)
    return any(is_time_axis(name, units) for name, units in told) or not other


def _first_axis(node: Any) -> Iterator[tuple[Any, Any]]:
    """Yield (name, units) of the first axis: a label, as HyperSpy and EMD write them, and as NeXus does."""
    yield node.dims[0].label, ""
    group = node.parent
    for name in ("axis-0", "dim0" if "dim0" in group else "dim1"):
        if name in group:
            yield group[name].attrs.get("name", ""), group[name].attrs.get("units", "")
    axes = np.atleast_1d(group.attrs.get("axes", []))
    if axes.size == _FIVE_AXES:
        yield axes[0], ""
