"""Open every export with the program it is for, and compare it with the results that it was made of.

    clustem export FOLDER --to all
    python validation/exports.py FOLDER

prints a line per file and program: shape, axes with their units, and whether the values are equal. Programs that are
not installed are left out, because not all of them can be in one environment (py4DSTEM needs numpy < 2, HyperSpy a
newer one); run it in each. It needs h5py, not clustem; where both clustem and HyperSpy are installed, a signal of
HyperSpy is run too, and signals come back.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Truth:
    """What the exports must hold, read from `results.h5` without clustem."""

    patterns: NDArray[Any]
    labels: NDArray[Any]
    centre: NDArray[np.float64]
    pixel: float | None
    step: float | tuple[float, float] | None
    rotation_deg: float
    flip: bool

    @property
    def steps(self) -> NDArray[np.float64]:
        """Scan step (y, x) in nm; 1 where it is not known."""
        return np.broadcast_to(np.array(1.0 if self.step is None else self.step), 2)


def read_truth(folder: Path) -> Truth:
    """Return patterns, labels, direct beam (y, x) in px, detector pixel in 1/Å and scan step in nm."""
    with h5py.File(folder / "results.h5") as file:
        averages, domains = file["averages"], file["domains"]
        calibration = json.loads(averages.attrs["calibration"])
        return Truth(
            averages["patterns"][()],
            domains["labels"][()],
            averages["centre_px"][()],
            calibration.get("inv_angstrom_per_px"),
            calibration.get("scan_step_nm"),
            calibration.get("detector_rotation_deg", float("nan")),
            bool(calibration.get("detector_flip")),
        )


def report(program: str, name: str, what: str, *checks: bool) -> bool:
    """Print one line and return whether all checks hold."""
    right = all(checks)
    print(f"{program:<11} {name:<24} {'equal' if right else 'DIFFERS':<8} {what}")
    return right


def read_hyperspy(folder: Path, truth: Truth) -> bool:
    """Open the signals with HyperSpy; with pyxem they are diffraction patterns."""
    import hyperspy.api as hs

    pixel, unit = (1.0, "px") if truth.pixel is None else (truth.pixel, "1/Å")
    if not len(truth.patterns):
        return read_label_signal(folder, truth)
    signal = hs.load(folder / "averages.hspy")
    axes = [signal.axes_manager[name] for name in ("label", "ky", "kx")]
    offsets = np.array([axis.offset for axis in axes[1:]])
    right = report(
        "HyperSpy",
        "averages.hspy",
        f"{type(signal).__name__} {signal.data.shape} {[(a.name, a.units, round(a.scale, 5)) for a in axes]}",
        np.array_equal(signal.data, truth.patterns),
        [axis.units for axis in axes[1:]] == [unit] * 2,
        np.allclose([axis.scale for axis in axes[1:]], pixel),
        np.allclose(offsets, -truth.centre * pixel),
    )
    return right & read_label_signal(folder, truth)


def read_label_signal(folder: Path, truth: Truth) -> bool:
    """Open the label image with HyperSpy."""
    import hyperspy.api as hs

    labels = hs.load(folder / "labels.hspy")
    scales = [labels.axes_manager[name].scale for name in ("y", "x")]
    units = [labels.axes_manager[name].units for name in ("y", "x")]
    return report(
        "HyperSpy",
        "labels.hspy",
        f"{type(labels).__name__} {labels.data.shape} {units} {scales}",
        np.array_equal(labels.data, truth.labels),
        np.allclose(scales, truth.steps),
        truth.step is None or units == ["nm", "nm"],
    )


def run_signal(_folder: Path, _truth: Truth) -> bool:
    """Give clustem a signal of HyperSpy and take signals back."""
    if importlib.util.find_spec("clustem") is None:
        return True
    from hyperspy.api import signals

    import clustem

    scan = clustem.open_scan("clustem:film_au")
    signal = signals.Signal2D(np.asarray(scan))
    for axis, name in zip(signal.axes_manager.navigation_axes, "xy", strict=True):
        axis.name, axis.scale, axis.units = name, scan.calibration.scan_step_nm, "nm"
    for axis, name in zip(signal.axes_manager.signal_axes, ("kx", "ky"), strict=True):
        axis.name, axis.scale, axis.units = name, scan.calibration.inv_angstrom_per_px, "1/Å"
    results = clustem.run(signal)
    back = results.averages.to_hyperspy()
    axis = back.axes_manager["kx"]
    return report(
        "HyperSpy",
        "a signal in and back",
        f"{type(back).__name__} {back.data.shape}, kx in {axis.units}",
        np.array_equal(results.domains.labels, clustem.segment(scan, survey=clustem.survey(scan)).labels),
        np.array_equal(back.data, results.averages.patterns),
        axis.units == "1/Å" and bool(np.isclose(axis.scale, scan.calibration.inv_angstrom_per_px or 1.0)),
        results.domains.calibration.scan_step_nm == scan.calibration.scan_step_nm,
    )


def read_py4dstem(folder: Path, truth: Truth) -> bool:
    """Open the averages with py4DSTEM."""
    import py4DSTEM

    if not len(truth.patterns):
        return report("py4DSTEM", "averages.emd.h5", "no domain, no file", not (folder / "averages.emd.h5").exists())
    cube = py4DSTEM.read(folder / "averages.emd.h5", datapath="averages_root/averages")
    calibration = cube.calibration
    known = bool(np.isfinite(truth.centre).all())
    origin = calibration.get_origin_mean() if known else truth.centre
    right = report(
        "py4DSTEM",
        "averages.emd.h5",
        f"{type(cube).__name__} {cube.data.shape}, {calibration.get_Q_pixel_size():.5g} "
        f"{calibration.get_Q_pixel_units()}, origin {np.round(origin, 2)}",
        np.array_equal(cube.data[0], truth.patterns),
        np.isclose(calibration.get_Q_pixel_size(), truth.pixel or 1.0),
        calibration.get_Q_pixel_units() == ("pixels" if truth.pixel is None else "A^-1"),
        np.allclose(origin, truth.centre, equal_nan=True),
    )
    if np.isnan(truth.rotation_deg) or not known:
        return right & report("py4DSTEM", "averages.emd.h5", "no rotation", calibration.get_QR_rotation() is None)
    return turned_by_py4dstem(cube, truth) & right


def turned_by_py4dstem(cube: Any, truth: Truth) -> bool:
    """Have py4DSTEM turn the place of a peak into the sample frame, as it does before it indexes or measures strain."""
    from py4DSTEM import BraggVectors

    offset = np.array([-3.0, 5.0])  # (y, x) in px
    vectors = BraggVectors(cube.Rshape, cube.Qshape, calibration=cube.calibration)
    peak = np.array([(*(truth.centre + offset), 1.0)], dtype=vectors._v_uncal.dtype)
    vectors._v_uncal[0, 0].add(peak)
    found = vectors.get_vectors(0, 0, center=True, ellipse=False, pixel=False, rotate=True)
    y, x = offset * (-1 if truth.flip else 1, 1)
    angle = np.radians(truth.rotation_deg)
    expected = (x * np.sin(angle) + y * np.cos(angle), x * np.cos(angle) - y * np.sin(angle))
    place = np.array([found.data["qx"][0], found.data["qy"][0]])
    what = f"a peak at (y, x) = {offset} is at {place.round(2)} in the sample frame"
    return report("py4DSTEM", "averages.emd.h5", what, np.allclose(place, expected))


def read_emdfile(folder: Path, truth: Truth) -> bool:
    """Open averages and labels with emdfile."""
    import emdfile

    scan_unit, detector_unit = "pixels" if truth.step is None else "nm", "pixels" if truth.pixel is None else "A^-1"
    expected: dict[str, tuple[NDArray[Any], Any, str]] = {
        "averages": (truth.patterns, np.full(2, truth.pixel or 1.0), detector_unit),
        "labels": (truth.labels, truth.steps, scan_unit),
    }
    right = True
    for name, (values, sizes, unit) in expected.items():
        if not len(values):
            continue
        array = emdfile.read(folder / "arrays.emd.h5", emdpath=f"averages_root/{name}")
        right &= report(
            "emdfile",
            f"arrays.emd.h5, {name}",
            f"{type(array).__name__} {array.data.shape} {list(zip(array.dim_names, array.dim_units, strict=True))}",
            np.array_equal(array.data, values),
            list(array.dim_units[-2:]) == [unit] * 2,
            all(np.allclose(np.diff(axis), size) for axis, size in zip(array.dims[-2:], sizes, strict=True)),
        )
    return right


def read_outlines(name: str, layer: Any, truth: Truth) -> list[bool]:
    """Return whether polygons are valid and, along the edges of positions, as large as their domains."""
    checks = [bool(layer.geometry.is_valid.all()), len(layer) == len(truth.patterns)]
    if not len(layer):
        return checks
    step_y, step_x = truth.steps
    left, bottom, right, top = np.array(layer.total_bounds) / (step_x, step_y, step_x, step_y)
    height, width = truth.labels.shape
    margin = 0.5 + 1e-6
    checks.append(
        -margin <= left and right <= width - 1 + margin and -(height - 1) - margin <= bottom and top <= margin
    )
    if name == "outlines.geojson":
        sizes = np.bincount(truth.labels.ravel(), minlength=len(layer) + 1)[1:]
        checks.append(np.allclose(layer.geometry.area / (step_y * step_x), sizes))
        checks.append(bool(np.isclose(layer.geometry.union_all().area / (step_y * step_x), sizes.sum())))
    return checks


def read_geopandas(folder: Path, truth: Truth) -> bool:
    """Open the outlines with GeoPandas by GDAL, which is also the reader of QGIS."""
    import geopandas

    right = True
    for name in ("outlines.geojson", "outlines_smooth.geojson"):
        layer = geopandas.read_file(folder / name)
        unit = layer.crs.axis_info[0].unit_name
        what = f"{len(layer)} {', '.join(layer.geom_type.unique())}, {len(layer.columns) - 1} columns, plane in {unit}"
        flat = layer.crs.is_engineering and unit == ("position" if truth.step is None else "nanometre")
        right &= report("GeoPandas", name, what, flat, *read_outlines(name, layer, truth))
    return right


def read_fiona(folder: Path, truth: Truth) -> bool:
    """Open the outlines with Fiona, another reader by GDAL."""
    import fiona

    with fiona.open(folder / "outlines.geojson") as layer:
        rows = list(layer)
        what = f"{layer.driver}, {layer.schema['geometry']}, {len(layer.schema['properties'])} properties"
    sizes = np.bincount(truth.labels.ravel(), minlength=len(truth.patterns) + 1)[1:]
    return report("GDAL", "outlines.geojson", what, [row["properties"]["positions"] for row in rows] == sizes.tolist())


def read_tifffile(folder: Path, truth: Truth) -> bool:
    """Open the images with tifffile and read the scale as ImageJ does."""
    import tifffile

    pixel = None if truth.pixel is None else np.full(2, 10 * truth.pixel)
    steps = None if truth.step is None else truth.steps
    expected = {"labels.tif": (truth.labels, steps, "nm"), "averages.tif": (truth.patterns, pixel, "1/nm")}
    right = True
    for name, (values, sizes, unit) in expected.items():
        if not len(values):
            continue
        with tifffile.TiffFile(folder / name) as file:
            image, page = file.asarray(), file.pages[0]
            per_pixel = [page.tags[tag].value for tag in ("YResolution", "XResolution")]
            metadata = file.imagej_metadata or {}
        spacing = [below / above for above, below in per_pixel]
        right &= report(
            "tifffile",
            name,
            f"{image.dtype} {image.shape}, {spacing[0]:.5g} {metadata.get('unit')}",
            np.array_equal(np.squeeze(image), np.squeeze(values)),
            np.allclose(spacing, 1.0 if sizes is None else sizes, rtol=1e-5),
            metadata.get("unit") == ("pixel" if sizes is None else unit),
        )
    return right


READERS: dict[str, tuple[Callable[[Path, Truth], bool], ...]] = {
    "hyperspy": (read_hyperspy, run_signal),
    "py4DSTEM": (read_py4dstem,),
    "emdfile": (read_emdfile,),
    "geopandas": (read_geopandas,),
    "fiona": (read_fiona,),
    "tifffile": (read_tifffile,),
}


def main() -> int:
    """Return 0 if all that could be opened here is right."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a results folder with its exports")
    folder = parser.parse_args().folder
    truth = read_truth(folder)
    results = []
    for package, readers in READERS.items():
        if importlib.util.find_spec(package) is None:
            print(f"{package:<11} is not installed here")
            continue
        results += [reader(folder / "exports", truth) for reader in readers]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
