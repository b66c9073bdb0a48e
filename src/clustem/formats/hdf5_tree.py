"""Looking through HDF5 files: opening them, following their links, and the datasets they hold."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clustem.errors import InputError, MissingFileError
from clustem.formats.choosing import Candidate
from clustem.formats.heaps import HeapChecks, heap_checks, link_of, linked_path

UNREADABLE = (KeyError, OSError, RuntimeError, ValueError)  # what h5py raises where a file is damaged


@dataclass(frozen=True)
class BrokenLink:
    """A link whose target is not there; `file` is None for one within the same file."""

    address: str
    file: Path | None


def open_hdf5_file(path: Path) -> Any:
    """Return the h5py.File, with the plugins for compressed data loaded.

    Raises
    ------
    InputError
        If it is no HDF5 file, or an incomplete or damaged one.
    """
    import h5py
    import hdf5plugin  # noqa: F401  (registers the filters)

    try:
        return h5py.File(path, "r")
    except (OSError, RuntimeError, ValueError) as error:
        text = str(error)
        if "signature not found" in text:
            reason = "it is not an HDF5 file although it is named like one"
        elif "truncated" in text or "eof" in text.lower():
            reason = f"it is incomplete ({path.stat().st_size} bytes): copy or download it again"
        elif "lock" in text:
            reason = "another program has it open for writing: close that program, or copy the file"
        else:
            reason = "it is damaged: copy or download it again"
        raise InputError(f"{path.name}: cannot be opened, {reason} [{text}]") from error


def hdf5_holds(path: Path, test: Callable[[Any], bool]) -> bool:
    """Return what `test` says of an HDF5 file; False for one that cannot be read, which is found out on opening it."""
    try:
        with heap_checks() as checks:
            return test(checks.file(path))
    except UNREADABLE:
        return False


def walk(group: Any, checks: HeapChecks, start: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (address, dataset or BrokenLink) below a group; links are followed, each dataset comes once.

    `start` is the address that led to the group, by links or not.
    """
    import h5py

    seen = {_identity(group)}
    waiting = [(start.rstrip("/"), group)]
    while waiting:
        above, parent = waiting.pop()
        for name in parent:
            address = f"{above}/{name}"
            try:
                node = checks.node(parent, name)
                identity = _identity(node)
            except UNREADABLE as error:
                yield address, broken_link(parent, name, address, error)
                continue
            if identity in seen:
                continue
            seen.add(identity)
            if isinstance(node, h5py.Dataset):
                yield address, node
            elif isinstance(node, h5py.Group):
                waiting.append((address, node))


def _identity(node: Any) -> tuple[str, int]:
    """Return what tells objects apart. The file's number does not: a linked file gets a new one when opened again."""
    import h5py

    return os.path.realpath(node.file.filename), int(h5py.h5o.get_info(node.id).addr)


def broken_link(parent: Any, name: str, address: str, error: Exception) -> BrokenLink:
    """Return what is known of a link that cannot be followed because of an error."""
    if isinstance(error, FileNotFoundError):
        return BrokenLink(address, Path(error.filename))
    try:
        link = link_of(parent, name)
    except UNREADABLE:
        return BrokenLink(address, None)
    if link is None or link.file is None:
        return BrokenLink(address, None)
    return BrokenLink(address, linked_path(Path(parent.file.filename), link.file))


def missing_data_file(link: BrokenLink, path: Path) -> InputError:
    """Return the error for a link that leads nowhere."""
    if link.file is not None and not link.file.exists():
        return MissingFileError(
            f"{path.name}: its data are in another file, {link.file.name}, which is not there; "
            f"copy {link.file.name} into {link.file.parent}"
        )
    where = f" in {link.file.name}" if link.file is not None else ""
    return InputError(f"{path.name}: {link.address} leads to data{where} that cannot be read: copy the files again")


def candidate(address: str, dataset: Any) -> Candidate:
    """Return a dataset as one line of the choice; one without values has no axes."""
    try:
        shape, dtype = tuple(dataset.shape or ()), dataset.dtype
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        return Candidate(address, (), "V", f"unreadable type ({error})")
    return Candidate(address, shape, dtype.kind, str(dtype) if dtype.names is None else "record")


def check_readable(dataset: Any, path: Path) -> None:
    """Raise InputError if a dataset needs a filter that is not installed, or a source that cannot be read."""
    import h5py

    pipeline = dataset.id.get_create_plist()
    for k in range(pipeline.get_nfilters()):
        number, _, _, name = pipeline.get_filter(k)
        if not h5py.h5z.filter_avail(number):
            raise InputError(
                f"{path.name}: {dataset.name} is compressed with HDF5 filter {number} "
                f"({name.decode('utf-8', 'replace')}), which is not installed; update hdf5plugin, "
                "or write the file again with a common compression such as gzip"
            )
    if dataset.is_virtual:
        _check_sources(dataset, Path(dataset.file.filename), path, set())


def _check_sources(dataset: Any, own: Path, path: Path, known: set[tuple[Path, str]]) -> None:
    """Raise InputError if a source of a virtual dataset cannot be read; the library takes it for zeros, or hangs.

    `own` is the file of the dataset, `path` the one that is opened, `known` are the sources that were checked.
    """
    for source in dataset.virtual_sources():
        file = own if source.file_name == "." else linked_path(own, source.file_name)
        if (file, source.dset_name) in known:
            continue
        known.add((file, source.dset_name))
        try:
            with heap_checks() as checks:  # one file after the other: there may be more than can be open
                found, part = checks.examined(str(file), source.dset_name)
                if part.is_virtual:
                    _check_sources(part, Path(found), path, known)
        except InputError:
            raise
        except UNREADABLE as error:
            lost = Path(error.filename) if isinstance(error, FileNotFoundError) else file
            raise missing_data_file(BrokenLink(dataset.name, lost), path) from error
