import numpy as np
import pytest

from clustem.calibration import Calibration
from clustem.streaming.arrival import Preparation, scan_of
from clustem.surveying import survey


@pytest.fixture(scope="module")
def hot():
    """Rows of 50 counts per pixel, with a hot pixel."""
    rows = np.random.default_rng(0).poisson(50, (16, 32, 24, 24)).astype(np.uint16)
    rows[..., 5, 7] = 4000
    return rows


def test_rows_are_mended_in_their_own_type(hot):
    """The memory is used again, also for fewer rows, but not for those of another type."""
    preparation = Preparation(hot, survey(scan_of(hot, Calibration())))
    expected = hot.astype(np.float64)
    around = [expected[..., y, x] for y in (4, 5, 6) for x in (6, 7, 8) if (y, x) != (5, 7)]
    expected[..., 5, 7] = np.median(around, axis=0)
    whole = preparation.mended(hot)
    assert np.array_equal(whole, np.trunc(expected))
    assert np.shares_memory(preparation.mended(hot[:3]), whole)
    halves = preparation.mended((hot[:3] + 0.5).astype(np.float32))
    assert halves.dtype == np.float32
    assert np.array_equal(halves, expected[:3] + 0.5)
    assert hot[0, 0, 5, 7] == 4000, "what was given stays"


def test_rows_without_bad_pixels_are_what_was_given(hot):
    rows = np.delete(hot, 7, axis=3)
    preparation = Preparation(rows, survey(scan_of(rows, Calibration())))
    assert preparation.mended(rows) is rows
