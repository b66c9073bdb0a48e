"""How a scan was scanned: snake, flyback columns, series."""

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustem.errors import InputError
from clustem.formats import open_scan
from clustem.formats.shapes import square_scan_shape
from clustem.formats.stacks import Gathered, Stack, summed_dtype

from .samples import COUNTS, flat


def recorded(counts, *, snake=False, flyback=0):
    """Return patterns in the order in which they come from the camera."""
    rows = [row[::-1] if snake and y % 2 else row for y, row in enumerate(counts)]
    blank = np.full((flyback, *counts.shape[2:]), 999, counts.dtype)
    return np.concatenate([np.concatenate([row, blank]) for row in rows])


@given(st.integers(1, 4), st.integers(1, 4), st.booleans(), st.integers(0, 3), st.integers(0, 3))
def test_what_was_recorded_comes_back(scan_y, scan_x, snake, flyback, start):
    counts = np.arange(scan_y * scan_x * 6, dtype=np.uint16).reshape(scan_y, scan_x, 2, 3)
    patterns = recorded(counts, snake=snake, flyback=flyback)
    scan = open_scan(patterns, scan_shape=(scan_y, scan_x), snake=snake, flyback=flyback)
    assert np.array_equal(scan, counts)
    start = min(start, scan_y - 1)
    assert np.array_equal(scan.read(start, scan_y), counts[start:])
    grid = patterns.reshape(scan_y, scan_x + flyback, 2, 3)
    assert np.array_equal(open_scan(grid, snake=snake, flyback=flyback), counts)
    first = min(start, scan_x - 1)
    for source in (scan, open_scan(grid, snake=snake, flyback=flyback)):
        part = source.with_columns(first, scan_x)
        assert np.array_equal(part.read(start, scan_y), counts[start:, first:])


def test_the_source_is_not_changed():
    patterns = recorded(COUNTS, snake=True)
    before = patterns.copy()
    np.asarray(open_scan(patterns, scan_shape=(3, 4), snake=True))
    assert np.array_equal(patterns, before)


def test_a_square_with_flyback_columns(tmp_path):
    np.save(tmp_path / "a.npy", recorded(COUNTS[:, :3], flyback=2))
    scan = open_scan(tmp_path / "a.npy", flyback=2)
    assert np.array_equal(scan, COUNTS[:, :3])
    assert "15 patterns were taken as 3×3, without 2 flyback columns" in scan.assumptions[0]
    assert scan.opened_with == {"flyback": 2}


@given(st.integers(1, 40), st.integers(0, 30))
def test_every_square_with_flyback_is_found(side, flyback):
    patterns = np.zeros((side * (side + flyback), 2, 2), np.uint8)
    with pytest.raises(InputError, match="3 axes"):
        open_scan(patterns, flyback=flyback)
    assert square_scan_shape(len(patterns), name="f", flyback=flyback)[0] == (side, side)


def test_raw_binary_with_flyback_columns(tmp_path):
    recorded(COUNTS, snake=True, flyback=1).tofile(tmp_path / "a.raw")
    options = {"detector_shape": (8, 8), "dtype": "uint16"}
    scan = open_scan(tmp_path / "a.raw", scan_shape=(3, 4), snake=True, flyback=1, **options)
    assert np.array_equal(scan, COUNTS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"scan_shape": (3, 4), "flyback": 1},
            r"scan_shape \(3, 4\) with flyback=1 needs 15 patterns, but there are 12",
        ),
        ({"scan_shape": (3, 4), "flyback": -1}, "flyback: expected a whole number of at least 0, got -1"),
        ({"scan_shape": (3, 4), "flyback": 1.5}, "flyback: expected a whole number"),
        ({"scan_shape": (3, 4), "snake": "yes"}, "snake: expected True or False, got 'yes'"),
        ({"scan_shape": (3, 4), "frame": 0}, "frame=0 was given, but it holds one scan"),
        ({"scan_shape": (3, 4), "frame": True}, "frame: expected a whole number"),
    ],
)
def test_options_that_do_not_fit(options, message):
    with pytest.raises(InputError, match=message):
        open_scan(flat(COUNTS), **options)


def test_options_of_numpy_become_plain_values(tmp_path):
    np.save(tmp_path / "a.npy", recorded(COUNTS, snake=True, flyback=1))
    scan = open_scan(tmp_path / "a.npy", scan_shape=(3, 4), snake=np.True_, flyback=np.int64(1))
    assert repr(scan.opened_with) == "{'scan_shape': (3, 4), 'snake': True, 'flyback': 1}"


def test_flyback_that_leaves_nothing():
    with pytest.raises(InputError, match="flyback=4 leaves nothing of scan rows of 4"):
        open_scan(COUNTS, flyback=4)


SERIES = np.stack([COUNTS, COUNTS + 1])


def test_one_scan_of_a_series(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["series"] = SERIES
    np.savez_compressed(tmp_path / "a.npz", series=SERIES)
    for source in (tmp_path / "a.h5", tmp_path / "a.npz", SERIES):
        scan = open_scan(source, frame=1)
        assert np.array_equal(scan, SERIES[1])
        assert np.array_equal(scan.read(1, 2), SERIES[1, 1:2])
        for frame in (None, 2):
            with pytest.raises(InputError, match=r"a series of 2 scans .*; choose one with frame=0 … 1"):
                open_scan(source, frame=frame)


def test_a_series_of_one_needs_no_choice():
    assert np.array_equal(open_scan(COUNTS[None]), COUNTS)


def test_frames_of_one_position_are_added():
    frames = np.arange(5 * 4, dtype=np.uint8).reshape(5, 2, 2) + 200
    positions = np.array([[0, 1], [1, 0], [0, 1], [1, 1], [1, 0]])
    source = Gathered.from_positions(frames, positions, (2, 3))
    expected = np.zeros((2, 3, 2, 2), np.uint16)
    for (y, x), frame in zip(positions, frames, strict=True):
        expected[y, x] += frame
    assert source.dtype == np.uint16
    assert np.array_equal(source[0:2], expected)
    assert np.array_equal(source[1:2], expected[1:])
    assert source.numbers.tolist() == [[0, 2, 0], [2, 1, 0]]


@pytest.mark.parametrize(
    ("dtype", "number", "summed"),
    [("u1", 1, "u1"), ("u1", 257, "u2"), ("u1", 258, "u4"), ("i2", 2, "i4"), ("u8", 9, "u8"), (">f4", 9, "f4")],
)
def test_the_type_of_a_sum(dtype, number, summed):
    assert summed_dtype(np.dtype(dtype), number) == np.dtype(summed)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.data())
def test_a_stack_is_its_parts_one_after_the_other(sizes, data):
    whole = np.arange(sum(sizes) * 4, dtype=np.uint8).reshape(-1, 2, 2)
    stack = Stack.from_parts(np.split(whole, np.cumsum(sizes)[:-1]))
    start = data.draw(st.integers(0, len(whole) - 1))
    stop = data.draw(st.integers(start + 1, len(whole)))
    assert np.array_equal(stack[start:stop], whole[start:stop])
    assert np.array_equal(stack.between(start, stop)[0 : stop - start], whole[start:stop])
