"""Outlines of domains as GeoJSON (RFC 7946, doi 10.17487/RFC7946)."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from clustem.results.record import Results
from clustem.segmentation import polygons


def write_outlines(results: Results, folder: Path) -> None:
    """Write `outlines.geojson`, the outlines along the edges of positions."""
    _write(results, folder / "outlines.geojson", smooth=False)


def write_geojson(results: Results, folder: Path) -> None:
    """Write `outlines.geojson` and, with the smooth outlines, `outlines_smooth.geojson`."""
    write_outlines(results, folder)
    _write(results, folder / "outlines_smooth.geojson", smooth=True)


def _write(results: Results, path: Path, *, smooth: bool) -> None:
    text = json.dumps(feature_collection(results, smooth=smooth), ensure_ascii=False, allow_nan=False)
    path.write_text(text.replace('{"type": "Feature"', '\n{"type": "Feature"') + "\n", encoding="utf-8", newline="\n")


def feature_collection(results: Results, *, smooth: bool) -> dict[str, Any]:
    """Return one feature per domain, a MultiPolygon, with its row of the table as properties.

    Coordinates are (x, −y): x to the right and y up, so that maps, where y points up, show the scan as the microscope
    does; in nm, or positions where the step is not known. Outer rings run counterclockwise there, holes clockwise, as
    RFC 7946 wants it. `crs` says that these are no longitudes and latitudes, which GDAL takes them for if it is null.
    """
    unit: Literal["position", "nm"] = "position" if results.domains.calibration.scan_step_nm is None else "nm"
    found = polygons(results.domains, smooth=smooth, unit=unit)
    rows = results.table.to_dict("records")
    features = [
        {
            "type": "Feature",
            "id": row["label"],
            "properties": {str(name): _plain(value) for name, value in row.items()},
            "geometry": {
                "type": "MultiPolygon",
                "coordinates": [[_ring(line) for line in part] for part in found[row["label"]]],
            },
        }
        for row in rows
    ]
    return {
        "type": "FeatureCollection",
        "name": "outlines",
        "crs": {"type": "name", "properties": {"name": _plane(unit)}},
        "unit": unit,
        "axes": "x to the right (+scan_x), y up (-scan_y); the centre of the first position is (0, 0)",
        "features": features,
    }


def _plane(unit: str) -> str:
    """Return a plane with a unit of its own as WKT 2."""
    length = 'LENGTHUNIT["nanometre",1e-9]' if unit == "nm" else 'LENGTHUNIT["position",1]'
    return f'ENGCRS["scan",EDATUM["scan"],CS[Cartesian,2],AXIS["x",east],AXIS["y",north],{length}]'


def _ring(line: NDArray[np.float64]) -> list[list[float]]:
    """Return the points (x, −y) the other way round: clockwise on the screen becomes counterclockwise."""
    points = np.round(line[::-1, ::-1] * (1, -1), 9) + 0.0
    return [[float(x), float(y)] for x, y in points]


def _plain(value: Any) -> Any:
    """Return a number of the table as JSON knows it: six digits, NaN as null."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value
