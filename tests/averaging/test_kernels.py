"""The compiled loops of the averaging, compiled and as plain Python."""

import numpy as np
import pytest

from clustem.averaging._kernels import add_patterns, add_shifted, add_whole, measure_signal, measure_whole


def test_kernel_of_sums_compiled_and_as_plain_python():
    patterns = np.random.default_rng(0).random((3, 4, 5)).astype(np.float32)
    slots = np.array([1, -1, 1])
    for kernel in (add_patterns, add_patterns.py_func):
        sums, squares = np.zeros((2, 4, 5)), np.zeros((2, 4, 5))
        kernel(patterns, slots, 1, 3, sums, squares)
        wide = patterns[[0, 2]].astype(float)
        assert np.array_equal(sums[1, 1:3], wide.sum(0)[1:3])
        assert np.array_equal(squares[1, 1:3], (wide**2).sum(0)[1:3])
        assert not sums[0].any()
        assert not sums[1, [0, 3]].any()


@pytest.mark.parametrize("move", [(0.0, 0.0), (1.0, -2.0), (0.25, 0.5), (-0.75, 3.5)])
def test_kernel_of_shifts_compiled_and_as_plain_python(move):
    pattern = np.random.default_rng(0).integers(0, 9, (5, 6)).astype(np.uint16)
    use = np.ones((5, 6), bool)
    use[1, 2] = False
    whole, part = np.floor(move).astype(int), np.array(move) - np.floor(move)
    expected, weight = np.zeros((5, 6)), np.zeros((5, 6))
    for dy, dx in np.ndindex(2, 2):
        share = abs(1 - dy - part[0]) * abs(1 - dx - part[1])
        expected += share * np.roll(pattern * use, -whole - (dy, dx), (0, 1))
        weight += share * np.roll(use, -whole - (dy, dx), (0, 1))
    for kernel in (add_shifted, add_shifted.py_func):
        sums, squares, exposure = (np.zeros((1, 5, 6)) for _ in range(3))
        kernel(pattern[None], np.array([0]), np.array([move]), use, 0, 5, sums, squares, exposure)
        np.testing.assert_allclose(sums[0], expected, atol=1e-12)
        np.testing.assert_allclose(squares[0], expected**2, atol=1e-12)
        np.testing.assert_allclose(exposure[0], weight, atol=1e-12)
        assert sums.sum() == pytest.approx((pattern * use).sum())


def test_kernel_of_signal_compiled_and_as_plain_python():
    patterns = np.arange(12.0).reshape(2, 2, 3)
    use = np.array([[True, True, False], [True, True, True]])
    outside = np.array([[False, True, False], [False, False, True]])
    for kernel in (measure_signal, measure_signal.py_func):
        total, sums, squares = np.zeros(2), np.zeros(2), np.zeros(2)
        kernel(patterns, use, outside, 1, 2, total, sums, squares)
        assert (total.tolist(), sums.tolist(), squares.tolist()) == ([0, 43], [0, 18], [0, 49 + 121])


@pytest.mark.parametrize(
    ("dtype", "kernels"), [(np.uint16, (add_whole, add_whole.py_func)), (np.int32, (add_whole.py_func,))]
)
@pytest.mark.parametrize("largest", [5, 60_000])
def test_kernel_of_whole_sums_compiled_and_as_plain_python(largest, dtype, kernels):
    patterns = np.random.default_rng(0).integers(0, largest, (40, 50)).astype(dtype)
    slots = np.repeat([1, -1, 0, 1], [19, 1, 3, 17])
    use, outside = np.array([[5, 20], [30, 45]]), np.array([[7, 9]])
    for kernel in kernels:
        sums, squares, measured = np.zeros((2, 50)), np.zeros((2, 50)), np.zeros((3, 40))
        kernel(patterns, slots, 5, 45, use, outside, sums, squares, measured)
        wide = patterns.astype(float)
        assert np.array_equal(measured[0], wide[:, 5:20].sum(1) + wide[:, 30:45].sum(1))
        assert np.array_equal(measured[1:], [wide[:, 7:9].sum(1), (wide[:, 7:9] ** 2).sum(1)])
        kernel(patterns, slots, 5, 45, use[:0], outside[:0], np.zeros((2, 50)), np.zeros((2, 50)), measured)
        assert np.array_equal(measured[1], wide[:, 7:9].sum(1)), "nothing more"
        for slot in (0, 1):
            expected = patterns[slots == slot, 5:45].astype(float)
            assert np.array_equal(sums[slot, 5:45], expected.sum(0))
            assert np.array_equal(squares[slot, 5:45], (expected**2).sum(0))
        assert not sums[:, [4, 45]].any()


def test_kernel_of_whole_signal_compiled_and_as_plain_python():
    patterns = np.arange(12, dtype=np.uint16).reshape(2, 6)
    use, outside = np.array([[0, 2], [3, 6]]), np.array([[1, 2], [5, 6]])
    for kernel in (measure_whole, measure_whole.py_func):
        total, sums, squares = np.zeros(2), np.zeros(2), np.zeros(2)
        kernel(patterns, use, outside, 1, 2, total, sums, squares)
        assert (total.tolist(), sums.tolist(), squares.tolist()) == ([0, 43], [0, 18], [0, 49 + 121])
