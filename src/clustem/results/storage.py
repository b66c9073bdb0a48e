"""Records to HDF5 and back."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from clustem.averaging import Averages
from clustem.calibration import Calibration
from clustem.errors import InputError, MissingFileError
from clustem.formats.heaps import heap_checks
from clustem.results.conventions import CONVENTIONS
from clustem.results.record import Results
from clustem.segmentation import (
    Domains,
    LabelsParameters,
    MergeTree,
    Mixture,
    NoiseAwareParameters,
    PublishedParameters,
    Quality,
)
from clustem.surveying import NoiseModel, Survey

FILE_NAME = "results.h5"
_FORMAT = "clustem results"
_VERSION = 2  # 2: with chi squared of averages and quality of domains
_CALIBRATION = "calibration"
_RECORDS = {
    record.__name__: record
    for record in (
        Survey,
        NoiseModel,
        Domains,
        Averages,
        MergeTree,
        Mixture,
        Quality,
        NoiseAwareParameters,
        PublishedParameters,
        LabelsParameters,
    )
}


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
        for name in ("survey", "domains", "averages"):
            _write_record(file.create_group(name, track_order=True), getattr(results, name))
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
    path = Path(folder)
    path = path / FILE_NAME if path.is_dir() else path
    if not path.is_file():
        raise MissingFileError(
            f"{path}: there are no results; expected a folder made by 'clustem run', with {FILE_NAME}"
        )
    try:
        with heap_checks() as checks:
            file = checks.file(path)
            _check_format(file, path)
            return Results(
                survey=_read_record(file["survey"]),
                domains=_read_record(file["domains"]),
                averages=_read_record(file["averages"]),
                recipe=json.loads(file.attrs["recipe"]),
                provenance=json.loads(file.attrs["provenance"]),
                path=path.parent,
            )
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: cannot be read as results ({error}); run the recipe beside it again") from error


def _check_format(file: h5py.File, path: Path) -> None:
    if file.attrs.get("format") != _FORMAT:
        raise InputError(f"{path}: expected a file written by clustem, this is another program's")
    version = int(file.attrs["version"])
    if version > _VERSION:
        raise InputError(f"{path}: has format version {version}, this clustem reads {_VERSION}; upgrade clustem")
    if version < _VERSION:
        raise InputError(
            f"{path}: has format version {version} of an earlier clustem, this one reads {_VERSION}; run the recipe "
            "beside it again"
        )


def _write_record(group: h5py.Group, record: Any) -> None:
    group.attrs["record"] = type(record).__name__
    for field in fields(record):
        value = getattr(record, field.name)
        if isinstance(value, np.ndarray):
            large = {"compression": "gzip", "compression_opts": 4, "shuffle": True} if value.size > 256 else {}
            group.create_dataset(field.name, data=value, track_times=False, **large)
        elif isinstance(value, Calibration):
            group.attrs[_CALIBRATION] = json.dumps(value.to_dict())
        elif is_dataclass(value):
            _write_record(group.create_group(field.name, track_order=True), value)
        elif value is not None:
            group.attrs[field.name] = json.dumps(value, default=lambda number: number.item())


def _read_record(group: h5py.Group) -> Any:
    record = _RECORDS[group.attrs["record"]]
    values: dict[str, Any] = {}
    for field in fields(record):
        if field.name in group:
            item = group[field.name]
            values[field.name] = _read_record(item) if isinstance(item, h5py.Group) else item[()]
        elif field.name in group.attrs:
            value = json.loads(group.attrs[field.name])
            values[field.name] = _frozen(Calibration.from_dict(value) if field.name == _CALIBRATION else value)
    return record(**values)


def _frozen(value: Any) -> Any:
    return (
        tuple(_frozen(item) for item in value) if isinstance(value, list) and not isinstance(value, Mapping) else value
    )
