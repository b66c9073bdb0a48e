"""Results as an xarray Dataset."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clustem.results.record import Results

if TYPE_CHECKING:
    import xarray as xr

_SCAN = ("scan_y", "scan_x")
_PATTERN = ("k_y", "k_x")


def dataset_of(results: Results) -> xr.Dataset:
    """Return images, labels, averages and the table of domains as one xarray Dataset, see `Results.to_xarray`."""
    import xarray as xr

    survey, domains, averages = results.survey, results.domains, results.averages
    variables: dict[str, Any] = {
        "labels": (_SCAN, domains.labels, {"long_name": "domain, 0 = unassigned"}),
        "averages": (("label", *_PATTERN), averages.patterns, {"long_name": "mean pattern"}),
        "variance": (("label", *_PATTERN), averages.variance, {"long_name": "variance over the patterns"}),
        "mean_pattern": (_PATTERN, survey.mean, {"long_name": "mean pattern of the scan"}),
        "detector_mask": (_PATTERN, survey.detector_mask, {"long_name": "pixels in use"}),
    }
    for name in ("total", "bright_field", "annular_dark_field"):
        variables[name] = (_SCAN, getattr(survey, name), {"long_name": name.replace("_", " ")})
    if domains.similarity is not None:
        variables["similarity"] = (_SCAN, domains.similarity, {"long_name": "mean similarity to the neighbours"})
    if domains.mixture is not None:
        variables["mixture_labels"] = ((*_SCAN, "rank"), domains.mixture.labels)
        variables["mixture_fractions"] = ((*_SCAN, "rank"), domains.mixture.fractions)
        variables["unexplained"] = (_SCAN, domains.mixture.unexplained)
    variables |= _position_maps(results)
    table = results.table.drop(columns="label")
    variables |= {str(name): ("label", values.to_numpy()) for name, values in table.items()}
    return xr.Dataset(variables, coords=_coordinates(results), attrs=_attributes(results))


def _position_maps(results: Results) -> dict[str, Any]:
    """Return the maps of positions by name, each with `position_` before it."""
    maps = results.position_maps
    if maps is None:
        return {}
    names = [item.name for item in fields(maps) if item.name not in ("rotation", "reference", "warnings")]
    variables: dict[str, Any] = {f"position_{name}": (_SCAN, getattr(maps, name)) for name in names}
    return variables | {"position_quaternion": ((*_SCAN, "component"), maps.quaternion)}


def _coordinates(results: Results) -> dict[str, Any]:
    """Return labels, scan coordinates in nm and detector coordinates in 1/Å from the beam; px where not calibrated."""
    calibration, averages = results.domains.calibration, results.averages
    step, pixel = calibration.scan_step_yx_nm, calibration.inv_angstrom_per_px
    centre = np.nan_to_num(averages.centre_px)
    found: dict[str, Any] = {"label": ("label", np.arange(1, results.domains.number + 1, dtype=np.int32))}
    for name, size, scale in zip(_SCAN, results.domains.labels.shape, step or (1.0, 1.0), strict=True):
        found[name] = _coordinate(name, np.arange(size) * scale, "px" if step is None else "nm")
    for name, size, zero in zip(_PATTERN, averages.patterns.shape[1:], centre, strict=True):
        values = (np.arange(size) - zero) * (1.0 if pixel is None else pixel)
        found[name] = _coordinate(name, values, "px" if pixel is None else "1/Å")
    return found


def _coordinate(name: str, values: NDArray[np.float64], unit: str) -> tuple[str, NDArray[np.float64], dict[str, str]]:
    return name, values, {"units": unit}


def _attributes(results: Results) -> dict[str, Any]:
    """Return what can be written as netCDF: numbers and texts."""
    calibration = {
        name: int(value) if isinstance(value, bool) else value
        for name, value in results.domains.calibration.to_dict().items()
    }
    texts = {"source": results.survey.name, "method": results.domains.method, "reason": results.domains.reason}
    return {**texts, "fingerprint": results.survey.fingerprint, **calibration}
