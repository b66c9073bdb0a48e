"""HDF5 files of any layout: the 4-D dataset in them is the scan (also EMD 1.0, HyperSpy, NeXus)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clustem.errors import InputError
from clustem.formats.assembly import array_scan
from clustem.formats.choosing import choose, listing
from clustem.formats.chunks import checked
from clustem.formats.companions import main_file
from clustem.formats.contract import Format, Options, first_bytes, has_ending
from clustem.formats.hdf5_tree import (
    UNREADABLE,
    BrokenLink,
    broken_link,
    candidate,
    check_readable,
    missing_data_file,
    open_hdf5_file,
    walk,
)
from clustem.formats.heaps import HeapChecks, heap_checks, link_of
from clustem.formats.layouts import stored_calibration
from clustem.scan import Scan

_ENDINGS = (".h5", ".hdf5", ".hdf", ".he5", ".emd", ".hspy", ".nxs", ".nx5")
_CALIBRATION = "all that attributes, EMD or HyperSpy hold"
_MAGIC = b"\x89HDF\r\n\x1a\n"


def is_hdf5(path: Path) -> bool:
    """Return whether a file is named or begins like HDF5."""
    return path.is_file() and (has_ending(path, _ENDINGS) or first_bytes(path, len(_MAGIC)) == _MAGIC)


def open_hdf5(path: Path, options: Options) -> Scan:
    """Open the scan in an HDF5 file without reading it.

    Raises
    ------
    MissingFileError
        If the data are in another file that is not there.
    InputError
        If the file is damaged, holds no scan, or several and `options.dataset` does not choose one.
    """
    file = open_hdf5_file(path)
    with heap_checks() as checks:
        address, dataset, assume_square = _find(file, path, options, checks)
        check_readable(dataset, path)
        nodes = [checks.twin(node) for node in (dataset, *_ancestors(file, address, dataset, checks))]
        calibration, notes = stored_calibration(nodes, dataset.shape, options.energy_keV)
    return array_scan(
        checked(dataset),
        options,
        name=path.name,
        path=path,
        dataset=address,
        assume_square=assume_square,
        chunks=dataset.chunks,
        calibration=calibration,
        assumptions=notes,
    )


def _ancestors(file: Any, address: str, dataset: Any, checks: HeapChecks) -> list[Any]:
    """Return the groups that hold a dataset, nearest first, and those that hold the link to it, if it is one.

    What is beside a link in the same file describes the axes; another file describes its own.
    """
    groups = _with_parents(dataset.parent)
    linked = _with_parents(checks.node(file, address.rpartition("/")[0]))
    if linked[0] == groups[0]:
        return groups
    return linked + groups if dataset.file.filename == file.filename else groups + linked


def _with_parents(group: Any) -> list[Any]:
    groups = [group]
    while groups[-1].name not in ("/", None):
        groups.append(groups[-1].parent)
    return groups


def _find(file: Any, path: Path, options: Options, checks: HeapChecks) -> tuple[str, Any, bool]:
    """Return address and dataset, and whether a square number of patterns may be taken as a square scan."""
    import h5py

    start = "" if options.dataset is None else "/" + options.dataset.strip("/")
    node = file if not start else _node(file, path, start, checks)
    if isinstance(node, h5py.Dataset):
        return start, node, False
    arrays: dict[str, Any] = {}
    broken: list[BrokenLink] = []
    for address, item in walk(node, checks, start):
        if isinstance(item, BrokenLink):
            broken.append(item)
        else:
            arrays[address] = item
    found = [candidate(address, item) for address, item in arrays.items()]
    try:
        chosen = choose(found, name=path.name, scan_shape=options.scan_shape).address
    except InputError:
        lengths = {len(c.shape) for c in found}
        lost = [link for link in broken if link.file is not None and not link.file.exists()]
        if lost and 4 not in lengths:
            raise missing_data_file(lost[0], path) from None
        if broken and not lengths & {3, 4, 5}:
            raise missing_data_file(broken[0], path) from None
        main = main_file(path)
        if main is not None:
            raise InputError(f"{path.name}: only belongs to a measurement; open that itself, {main.name}") from None
        raise
    return chosen, arrays[chosen], True


def _node(file: Any, path: Path, address: str, checks: HeapChecks) -> Any:
    """Return what is at an address that the caller gave."""
    try:
        return checks.node(file, address)
    except UNREADABLE as error:
        lost = _unreadable(file, address, checks, error)
        if lost is not None:
            raise missing_data_file(lost, path) from error
        known = [candidate(where, item) for where, item in walk(file, checks) if not isinstance(item, BrokenLink)]
        raise InputError(f"{path.name}: has nothing at {address!r}; there are\n{listing(known)}") from error


def _unreadable(file: Any, address: str, checks: HeapChecks, error: Exception) -> BrokenLink | None:
    """Return what cannot be read at an address; None if there is nothing."""
    parent, _, name = address.rpartition("/")
    try:
        holder = checks.node(file, parent)
        link_of(holder, name)
    except FileNotFoundError as missing:
        return BrokenLink(address, Path(missing.filename))
    except UNREADABLE:
        return None
    return broken_link(holder, name, address, error)


FORMAT = Format(
    "HDF5",
    _ENDINGS,
    is_hdf5,
    open_hdf5,
    ("scan_shape", "dataset"),
    calibration=_CALIBRATION,
    holds_series=True,
)
