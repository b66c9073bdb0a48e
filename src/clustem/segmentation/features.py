"""Features: few numbers per pattern that keep what tells domains apart, with their noise."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from clustem.computing import in_threads, memory_budget
from clustem.errors import InputError
from clustem.passes import Block, column_parts, run_pass
from clustem.scan import Scan
from clustem.scratch import scratch_array
from clustem.segmentation._feature_kernels import add_tiles, project_patterns
from clustem.segmentation.basis import Basis, find_basis
from clustem.segmentation.binning import Binning, binning_of, compared_cells
from clustem.surveying import Survey

TILES = 2048  # at most, of the sample
_TILE = (2, 3, 4)  # positions along an edge, the first that gives few enough tiles
_SAMPLE_SHARE = 0.2  # of the memory budget that rows of the sample may take, if there are several
_PIECE = 2**16  # positions that are worked on together
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

    def contrasts_at(self, places: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the contrasts (n, D) of places y · scan_x + x (n,), weighted: what regions are compared by."""
        flat, weight = self.values.reshape(-1, self.values.shape[2]), self.basis.weight.astype(np.float32)
        weighted: NDArray[np.float32] = scratch_array((places.size, self.basis.size), np.float32)
        for piece in pieces(places.size):
            weighted[piece] = flat[places[piece], :-1] * weight
        return weighted

    def contrast_at(self, number: int, places: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return one of them, (n,)."""
        column: NDArray[np.float32] = self.values.reshape(-1, self.values.shape[2])[places, number]
        column *= self.basis.weight.astype(np.float32)[number]
        return column

    @property
    def noise_variance(self) -> NDArray[np.float64]:
        """(D,) variance of the weighted contrasts of a pattern of mean dose."""
        return self.basis.weight**2

    @property
    def whitened(self) -> NDArray[np.float32]:
        """(scan_y, scan_x, D + 1) linear in the pattern, with independent noise of variance 1 at mean dose."""
        turned, matrix = scratch_array(self.values.shape, np.float32), self.basis.whitening.T.astype(np.float32)
        for rows in row_pieces(self.values.shape):
            np.matmul(self.values[rows], matrix, out=turned[rows])
        return turned


def pieces(count: int) -> list[slice]:
    """Return pieces of range(count) for arrays that are made piece by piece, always the same."""
    return [slice(k, min(k + _PIECE, count)) for k in range(0, count, _PIECE)]


def row_pieces(shape: tuple[int, ...]) -> list[slice]:
    """Return pieces of the scan rows likewise."""
    rows = max(_PIECE // shape[1], 1)
    return [slice(y, min(y + rows, shape[0])) for y in range(0, shape[0], rows)]


def sum_where(values: NDArray[np.float32], where: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the sum (d,) of the values (y, x, d) of the positions in `where` (y, x), in their order."""
    total = np.zeros((1, values.shape[2]))
    for rows in row_pieces(values.shape):
        chosen = values[rows][where[rows]]
        total = np.concatenate([total, chosen]).sum(axis=0, keepdims=True)
    result: NDArray[np.float64] = total[0]
    return result


def sums_of_regions(values: NDArray[np.float32], labels: NDArray[np.int64], number: int) -> NDArray[np.float64]:
    """Return the sums (number, d) of the values (scan_y, scan_x, d) of regions 0 …, −1 = in none."""
    sums = np.zeros((number, values.shape[2]))
    for rows in row_pieces(values.shape):
        inside = labels[rows] >= 0
        regions = labels[rows][inside]
        belongs = csr_array((np.ones(regions.size), (regions, np.arange(regions.size))), shape=(number, regions.size))
        sums += belongs @ values[rows][inside]
    return sums


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
    binning = binning_of(survey)
    use = compared_cells(survey, binning, detector_mask)
    strips, patterns = _sample(scan, binning)
    if not any(strip[..., use].any() for strip in strips):
        raise InputError(
            "scan: not one electron was counted on the pixels that are compared, those outside of the direct beam; "
            "check detector_mask and the beam centre (centre_px), or choose method 'published'"
        )
    basis = find_basis(strips, patterns, use, binning.silent, survey.centre_px / binning.step)
    values = scratch_array((*scan.scan_shape, basis.matrix.shape[1] - 1), np.float32)
    energies = np.empty(scan.scan_shape, np.float32)

    def project(block: Block) -> None:
        flat, here = block.patterns, block.positions
        out = np.empty((len(flat), basis.matrix.shape[1]), np.float32)
        moves = binning.moves.reshape(-1, 2)[block.positions]

        def work(first: int, last: int) -> None:
            project_patterns(flat, moves, first, last, *binning.plan, binning.cells, basis.matrix, out)

        in_threads(work, len(flat), longest=max(scan.shape[1], 64))
        values.reshape(-1, values.shape[2])[here], energies.ravel()[here] = out[:, :-1], out[:, -1]

    run_pass(scan, project, stage="features")
    return _features(values, energies, basis, binning, survey.centre_px)


def features_of(
    values: NDArray[np.float32], basis: Basis, binning: Binning, centre_px: NDArray[np.float64]
) -> Features:
    """Return the features of patterns, given the products (scan_y, scan_x, D + 2) of binned patterns and basis."""
    return _features(np.ascontiguousarray(values[..., :-1]), values[..., -1], basis, binning, centre_px)


def _features(
    values: NDArray[np.float32],
    energies: NDArray[np.float32],
    basis: Basis,
    binning: Binning,
    centre_px: NDArray[np.float64],
) -> Features:
    noise = np.maximum(energies.astype(np.float64), 1e-6) + binning.silent * float(basis.matrix[:, -1].sum())
    return Features(values, noise, basis, binning.cells, centre_px / binning.step)


def _sample(scan: Scan, binning: Binning) -> tuple[list[NDArray[np.float32]], int]:
    """Return tiles of the scan in strips of neighbours, and the positions in one: all of a small scan."""
    height, width = scan.scan_shape
    edge = next((t for t in _TILE if (height // t) * (width // t) <= TILES), _TILE[-1])
    tile = min(edge, height), min(edge, width)
    rows, columns = height // tile[0], width // tile[1]
    if rows * columns <= TILES:
        spans = [(0, rows)]
    else:
        number = max(1, min(TILES // (_STRIP * columns), rows // _STRIP))
        starts = np.linspace(0, rows - _STRIP, number + 2).round().astype(int)[1:-1]
        spans = [(int(start), min(_STRIP, rows)) for start in starts]
    strips = []
    for start, count in spans:
        strip = np.zeros((count, columns, *binning.cells), np.float32)
        _fill(scan, binning, start * tile[0], tile, strip)
        strips.append(strip)
    return strips, tile[0] * tile[1]


def _fill(scan: Scan, binning: Binning, first: int, tile: tuple[int, int], strip: NDArray[np.float32]) -> None:
    """Add the patterns of a scan from row `first` on to a strip of tiles, as many rows at a time as memory allows."""
    most = int(_SAMPLE_SHARE * memory_budget() / max(1, scan.nbytes // scan.shape[0]))
    together, part = (most // tile[0], tile) if most >= tile[0] else (1, (1, tile[1]))  # of tiles; of a tile
    for row in range(0, len(strip), together):
        tiles = strip[row : row + together]
        stop = first + (row + len(tiles)) * tile[0]
        for y in range(first + row * tile[0], stop, len(tiles) * part[0]):
            _add_rows(scan, slice(y, y + len(tiles) * part[0]), part, binning, tiles)


def _add_rows(scan: Scan, rows: slice, part: tuple[int, int], binning: Binning, tiles: NDArray[np.float32]) -> None:
    """Add rows of a scan to tiles (t_y, t_x, n_y, n_x), as many columns at a time as memory allows."""
    parts = column_parts(scan)
    if len(parts) == 1:
        _add(scan.read(rows.start, rows.stop), binning.moves[rows], part, binning, tiles)
        return
    width = tiles.shape[1]
    edges = [0, *(min(stop // part[1], width) for _, stop in parts[:-1]), width]
    for a, b in pairwise(edges):
        columns = slice(a * part[1], b * part[1])
        if a < b:
            patterns = scan.with_columns(columns.start, columns.stop).read(rows.start, rows.stop)
            piece = tiles[:, a:b].copy()  # compiled for what follows each other
            _add(patterns, binning.moves[rows, columns], part, binning, piece)
            tiles[:, a:b] = piece


def _add(
    patterns: NDArray[np.generic],
    moves: NDArray[np.int64],
    tile: tuple[int, int],
    binning: Binning,
    tiles: NDArray[np.float32],
) -> None:
    def work(first: int, last: int) -> None:
        add_tiles(patterns, moves, first, last, *binning.plan, tile, tiles)

    in_threads(work, tiles.shape[1])
