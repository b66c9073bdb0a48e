"""NanoMEGAS block files (.blo) of ASTAR: 8-bit patterns, each behind its number.

The calibration of the detector is in pixels per cm on a screen, which says nothing without a calibrated camera length:
it is not used.
"""

from __future__ import annotations

import math
from pathlib import Path

from clustem.calibration import Calibration
from clustem.errors import InputError
from clustem.formats.assembly import array_scan
from clustem.formats.axes import plausible_energy_keV
from clustem.formats.binary import map_frames, read_fields
from clustem.formats.contract import Format, Options, first_bytes, has_ending
from clustem.formats.shapes import announced_scan_shape
from clustem.scan import Scan

_MAGIC = b"IMGBLO"
_HEADER = "<6s H 3I 5H 2d I"
_NUMBER_BYTES = 6


def open_blo(path: Path, options: Options) -> Scan:
    """Open a block file, memory-mapped.

    Raises
    ------
    InputError
        If it is no block file, is incomplete, or its patterns do not fit the scan shape.
    """
    if first_bytes(path, len(_MAGIC)) != _MAGIC:
        raise InputError(f"{path.name}: is not a block file although its name ends so: copy it again")
    _, _, _, offset, _, side, _, scan_x, scan_y, _, step_x, step_y, volts = read_fields(path, _HEADER)
    announced = (scan_y, scan_x) if min(scan_y, scan_x) > 0 else None
    frames = map_frames(
        path,
        frame_shape=(side, side),
        dtype="u1",
        offset=offset,
        before=_NUMBER_BYTES,
        most=scan_y * scan_x or None,
    )
    steps = (step_y, step_x)
    calibrated = all(math.isfinite(step) and step > 0 for step in steps)
    return array_scan(
        frames,
        options,
        name=path.name,
        path=path,
        recorded_shape=announced_scan_shape(announced, len(frames), options.scan_shape, name=path.name),
        assume_square=True,
        calibration=Calibration(
            scan_step_nm=steps if calibrated else None, energy_keV=plausible_energy_keV(volts / 1e3)
        ),
    )


FORMAT = Format(
    "NanoMEGAS block file",
    (".blo",),
    lambda path: path.is_file() and has_ending(path, (".blo",)),
    open_blo,
    calibration="scan step, energy",
)
