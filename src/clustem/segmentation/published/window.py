"""The rows of a scan that the prefilter works on, which move down with the rows that are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.computing import in_threads, memory_budget
from clustem.scan import Scan
from clustem.segmentation.parameters import PrefilterParameters
from clustem.segmentation.published._prefilter_kernels import (
    make_features,
    neighbour_weights,
    pair_products,
    sharpen_products,
    weighted_sums,
)
from clustem.segmentation.similarity import blur_plan
from clustem.surveying import runs_of

_TILE = 8  # columns that a thread walks along, for its cache
_SMALL = 0.05  # weights up to which correlations are computed twice, because a small weight takes a precise one
_DOUBT = 1e-5  # of a correlation in 32 bits
_MOST_ROWS = 8  # that are taken in together, so that what is read once serves several
_SHARE = 0.5  # of the memory budget that the rows may take, unless one row takes more


@dataclass(eq=False)
class _Rows:
    """Rows first … last-1 as rings: row y stands at y modulo the length.

    patterns (2r + n, scan_x, k) as they are; features (r + n, scan_x, k used) that are compared; products
    (m, 2r + n, scan_x) with the neighbours; alive (2r + n, scan_x), whether a pattern can be compared; for a radius r
    and n rows at a time, which are read into buffer.
    """

    patterns: NDArray[Any]
    features: NDArray[np.float32]
    products: NDArray[np.float64]
    alive: NDArray[np.bool_]
    buffer: NDArray[Any] | None
    first: int = 0
    last: int = 0


class Window:
    """Reads filtered rows of a scan; every row is read, blurred and compared once if rows are asked for in order."""

    def __init__(self, scan: Scan, weight: NDArray[np.float64], parameters: PrefilterParameters) -> None:
        self.scan, self.parameters = scan, parameters
        self.used, self.runs = weight[weight > 0], runs_of(weight > 0)
        self.plan = blur_plan(scan.detector_shape, parameters.sigma)
        self.offsets = half_disk(parameters.radius)
        self.donors = np.ones(scan.scan_shape, bool)
        if parameters.border == "published":
            self.donors[0], self.donors[:, 0] = False, False
        row = scan.shape[1] * (int(np.prod(scan.detector_shape)) * scan.dtype.itemsize + 4 * self.used.size)
        self.together = int(np.clip(_SHARE * memory_budget() / row - 2 * parameters.radius, 1, _MOST_ROWS))
        self.rows: _Rows | None = None
        self.lock = Lock()

    @property
    def nbytes(self) -> int:
        """Bytes that are held while rows are read."""
        radius, width = self.parameters.radius, self.scan.shape[1]
        pixels = int(np.prod(self.scan.detector_shape)) * self.scan.dtype.itemsize
        return width * ((2 * radius + 2 * self.together) * pixels + (radius + self.together) * self.used.size * 4)

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return the filtered rows start … stop-1."""
        rows = np.empty((stop - start, *self.scan.shape[1:]), np.float32)
        self.fill(start, stop, rows)
        return rows

    def fill(self, start: int, stop: int, rows: NDArray[np.float32]) -> None:
        """Fill an array (stop - start, scan_x, k_y, k_x) with them."""
        filtered = rows.reshape(stop - start, self.scan.shape[1], -1)
        with self.lock:
            goes_on = False
            try:
                for row in range(start, stop, self.together):
                    end = min(row + self.together, stop)
                    self._filter(self._around(row, end), row, filtered[row - start : end - start])
                goes_on = stop < self.scan.shape[0]
            finally:
                if not goes_on:  # at the end, or an error left the rows half done
                    self.rows = None

    def _around(self, start: int, stop: int) -> _Rows:
        """Return rows that hold all within the radius of start … stop-1."""
        radius, height = self.parameters.radius, self.scan.shape[0]
        first, last = max(0, start - radius), min(height, stop + radius)
        if self.rows is None:
            self.rows = self._empty()
        if not self.rows.first <= first <= self.rows.last:
            self.rows.first = self.rows.last = first
        while self.rows.last < last:
            self._add(self.rows, min(self.rows.last + self.together, last))
        return self.rows

    def _empty(self) -> _Rows:
        radius, width = self.parameters.radius, self.scan.shape[1]
        held = 2 * radius + self.together
        return _Rows(
            patterns=np.empty((held, width, int(np.prod(self.scan.detector_shape))), self.scan.dtype),
            features=np.empty((radius + self.together, width, self.used.size), np.float32),
            products=np.empty((len(self.offsets), held, width)),
            alive=np.empty((held, width), bool),
            buffer=self.scan.buffer(self.together),
        )

    def _add(self, rows: _Rows, stop: int) -> None:
        """Take in the next rows up to stop-1: patterns, features, and products with each other and those above."""
        new = np.arange(rows.last, stop)
        width, held = self.scan.shape[1], len(rows.patterns)
        patterns = self.scan.read(rows.last, stop, buffer=rows.buffer)
        flat = patterns.reshape(len(new), width, -1)
        rows.products[:, new % held] = np.nan
        lowest = max(rows.first, rows.last - self.parameters.radius)
        low, high = self.parameters.corr_range
        doubtful = low - _DOUBT, low + _SMALL * (high - low)

        def prepare(a: int, b: int) -> None:
            for n, row in enumerate(new.tolist()):
                features, alive = rows.features[row % len(rows.features)], rows.alive[row % held]
                part = max(a - n * width, 0), max(min(b - n * width, width), 0)
                rows.patterns[row % held, slice(*part)] = flat[n, slice(*part)]
                make_features(patterns[n], *self.plan, self.used, self.runs, *part, features, alive)

        def correlate(a: int, b: int) -> None:
            pair_products(rows.features, self.offsets, new, lowest, a, b, rows.products)
            sharpen_products(rows.features, self.offsets, new, lowest, *doubtful, a, b, rows.products)

        in_threads(prepare, len(new) * width)
        in_threads(correlate, width, longest=_TILE)
        rows.last = stop
        rows.first = max(rows.first, rows.last - held)

    def _filter(self, rows: _Rows, row: int, filtered: NDArray[np.float32]) -> None:
        """Fill the filtered patterns (n, scan_x, k) of rows from row on."""
        number = np.arange(row, row + len(filtered))
        own = np.ones((len(filtered), self.scan.shape[1]))
        if self.parameters.border == "published":
            own[rows.alive[number % len(rows.alive)] & self.donors[number]] = 2
        weights = np.empty((*own.shape, 1 + 2 * len(self.offsets)), np.float32)
        neighbour_weights(rows.products, self.offsets, *self.parameters.corr_range, self.donors, own, row, weights)

        exact = rows.patterns.dtype.kind in "bui" and rows.patterns.dtype.itemsize <= 2

        def average(a: int, b: int) -> None:
            weighted_sums(rows.patterns, weights, self.offsets, exact, row, a, b, filtered)

        in_threads(average, own.shape[1], longest=_TILE)


def detector_weight(shape: tuple[int, int], edge: int) -> NDArray[np.float64]:
    """Return |k − k_c|²/(Q_y Q_x), zero in a frame of `edge` px."""
    y, x = (np.arange(length) - (length - 1) / 2 for length in shape)
    weight = (y[:, None] ** 2 + x**2) / (shape[0] * shape[1])
    inside = np.zeros(shape, bool)
    inside[edge : shape[0] - edge, edge : shape[1] - edge] = True
    return np.where(inside, weight, 0.0)


def half_disk(radius: int) -> NDArray[np.int64]:
    """Return the offsets (m, 2) within radius + 0.5 that give every pair once."""
    span = range(-radius, radius + 1)
    reach = (radius + 0.5) ** 2
    half = [(dy, dx) for dy in span for dx in span if dy * dy + dx * dx <= reach and (dy, dx) > (0, 0)]
    return np.array(half, np.int64)
