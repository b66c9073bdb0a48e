"""Averages as a signal of HyperSpy: axes, units and metadata by that program's names, without importing it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.averaging.record import Averages
from clustem.calibration import Calibration
from clustem.errors import InputError


def signal_of_averages(averages: Averages) -> dict[str, Any]:
    """Return data, axes and metadata of the averages as HyperSpy names them.

    The navigation axis is the label, 1 … K; the detector axes are in 1/Å (px where they are not calibrated), 0 at the
    direct beam. In `original_metadata` are positions, electrons and signal-to-noise ratios, one value per domain.
    """
    calibration = averages.calibration
    pixel, unit = calibration.inv_angstrom_per_px or 1.0, "1/Å" if calibration.inv_angstrom_per_px else "px"
    offsets = np.where(np.isfinite(averages.centre_px), -averages.centre_px * pixel, 0.0)
    count, rows, columns = averages.patterns.shape
    per_domain = {
        name: np.asarray(getattr(averages, name)) for name in ("positions", "electrons", "snr_single", "snr_domain")
    }
    return {
        "data": averages.patterns,
        "axes": [
            linear_axis("label", count, offset=1.0, navigate=True),
            linear_axis("ky", rows, scale=pixel, offset=float(offsets[0]), units=unit),
            linear_axis("kx", columns, scale=pixel, offset=float(offsets[1]), units=unit),
        ],
        "metadata": {
            "General": {"title": "averages"},
            "Signal": {"signal_type": "electron_diffraction"},
            **instrument_metadata(calibration),
        },
        "original_metadata": {"clustem": per_domain},
    }


def linear_axis(
    name: str, size: int, *, scale: float = 1.0, offset: float = 0.0, units: str = "", navigate: bool = False
) -> dict[str, Any]:
    """Return a linear axis: value = offset + scale · index."""
    return {
        "_type": "UniformDataAxis",
        "name": name,
        "size": size,
        "scale": scale,
        "offset": offset,
        "units": units,
        "navigate": navigate,
        "is_binned": False,
    }


def instrument_metadata(calibration: Calibration) -> dict[str, Any]:
    """Return energy (keV) and convergence semi-angle (mrad), those that are known."""
    known = {"beam_energy": calibration.energy_keV, "convergence_angle": calibration.semiangle_mrad}
    values = {name: value for name, value in known.items() if value is not None}
    return {"Acquisition_instrument": {"TEM": values}} if values else {}


def to_signal(parts: Mapping[str, Any]) -> Any:
    """Return a HyperSpy signal of data, axes and metadata.

    Raises
    ------
    InputError
        If HyperSpy is not installed.
    """
    try:
        from hyperspy.api import signals
    except ImportError as error:
        raise InputError(
            "to_hyperspy: needs HyperSpy, which is not installed here: python -m pip install hyperspy; "
            "or write a file for it with clustem.export(results, to='hspy')"
        ) from error
    signal = signals.Signal2D(
        parts["data"],
        axes=parts["axes"],
        metadata=parts["metadata"],
        original_metadata=parts["original_metadata"],
    )
    kind = parts["metadata"]["Signal"]["signal_type"]
    if kind:
        signal.set_signal_type(kind)
    return signal


def label_signal(labels: NDArray[np.int32], calibration: Calibration) -> dict[str, Any]:
    """Return data, axes and metadata of a label image, axes in nm, or without a unit where the step is not known."""
    step = calibration.scan_step_yx_nm
    unit = "" if step is None else "nm"
    sizes = zip(("y", "x"), labels.shape, step or (1.0, 1.0), strict=True)
    return {
        "data": labels,
        "axes": [linear_axis(name, size, scale=scale, units=unit) for name, size, scale in sizes],
        "metadata": {"General": {"title": "labels"}, "Signal": {"signal_type": ""}},
        "original_metadata": {},
    }
