import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustem.segmentation.features.windows import CORE, HALO, owners, windows_of

LENGTHS = st.integers(1, 12 * CORE)


@given(st.tuples(LENGTHS, LENGTHS))
@settings(max_examples=50, deadline=None)
def test_every_position_belongs_to_one_window(shape):
    windows, times = windows_of(shape), np.zeros(shape, int)
    for window in windows:
        times[window.own] += 1
    assert (times == 1).all()
    owner = owners(shape, windows)
    assert all((owner[window.own] == number).all() for number, window in enumerate(windows))
    starts = [(window.rows.start, window.columns.start) for window in windows]
    assert starts == sorted(starts), "row by row"


@given(st.tuples(LENGTHS, LENGTHS))
@settings(max_examples=50, deadline=None)
def test_the_halo_is_as_wide_as_the_scan_lets_it(shape):
    positions = np.arange(shape[0] * shape[1]).reshape(shape)
    for window in windows_of(shape):
        for own, around, length in zip(window.own, window.around, shape, strict=True):
            assert (around.start, around.stop) == (max(0, own.start - HALO), min(length, own.stop + HALO))
        looked_at = positions[window.around]
        assert looked_at.shape == window.shape
        assert np.array_equal(looked_at[window.inner], positions[window.own])


@given(LENGTHS)
def test_windows_are_even_and_neither_small_nor_large(length):
    sizes = [window.columns.stop - window.columns.start for window in windows_of((1, length))]
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) < 2 * CORE
    assert min(sizes) > CORE / 2 or len(sizes) == 1


@pytest.mark.parametrize("shape", [(1, 1), (1, CORE), (CORE, CORE + HALO)])
def test_a_small_scan_is_one_window(shape):
    (window,) = windows_of(shape)
    assert window.shape == shape
    assert window.own == window.around == window.inner == (slice(0, shape[0]), slice(0, shape[1]))


def test_windows_of_ten_by_hand():
    windows = windows_of((3, 10 * CORE))
    assert len(windows) == 10
    second = windows[1]
    assert second.own == (slice(0, 3), slice(CORE, 2 * CORE))
    assert second.around == (slice(0, 3), slice(CORE - HALO, 2 * CORE + HALO))
    assert second.inner == (slice(0, 3), slice(HALO, HALO + CORE))
    assert windows[-1].around_columns == slice(9 * CORE - HALO, 10 * CORE)
