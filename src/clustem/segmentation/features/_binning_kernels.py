"""Compiled loops of the features: arrays and scalars in, arrays filled."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.compiling import compiled
from clustem.surveying import Mending

Array = NDArray[Any]


@compiled()
def bin_pattern(
    pattern: Array, dy: int, dx: int, cell_y: Array, cell_x: Array, offset: float, scale: float, binned: Array
) -> None:
    """Fill binned (n_y, n_x) float32 with sums of scale · (pattern (k_y, k_x) − offset), moved by (−dy, −dx) px.

    cell_y (k_y,) and cell_x (k_x,) say which binned row and column a pixel belongs to, −1 = none. Values that are not
    finite count nothing.
    """
    height, width = pattern.shape
    binned[:] = 0.0
    for y in range(max(0, dy), min(height, height + dy)):
        row = cell_y[y - dy]
        if row < 0:
            continue
        for x in range(max(0, dx), min(width, width + dx)):
            column = cell_x[x - dx]
            value = (np.float64(pattern[y, x]) - offset) * scale
            if column >= 0 and value != 0.0 and math.isfinite(value):
                binned[row, column] += value


@compiled()
def project_patterns(
    patterns: Array,
    moves: Array,
    first: int,
    last: int,
    cell_y: Array,
    cell_x: Array,
    offset: float,
    scale: float,
    shape: tuple[int, int],
    matrix: Array,
    values: Array,
) -> None:
    """Fill values (n, d) float32, first … last-1, with the products of binned patterns and matrix (n_y n_x, d) float32.

    patterns (n, k_y, k_x) are moved by moves (n, 2) whole px and binned as by bin_pattern; empty pixels cost nothing.
    """
    binned = np.empty(shape, np.float32)
    for n in range(first, last):
        bin_pattern(patterns[n], moves[n, 0], moves[n, 1], cell_y, cell_x, offset, scale, binned)
        add_products(binned.ravel(), matrix, values[n])


@compiled()
def add_products(binned: Array, matrix: Array, out: Array) -> None:
    """Fill out (d,) float32 with the products of binned (n,) and matrix (n, d) float32; zeros cost nothing."""
    out[:] = 0.0
    for k in range(binned.size):
        value = binned[k]
        if value != 0.0:
            line = matrix[k]
            for d in range(out.size):
                out[d] += value * line[d]


@compiled()
def bin_patterns(
    patterns: Array,
    moves: Array,
    first: int,
    last: int,
    step: int,
    offset: float,
    scale: float,
    mending: Mending,
    binned: Array,
) -> None:
    """Fill binned (n, n_y, n_x) float32, first … last-1, with what bin_pattern makes of finite patterns (n, k_y, k_x).

    Cells are step px along an edge. Sums are taken line by line, which the compiler turns into vector instructions, and
    around pixels that are mended.
    """
    height, width = patterns.shape[1], patterns.shape[2]
    shift, factor = np.float32(offset), np.float32(scale)
    line = np.empty(binned.shape[2] * step, np.float32)
    mended, sorted_values = np.empty(mending.columns.size, patterns.dtype), np.empty(25, patterns.dtype)
    for n in range(first, last):
        for k in range(mended.size):
            mended[k] = median_around(patterns, n, mending, k, sorted_values)
        dy, dx = moves[n, 0], moves[n, 1]
        start, stop = max(0, dx), min(width, width + dx)
        for row in range(binned.shape[1]):
            line[:] = 0.0
            for y in range(max(0, row * step + dy), min(height, (row + 1) * step + dy, height + dy)):
                begin = start
                for k in range(mending.lines[y], mending.lines[y + 1]):
                    column = mending.columns[k]
                    if start <= column < stop:
                        add_line(patterns, n, y, begin, column, dx, shift, factor, line)
                        line[column - dx] += (np.float32(mended[k]) - shift) * factor
                        begin = column + 1
                add_line(patterns, n, y, begin, stop, dx, shift, factor, line)
            add_steps(line, step, binned[n, row])


@compiled()
def median_around(patterns: Array, n: int, mending: Mending, k: int, values: Array) -> Any:
    """Median of the good pixels around bad pixel k of pattern n, 0 if there are none; values (25,) are overwritten."""
    size = mending.starts[k + 1] - mending.starts[k]
    for place in range(size):
        source = mending.starts[k] + place
        value = patterns[n, mending.around_y[source], mending.around_x[source]]
        while place > 0 and values[place - 1] > value:
            values[place] = values[place - 1]
            place -= 1
        values[place] = value
    if size == 0:
        return 0.0
    return (np.float64(values[(size - 1) // 2]) + np.float64(values[size // 2])) / 2.0


@compiled()
def add_line(
    patterns: Array, n: int, y: int, start: int, stop: int, dx: int, shift: float, factor: float, line: Array
) -> None:
    """Add columns start … stop-1 of line y of pattern n, less a shift and times a factor, to a line (n,) moved by −dx.

    Views of lines, and numbers that may count from the end, would take as long as the sums.
    """
    for x in range(start, stop):
        line[np.uint64(x - dx)] += (np.float32(patterns[n, y, np.uint64(x)]) - shift) * factor


@compiled()
def add_steps(line: Array, step: int, row: Array) -> None:
    """Fill row (n,) float32 with the sums of every `step` values of a line."""
    if step == 1:
        for x in range(row.size):
            row[x] = line[x]
        return
    if step == 2:
        for x in range(row.size):
            row[x] = line[2 * x] + line[2 * x + 1]
        return
    for x in range(row.size):
        total = np.float32(0.0)
        for k in range(x * step, (x + 1) * step):
            total += line[k]
        row[x] = total
