import numpy as np
import pytest

from clustem.calibration import Calibration
from clustem.scan import Scan
from clustem.segmentation.binning import binning_of
from clustem.streaming.arrival import scan_of
from clustem.streaming.window import Window
from clustem.surveying import mend_pixels, survey


@pytest.fixture(scope="module")
def hot():
    """Rows of 50 counts per pixel, with a hot pixel."""
    rows = np.random.default_rng(0).poisson(50, (16, 32, 24, 24)).astype(np.uint16)
    rows[..., 5, 7] = 4000
    return rows


def window_of(rows, *, like):
    """A window that holds rows, with what another scan tells of the detector."""
    window = Window(len(rows), rows.shape[1], survey(scan_of(like, Calibration())))
    window.add(rows, np.zeros((*rows.shape[:2], 2), np.int64))
    return window


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_rows_are_mended_and_binned(hot, dtype):
    rows = hot[:3].astype(dtype)
    window = window_of(rows, like=hot)
    assert window.survey.bad_pixels[5, 7]
    mended = mend_pixels(Scan(rows.shape, rows.dtype, lambda a, b: rows[a:b]), window.survey.bad_pixels)
    step = binning_of(window.survey).step
    expected = np.asarray(mended).reshape(3, 32, 24 // step, step, 24 // step, step).sum((3, 5), dtype=float)
    np.testing.assert_allclose(window.patterns[:3], expected / window.survey.noise.gain, rtol=1e-6)
    assert rows[0, 0, 5, 7] == 4000, "what was given stays"


def test_a_pattern_that_only_bad_pixels_count_in_is_dead(hot):
    rows = hot[:2].copy()
    rows[0, 3] = rows[1, 4] = rows[1, 5] = 0
    rows[0, 3, 5, 7], rows[1, 5, 20, 20] = 4000, 1
    alive = np.ones((2, 32), bool)
    alive[0, 3] = alive[1, 4] = False
    assert np.array_equal(window_of(rows, like=hot).alive, alive)
