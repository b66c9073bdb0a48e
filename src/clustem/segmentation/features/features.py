"""Features: few numbers per pattern that keep what tells domains apart, with their noise, window by window."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.computing import current_execution, in_threads, memory_budget
from clustem.errors import InputError
from clustem.passes import Block, run_pass
from clustem.scan import Scan
from clustem.scratch import scratch_array
from clustem.segmentation.features.basis import Basis, find_basis
from clustem.segmentation.features.binning import Binning, compared_cells
from clustem.segmentation.features.chance import prepare_chance
from clustem.segmentation.features.constants import FEATURES
from clustem.segmentation.features.feature_size import feature_radius
from clustem.segmentation.features.filters import SpotFilter
from clustem.segmentation.features.measured_noise import noise_fits, whitened
from clustem.segmentation.features.rows import BinnedRows
from clustem.segmentation.features.smooth import SmoothScattering
from clustem.segmentation.features.windows import Window, windows_of
from clustem.solving import small_products
from clustem.surveying import Survey

_EVEN = 16  # columns that products are fast with multiples of
_STRIP_SHARE = 0.8  # of the memory budget that the binned rows of a strip of columns take, unless one window needs more


@dataclass(frozen=True, eq=False)
class WindowFeatures:
    """Features of a window with its halo (h, w positions).

    Attributes
    ----------
    window : Window
    values : (h, w, D) float32
        Contrasts, of independent noise of variance 1 at mean dose; all 0 where neighbours share no more than chance.
    noise : (h, w) float32
        Variance of the noise of each, relative to a pattern of mean dose.
    basis : Basis
    counted : bool
        Whether the noise is that of counts, and not taken from neighbouring positions.
    """

    window: Window
    values: NDArray[np.float32]
    noise: NDArray[np.float32]
    basis: Basis
    counted: bool = True

    @property
    def structured(self) -> bool:
        """Whether neighbours have more in common than chance makes."""
        return self.basis.structure > FEATURES.structured


@dataclass(frozen=True, eq=False)
class Features:
    """Features of a scan, or of some rows of one.

    Attributes
    ----------
    shape : (scan_y, scan_x)
    windows : list of WindowFeatures
        Whose own positions are all of them.
    electrons : (scan_y, scan_x) float32
        Sums of the pixels that are compared.
    """

    shape: tuple[int, int]
    windows: list[WindowFeatures]
    electrons: NDArray[np.float32]

    @property
    def structured(self) -> bool:
        """Whether neighbours have more in common than chance makes, anywhere."""
        return any(window.structured for window in self.windows)


class FeatureMaker:
    """How features are made of the binned patterns of windows: which pixels, which filter, which noise."""

    def __init__(self, survey: Survey, binning: Binning, detector_mask: NDArray[np.bool_] | None) -> None:
        self.binning, self.use = binning, compared_cells(survey, binning, detector_mask)
        self.radius = survey.beam_radius_px / binning.step
        self.spots: SpotFilter | None = None
        self.scattering: SmoothScattering | None = None
        self.counts = noise_fits(survey)
        self.centre = (survey.centre_px + 0.5) / binning.step - 0.5
        self.mean = _binned(survey.mean, binning)
        self.unit = np.float32(max(abs(float((survey.mean - binning.offset).sum())) * binning.scale, 1e-12))

    @property
    def spot(self) -> SpotFilter:
        """The filter, at the size of the spots: that of the direct beam, or of what the first patterns show."""
        if self.spots is None:
            raise RuntimeError("the size of the spots is not known before patterns were seen")
        return self.spots

    @property
    def smooth(self) -> SmoothScattering:
        """What smooth scattering leaves in filtered patterns."""
        if self.scattering is None:
            raise RuntimeError("what smooth scattering leaves is not known before patterns were seen")
        return self.scattering

    def learn(self, patterns: NDArray[np.float32]) -> None:
        """Find out how large features are from binned patterns (h, w, n_y, n_x), the first time."""
        if self.spots is None:
            size = FEATURES.spot_share * self.radius
            if not np.isfinite(self.radius):
                size = FEATURES.feature_share * feature_radius(tiles_of(patterns)[0], self.use, counts=self.counts)
            self.spots = SpotFilter(self.use, float(np.clip(size, FEATURES.least_spot, min(self.use.shape) / 8)))
            self.scattering = SmoothScattering.of(
                self.spots, self.centre, self.mean, known=bool(np.isfinite(self.radius))
            )

    def prepare(self, shapes: set[tuple[int, int]]) -> None:
        """Find out what noise looks like in windows of some shapes, before threads ask for it."""
        prepare_chance(self.spot, {tile_grid(shape)[0] for shape in shapes})

    def make(self, patterns: NDArray[np.float32], window: Window) -> tuple[WindowFeatures, NDArray[np.float32]]:
        """Return the features of a window from its binned patterns (h, w, n_y, n_x), and the electrons of its own.

        They are the sums of the pixels that are compared, about 1 where nothing is counted.
        """
        tiles, positions = tiles_of(patterns)
        read = self.binning.silent if self.counts else 0.0
        basis = find_basis(tiles, positions, self.spot, read_variance=read, counts=self.counts, smooth=self.smooth)
        size = basis.matrix.shape[1]
        even = np.pad(basis.matrix, ((0, 0), (0, -size % _EVEN)))
        flat = patterns.reshape(*patterns.shape[:2], -1)
        products = np.empty((*patterns.shape[:2], even.shape[1]), np.float32)

        def project(first: int, last: int) -> None:
            np.matmul(flat[first:last], even, out=products[first:last])

        in_threads(project, len(flat))
        projected = products[..., :size]
        values, electrons, energy = projected[..., :-2], projected[..., -2], projected[..., -1]
        if self.counts:
            noise = np.maximum(energy + np.float32(read * float(basis.matrix[:, -1].sum())), 1e-6)
        else:
            electrons = electrons / self.unit
            values, noise, basis = whitened(values, basis)
        kept = scratch_array(values.shape, np.float32)
        found = WindowFeatures(window, kept, noise, basis, self.counts)
        kept[:] = values if found.structured else 0
        return found, electrons[window.inner]


def _binned(mean: NDArray[np.float64], binning: Binning) -> NDArray[np.float64]:
    """Return the mean (n_y, n_x) of binned patterns, in electrons, from that of patterns (k_y, k_x)."""
    sums = np.zeros(binning.cells)
    np.add.at(sums, np.ix_(binning.cell_y, binning.cell_x), (np.nan_to_num(mean) - binning.offset) * binning.scale)
    return sums


def tiles_of(patterns: NDArray[np.float32]) -> tuple[NDArray[np.float32], int]:
    """Return sums of patterns (h, w, n_y, n_x) over tiles (t_y, t_x, n_y, n_x), and the positions in one."""
    (rows, columns), tile = tile_grid((patterns.shape[0], patterns.shape[1]))
    sums = np.empty((rows, columns, *patterns.shape[2:]), np.float32)

    def add(first: int, last: int) -> None:
        for row in range(first, last):
            line = patterns[row * tile[0] : (row + 1) * tile[0], : columns * tile[1]]
            line.reshape(tile[0], columns, tile[1], *patterns.shape[2:]).sum(axis=(0, 2), out=sums[row])

    in_threads(add, rows)
    return sums, tile[0] * tile[1]


def tile_grid(shape: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return how many tiles (t_y, t_x) a window of a shape has, and the positions (y, x) along the edges of one."""
    height, width = shape
    edge = next(t for t in range(2, height + width + 2) if (height // t) * (width // t) <= FEATURES.most_tiles)
    tile = min(edge, height), min(edge, width)
    return (height // tile[0], width // tile[1]), tile


@small_products()
def features_of_rows(rows: BinnedRows, maker: FeatureMaker) -> Features:
    """Return the features of all rows that are held, as of a scan of their own."""
    shape = (rows.count, rows.patterns.shape[1])
    windows, electrons = windows_of(shape), np.zeros(shape, np.float32)
    moved = [replace(w, rows=_down(w.rows, rows.first), around_rows=_down(w.around_rows, rows.first)) for w in windows]
    made = []
    for window, (found, sums) in zip(windows, _band(rows, moved, maker, 0), strict=True):
        made.append(replace(found, window=window))
        electrons[window.own] = sums
    return Features(shape, made, electrons)


def _down(part: slice, rows: int) -> slice:
    return slice(part.start + rows, part.stop + rows)


def measure_features(scan: Scan, survey: Survey, *, detector_mask: NDArray[np.bool_] | None = None) -> Features:
    """Return the features of a scan, in one read.

    Parameters
    ----------
    scan : Scan
    survey : Survey
        Of the same scan: its centre, beam radius, descan, bad pixels and noise model are used.
    detector_mask : (k_y, k_x) bool, optional
        True = use. Without it, all pixels from twice the radius of the direct beam on.

    Raises
    ------
    InputError
        If no detector pixel is left, or no electron falls on them.
    """
    windows, electrons = windows_of(scan.scan_shape), np.zeros(scan.scan_shape, np.float32)
    made: dict[tuple[int, int], WindowFeatures] = {}
    for columns, strip in _strips(windows, scan, survey):
        for found, sums in _of_strip(scan, survey, detector_mask, columns, strip):
            made[found.window.rows.start, found.window.columns.start] = found
            electrons[found.window.own] = sums
    if not electrons.any():
        raise InputError(
            "scan: not one electron was counted on the pixels that are compared, those outside of the direct beam; "
            "check detector_mask and the beam centre (centre_px), or choose method 'published'"
        )
    return Features(scan.scan_shape, [made[w.rows.start, w.columns.start] for w in windows], electrons)


def _strips(windows: list[Window], scan: Scan, survey: Survey) -> list[tuple[slice, list[Window]]]:
    """Return columns of the scan, with their windows, whose binned rows fit into memory."""
    cells = int(np.prod(BinnedRows(0, 1, survey).binning.cells))
    tallest = max(window.shape[0] for window in windows)
    most = max(1, int(_STRIP_SHARE * memory_budget() / (4 * cells * tallest)))
    columns = sorted({(w.around_columns.start, w.around_columns.stop) for w in windows})
    strips: list[list[tuple[int, int]]] = [[columns[0]]]
    for start, stop in columns[1:]:
        if stop - strips[-1][0][0] <= most or scan.narrow is None:
            strips[-1].append((start, stop))
        else:
            strips.append([(start, stop)])
    result = []
    for strip in strips:
        inside = [w for w in windows if (w.around_columns.start, w.around_columns.stop) in strip]
        result.append((slice(strip[0][0], strip[-1][1]), inside))
    return result


@small_products()
def _of_strip(
    scan: Scan,
    survey: Survey,
    detector_mask: NDArray[np.bool_] | None,
    columns: slice,
    windows: list[Window],
) -> Iterator[tuple[WindowFeatures, NDArray[np.float32]]]:
    """Return the features of the windows of some columns, and the electrons of their own positions."""
    narrow = scan if columns == slice(0, scan.shape[1]) else scan.with_columns(columns.start, columns.stop)
    rows = BinnedRows(max(w.shape[0] for w in windows), columns.stop - columns.start, survey)
    maker = FeatureMaker(survey, rows.binning, detector_mask)
    moves = rows.binning.moves[:, columns]
    bands = sorted({(w.around_rows.start, w.around_rows.stop) for w in windows})
    found: list[tuple[WindowFeatures, NDArray[np.float32]]] = []

    def take(block: Block) -> None:
        data, start, part = block.core, block.start, slice(block.first, block.last)
        while start < block.stop:
            stop = min(block.stop, bands[0][1])
            rows.add(data[start - block.start : stop - block.start], moves[start:stop, part], part)
            start = stop
            if rows.stop == bands[0][1]:
                band = slice(*bands.pop(0))
                found.extend(_band(rows, [w for w in windows if w.around_rows == band], maker, columns.start))
                rows.drop((bands[0][0] if bands else rows.stop) - rows.first)

    run_pass(narrow, take, stage="features")
    return iter(found)


def _band(
    rows: BinnedRows, windows: list[Window], maker: FeatureMaker, first_column: int
) -> list[tuple[WindowFeatures, NDArray[np.float32]]]:
    """Return the features of windows that lie in the rows that are held, and the electrons of their own positions."""
    found: list[tuple[WindowFeatures, NDArray[np.float32]]] = []
    slots: list[Any] = [None] * len(windows)
    maker.learn(rows.patterns[: rows.count, : windows[0].shape[1]])
    maker.prepare({w.shape for w in windows})

    def work(first: int, last: int) -> None:
        for number in range(first, last):
            window = windows[number]
            down = slice(window.around_rows.start - rows.first, window.around_rows.stop - rows.first)
            across = slice(window.around_columns.start - first_column, window.around_columns.stop - first_column)
            slots[number] = maker.make(rows.patterns[down, across], window)

    left = 1 if len(windows) % current_execution().workers == 1 else 0
    in_threads(work, len(windows) - left, longest=1)
    work(len(windows) - left, len(windows))  # a window that is left alone has all threads
    found.extend(slots)
    return found
