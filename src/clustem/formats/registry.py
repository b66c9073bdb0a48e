"""The formats that can be opened, in the order in which they are tried. A new one is a module and a line here."""

from __future__ import annotations

from pathlib import Path

from clustem.errors import InputError
from clustem.formats import (
    arina,
    blockfile,
    digital_micrograph,
    empad,
    fpd,
    hdf5,
    merlin,
    mrc,
    numpy_files,
    panta_rhei,
    raw,
    tia,
    topspin,
    tvips,
    velox,
    zarr_stores,
)
from clustem.formats.companions import described_movie, main_file
from clustem.formats.contract import Format

FORMATS: tuple[Format, ...] = (
    arina.FORMAT,
    topspin.FORMAT,
    fpd.FORMAT,
    velox.FORMAT,
    hdf5.FORMAT,
    numpy_files.NPY,
    numpy_files.NPZ,
    zarr_stores.FORMAT,
    merlin.FORMAT,
    empad.FORMAT,
    mrc.FORMAT,
    digital_micrograph.FORMAT,
    blockfile.FORMAT,
    tvips.FORMAT,
    tia.FORMAT,
    panta_rhei.FORMAT,
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
    main = main_file(path)
    if main is not None:
        raise InputError(f"{path.name}: only belongs to a measurement; open that itself, {main.name}")
    movie = described_movie(path)
    if movie is not None:
        raise InputError(f"{path.name}: only belongs to a movie, {movie}, which is not beside it; open that")
    raise InputError(f"{path.name}: the format is not known; supported are {supported_text()}")


def supported_text() -> str:
    """Return the names and endings of the formats for messages."""
    return "; ".join(f"{entry.name} ({', '.join(entry.endings)})" for entry in FORMATS)


def formats_text() -> str:
    """Return the table of formats: endings, whether they are read lazily (in parts), and what calibration is read."""
    rows = [(f.name, " ".join(f.endings), _lazy(f), f.calibration) for f in FORMATS]
    table = [("format", "files", "lazy", "calibration"), *rows]
    widths = [max(len(row[column]) for row in table) for column in range(3)]
    lines = ["  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[3]]) for row in table]
    return "\n".join(line.rstrip() for line in lines)


def _lazy(entry: Format) -> str:
    return "unless compressed" if entry.loads_compressed else "yes"
