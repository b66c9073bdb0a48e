"""What Direct Electron's program writes beside a movie: how it was scanned, and its calibration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clustem.calibration import Calibration
from clustem.errors import InputError, MissingFileError
from clustem.formats.axes import plausible_energy_keV

_MOVIE = re.compile(r"^(?P<stem>.+?)(?:_\d+)?_movie\.mrc$", re.IGNORECASE)
_MOST_BYTES = 2**24  # of a text beside a movie


@dataclass(frozen=True)
class Info:
    """What the _info.txt of a movie says.

    `frames_per_point` follow each other at every position; `scans` follow each other as a whole. `notes` are sentences
    on what could not be used.
    """

    scanning: bool
    raster: bool
    scan_shape: tuple[int, int]
    frames_per_point: int
    scans: int
    calibration: Calibration
    notes: tuple[str, ...]


def read_info(movie: Path) -> Info | None:
    """Return what stands beside a movie, None if there is nothing."""
    path = _beside(movie, "info.txt")
    if path is None:
        return None
    pairs = (line.partition("=") for line in _text(path).splitlines())
    values = {name.strip(): value.strip() for name, _, value in pairs}
    kind = "Scan - ROI Size" if values.get("Scan - ROI Enable") == "Enable" else "Scan - Size"
    return Info(
        values.get("Scan - Enable") == "Enable",
        values.get("Scan - Type", "Raster") == "Raster",
        (_whole(values, f"{kind} Y"), _whole(values, f"{kind} X")),
        max(1, _whole(values, "Scan - Camera Frames Per Point")),
        max(1, _whole(values, "Scan - Repeats")),
        _calibration(values),
        _notes(values),
    )


def read_positions(movie: Path, count: int) -> NDArray[np.int64]:
    """Return the scan position (y, x) of each of `count` frames.

    Raises
    ------
    MissingFileError
        If the file with the coordinates is not there.
    InputError
        If it cannot be read, or does not fit the movie.
    """
    path = _beside(movie, "scan_coordinates.csv")
    if path is None:
        match = _MOVIE.match(movie.name)
        wanted = f"{'' if match is None else match['stem']}_scan_coordinates.csv"
        raise MissingFileError(
            f"{movie.name}: was not scanned as a raster, and the order is in another file, {wanted}, which is not "
            f"there; copy it into {movie.parent}, or give scan_shape to take the frames as a raster"
        )
    try:
        positions = np.array([[int(n) for n in line.split(",")] for line in _text(path).split()], np.int64)
    except (ValueError, OverflowError) as error:
        raise InputError(f"{path.name}: expected lines of whole numbers x,y ({error}); copy it again") from error
    if positions.shape != (count, 2) or positions.min() < 0:
        raise InputError(
            f"{path.name}: expected the position x,y of {count} frames, got {positions.shape[0]} lines; "
            "copy both files again, or give scan_shape to take the frames as a raster"
        )
    return positions[:, ::-1]


def _beside(movie: Path, ending: str) -> Path | None:
    """Return the file that belongs to a movie; a movie's number is not in its name."""
    match = _MOVIE.match(movie.name)
    if match is None:
        return None
    stems = [movie.name[: -len("_movie.mrc")], match["stem"]]
    paths = [movie.with_name(f"{stem}_{ending}") for stem in stems]
    return next((path for path in paths if path.is_file()), None)


def _text(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_MOST_BYTES).decode("utf-8", "replace")


def _whole(values: Mapping[str, str], name: str) -> int:
    """Return a whole number, 0 where there is none."""
    text = values.get(name, "")
    return int(text) if re.fullmatch(r"\d{1,9}", text) else 0


def _positive(values: Mapping[str, str], name: str) -> float | None:
    """Return a positive number; -1 stands for one that is not known."""
    try:
        value = float(values.get(name, ""))
    except ValueError:
        return None
    return value if 0 < value < float("inf") else None


def _notes(values: Mapping[str, str]) -> tuple[str, ...]:
    """Return a sentence on the size of the detector pixels, which has no unit in the file."""
    size = _positive(values, "Diffraction Pixel Size X")
    if size is None:
        return ()
    sentence = f"the file says {size:g} per detector pixel, without a unit: not used; give inv_angstrom_per_px"
    return (sentence,)


def _calibration(values: Mapping[str, str]) -> Calibration:
    """Return energy and scan step."""
    volts = _positive(values, "Instrument Accelerating Voltage (V)")
    steps = [_positive(values, f"Specimen Pixel Size {axis} (nanometers)") for axis in ("Y", "X")]
    return Calibration(
        energy_keV=plausible_energy_keV((volts or 0) / 1e3),
        scan_step_nm=None if steps[0] is None or steps[1] is None else (steps[0], steps[1]),
    )
