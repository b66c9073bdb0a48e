"""Records to HDF5 and back."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from clustem.errors import InputError, MissingFileError
from clustem.formats.heaps import heap_checks
from clustem.results.conventions import CONVENTIONS
from clustem.results.record import Results
from clustem.results.stored import read_record, write_record

FILE_NAME = "results.h5"
_FORMAT, SERIES_FORMAT = "clustem results", "clustem series"
_VERSION = 3  # 2: with chi squared of averages and quality of domains; 3: with crystallography
_OLDEST = 2
_ALWAYS = ("survey", "domains", "averages")
_PARTS = (*_ALWAYS, "peaks", "orientations", "strain", "position_maps")


def save_results(results: Results, path: Path) -> None:
    """Write `results` to the HDF5 file `path`: a group per record, arrays as datasets, all else as JSON attributes.

    The file is made in memory first, because the HDF5 library cannot be trusted to survive a full disk.
    """
    memory = io.BytesIO()
    with h5py.File(memory, "w", track_order=True) as file:
        file.attrs["format"] = _FORMAT
        file.attrs["version"] = _VERSION
        file.attrs["conventions"] = "\n".join(CONVENTIONS)
        file.attrs["recipe"] = json.dumps(results.recipe)
        file.attrs["provenance"] = json.dumps(dict(results.provenance))
        for name in _PARTS:
            record = getattr(results, name)
            if record is not None:
                write_record(file.create_group(name, track_order=True), record)
    path.write_bytes(memory.getbuffer())


def open_results(folder: str | Path) -> Results:
    """Open a results folder that :func:`clustem.run` wrote.

    Parameters
    ----------
    folder : path
        The folder, or the `results.h5` in it.

    Returns
    -------
    Results

    Raises
    ------
    MissingFileError
        If there is no such folder or it has no results.
    InputError
        If the file is damaged, of another program, or of another version.
    """
    with opened_results(folder, "'clustem run'") as (file, path):
        _check_format(file, path)
        return Results(
            **{name: read_record(file[name]) for name in _PARTS if name in file or name in _ALWAYS},
            recipe=json.loads(file.attrs["recipe"]),
            provenance=json.loads(file.attrs["provenance"]),
            path=path.parent,
        )


@contextmanager
def opened_results(folder: str | Path, maker: str) -> Iterator[tuple[h5py.File, Path]]:
    """Open the `results.h5` of a folder, or the file itself, and give it with its path; what is damaged is said."""
    path = Path(folder)
    path = path / FILE_NAME if path.is_dir() else path
    if not path.is_file():
        raise MissingFileError(f"{path}: there are no results; expected a folder made by {maker}, with {FILE_NAME}")
    try:
        with heap_checks() as checks:
            yield checks.file(path), path
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: cannot be read as results ({error}); run the recipe beside it again") from error


def _check_format(file: h5py.File, path: Path) -> None:
    if file.attrs.get("format") == SERIES_FORMAT:
        raise InputError(f"{path}: holds the results of a series; open them with open_series_results")
    if file.attrs.get("format") != _FORMAT:
        raise InputError(f"{path}: expected a file written by clustem, this is another program's")
    version = int(file.attrs["version"])
    if version > _VERSION:
        raise InputError(f"{path}: has format version {version}, this clustem reads {_VERSION}; upgrade clustem")
    if version < _OLDEST:
        raise InputError(
            f"{path}: has format version {version} of an earlier clustem, this one reads {_OLDEST} to {_VERSION}; run "
            "the recipe beside it again"
        )
