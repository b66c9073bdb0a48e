"""EMPAD: an .xml that describes, and beside it a .raw with frames of 130×128 float32, two rows of which are no pixels.

The description has two calibrations of the detector, an angle and a reciprocal length, which do not always agree.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from clustem.calibration import Calibration
from clustem.errors import InputError, MissingFileError
from clustem.formats.assembly import array_scan
from clustem.formats.axes import plausible_energy_keV
from clustem.formats.binary import map_frames
from clustem.formats.contract import Format, Options, has_ending
from clustem.formats.shapes import announced_scan_shape
from clustem.scan import Scan

DETECTOR_SHAPE = (128, 128)
EXTRA_ROWS = 2
FRAME_BYTES = (DETECTOR_SHAPE[0] + EXTRA_ROWS) * DETECTOR_SHAPE[1] * 4
_MOST_BYTES = 2**24  # of a description; real ones have some thousand
_NAME_WITH_SHAPE = re.compile(r"_x(\d+)_y(\d+)")
_MEASURED = "iom_measurements/"


@dataclass(frozen=True)
class Description:
    """What the .xml says: the file with the frames, the scan shape, the calibration and what is to be said of it."""

    raw: Path
    scan_shape: tuple[int, int] | None
    calibration: Calibration
    notes: tuple[str, ...]


def open_empad(path: Path, options: Options) -> Scan:
    """Open the frames that an EMPAD description names, memory-mapped, without the two extra rows.

    Raises
    ------
    MissingFileError
        If the .raw file is not there.
    InputError
        If the .xml is not EMPAD's, or the number of frames does not fit the scan shape.
    """
    about = read_description(path)
    if not about.raw.is_file():
        raise MissingFileError(
            f"{path.name}: its patterns are in another file, {about.raw.name}, which is not there; "
            f"copy {about.raw.name} into {path.parent}"
        )
    frames = map_frames(about.raw, frame_shape=DETECTOR_SHAPE, dtype="<f4", after=EXTRA_ROWS * DETECTOR_SHAPE[1] * 4)
    return array_scan(
        frames,
        options,
        name=path.name,
        path=path,
        recorded_shape=announced_scan_shape(about.scan_shape, len(frames), options.scan_shape, name=path.name),
        assume_square=True,
        calibration=about.calibration,
        assumptions=about.notes,
    )


def read_description(path: Path) -> Description:
    """Read an .xml of EMPAD; InputError if it is another .xml, or damaged."""
    if path.stat().st_size > _MOST_BYTES:
        raise InputError(f"{path.name}: is too large for a description of EMPAD; open the measurement itself")
    try:
        root = ET.parse(path).getroot()
    except (ET.ParseError, ValueError, LookupError) as error:
        raise InputError(f"{path.name}: cannot be read as XML ({error}); it is damaged: copy it again") from error
    raw = root.find("raw_file")
    name = "" if raw is None else Path(raw.get("filename", "").replace("\\", "/")).name
    if not name or "\0" in name:
        raise InputError(
            f"{path.name}: is no description of an EMPAD measurement, which names a raw_file; open the file with "
            "the patterns"
        )
    shape = _scan_shape(root, name)
    calibration, notes = _calibration(root, shape)
    return Description(path.with_name(name), shape, calibration, notes)


def _scan_shape(root: Any, raw_name: str) -> tuple[int, int] | None:
    """Return the scan shape from pix_x and pix_y, or from the name of the file; a series has none."""
    if root.find("scan_parameters/series_count") is not None:
        return None
    texts = root.findtext("pix_y"), root.findtext("pix_x")
    match = _NAME_WITH_SHAPE.search(raw_name)
    if None in texts and match is not None:
        texts = match[2], match[1]
    try:
        shape = int(texts[0] or ""), int(texts[1] or "")
    except ValueError:
        return None
    return shape if min(shape) > 0 else None


def _calibration(root: Any, shape: tuple[int, int] | None) -> tuple[Calibration, tuple[str, ...]]:
    """Return energy, scan step and pixel size, and a sentence if the file contradicts itself."""
    volts = _number(root, "source.get_voltage") or _number(root, "high_voltage")
    energy = plausible_energy_keV((volts or 0) / 1e3)
    pixel, notes = _pixel(root, Calibration(energy_keV=energy).wavelength_angstrom)
    return Calibration(energy_keV=energy, scan_step_nm=_step(root, shape), inv_angstrom_per_px=pixel), notes


def _step(root: Any, shape: tuple[int, int] | None) -> tuple[float, float] | None:
    """Return the scan step in nm (y, x) from the field of view in m.

    Newer programs give that of the longer side, times a scale factor.
    """
    if shape is None:
        return None
    old = re.findall(r"[-+.\deE]+", root.findtext(_MEASURED + "optics.get_full_scan_field_of_view", ""))
    view = _number(root, "full_scan_field_of_view/x")
    factor = _number(root, "full_scan_field_of_view/scale_factor")
    try:
        if len(old) == 2:
            steps = float(old[0]) / shape[0] * 1e9, float(old[1]) / shape[1] * 1e9
        elif view and factor:
            steps = (view / factor / max(shape) * 1e9,) * 2
        else:
            return None
    except ValueError:
        return None
    return steps if all(math.isfinite(step) and step > 0 for step in steps) else None


def _pixel(root: Any, wavelength: float | None) -> tuple[float | None, tuple[str, ...]]:
    """Return the size of a detector pixel in 1/Å, and a sentence if there are two that differ by more than 2 %."""
    size, angle = _number(root, "calibrated_pixelsize"), _number(root, "calibrated_diffraction_angle")
    from_size = None if not size else size * 1e8  # it is in 10⁹/nm, as rosettasciio has found
    from_angle = angle / wavelength if angle and wavelength else None
    if from_size and from_angle and abs(from_size / from_angle - 1) > 0.02:
        sentence = (
            f"the file has two calibrations of the detector, {from_angle:.4g} 1/Å per pixel by the angle and "
            f"{from_size:.4g} by the pixel size: neither was used; give inv_angstrom_per_px if you know it"
        )
        return None, (sentence,)
    return from_size or from_angle, ()


def _number(root: Any, name: str) -> float | None:
    """Return a measured number, None where there is none that is positive and finite."""
    try:
        value = float(root.findtext(_MEASURED + name, ""))
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None


FORMAT = Format(
    "EMPAD",
    (".xml",),
    lambda path: path.is_file() and has_ending(path, (".xml",)),
    open_empad,
    calibration="energy, scan step, pixel size where the file does not contradict itself",
)
