"""How patterns are moved to the common centre, turned into electrons and binned, and which binned pixels count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clustem.errors import InputError
from clustem.segmentation.features.constants import FEATURES
from clustem.surveying import Survey, beam_stop_mask, outside_beam_mask

_BINNED = 64  # px along an edge of a binned pattern, to 127


@dataclass(frozen=True, eq=False)
class Binning:
    """How patterns are moved to the common centre, turned into electrons and binned.

    Attributes
    ----------
    cell_y, cell_x : (k_y,) and (k_x,) int64
        The cell of every row and column.
    cells : (n_y, n_x)
        Shape of a binned pattern.
    step : int
        Pixels along an edge of a cell.
    moves : (scan_y, scan_x, 2) int64
        By how many whole px patterns are moved.
    offset, scale : float
        Electrons are scale · (value − offset).
    silent : float
        Variance of a cell without electrons, in electrons squared.
    """

    cell_y: NDArray[np.int64]
    cell_x: NDArray[np.int64]
    cells: tuple[int, int]
    step: int
    moves: NDArray[np.int64]
    offset: float
    scale: float
    silent: float


def binning_of(survey: Survey) -> Binning:
    """Return how the patterns of a scan are binned."""
    height, width = survey.mean.shape
    step = max(1, min(height, width) // _BINNED)
    scale = 1 / survey.noise.gain if survey.noise.gain > 0 else 1.0
    return Binning(
        cell_y=np.arange(height) // step,
        cell_x=np.arange(width) // step,
        cells=(-(-height // step), -(-width // step)),
        step=step,
        moves=whole_moves(survey.descan_px),
        offset=survey.noise.offset,
        scale=scale,
        silent=(step * scale * survey.noise.read_noise) ** 2,
    )


def whole_moves(descan_px: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return by how many whole px patterns are moved, for displacements of the beam."""
    return np.rint(descan_px).astype(np.int64)


def compared_cells(survey: Survey, binning: Binning, detector_mask: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    """Return the binned pixels (n_y, n_x) that are compared: those that lie wholly in the mask, if there are any.

    Raises
    ------
    InputError
        If no detector pixel is left.
    """
    mask = _outside(survey) if detector_mask is None else detector_mask
    mask = mask & _always_good(survey)
    if not mask.any():
        raise InputError("detector_mask: no usable detector pixel is left outside of the direct beam")
    inside = np.zeros(binning.cells, np.int64)
    np.add.at(inside, np.ix_(binning.cell_y, binning.cell_x), mask)
    whole = inside == binning.step**2
    return whole if whole.any() else inside > 0


def _outside(survey: Survey) -> NDArray[np.bool_]:
    """Return the pixels (k_y, k_x) outside of the direct beam, or of the shadow of a beam stop."""
    if np.isfinite(survey.beam_radius_px):
        return outside_beam_mask(survey, radii=FEATURES.beam_radii)
    lit = beam_stop_mask(survey, fraction=FEATURES.shadow)
    return lit if lit.mean() > FEATURES.least_lit else np.ones_like(lit)


def _always_good(survey: Survey) -> NDArray[np.bool_]:
    """Return the pixels (k_y, k_x) of centred patterns that come from usable pixels of the detector at all positions.

    Where nothing moves, bad pixels are left out; where patterns do, those that were mended are good enough.
    """
    if not survey.descan_px.any():
        return survey.detector_mask
    good = np.pad(survey.detector_mask | survey.bad_pixels, 1, constant_values=False)
    y, x = (np.arange(1, length + 1) for length in survey.mean.shape)
    always = np.ones(survey.mean.shape, bool)
    for dy, dx in np.unique(whole_moves(survey.descan_px).reshape(-1, 2), axis=0):
        always &= good[np.ix_(np.clip(y + dy, 0, len(y) + 1), np.clip(x + dx, 0, len(x) + 1))]
    return always
