"""The formats that can be opened, in the order in which they are tried. A new one is a module and a line here."""

from __future__ import annotations

from pathlib import Path

from clustem.errors import InputError
from clustem.formats import arina, hdf5, merlin, numpy_files, raw, zarr_stores
from clustem.formats.contract import Format

FORMATS: tuple[Format, ...] = (
    arina.FORMAT,
    hdf5.FORMAT,
    numpy_files.NPY,
    numpy_files.NPZ,
    zarr_stores.FORMAT,
    merlin.FORMAT,
    raw.FORMAT,
)


def find_format(path: Path) -> Format:
    """Return the format of an existing file or folder.

    Raises
    ------
    InputError
        If no format recognises it; the message names those there are.
    """
    for candidate in FORMATS:
        if candidate.recognises(path):
            return candidate
    raise InputError(f"{path.name}: the format is not known; supported are {supported_text()}")


def supported_text() -> str:
    """Return the names and endings of the formats for messages."""
    return "; ".join(f"{entry.name} ({', '.join(entry.endings)})" for entry in FORMATS)
