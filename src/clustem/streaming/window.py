"""The open rows of a scan that is being recorded: their binned patterns, and features of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.computing import in_threads
from clustem.segmentation._feature_kernels import bin_patterns
from clustem.segmentation.basis import Basis, find_basis, find_basis_after
from clustem.segmentation.binning import binning_of, compared_cells
from clustem.segmentation.features import TILES, Features, features_of
from clustem.segmentation.shared_directions import Past
from clustem.solving import product
from clustem.surveying import Survey, mending_of

_FEW_TILES = 1100  # of a window that is one of many: directions are found from its tiles again and again


class Window:
    """Binned patterns of the rows `first` … `first + count − 1` of a scan, in memory that is used again and again."""

    def __init__(self, rows: int, scan_x: int, survey: Survey) -> None:
        self.survey, self.binning, self.mending = survey, binning_of(survey), mending_of(survey.bad_pixels)
        self.patterns = np.empty((rows, scan_x, *self.binning.cells), np.float32)
        self.moves = np.zeros((rows, scan_x, 2), np.int64)
        self.alive = np.zeros((rows, scan_x), bool)
        self.first, self.count = 0, 0

    @property
    def space(self) -> int:
        """Rows that can be added."""
        return len(self.patterns) - self.count

    @property
    def stop(self) -> int:
        """The scan row after the last one."""
        return self.first + self.count

    def add(self, rows: NDArray[Any], moves: NDArray[np.int64]) -> None:
        """Add rows (n, scan_x, k_y, k_x) of finite values, by how many px each is moved (n, scan_x, 2)."""
        here = slice(self.count, self.count + len(rows))
        flat, shifts = rows.reshape(-1, *rows.shape[2:]), moves.reshape(-1, 2)
        binned = self.patterns[here].reshape(-1, *self.binning.cells)
        offset, scale = self.binning.offset, self.binning.scale

        def work(first: int, last: int) -> None:
            bin_patterns(flat, shifts, first, last, self.binning.step, offset, scale, self.mending, binned)

        in_threads(work, len(flat))
        self.moves[here] = moves
        self.alive[here] = _alive(flat, binned, ~self.survey.bad_pixels).reshape(rows.shape[:2])
        self.count += len(rows)

    def forget(self, rows: int) -> None:
        """Let the last rows go."""
        self.count -= rows

    def drop(self, rows: int) -> None:
        """Let the first rows go."""
        for values in (self.patterns, self.moves, self.alive):
            for row in range(rows, self.count):
                values[row - rows] = values[row]
        self.first += rows
        self.count -= rows

    def whole_features(self, detector_mask: NDArray[np.bool_] | None) -> Features | None:
        """Return the features of the rows as those of a scan that is read from a file; None if nothing was counted."""
        use = self._use(detector_mask)
        strips, positions = self._tiles(TILES)
        if _empty(strips, use):
            return None
        return self._project(find_basis([strips], positions, use, self.binning.silent, self._centre))

    def features(
        self, detector_mask: NDArray[np.bool_] | None, past: Past | None, settled: int
    ) -> tuple[Features | None, Past | None]:
        """Return the features of the rows, None if nothing was counted in them, and what to keep of the past and them.

        Directions are found from these rows and from the past, into which as many rows go as are `settled` now.
        """
        use = self._use(detector_mask)
        strips, positions = self._tiles(_FEW_TILES)
        if _empty(strips, use):
            return None, past
        basis, kept = find_basis_after(
            past, [strips], positions, use, self.binning.silent, self._centre, share=settled / self.count
        )
        return self._project(basis), kept

    @property
    def _centre(self) -> NDArray[np.float64]:
        return np.asarray(self.survey.centre_px / self.binning.step)

    def _use(self, detector_mask: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
        moves = self.moves[: self.count]
        return compared_cells(replace(self.survey, descan_px=moves.astype(float)), self.binning, detector_mask)

    def _project(self, basis: Basis) -> Features:
        flat = self.patterns[: self.count].reshape(-1, int(np.prod(self.binning.cells)))
        shaped = product(flat, basis.matrix).reshape(self.count, self.patterns.shape[1], -1)
        return features_of(shaped, basis, self.binning, self.survey.centre_px)

    def _tiles(self, most: int) -> tuple[NDArray[np.float32], int]:
        """Return sums of patterns over at most so many tiles (t_y, t_x, n_y, n_x), and the positions in one."""
        height, width = self.count, self.patterns.shape[1]
        edge = next(t for t in range(2, height + width + 2) if (height // t) * (width // t) <= most)
        tile = min(edge, height), min(edge, width)
        rows, columns = height // tile[0], width // tile[1]
        used = self.patterns[: rows * tile[0], : columns * tile[1]]
        strips = np.zeros((rows, columns, *self.binning.cells), np.float32)

        def work(first: int, last: int) -> None:
            for row in range(first, last):
                for dy, dx in np.ndindex(tile):
                    strips[row] += used[row * tile[0] + dy, dx :: tile[1]]

        in_threads(work, rows)
        return strips, tile[0] * tile[1]


def _empty(strips: NDArray[np.float32], use: NDArray[np.bool_]) -> bool:
    """Return whether there is nothing in the pixels in use of all tiles (t_y, t_x, n_y, n_x)."""
    return not any(tile[use].any() for row in strips for tile in row)


def _alive(patterns: NDArray[Any], binned: NDArray[np.float32], good: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which patterns (n, k_y, k_x) count on good pixels, looking only at those whose middle cells are alike."""
    middle = binned[:, binned.shape[1] // 2]
    alive: NDArray[np.bool_] = (middle != middle[:, :1]).any(axis=1)
    doubtful = np.flatnonzero(~alive)
    alive[doubtful] = patterns[doubtful].any(axis=(1, 2), where=good)
    return alive
