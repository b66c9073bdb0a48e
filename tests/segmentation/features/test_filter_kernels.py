import numpy as np
import pytest

from clustem.segmentation.features import _filter_kernels as kernels


def both(name):
    """A kernel, compiled and as plain Python."""
    kernel = getattr(kernels, name)
    return pytest.mark.parametrize("kernel", [kernel, kernel.py_func], ids=["compiled", "plain"])


@both("weighted_differences")
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_differences_of_some_pixels(kernel, kind):
    one, other = np.array([[1, 2, 3], [4, 5, 6]], kind), np.array([[1, 1, 2], [0, 1, 1]], kind)
    out = np.full((2, 2), np.nan, kind)
    kernel(one, other, np.array([1, 2], kind), np.array([3, 5], kind), np.array([0, 2]), out)
    assert out.tolist() == [[1 - 3, 6 - 10], [4, 12 - 5]]


@both("take_off")
def test_amounts_are_taken_off_where_places_say(kernel):
    values = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
    kernel(values, np.array([[1, 7], [2, 0]], np.float32), np.array([1, 0, 1]))
    assert values.tolist() == [[-6, 1, -4], [4, 3, 6]]
