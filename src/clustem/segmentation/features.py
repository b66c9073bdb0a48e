"""Features: few numbers per pattern that keep what tells domains apart, with their noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clustem.errors import InputError
from clustem.passes import Block, in_threads, memory_budget, run_pass
from clustem.scan import Scan
from clustem.segmentation._feature_kernels import add_tiles, project_patterns
from clustem.segmentation.basis import Basis, find_basis
from clustem.surveying import Survey, outside_beam_mask

_BINNED = 64  # px along an edge of a binned pattern, to 127
_BEAM_EDGE = 2.0  # radii of the direct beam that are left out, with its tails
_TILES = 2048  # at most, of the sample
_TILE = (2, 3, 4)  # positions along an edge, the first that gives few enough tiles
_SAMPLE_SHARE = 0.2  # of the memory budget that rows of the sample may take, if there are several
_STRIP = 3  # rows of tiles that are neighbours, in a sample


@dataclass(frozen=True, eq=False)
class Features:
    """Features of every pattern.

    Attributes
    ----------
    values : (scan_y, scan_x, D + 1) float32
        Contrasts, of noise variance 1 at mean dose, and the sum outside the beam in electrons.
    noise : (scan_y, scan_x) float64
        Energy of the noise, relative to a pattern of mean dose.
    basis : Basis
    cells : (n_y, n_x)
        Shape of a binned pattern.
    centre : (2,) float64
        Of the beam, in binned px.
    """

    values: NDArray[np.float32]
    noise: NDArray[np.float64]
    basis: Basis
    cells: tuple[int, int]
    centre: NDArray[np.float64]

    @property
    def contrasts(self) -> NDArray[np.float32]:
        """(scan_y, scan_x, D) contrasts, weighted: what regions are compared by."""
        weighted: NDArray[np.float32] = self.values[..., :-1] * self.basis.weight.astype(np.float32)
        return weighted

    @property
    def noise_variance(self) -> NDArray[np.float64]:
        """(D,) variance of the weighted contrasts of a pattern of mean dose."""
        return self.basis.weight**2

    @property
    def whitened(self) -> NDArray[np.float32]:
        """(scan_y, scan_x, D + 1) linear in the pattern, with independent noise of variance 1 at mean dose."""
        turned: NDArray[np.float32] = self.values @ self.basis.whitening.T.astype(np.float32)
        return turned


@dataclass(frozen=True, eq=False)
class _Binning:
    """How patterns are moved to the common centre, turned into electrons and binned."""

    cell_y: NDArray[np.int64]
    cell_x: NDArray[np.int64]
    cells: tuple[int, int]
    step: int
    moves: NDArray[np.int64]
    offset: float
    scale: float

    @property
    def plan(self) -> tuple[NDArray[np.int64], NDArray[np.int64], float, float]:
        """What the loops need: the cell of every row and column, offset and scale."""
        return self.cell_y, self.cell_x, self.offset, self.scale


def measure_features(scan: Scan, survey: Survey, *, detector_mask: NDArray[np.bool_] | None = None) -> Features:
    """Return the features of a scan: one read of a sample, to find out what differs, and one of everything.

    Parameters
    ----------
    scan : Scan
    survey : Survey
        Of the same scan: its centre, beam radius, descan and noise model are used.
    detector_mask : (k_y, k_x) bool, optional
        True = use. Without it, all pixels from twice the radius of the direct beam on.

    Raises
    ------
    InputError
        If no detector pixel is left, or no electron falls on them.
    """
    mask = outside_beam_mask(survey, radii=_BEAM_EDGE) if detector_mask is None else detector_mask
    mask = mask & _always_good(survey)
    if not mask.any():
        raise InputError("detector_mask: no usable detector pixel is left outside of the direct beam")
    binning = _binning(survey)
    inside = np.zeros(binning.cells, np.int64)
    np.add.at(inside, np.ix_(binning.cell_y, binning.cell_x), mask)
    use = inside == binning.step**2 if (inside == binning.step**2).any() else inside > 0
    strips, patterns = _sample(scan, binning)
    if not any(strip[..., use].any() for strip in strips):
        raise InputError(
            "scan: not one electron was counted on the pixels that are compared, those outside of the direct beam; "
            "check detector_mask and the beam centre (centre_px), or choose method 'published'"
        )
    silent = (binning.step * binning.scale * survey.noise.read_noise) ** 2  # variance of a cell without electrons
    centre = survey.centre_px / binning.step
    basis = find_basis(strips, patterns, use, silent, centre)
    values = np.empty((*scan.scan_shape, basis.matrix.shape[1]), np.float32)

    def project(block: Block) -> None:
        flat = block.core.reshape(-1, *scan.detector_shape)
        out = values[block.start : block.stop].reshape(len(flat), -1)
        moves = binning.moves[block.start : block.stop].reshape(-1, 2)

        def work(first: int, last: int) -> None:
            project_patterns(flat, moves, first, last, *binning.plan, binning.cells, basis.matrix, out)

        in_threads(work, len(flat), longest=max(scan.shape[1], 64))

    run_pass(scan, project, stage="features")
    noise = np.maximum(values[..., -1].astype(np.float64), 1e-6) + silent * float(basis.matrix[:, -1].sum())
    return Features(np.ascontiguousarray(values[..., :-1]), noise, basis, binning.cells, centre)


def _always_good(survey: Survey) -> NDArray[np.bool_]:
    """Return the pixels (k_y, k_x) of centred patterns that come from usable pixels of the detector at all positions.

    Where nothing moves, bad pixels are left out; where patterns do, those that were mended are good enough.
    """
    if not survey.descan_px.any():
        return survey.detector_mask
    good = np.pad(survey.detector_mask | survey.bad_pixels, 1, constant_values=False)
    y, x = (np.arange(1, length + 1) for length in survey.mean.shape)
    always = np.ones(survey.mean.shape, bool)
    for dy, dx in np.unique(_moves(survey).reshape(-1, 2), axis=0):
        always &= good[np.ix_(np.clip(y + dy, 0, len(y) + 1), np.clip(x + dx, 0, len(x) + 1))]
    return always


def _moves(survey: Survey) -> NDArray[np.int64]:
    """Return by how many whole px patterns are moved, (scan_y, scan_x, 2)."""
    return np.rint(survey.descan_px).astype(np.int64)


def _binning(survey: Survey) -> _Binning:
    height, width = survey.mean.shape
    step = max(1, min(height, width) // _BINNED)
    cells = -(-height // step), -(-width // step)
    return _Binning(
        np.arange(height) // step,
        np.arange(width) // step,
        cells,
        step,
        _moves(survey),
        survey.noise.offset,
        1 / survey.noise.gain if survey.noise.gain > 0 else 1.0,
    )


def _sample(scan: Scan, binning: _Binning) -> tuple[list[NDArray[np.float32]], int]:
    """Return tiles of the scan in strips of neighbours, and the positions in one: all of a small scan."""
    height, width = scan.scan_shape
    edge = next((t for t in _TILE if (height // t) * (width // t) <= _TILES), _TILE[-1])
    tile = min(edge, height), min(edge, width)
    rows, columns = height // tile[0], width // tile[1]
    if rows * columns <= _TILES:
        spans = [(0, rows)]
    else:
        number = max(1, min(_TILES // (_STRIP * columns), rows // _STRIP))
        starts = np.linspace(0, rows - _STRIP, number + 2).round().astype(int)[1:-1]
        spans = [(int(start), min(_STRIP, rows)) for start in starts]
    strips = []
    for start, count in spans:
        strip = np.zeros((count, columns, *binning.cells), np.float32)
        _fill(scan, binning, start * tile[0], tile, strip)
        strips.append(strip)
    return strips, tile[0] * tile[1]


def _fill(scan: Scan, binning: _Binning, first: int, tile: tuple[int, int], strip: NDArray[np.float32]) -> None:
    """Add the patterns of a scan from row `first` on to a strip of tiles, as many rows at a time as memory allows."""
    most = int(_SAMPLE_SHARE * memory_budget() / max(1, scan.nbytes // scan.shape[0]))
    together, part = (most // tile[0], tile) if most >= tile[0] else (1, (1, tile[1]))  # of tiles; of a tile
    for row in range(0, len(strip), together):
        tiles = strip[row : row + together]
        stop = first + (row + len(tiles)) * tile[0]
        for y in range(first + row * tile[0], stop, len(tiles) * part[0]):
            rows = slice(y, y + len(tiles) * part[0])
            _add(scan.read(rows.start, rows.stop), binning.moves[rows], part, binning, tiles)


def _add(
    patterns: NDArray[np.generic],
    moves: NDArray[np.int64],
    tile: tuple[int, int],
    binning: _Binning,
    tiles: NDArray[np.float32],
) -> None:
    def work(first: int, last: int) -> None:
        add_tiles(patterns, moves, first, last, *binning.plan, tile, tiles)

    in_threads(work, tiles.shape[1])
