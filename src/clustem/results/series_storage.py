"""Results of a series to HDF5 and back."""

from __future__ import annotations

import io
import json
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np
from numpy.typing import NDArray

from clustem.calibration import Calibration
from clustem.errors import InputError
from clustem.results.conventions import CONVENTIONS
from clustem.results.series_record import SeriesResults
from clustem.results.storage import SERIES_FORMAT, opened_results
from clustem.results.stored import read_record, write_record
from clustem.series import Appearances, Drift, Event, Tracks

_VERSION = 2
_ARRAYS = ("labels", "images", "patterns", "centre_px", "times_s", "present")
_TEXTS = ("name", "fingerprint")
Record = TypeVar("Record")


def save_series(results: SeriesResults, path: Path) -> None:
    """Write `results` to the HDF5 file `path`: arrays as datasets, a group for what belongs together, texts as JSON.

    The file is made in memory first, because the HDF5 library cannot be trusted to survive a full disk.
    """
    memory, tracks = io.BytesIO(), results.tracks
    with h5py.File(memory, "w", track_order=True) as file:
        file.attrs["format"] = SERIES_FORMAT
        file.attrs["version"] = _VERSION
        for name in _ARRAYS:
            _write(file, name, getattr(tracks, name))
        _write_record(file.create_group("appearances", track_order=True), tracks.appearances)
        _write_record(file.create_group("drift", track_order=True), tracks.drift)
        if tracks.orientations is not None:
            write_record(file.create_group("orientations", track_order=True), tracks.orientations)
        for name, column in _event_columns(tracks.events).items():
            _write(file.require_group("events"), name, column)
        texts = {
            "tracks": {name: getattr(tracks, name) for name in _TEXTS} | {"warnings": tracks.warnings},
            "calibration": tracks.calibration.to_dict(),
            "recipe": results.recipe,
            "provenance": dict(results.provenance),
            "conventions": CONVENTIONS,
        }
        for name, value in texts.items():  # datasets, because attributes hold no more than 64 kB
            file.create_dataset(f"texts/{name}", data=json.dumps(value, ensure_ascii=False), track_times=False)
    path.write_bytes(memory.getbuffer())


def open_series_results(folder: str | Path) -> SeriesResults:
    """Open a results folder that :func:`clustem.run_series` wrote.

    Parameters
    ----------
    folder : path
        The folder, or the `results.h5` in it.

    Returns
    -------
    SeriesResults

    Raises
    ------
    MissingFileError
        If there is no such folder or it has no results.
    InputError
        If the file is damaged, holds no series, or is of another version.
    """
    with opened_results(folder, "'clustem run' of a series") as (file, path):
        _check_format(file, path)
        texts = {name: json.loads(item[()]) for name, item in file["texts"].items()}
        return SeriesResults(_read_tracks(file, texts), texts["recipe"], texts["provenance"], path.parent)


def _check_format(file: h5py.File, path: Path) -> None:
    if file.attrs.get("format") != SERIES_FORMAT:
        raise InputError(
            f"{path}: expected the results of a series; for those of one scan use open_results, other programs' files "
            "cannot be opened here"
        )
    version = int(file.attrs["version"])
    if version != _VERSION:
        raise InputError(
            f"{path}: has format version {version}, this clustem reads {_VERSION}; "
            + ("upgrade clustem" if version > _VERSION else "run the recipe beside it again")
        )


def _write(group: h5py.Group, name: str, value: Any) -> None:
    array = np.asarray(value)
    array = np.char.encode(array, "utf-8") if array.dtype.kind == "U" else array
    large = {"compression": "gzip", "compression_opts": 4, "shuffle": True} if array.size > 256 else {}
    group.create_dataset(name, data=array, track_times=False, **large)


def _write_record(group: h5py.Group, record: Any) -> None:
    for item in fields(record):
        _write(group, item.name, getattr(record, item.name))


def _read_record(group: h5py.Group, kind: type[Record]) -> Record:
    values = {item.name: group[item.name][()] for item in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value if value.ndim else value.item() for name, value in values.items()})


def _event_columns(events: tuple[Event, ...]) -> dict[str, NDArray[Any]]:
    """Return events as columns; parents and children (E, N), 0 where there are fewer."""
    return {
        "frame": np.array([event.frame for event in events], np.int64),
        "kind": np.array([event.kind for event in events], "U8"),
        "parents": _padded([event.parents for event in events]),
        "children": _padded([event.children for event in events]),
    }


def _padded(rows: list[tuple[int, ...]]) -> NDArray[np.int64]:
    table = np.zeros((len(rows), max((len(row) for row in rows), default=0)), np.int64)
    for line, row in zip(table, rows, strict=True):
        line[: len(row)] = row
    return table


def _read_tracks(file: h5py.File, texts: dict[str, Any]) -> Tracks:
    group = file["events"]
    columns = [group[name][()].tolist() for name in ("frame", "kind", "parents", "children")]
    events = tuple(
        Event(frame, kind.decode(), *(tuple(number for number in row if number) for row in rows))
        for frame, kind, *rows in zip(*columns, strict=True)
    )
    known = texts["tracks"]
    return Tracks(
        **{name: file[name][()] for name in _ARRAYS},
        **{name: known[name] for name in _TEXTS},
        appearances=_read_record(file["appearances"], Appearances),
        events=events,
        drift=_read_record(file["drift"], Drift),
        orientations=read_record(file["orientations"]) if "orientations" in file else None,
        calibration=_calibration(texts["calibration"]),
        warnings=tuple(known["warnings"]),
    )


def _calibration(values: dict[str, Any]) -> Calibration:
    return Calibration.from_dict({k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})
