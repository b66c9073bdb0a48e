"""Rows of a scan as they arrive: what they must be, and what is done to them before they are binned."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.calibration import Calibration
from clustem.errors import InputError
from clustem.scan import Scan
from clustem.segmentation.features import whole_moves
from clustem.surveying import Survey
from clustem.surveying.beam import no_beam, smooth_descan
from clustem.surveying.statistics import beam_centres, preview


def checked_shape(shape: Any) -> tuple[int, int, int, int]:
    """Return the shape of a scan, or raise InputError."""
    try:
        whole = tuple(int(length) for length in shape)
        exact = all(length == given for length, given in zip(whole, shape, strict=True))
    except (TypeError, ValueError):
        whole, exact = (), False
    if len(whole) != 4 or not exact or min(whole) < 1 or min(whole[2:]) < 2:
        raise InputError(
            "shape: expected (scan_y, scan_x, k_y, k_x) of whole numbers of at least 1, and detector axes of at least "
            f"2, got {shape!r}"
        )
    return whole[0], whole[1], whole[2], whole[3]


def checked_rows(rows: Any, shape: tuple[int, int, int, int], seen: int) -> NDArray[Any]:
    """Return scan rows (n, scan_x, k_y, k_x) in a native type, or raise InputError; `seen` have arrived before."""
    values = np.asarray(rows)
    if values.shape == shape[1:]:
        values = values[None]
    if values.ndim != 4 or values.shape[1:] != shape[1:]:
        raise InputError(
            f"rows: expected (n, {', '.join(map(str, shape[1:]))}), whole rows of the scan, got shape {values.shape}"
        )
    if seen + len(values) > shape[0]:
        raise InputError(
            f"rows: the scan has {shape[0]} rows, {seen} have arrived, so at most {shape[0] - seen} can follow; "
            f"got {len(values)}"
        )
    if not len(values):
        return values
    values = scan_of(values, Calibration()).read(0, len(values))
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        y, x, k_y, k_x = np.argwhere(~np.isfinite(values))[0]
        raise InputError(
            f"rows: expected finite values, found {values[y, x, k_y, k_x]} at scan position ({seen + y}, {x}), "
            f"detector pixel ({k_y}, {k_x}); replace such values (for example with numpy.nan_to_num)"
        )
    return values


def scan_of(rows: NDArray[Any], calibration: Calibration) -> Scan:
    """Return rows (n, scan_x, k_y, k_x) as a scan of their own."""
    height, width, k_y, k_x = rows.shape
    return Scan((height, width, k_y, k_x), rows.dtype, lambda a, b: rows[a:b], calibration=calibration, name="rows")


class Preparation:
    """What the first rows of a scan tell of its beam and its bad pixels, and what is done to all rows for that."""

    def __init__(self, rows: NDArray[Any], survey: Survey) -> None:
        self.survey = survey
        found = bool(np.isfinite(survey.beam_radius_px))
        self.beam = preview(scan_of(rows, survey.calibration)).beam if found else no_beam(rows.shape[2:])
        self.light = float(np.median(survey.bright_field[~survey.dead_positions])) if found else 0.0

    def moves(self, rows: NDArray[Any]) -> NDArray[np.int64]:
        """Return by how many px the patterns of rows (n, scan_x, k_y, k_x) are moved, (n, scan_x, 2)."""
        centres = np.full((rows.shape[0] * rows.shape[1], 2), np.nan)
        beam_centres(rows.reshape(-1, *rows.shape[2:]), self.survey.detector_mask, self.beam, centres)
        found = centres.reshape(*rows.shape[:2], 2)
        return whole_moves(smooth_descan(found, self.survey.centre_px, self.light))
