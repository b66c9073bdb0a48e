"""Windows: parts of a scan, each looked at with what is around it, for constant work and memory per position."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

CORE = 48  # positions along an edge of a window, about: enough to tell what is noise, few enough for few crystals
HALO = 6  # positions around it, as far as strips along a boundary reach
_WHOLE = 72  # positions along an edge that are one window


@dataclass(frozen=True)
class Window:
    """Part of a scan: the positions that are its own, and those `around` it that are looked at with them.

    Attributes
    ----------
    rows, columns : slice
        Its own, of the scan.
    around_rows, around_columns : slice
        With the halo, of the scan.
    """

    rows: slice
    columns: slice
    around_rows: slice
    around_columns: slice

    @property
    def own(self) -> tuple[slice, slice]:
        """Where its own positions are in the scan."""
        return self.rows, self.columns

    @property
    def around(self) -> tuple[slice, slice]:
        """Where all that is looked at is in the scan."""
        return self.around_rows, self.around_columns

    @property
    def inner(self) -> tuple[slice, slice]:
        """Where its own positions are in what is looked at."""
        up, left = self.around_rows.start, self.around_columns.start
        return (
            slice(self.rows.start - up, self.rows.stop - up),
            slice(self.columns.start - left, self.columns.stop - left),
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Of what is looked at."""
        return (
            self.around_rows.stop - self.around_rows.start,
            self.around_columns.stop - self.around_columns.start,
        )


def windows_of(shape: tuple[int, int]) -> list[Window]:
    """Return the windows of a scan (scan_y, scan_x), row by row; they are as even as may be."""
    down, across = _spans(shape[0]), _spans(shape[1])
    return [Window(rows, columns, above, beside) for rows, above in down for columns, beside in across]


def owners(shape: tuple[int, int], windows: list[Window]) -> NDArray[np.int64]:
    """Return the number of the window that every position (scan_y, scan_x) belongs to."""
    owner = np.zeros(shape, np.int64)
    for number, window in enumerate(windows):
        owner[window.own] = number
    return owner


def _spans(length: int) -> list[tuple[slice, slice]]:
    """Return the parts of a line of positions, alone and with their halo."""
    number = 1 if length <= _WHOLE else max(1, round(length / CORE))
    edges = [length * k // number for k in range(number + 1)]
    return [(slice(a, b), slice(max(0, a - HALO), min(length, b + HALO))) for a, b in pairwise(edges)]
