"""Records as groups of HDF5 files: arrays and columns of tables as datasets, all else as JSON attributes."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from typing import Any

import h5py
import numpy as np
import pandas as pd

from clustem.averaging import Averages
from clustem.calibration import Calibration
from clustem.crystallography import Crystal, Orientations, Peaks, PositionMaps, Site, Strain
from clustem.segmentation import (
    Domains,
    LabelsParameters,
    MergeTree,
    Mixture,
    NoiseAwareParameters,
    PublishedParameters,
    Quality,
)
from clustem.series import TrackOrientations
from clustem.surveying import NoiseModel, Survey

_KIND = "record"  # the attribute that says what a group is
_TABLE, _SEQUENCE = "table", "sequence"
_TEXT, _JSON = "text", "json"  # attributes of datasets that are no plain numbers
_LONGEST = 30_000  # bytes of an attribute; HDF5 takes 64 kB for all of an object
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
        Peaks,
        Orientations,
        Crystal,
        Site,
        Strain,
        PositionMaps,
        TrackOrientations,
    )
}


def write_record(group: h5py.Group, record: Any) -> None:
    """Write a record of the package into an empty group."""
    group.attrs[_KIND] = type(record).__name__
    for field in fields(record):
        _write(group, field.name, getattr(record, field.name))


def read_record(group: h5py.Group) -> Any:
    """Return the record that a group holds."""
    record = _RECORDS[group.attrs[_KIND]]
    values: dict[str, Any] = {}
    for field in fields(record):
        if field.name in group:
            values[field.name] = _read(group[field.name])
        elif field.name in group.attrs:
            value = json.loads(group.attrs[field.name])
            values[field.name] = Calibration.from_dict(value) if field.name == _CALIBRATION else _frozen(value)
    return record(**values)


def _write(group: h5py.Group, name: str, value: Any) -> None:
    if isinstance(value, np.ndarray):
        _write_array(group, name, value)
    elif isinstance(value, Calibration):
        group.attrs[name] = json.dumps(value.to_dict())
    elif isinstance(value, pd.DataFrame):
        _write_table(group.create_group(name, track_order=True), value)
    elif is_dataclass(value):
        write_record(group.create_group(name, track_order=True), value)
    elif isinstance(value, tuple) and value and is_dataclass(value[0]):
        part = group.create_group(name, track_order=True)
        part.attrs[_KIND] = _SEQUENCE
        for number, item in enumerate(value):
            _write(part, str(number), item)
    elif value is not None:
        _write_json(group, name, json.dumps(value, default=lambda number: number.item()))


def _write_json(group: h5py.Group, name: str, text: str) -> None:
    if len(text) <= _LONGEST:
        group.attrs[name] = text
        return
    _write_array(group, name, np.frombuffer(text.encode(), np.uint8))
    group[name].attrs[_JSON] = True


def _write_array(group: h5py.Group, name: str, value: np.ndarray[Any, Any]) -> None:
    text = value.dtype.kind == "U"
    data = np.char.encode(value, "utf-8") if text else value
    large = {"compression": "gzip", "compression_opts": 4, "shuffle": True} if value.size > 256 else {}
    group.create_dataset(name, data=data, track_times=False, **large)
    if text:
        group[name].attrs[_TEXT] = True


def _write_table(group: h5py.Group, table: pd.DataFrame) -> None:
    group.attrs[_KIND] = _TABLE
    for name, column in table.items():
        values = column.to_numpy()
        _write_array(group, str(name), values if values.dtype.kind in "biuf" else values.astype(np.str_))


def _read(item: h5py.Group | h5py.Dataset) -> Any:
    if isinstance(item, h5py.Dataset):
        value = item[()]
        if item.attrs.get(_JSON):
            return _frozen(json.loads(value.tobytes()))
        return np.char.decode(value, "utf-8") if item.attrs.get(_TEXT) else value
    if item.attrs[_KIND] == _TABLE:
        columns = {name: _read(item[name]) for name in item}
        return pd.DataFrame({name: v.astype(object) if v.dtype.kind == "U" else v for name, v in columns.items()})
    if item.attrs[_KIND] == _SEQUENCE:
        return tuple(_read(item[str(number)]) for number in range(len(item)))
    return read_record(item)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
