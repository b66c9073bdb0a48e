"""Finished frames in a folder: written whole or not at all, and found again by what they were made from."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field, fields, is_dataclass
from functools import lru_cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import numpy as np

from clustem.errors import OutputError, is_full_disk
from clustem.scan import Scan
from clustem.segmentation import ALL_CONSTANTS

Record = TypeVar("Record")


@lru_cache(maxsize=1)
def build() -> str:
    """Return what tells this build of the program from others: its version, and a hash of its sources."""
    root = files("clustem")
    return f"{version('clustem')} {sources_of(Path(str(root)))}"


def sources_of(folder: Path) -> str:
    """Return a hash of the Python modules in a folder, names and contents: SHA-256."""
    modules = sorted(folder.rglob("*.py"))
    return made_of(*(part for path in modules for part in (path.relative_to(folder).as_posix(), path.read_bytes())))


def made_of(*parts: Any) -> str:
    """Return a key of arrays, numbers and texts: SHA-256, the same for the same contents."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(f"{part.dtype.str}{part.shape}".encode())
            digest.update(np.ascontiguousarray(part).tobytes())
        else:
            digest.update(repr(part).encode())
        digest.update(b"\0")
    return digest.hexdigest()


@dataclass(frozen=True)
class Store:
    """Records of arrays as files of a folder. `used` are the names of those that were asked for.

    What another build of the program has kept, or this one with other constants, is not found again.
    """

    folder: Path
    used: set[str] = field(default_factory=set)
    program: str = field(default_factory=lambda: made_of(build(), ALL_CONSTANTS))

    def get(self, kind: type[Record], key: str, make: Callable[[], Record]) -> Record:
        """Return the record that is kept under a key, or make and keep it."""
        path = self._path(kind, key)
        kept = _load(path, kind)
        if kept is None:
            kept = make()
            _save(path, kept)
        self.used.add(path.name)
        return kept

    def kept(self, kind: type[Record], key: str) -> Record:
        """Return the record that is kept under a key.

        Raises
        ------
        OutputError
            If it is not there any more, or damaged.
        """
        path = self._path(kind, key)
        record = _load(path, kind)
        if record is None:
            raise OutputError(f"folder: {path} was removed or changed while it was needed; run again")
        return record

    def remove_unused(self, kind: type[Any]) -> None:
        """Remove the records of a kind that were not asked for, and what a killed program left half written."""
        for path in self.folder.glob(f"{_prefix(kind)}*.npz"):
            if path.name not in self.used:
                path.unlink(missing_ok=True)
        for path in self.folder.glob(".*.npz.*.partial"):
            path.unlink(missing_ok=True)

    def has(self, kind: type[Any], key: str) -> bool:
        """Return whether there is a whole record under a key."""
        return _load(self._path(kind, key), kind) is not None

    def _path(self, kind: type[Any], key: str) -> Path:
        return self.folder / f"{_prefix(kind)}{made_of(self.program, key)[:24]}.npz"


def _prefix(kind: type[Any]) -> str:
    return f"{kind.__name__.lower()}-"


def key_of(scan: Scan) -> str:
    """Return what tells a scan from others without reading it whole: shape, calibration, and four rows of it."""
    last = scan.shape[0] - 1
    rows = sorted({0, min(1, last), scan.shape[0] // 2, last})  # the second one tells whether rows are turned round
    size = scan.path.stat().st_size if scan.path is not None and scan.path.is_file() else 0
    return made_of(scan.shape, scan.dtype.str, scan.calibration.to_dict(), size, *(scan.read(k, k + 1) for k in rows))


def _save(path: Path, record: Any) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            np.savez(file, **_arrays(record))
        partial.replace(path)
    except OSError as error:
        cause = "the disk is full" if is_full_disk(error) else str(error)
        raise OutputError(f"folder: {path.parent} cannot be written to: {cause}; choose another place") from error
    finally:
        if partial.exists():
            partial.unlink()


def _arrays(record: Any, prefix: str = "") -> dict[str, Any]:
    """Return the fields of a record, and of records in it, as arrays."""
    arrays: dict[str, Any] = {}
    for item in fields(record):
        value, name = getattr(record, item.name), prefix + item.name
        arrays |= _arrays(value, f"{name}.") if is_dataclass(value) else {name: np.asarray(value)}
    return arrays


def _load(path: Path, kind: type[Record]) -> Record | None:
    """Return a record from its file, None if there is none or it is damaged."""
    if not path.is_file():
        return None
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            record: Record = _record(kind, file)
            return record
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):
        return None


def _record(kind: Any, file: Any, prefix: str = "") -> Any:
    values = {}
    types = get_type_hints(kind)
    for item in fields(kind):
        name = prefix + item.name
        if is_dataclass(types[item.name]):
            values[item.name] = _record(types[item.name], file, f"{name}.")
        else:
            values[item.name] = file[name] if file[name].ndim else file[name].item()
    return kind(**values)
