"""Images as TIFF for ImageJ, with scale and unit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.averaging import DarkFields
from clustem.calibration import Calibration
from clustem.results.record import Results


def write_labels(results: Results, folder: Path) -> None:
    """Write `labels.tif`, 0 = unassigned, of 16 bits, or of 32-bit floats if there are more domains than that holds."""
    domains = results.domains
    kind = np.uint16 if domains.number < 2**16 else np.float32
    _write_image(folder / "labels.tif", domains.labels.astype(kind), **_scan_scale(domains.calibration))


def write_tiff(results: Results, folder: Path) -> None:
    """Write `labels.tif`, `averages.tif` and, in the folder `maps`, every image of the scan."""
    write_labels(results, folder)
    averages = results.averages
    if len(averages.patterns):
        _write_image(
            folder / "averages.tif",
            averages.patterns,
            **_detector_scale(averages.calibration),
            slices=_slice_names(averages.positions),
        )
    (folder / "maps").mkdir()
    for name, image in scan_maps(results).items():
        path = folder / "maps" / f"{name}.tif"
        _write_image(path, image.astype(np.float32), **_scan_scale(results.domains.calibration))


def write_dark_fields(results: Results, images: DarkFields, folder: Path) -> None:
    """Write `dark_fields.tif`, an image per domain, and `apertures.tif`, the detector pixels that each sums."""
    calibration = results.domains.calibration
    names = _slice_names(results.averages.positions)
    _write_image(folder / "dark_fields.tif", images.images.astype(np.float32), **_scan_scale(calibration), slices=names)
    apertures = images.apertures.astype(np.uint8) * np.uint8(255)
    _write_image(folder / "apertures.tif", apertures, **_detector_scale(calibration), slices=names)


def scan_maps(results: Results) -> dict[str, NDArray[Any]]:
    """Return every image of the scan (scan_y, scan_x) that was measured, by name."""
    survey, domains = results.survey, results.domains
    maps: dict[str, NDArray[Any] | None] = {
        "total": survey.total,
        "bright_field": survey.bright_field,
        "annular_dark_field": survey.annular_dark_field,
        "mean_similarity": domains.similarity,
        "confidence": None if domains.confidence is None else np.append(np.nan, domains.confidence)[domains.labels],
        "largest_share": None if domains.mixture is None else domains.mixture.fractions[..., 0],
    }
    return {name: image for name, image in maps.items() if image is not None and np.isfinite(image).any()}


def _slice_names(positions: NDArray[np.int64]) -> list[str]:
    return [f"domain {label}, {count} positions" for label, count in enumerate(positions.tolist(), start=1)]


def _scan_scale(calibration: Calibration) -> dict[str, Any]:
    step = calibration.scan_step_yx_nm
    return {"spacing_yx": step or (1.0, 1.0), "unit": "pixel" if step is None else "nm"}


def _detector_scale(calibration: Calibration) -> dict[str, Any]:
    """Return the size of a pixel in 1/nm, whose name is plain ASCII and known to ImageJ's users."""
    pixel = calibration.inv_angstrom_per_px
    return {"spacing_yx": (1.0, 1.0) if pixel is None else (10 * pixel,) * 2, "unit": "pixel" if not pixel else "1/nm"}


def _write_image(
    path: Path,
    image: NDArray[Any],
    *,
    spacing_yx: tuple[float, float],
    unit: str,
    slices: Sequence[str] = (),
) -> None:
    """Write an image (y, x), or a stack of them with a name each."""
    from tifffile import imwrite

    metadata: dict[str, Any] = {"axes": "YX" if image.ndim == 2 else "ZYX", "unit": unit}
    if image.ndim == 3:
        metadata["Labels"] = list(slices)
    resolution = (1 / spacing_yx[1], 1 / spacing_yx[0])
    imwrite(path, image, imagej=True, resolution=resolution, metadata=metadata)
