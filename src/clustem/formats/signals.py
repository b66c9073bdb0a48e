"""Scans that are already in memory or open: arrays, and the signals of HyperSpy and py4DSTEM (neither is imported)."""

from __future__ import annotations

from typing import Any

import numpy as np

from clustem.calibration import Calibration
from clustem.errors import InputError
from clustem.formats.assembly import array_scan
from clustem.formats.axes import Axis, from_axes, from_named_values
from clustem.formats.contract import Options
from clustem.formats.layouts import emd_calibration
from clustem.scan import Scan


def open_object(source: Any, options: Options) -> Scan:
    """Return the scan that an array, or an object with an array as `data`, holds.

    Raises
    ------
    InputError
        If it is neither, or its shape is not that of a scan.
    """
    if hasattr(source, "axes_manager"):
        calibration, notes = _hyperspy_calibration(source, options.energy_keV)
        return _from_array(source.data, options, _title(source), calibration, notes)
    if hasattr(getattr(source, "calibration", None), "get_Q_pixel_size"):
        calibration, notes = emd_calibration(_py4dstem_getter(source.calibration), options.energy_keV)
        return _from_array(source.data, options, str(getattr(source, "name", "array")), calibration, notes)
    if is_array(source):
        return _from_array(source, options, "array", Calibration(), ())
    if is_array(getattr(source, "data", None)):
        return _from_array(source.data, options, "array", Calibration(), ())
    raise InputError(
        f"source: expected a path, an array, a Dask array, an HDF5 dataset, a Zarr array, or a signal with `data`, "
        f"got {type(source).__name__}"
    )


def is_array(value: Any) -> bool:
    """Return whether a value has shape, type and items as an array does."""
    return all(hasattr(value, name) for name in ("shape", "dtype", "__getitem__"))


def _from_array(array: Any, options: Options, name: str, calibration: Calibration, notes: tuple[str, ...]) -> Scan:
    if not is_array(array):
        raise InputError(f"{name}: expected an array as its data, got {type(array).__name__}")
    if isinstance(array, np.ma.MaskedArray):
        raise InputError(f"{name}: masked arrays are not taken, because their mask would be lost; pass array.filled(0)")
    if not all(isinstance(length, (int, np.integer)) for length in array.shape):
        raise InputError(f"{name}: its shape {array.shape} is not known; call compute_chunk_sizes() on it first")
    return array_scan(
        array,
        options,
        name=name,
        chunks=_chunks(array),
        calibration=calibration,
        assumptions=notes,
    )


def _chunks(array: Any) -> tuple[int, ...] | None:
    """Return how much is stored together along each axis: a number for HDF5 and Zarr, a tuple of them for Dask."""
    chunks = getattr(array, "chunks", None)
    return tuple(int(max(c) if isinstance(c, tuple) else c) for c in chunks) if chunks else None


def _title(signal: Any) -> str:
    title = getattr(getattr(getattr(signal, "metadata", None), "General", None), "title", "")
    return title if isinstance(title, str) and title else "signal"


def _hyperspy_calibration(signal: Any, energy_keV: float | None) -> tuple[Calibration, tuple[str, ...]]:
    """Return what a HyperSpy signal's axes, in array order, and its metadata tell."""
    axes = list(signal.axes_manager._axes)
    navigate = [bool(getattr(axis, "navigate", k < len(axes) - 2)) for k, axis in enumerate(axes)]
    if navigate[-2:] != [False, False] or not all(navigate[:-2]):
        raise InputError(
            f"{_title(signal)}: expected navigation axes followed by two signal axes, got navigate = {navigate}; "
            "call transpose(signal_axes=2) on it"
        )
    instrument = getattr(getattr(signal.metadata, "Acquisition_instrument", None), "TEM", None)
    values = {
        "energy_keV": getattr(instrument, "beam_energy", None),
        "semiangle_mrad": getattr(instrument, "convergence_angle", None),
    }
    known, notes = from_named_values({name: value for name, value in values.items() if value is not None})
    linear = [
        Axis.from_values(getattr(a, "scale", None), getattr(a, "units", ""), getattr(a, "offset", 0), a.size)
        for a in axes
    ]
    return from_axes(linear, energy_keV=energy_keV or known.energy_keV).updated(known), notes


def _py4dstem_getter(calibration: Any) -> Any:
    """Return a function that asks a py4DSTEM calibration for a value by name; None where it has none."""

    def get(name: str) -> Any:
        value: Any = getattr(calibration, f"get_{name}", lambda: None)()
        return value if value is None or np.size(value) == 1 else None

    return get
