"""Binned patterns of some rows of a scan, in memory that is used again as the rows move down."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.computing import in_threads
from clustem.segmentation.features._binning_kernels import bin_patterns
from clustem.segmentation.features.binning import binning_of
from clustem.surveying import Survey, mending_of


class BinnedRows:
    """Binned patterns of the rows `first` … `first + count − 1` of a scan."""

    def __init__(self, rows: int, scan_x: int, survey: Survey) -> None:
        self.survey, self.binning, self.mending = survey, binning_of(survey), mending_of(survey.bad_pixels)
        self.patterns = np.empty((rows, scan_x, *self.binning.cells), np.float32)
        self.moves = np.zeros((rows, scan_x, 2), np.int64)
        self.alive = np.zeros((rows, scan_x), bool)
        self.first, self.count = 0, 0

    @property
    def stop(self) -> int:
        """The scan row after the last one."""
        return self.first + self.count

    def add(self, rows: NDArray[Any], moves: NDArray[np.int64], columns: slice | None = None) -> None:
        """Add rows (n, scan_x, k_y, k_x) of finite values, by how many px each is moved (n, scan_x, 2).

        With `columns`, the rows are only these; they are added when the last columns are there.
        """
        width = self.patterns.shape[1]
        part = columns or slice(0, width)
        here = slice(self.count, self.count + len(rows)), part
        flat, shifts = rows.reshape(-1, *rows.shape[2:]), moves.reshape(-1, 2)
        whole = part == slice(0, width)
        shape = (len(flat), *self.binning.cells)
        binned = self.patterns[here].reshape(shape) if whole else np.empty(shape, np.float32)
        offset, scale = self.binning.offset, self.binning.scale
        alive, good = np.empty(len(flat), bool), ~self.survey.bad_pixels

        def work(first: int, last: int) -> None:
            bin_patterns(flat, shifts, first, last, self.binning.step, offset, scale, self.mending, binned)
            alive[first:last] = _alive(flat[first:last], binned[first:last], good)

        in_threads(work, len(flat))
        if not whole:
            self.patterns[here] = binned.reshape(*rows.shape[:2], *self.binning.cells)
        self.moves[here] = moves
        self.alive[here] = alive.reshape(rows.shape[:2])
        if part.stop == width:
            self.count += len(rows)

    def forget(self, rows: int) -> None:
        """Let the last rows go."""
        self.count -= rows

    def drop(self, rows: int) -> None:
        """Let the first rows go."""

        def move(first: int, last: int) -> None:
            for values in (self.patterns, self.moves, self.alive):
                for row in range(rows, self.count):
                    values[row - rows, first:last] = values[row, first:last]

        in_threads(move, self.patterns.shape[1])
        self.first += rows
        self.count -= rows


def _alive(patterns: NDArray[Any], binned: NDArray[np.float32], good: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which patterns (n, k_y, k_x) count on good pixels, looking only at those whose middle cells are alike."""
    middle = binned[:, binned.shape[1] // 2]
    alive: NDArray[np.bool_] = (middle != middle[:, :1]).any(axis=1)
    doubtful = np.flatnonzero(~alive)
    alive[doubtful] = patterns[doubtful].any(axis=(1, 2), where=good)
    return alive
