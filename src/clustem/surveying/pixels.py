"""Hot and dead detector pixels, recognised in the mean pattern."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from clustem.scan import RowFiller, RowReader, Scan

_EXCESS = 8.0  # standard errors by which a hot pixel exceeds its surroundings
_ISOLATED = 0.25  # a spot blurred by σ ≥ 0.5 px leaves more than this share of its peak in seven of its neighbours
_ABOVE = 5.0  # times its surroundings that a hot pixel has at least
_LEAST_COUNTS = 30  # counts that the neighbours need before a pixel without any is called dead


def find_bad_pixels(
    mean: NDArray[np.float64], variance: NDArray[np.float64], patterns: int, use: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return hot and dead pixels, two (k_y, k_x) bool arrays.

    Parameters
    ----------
    mean, variance : (k_y, k_x) float64
        Over `patterns` patterns.
    patterns : int
    use : (k_y, k_x) bool
        Pixels to judge; the others are neither hot nor dead.

    Notes
    -----
    A hot pixel stands alone, far above its surroundings: a diffraction spot, however sharp, shares its intensity with
    its neighbours. Two adjacent hot pixels are still found. A dead pixel has less than a tenth of the second lowest
    of its eight neighbours where that is at least 30 counts, so that neither a gap between two spots nor the shadow of
    a beam stop is one.
    """
    shown = mean if use.all() else np.where(use, mean, median_filter(mean, 5, mode="nearest"))
    neighbours = np.sort(neighbours_of(shown), axis=0)
    lit = use & (mean > 0)
    gain = float(np.median(variance[lit] / mean[lit])) if lit.any() else 1.0
    gain = gain if gain > 0 else 1.0
    alone = use & (shown * patterns > 20 * gain) & (neighbours[6] < (_ISOLATED + (1 - _ISOLATED) / _ABOVE) * shown)
    surroundings = np.maximum(ring_medians(shown, alone), 0)
    peaks, excess = shown[alone], shown[alone] - surroundings
    noise = np.sqrt(gain * np.maximum(surroundings, gain / max(1, patterns)) / max(1, patterns))
    above = np.clip(neighbours[:, alone] - surroundings, 0, None)
    frame = np.pad(np.zeros((use.shape[0] - 2, use.shape[1] - 2), bool), 1, constant_values=True)[alone]
    spread = above[:7].sum(axis=0) + np.where(frame, above[7], 0)  # at the edge one neighbour is mirrored
    hot = np.zeros_like(use)
    hot[alone] = (excess > _EXCESS * noise) & (peaks > _ABOVE * surroundings) & (spread < _ISOLATED * excess)
    expected = neighbours[1]
    dead = use & (mean < 0.1 * expected) & (expected * patterns > _LEAST_COUNTS * gain)
    return hot, dead & ~hot


class Mending(NamedTuple):
    """Which pixels of a detector are replaced by the median of which others, for loops that do it pattern by pattern.

    Attributes
    ----------
    lines : (k_y + 1,) int64
        Number of such pixels before each line, and of all.
    columns : (m,) int64
        Where they are in their line.
    starts : (m + 1,) int64
        Number of good pixels around those before each, and around all.
    around_y, around_x : (starts[m],) int64
        Good pixels around each, as :func:`mend_pixels` takes them.
    """

    lines: NDArray[np.int64]
    columns: NDArray[np.int64]
    starts: NDArray[np.int64]
    around_y: NDArray[np.int64]
    around_x: NDArray[np.int64]


def mending_of(bad: NDArray[np.bool_]) -> Mending:
    """Return how the pixels of `bad` (k_y, k_x) are mended."""
    places = np.argwhere(bad)
    around = [_good_around(bad, y, x) for y, x in places]
    nothing = np.empty(0, np.int64)
    return Mending(
        lines=np.append(0, np.cumsum(bad.sum(axis=1, dtype=np.int64))),
        columns=np.ascontiguousarray(places[:, 1]),
        starts=np.append(0, np.cumsum([len(y) for y, _ in around], dtype=np.int64)),
        around_y=np.concatenate([nothing, *(y for y, _ in around)]),
        around_x=np.concatenate([nothing, *(x for _, x in around)]),
    )


def mend_pixels(scan: Scan, bad: NDArray[np.bool_]) -> Scan:
    """Return the scan with the pixels of `bad` (k_y, k_x) replaced by the median of the good ones around them.

    This is the first step of the published workflow (doi 10.1093/mam/ozag044). It happens in every pattern when it is
    read; the neighbourhood is 3×3 pixels, or 5×5 where that has fewer than three good ones. Without bad pixels the scan
    itself is returned.
    """
    if not bad.any():
        return scan
    unknown = bad if scan.detector_mask is None else bad | ~scan.detector_mask
    return _mended(scan, [(y, x, *_good_around(unknown, y, x)) for y, x in np.argwhere(bad)])


def _mended(scan: Scan, places: list[tuple[Any, ...]]) -> Scan:
    """Return the scan with the pixels (y, x) of `places` replaced by the median of those at the places that follow."""

    def fill(start: int, stop: int, rows: NDArray[Any]) -> None:
        if scan.filler is None:
            rows[...] = scan.read(start, stop)
        else:
            scan.read(start, stop, buffer=rows)
        for y, x, around_y, around_x in places:
            rows[:, :, y, x] = np.median(rows[:, :, around_y, around_x], axis=-1) if len(around_y) else 0

    def read(start: int, stop: int) -> NDArray[Any]:
        rows = np.empty((stop - start, *scan.shape[1:]), scan.dtype)
        fill(start, stop, rows)
        return rows

    def narrow(first: int, last: int) -> tuple[RowReader, RowFiller | None]:
        part = _mended(scan.with_columns(first, last), places)
        return part.reader, part.filler

    return replace(
        scan,
        reader=read,
        filler=fill,
        narrow=narrow if scan.narrow is not None else None,
        working_bytes=scan.working_bytes + (0 if scan.filler is not None else scan.dtype.itemsize),
        path=None,
        opened_with={},
    )


def _good_around(bad: NDArray[np.bool_], y: int, x: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the places of good pixels around (y, x)."""
    for reach in (1, 2):
        top, left = max(0, y - reach), max(0, x - reach)
        rows, columns = np.nonzero(~bad[top : y + reach + 1, left : x + reach + 1])
        if len(rows) >= 3:
            break
    return rows + top, columns + left


def fill_pixels(image: NDArray[np.float64], use: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return `image` (k_y, k_x) with the pixels that are not in `use` replaced by the median of used ones nearby.

    The neighbourhood is 5×5 pixels; where none of it is used, 0.
    """
    if use.all():
        return image
    holes = ~use
    around = sliding_window_view(np.pad(np.where(use, image, np.nan), 2, constant_values=np.nan), (5, 5))[holes]
    ordered = np.sort(around.reshape(len(around), -1), axis=1)  # NaN last
    known = np.isfinite(ordered).sum(axis=1)
    row = np.arange(len(ordered))
    medians = (ordered[row, np.maximum(known - 1, 0) // 2] + ordered[row, known // 2]) / 2
    filled = image.copy()
    filled[holes] = np.where(known > 0, medians, 0)
    return filled


def neighbours_of(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the eight neighbours of every pixel, (8, k_y, k_x); beyond the edge the image is mirrored."""
    padded = np.pad(image, 1, mode="reflect")
    height, width = image.shape
    shifts = [(y, x) for y in range(3) for x in range(3) if (y, x) != (1, 1)]
    return np.stack([padded[y : y + height, x : x + width] for y, x in shifts])


def ring_medians(image: NDArray[np.float64], places: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the median of the 16 pixels on the square ring two pixels from each of `places`; the edge is repeated."""
    windows = sliding_window_view(np.pad(image, 2, mode="edge"), (5, 5))[places]
    ring = np.ones((5, 5), bool)
    ring[1:4, 1:4] = False
    medians: NDArray[np.float64] = np.sort(windows[:, ring], axis=1)[:, 8]
    return medians
