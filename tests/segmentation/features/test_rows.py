from itertools import pairwise

import numpy as np
import pytest

from clustem.calibration import Calibration
from clustem.computing import execution
from clustem.scan import Scan
from clustem.segmentation.features.binning import binning_of
from clustem.segmentation.features.rows import BinnedRows
from clustem.streaming.arrival import scan_of
from clustem.surveying import mend_pixels, survey


@pytest.fixture(scope="module")
def hot():
    """Rows of 50 counts per pixel, with a hot pixel."""
    rows = np.random.default_rng(0).poisson(50, (16, 32, 24, 24)).astype(np.uint16)
    rows[..., 5, 7] = 4000
    return rows


@pytest.fixture(scope="module")
def known(hot):
    """What a survey tells of the detector."""
    return survey(scan_of(hot, Calibration()))


def still(rows):
    """No move at any position."""
    return np.zeros((*rows.shape[:2], 2), np.int64)


def held(rows, known):
    """Rows of a scan, in the memory that they need."""
    binned = BinnedRows(len(rows), rows.shape[1], known)
    binned.add(rows, still(rows))
    return binned


def state(rows):
    """All that is known of the rows that are held, as bytes."""
    return [values[: rows.count].tobytes() for values in (rows.patterns, rows.moves, rows.alive)]


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_rows_are_mended_and_binned(hot, known, dtype):
    rows = hot[:3].astype(dtype)
    binned = held(rows, known)
    assert known.bad_pixels[5, 7]
    mended = mend_pixels(Scan(rows.shape, rows.dtype, lambda a, b: rows[a:b]), known.bad_pixels)
    step = binning_of(known).step
    expected = np.asarray(mended).reshape(3, 32, 24 // step, step, 24 // step, step).sum((3, 5), dtype=float)
    np.testing.assert_allclose(binned.patterns, expected / known.noise.gain, rtol=1e-6)
    assert rows[0, 0, 5, 7] == 4000, "what was given stays"


def test_a_pattern_that_only_bad_pixels_count_in_is_dead(hot, known):
    rows = hot[:2].copy()
    rows[0, 3] = rows[1, 4] = rows[1, 5] = 0
    rows[0, 3, 5, 7], rows[1, 5, 20, 20] = 4000, 1
    alive = np.ones((2, 32), bool)
    alive[0, 3] = alive[1, 4] = False
    assert np.array_equal(held(rows, known).alive, alive)


def test_patterns_are_moved(hot, known):
    """By (1, −2) px: what was at (y + 1, x − 2) is at (y, x), and what comes in is nothing."""
    assert binning_of(known).step == 1
    rows, moves = hot[:1], np.broadcast_to([1, -2], (1, 32, 2))
    moved = BinnedRows(1, 32, known)
    moved.add(rows, moves)
    as_given = held(rows, known)
    assert np.array_equal(moved.patterns[:, :, :-1, 2:], as_given.patterns[:, :, 1:, :-2])
    assert not moved.patterns[:, :, -1].any()
    assert not moved.patterns[:, :, :, :2].any()
    assert np.array_equal(moved.moves, moves)


def test_rows_come_and_go(hot, known):
    """Six of them in the memory of four."""
    rows, whole = BinnedRows(4, 32, known), held(hot[:6], known)
    rows.add(hot[:3], still(hot[:3]))
    assert (rows.first, rows.count, rows.stop) == (0, 3, 3)
    rows.drop(2)
    assert (rows.first, rows.count, rows.stop) == (2, 1, 3)
    rows.add(hot[3:6], still(hot[3:6]))
    assert (rows.first, rows.count, rows.stop) == (2, 4, 6)
    assert np.array_equal(rows.patterns, whole.patterns[2:6])
    rows.forget(3)
    assert (rows.first, rows.count, rows.stop) == (2, 1, 3)
    rows.add(hot[3:5], still(hot[3:5]))
    assert np.array_equal(rows.patterns[:3], whole.patterns[2:5])
    rows.drop(3)
    assert (rows.first, rows.count) == (5, 0)


@pytest.mark.parametrize("edges", [(0, 32), (0, 16, 32), (0, 1, 5, 31, 32)])
def test_parts_of_columns_give_the_same_bytes_as_whole_rows(hot, known, edges):
    expected, rows = state(held(hot[:2], known)), BinnedRows(2, 32, known)
    for start, stop in pairwise(edges):
        assert rows.count == 0, "until the last columns are there"
        part = hot[:2, start:stop]
        rows.add(part, still(part), slice(start, stop))
    assert rows.count == 2
    assert state(rows) == expected


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_same_bytes_for_any_number_of_threads(hot, known, threads):
    with execution(inline=True):
        expected = state(held(hot[:3], known))
    with execution(threads=threads):
        assert state(held(hot[:3], known)) == expected
