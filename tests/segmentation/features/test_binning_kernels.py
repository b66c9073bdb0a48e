import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustem.scan import Scan
from clustem.segmentation.features import _binning_kernels as kernels
from clustem.surveying import mend_pixels, mending_of

MOVES = [(0, 0), (1, -2), (-3, 1), (0, 4), (9, 0)]


def both(name):
    """A kernel, compiled and as plain Python."""
    kernel = getattr(kernels, name)
    return pytest.mark.parametrize("kernel", [kernel, kernel.py_func], ids=["compiled", "plain"])


def moved(pattern, dy, dx):
    """A pattern moved by (−dy, −dx), with zeros coming in."""
    height, width = pattern.shape
    wide = np.pad(pattern, max(height, width, abs(dy), abs(dx)))
    edge = max(height, width, abs(dy), abs(dx))
    return wide[edge + dy : edge + dy + height, edge + dx : edge + dx + width]


def in_cells(pattern, step):
    """Sums of cells of step × step px; the last ones may be cut."""
    high, wide = (-(-length // step) for length in pattern.shape)
    whole = np.pad(pattern, ((0, high * step - pattern.shape[0]), (0, wide * step - pattern.shape[1])))
    return whole.reshape(high, step, wide, step).sum((1, 3))


@both("bin_pattern")
@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.float32])
def test_kernel_of_bins(kernel, move, dtype):
    """A 6×5 pattern in bins of two pixels; the last column is in none."""
    pattern = np.random.default_rng(0).integers(0, 200, (6, 5)).astype(dtype)
    binned = np.full((3, 2), np.nan, np.float32)
    kernel(pattern, *move, np.arange(6) // 2, np.array([0, 0, 1, 1, -1]), 0.0, 0.5, binned)
    expected = in_cells(0.5 * moved(pattern.astype(float), *move)[:, :4], 2)
    np.testing.assert_allclose(binned, expected, rtol=1e-6)


@both("bin_pattern")
def test_what_is_not_finite_counts_nothing(kernel):
    pattern = np.array([[7.0, np.nan], [np.inf, 5.0]], np.float32)
    binned = np.full((1, 1), np.nan, np.float32)
    kernel(pattern, 0, 0, np.zeros(2, int), np.zeros(2, int), 2.0, 3.0, binned)
    assert binned[0, 0] == 3 * (5 + 3), "less the offset, times the scale"


@both("bin_patterns")
@pytest.mark.parametrize("step", [1, 2, 3])
@pytest.mark.parametrize("move", MOVES)
def test_kernel_of_bins_line_by_line(kernel, step, move):
    """The second of three 6×5 patterns, with an offset of 3 and a scale of a half."""
    patterns = np.random.default_rng(0).integers(0, 200, (3, 6, 5)).astype(np.uint16)
    binned = np.full((3, -(-6 // step), -(-5 // step)), np.nan, np.float32)
    nothing_bad = mending_of(np.zeros((6, 5), bool))
    kernel(patterns, np.array([(0, 0), move, (1, 1)]), 1, 2, step, 3.0, 0.5, nothing_bad, binned)
    expected = in_cells(moved(0.5 * (patterns[1].astype(float) - 3), *move), step)
    np.testing.assert_allclose(binned[1], expected, rtol=1e-6, atol=1e-5)
    assert np.isnan(binned[[0, 2]]).all(), "not asked for"


@both("bin_patterns")
@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float32, np.uint32])
@pytest.mark.parametrize("move", MOVES)
def test_kernel_of_bins_mends(kernel, dtype, move):
    """A line of bad pixels, one near it, and two in corners; all are far too bright."""
    patterns = np.random.default_rng(1).integers(0, 60, (2, 9, 8)).astype(dtype)
    patterns = patterns - patterns.dtype.type(20 if np.dtype(dtype).kind in "if" else 0)
    bad = np.zeros((9, 8), bool)
    bad[4] = bad[0, 0] = bad[8, 7] = bad[6, 3] = True
    patterns[:, bad] = np.iinfo(dtype).max if np.dtype(dtype).kind in "ui" else 1e30
    mended = np.asarray(mend_pixels(Scan((2, 1, 9, 8), patterns.dtype, lambda a, b: patterns[a:b, None]), bad))[:, 0]
    binned = np.empty((2, 2, 5, 4), np.float32)
    for values, pixels, out in ((patterns, bad, binned[0]), (mended, np.zeros_like(bad), binned[1])):
        kernel(values, np.array([(0, 0), move]), 0, 2, 2, 1.0, 0.5, mending_of(pixels), out)
    assert np.array_equal(binned[0], binned[1])
    assert np.abs(binned).max() < 150


@both("bin_patterns")
def test_where_no_pixel_is_good_all_are_nothing(kernel):
    binned = np.full((1, 2, 2), np.nan, np.float32)
    everything = mending_of(np.ones((4, 4), bool))
    kernel(np.full((1, 4, 4), 9, np.uint8), np.zeros((1, 2), np.int64), 0, 1, 2, 0.0, 1.0, everything, binned)
    assert not binned.any()


@given(st.lists(st.integers(0, 1000), min_size=0, max_size=25))
@settings(max_examples=40, deadline=None)
def test_the_median_of_what_is_around(around):
    """One bad pixel, whose neighbours are the pixels of a line above it."""
    mending = mending_of(np.zeros((2, 25), bool))._replace(
        columns=np.array([3]),
        starts=np.array([0, len(around)]),
        around_y=np.zeros(len(around), np.int64),
        around_x=np.arange(len(around)),
    )
    patterns = np.zeros((1, 2, 25), np.uint16)
    patterns[0, 0, : len(around)] = around
    for kernel in (kernels.median_around, kernels.median_around.py_func):
        assert kernel(patterns, 0, mending, 0, np.empty(25, np.uint16)) == (np.median(around) if around else 0)


@both("add_line")
def test_a_part_of_a_line_is_added_where_it_is_moved_to(kernel):
    patterns = np.arange(12, dtype=np.uint8).reshape(1, 2, 6)
    line = np.ones(6, np.float32)
    kernel(patterns, 0, 1, 2, 5, 1, np.float32(1), np.float32(2), line)
    assert line.tolist() == [1, 1 + 2 * 7, 1 + 2 * 8, 1 + 2 * 9, 1, 1]


@both("add_steps")
@pytest.mark.parametrize("step", [1, 2, 3])
def test_sums_of_every_few_values(kernel, step):
    line, row = np.arange(6, dtype=np.float32) ** 2, np.full(6 // step, np.nan, np.float32)
    kernel(line, step, row)
    assert np.array_equal(row, line.reshape(-1, step).sum(1))


@both("add_products")
def test_products_by_hand(kernel):
    out = np.full(2, np.nan, np.float32)
    kernel(np.array([3, 0, 21], np.float32), np.array([[1, 2], [9, np.nan], [0, 1]], np.float32), out)
    assert out.tolist() == [3, 27], "zeros cost nothing, whatever they are multiplied with"


@both("project_patterns")
def test_kernel_of_projections(kernel):
    generator = np.random.default_rng(0)
    patterns = generator.poisson(2, (4, 6, 6)).astype(np.uint16)
    moves = np.array([[0, 0], [1, 0], [0, -1], [2, 2]])
    matrix = generator.normal(size=(9, 3)).astype(np.float32)
    values, cells = np.full((4, 3), np.nan, np.float32), np.arange(6) // 2
    kernel(patterns, moves, 1, 4, cells, cells, 0.0, 1.0, (3, 3), matrix, values)
    assert np.isnan(values[0]).all(), "not asked for"
    expected = [in_cells(moved(patterns[n], *moves[n]), 2).ravel() @ matrix for n in (1, 2, 3)]
    np.testing.assert_allclose(values[1:], expected, rtol=1e-4, atol=1e-4)
