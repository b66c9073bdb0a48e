import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustem.sums import STRETCH, add_stretch, fits, sum_and_bits, whole_moments

LARGEST = {np.uint8: 255, np.uint16: 65535, np.uint32: 2**32 - 1, np.int16: 32767, np.int32: 2**31 - 1}


def integers(seed, shape, dtype, largest):
    return np.random.default_rng(seed).integers(0, largest, shape, endpoint=True).astype(dtype)


@pytest.mark.parametrize("dtype", LARGEST)
@pytest.mark.parametrize("largest", [0, 1, 90, None])
def test_sum_and_bits(dtype, largest):
    pattern = integers(0, 70_001, dtype, LARGEST[dtype] if largest is None else min(largest, LARGEST[dtype]))
    total, bits = sum_and_bits(pattern)
    assert total == pattern.sum(dtype=np.int64)
    highest = int(pattern.max())
    if highest < 2**31:
        assert highest <= bits < max(1, 2 * highest)
    else:
        assert bits < 0


def test_negative_numbers_show_in_the_bits():
    total, bits = sum_and_bits(np.array([5, -2, 3], np.int16))
    assert (total, bits < 0) == (6, True)


@pytest.mark.parametrize(
    ("bits", "number", "expected"),
    [(0, 10**9, True), (1, 2**31 - 1, True), (46340, 1, True), (46341, 1, False), (8191, 32, True), (-1, 1, False)],
)
def test_what_fits_into_32_bits(bits, number, expected):
    assert fits(bits, number) is expected
    assert fits.py_func(bits, number) == expected


@pytest.mark.parametrize("dtype", LARGEST)
def test_moments_over_stretches(dtype):
    pattern = integers(1, 5000, dtype, LARGEST[dtype])
    runs = np.array([[0, 1], [3, 3001], [4990, 5000]])
    used = np.r_[0:1, 3:3001, 4990:5000]
    total, square = whole_moments(pattern, runs, sum_and_bits(pattern)[1])
    wide = pattern[used].astype(float)
    assert total == wide.sum()
    assert square == pytest.approx((wide**2).sum(), rel=1e-12)


def test_moments_compiled_and_as_plain_python():
    pattern = integers(2, 40, np.uint16, 300)
    arguments = pattern, np.array([[2, 30]]), sum_and_bits.py_func(pattern)[1]
    expected = pattern[2:30].astype(int)
    assert whole_moments(*arguments) == whole_moments.py_func(*arguments) == (expected.sum(), (expected**2).sum())


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 99),
    number=st.integers(1, 20),
    largest=st.sampled_from([0, 3, 200, 9000, 65535]),
    stretch=st.tuples(st.integers(0, 400), st.integers(1, STRETCH)),
)
def test_stretches_add_up_or_are_left_alone(seed, number, largest, stretch):
    patterns = integers(seed, (number, 1500), np.uint16, largest)
    start, stop = stretch[0], stretch[0] + stretch[1]
    short, sums, squares = np.empty((2, STRETCH), np.int32), np.ones(1500), np.ones(1500)
    first = number // 3
    added = add_stretch(patterns, first, number, start, stop, short, sums, squares)
    wide = patterns[first:, start:stop].astype(np.int64)
    expected, expected_squares = np.ones(1500), np.ones(1500)
    if added:
        expected[start:stop] += wide.sum(0)
        expected_squares[start:stop] += (wide**2).sum(0)
    assert added or (wide.max() * 2) ** 2 * len(wide) > 2**31 - 1
    assert np.array_equal(sums, expected)
    assert np.array_equal(squares, expected_squares)
