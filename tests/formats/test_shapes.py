import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustem.errors import InputError
from clustem.formats.shapes import checked_scan_shape, fitting_shapes, square_scan_shape


@given(st.integers(1, 10**6))
def test_every_shape_fits_and_none_comes_twice(count):
    shapes = fitting_shapes(count)
    assert shapes
    assert all(y * x == count for y, x in shapes)
    assert len(set(shapes)) == len(shapes)


def test_nearest_to_square_comes_first_and_what_is_close_to_the_request_before_it():
    assert fitting_shapes(24) == [(4, 6), (6, 4), (3, 8), (8, 3), (2, 12)]
    assert fitting_shapes(24, (2, 13))[0] == (2, 12)
    assert fitting_shapes(24, (200, 200))[0] == (4, 6)
    assert fitting_shapes(7) == [(1, 7), (7, 1)]


def test_a_wrong_scan_shape_says_what_would_fit():
    assert checked_scan_shape(12, (3, 4), name="f") == (3, 4)
    with pytest.raises(InputError, match=r"f: scan_shape \(5, 4\) needs 20 patterns, but there are 12.*\(4, 3\)"):
        checked_scan_shape(12, (5, 4), name="f")


def test_square():
    assert square_scan_shape(9, name="f")[0] == (3, 3)
    with pytest.raises(InputError, match=r"f: has 10 patterns in a row.*\(2, 5\)"):
        square_scan_shape(10, name="f")
