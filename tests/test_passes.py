import threading
import time
import weakref
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustem.computing import execution, in_threads
from clustem.errors import InputError
from clustem.passes import column_parts, rows_per_block, run_pass
from clustem.scan import Scan

_MIB = 2**20


def scan_of(height, *, pixels=64, rows_per_chunk=1, reader=None):
    """A scan of (height, 2, pixels, pixels) uint8 whose values are the number of the row."""
    shape = (height, 2, pixels, pixels)
    rows = np.broadcast_to(np.arange(height, dtype=np.uint8)[:, None, None, None], shape)
    return Scan(shape, np.dtype(np.uint8), reader or (lambda a, b: rows[a:b]), rows_per_chunk=rows_per_chunk)


def ignore(block):
    """Do nothing with a block."""


@settings(max_examples=30, deadline=None)
@given(
    height=st.integers(1, 40),
    halo=st.tuples(st.integers(0, 4), st.integers(0, 4)),
    memory=st.integers(_MIB, 40 * _MIB),
    chunk=st.integers(1, 5),
    working=st.floats(0, 60),
)
def test_every_row_comes_once_in_order_with_its_halo(height, halo, memory, chunk, working):
    above, below = halo
    scan = scan_of(height, pixels=256, rows_per_chunk=chunk)
    rows, sizes = [], []

    def process(block):
        rows.extend(range(block.start, block.stop))
        sizes.append(block.stop - block.start)
        assert block.above == min(above, block.start)
        assert block.below == min(below, height - block.stop)
        expected = np.arange(block.start - block.above, block.stop + block.below)
        assert np.array_equal(block.data[:, 0, 0, 0], expected)
        assert np.array_equal(block.core[:, 1, 1, 1], np.arange(block.start, block.stop))

    with execution(memory=memory):
        run_pass(scan, process, stage="test", above=above, below=below, working_bytes=working)
    assert rows == list(range(height))
    per_row = 2 * 256 * 256 * (2 + working)
    assert all(size == 1 or (size + above + below) * per_row <= memory for size in sizes)


def test_small_memory_makes_small_blocks():
    scan = scan_of(100, pixels=256)
    with execution(memory=2 * _MIB):
        assert rows_per_block(scan, halo=0, working_bytes=0) == 8
        assert rows_per_block(scan, halo=2, working_bytes=0) == 6
        assert rows_per_block(scan, halo=0, working_bytes=14) == 1
        assert rows_per_block(scan_of(100, pixels=256, rows_per_chunk=3), halo=0, working_bytes=0) == 6
    assert rows_per_block(scan, halo=0, working_bytes=0) == 100


def test_the_observer_hears_of_every_block():
    calls = []
    scan = scan_of(20, pixels=256)
    with execution(memory=2 * _MIB, observer=lambda *call: calls.append(call)):
        run_pass(scan, ignore, stage="similarity", below=1)
    row = 2 * 256 * 256
    assert calls == [
        ("similarity", 0, 20, 0),
        ("similarity", 7, 20, 8 * row),
        ("similarity", 14, 20, 16 * row),
        ("similarity", 20, 20, 22 * row),
    ]


def test_the_next_block_is_read_while_one_is_processed():
    read = []
    base = scan_of(3, pixels=512)

    def reader(start, stop):
        read.append(start)
        return base.reader(start, stop)

    def process(block):
        deadline = time.monotonic() + 30
        while len(read) < min(3, block.start + 2):
            assert time.monotonic() < deadline, "the next block was not read ahead"
            time.sleep(0.001)

    with execution(memory=_MIB):
        run_pass(scan_of(3, pixels=512, reader=reader), process, stage="test")
    assert read == [0, 1, 2]


@pytest.mark.parametrize("row", [0, 5, 19])
def test_errors_of_processing_reach_the_caller(row):
    def process(block):
        if block.start <= row < block.stop:
            raise ZeroDivisionError(f"at {block.start}")

    with execution(memory=_MIB), pytest.raises(ZeroDivisionError, match="at "):
        run_pass(scan_of(20, pixels=256), process, stage="test")


@pytest.mark.parametrize("row", [0, 19])
def test_errors_of_reading_reach_the_caller(row):
    base = scan_of(20, pixels=256)

    def reader(start, stop):
        if start <= row < stop:
            raise OSError("disk gone")
        return base.reader(start, stop)

    done = []
    with execution(memory=_MIB), pytest.raises(InputError, match="disk gone"):
        run_pass(scan_of(20, pixels=256, reader=reader), lambda block: done.append(block.stop), stage="test")
    assert (max(done, default=0) >= 16) == (row == 19)


def test_settings_hold_where_rows_are_read():
    """A scan that is computed when it is read, as the prefiltered one, keeps to the threads of its caller."""
    seen = []
    base = scan_of(3, pixels=512)

    def reader(start, stop):
        in_threads(lambda a, b: seen.append((threading.get_ident(), a, b)), 8)
        return base.reader(start, stop)

    with execution(memory=_MIB, threads=1):
        run_pass(scan_of(3, pixels=512, reader=reader), ignore, stage="test")
    assert [(a, b) for _, a, b in seen] == [(0, 8)] * 3


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 30),
    halo=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    memory=st.integers(_MIB, 20 * _MIB),
    chunk=st.integers(1, 7),
)
def test_a_source_that_fills_memory_is_read_once_and_chunk_by_chunk(height, halo, memory, chunk):
    source = scan_of(height, pixels=256, rows_per_chunk=chunk)
    reads, starts = [], []

    def fill(start, stop, rows):
        reads.extend(range(start, stop))
        starts.append(start)
        rows[...] = source.reader(start, stop)

    scan = replace(source, filler=fill, reader=None)
    seen = []

    def process(block):
        seen.extend(range(block.start, block.stop))
        time.sleep(0.001)  # while the next one is loaded
        rows = np.arange(block.start - block.above, block.stop + block.below)
        assert np.array_equal(block.data[:, 1, 5, 5], rows)

    with execution(memory=memory):
        rows = rows_per_block(scan, halo=sum(halo), working_bytes=0)
        run_pass(scan, process, stage="test", above=halo[0], below=halo[1])
    assert seen == reads == list(range(height))
    if rows % chunk == 0:
        assert all(start % chunk == 0 for start in starts)


@pytest.mark.parametrize(("memory", "held"), [(_MIB, 1), (8 * _MIB, 2)])
def test_of_rows_larger_than_the_budget_only_one_block_is_held(memory, held):
    source = scan_of(12, pixels=640)  # 0.8 MB per row
    alive, buffers = [], set()

    class Rows(np.ndarray):
        """An array that can be waited for to vanish."""

    def reader(start, stop):
        rows = np.array(source.reader(start, stop)).view(Rows)
        alive.append(weakref.ref(rows))
        assert sum(reference() is not None for reference in alive) <= held
        return rows

    def fill(start, stop, rows):
        rows[...] = source.reader(start, stop)

    def process(block):
        rows = np.arange(block.start - block.above, block.stop + block.below)
        assert np.array_equal(block.data[:, 1, 5, 5], rows)
        buffers.add(block.data.__array_interface__["data"][0])

    with execution(memory=memory):
        run_pass(replace(source, reader=reader), ignore, stage="test", below=1)
        run_pass(replace(source, reader=reader, filler=fill), process, stage="test", below=1)
    assert len(buffers) == held


def numbered(height, width, *, filled, chunk=1):
    """A scan of 256×256 uint8 pixels whose values are the numbers of the positions, and the columns read of it."""
    shape, reads = (height, width, 256, 256), []
    numbers = np.arange(height * width, dtype=np.uint8).reshape(height, width, 1, 1)
    rows = np.broadcast_to(numbers, shape)

    def narrow(first, last):
        def read(start, stop):
            reads.append((start, stop, first, last))
            return rows[start:stop, first:last]

        def fill(start, stop, out):
            out[...] = read(start, stop)

        return read, fill if filled else None

    reader, filler = narrow(0, width)
    scan = Scan(shape, np.dtype(np.uint8), reader, filler=filler, narrow=narrow, columns_per_chunk=chunk)
    return scan, reads


@settings(max_examples=30, deadline=None)
@given(
    height=st.integers(1, 6),
    width=st.integers(1, 40),
    halo=st.tuples(*[st.integers(0, 2)] * 3),
    memory=st.integers(_MIB, 6 * _MIB),
    filled=st.booleans(),
    inline=st.booleans(),
)
def test_rows_that_do_not_fit_are_read_in_parts(height, width, halo, memory, filled, inline):
    above, below, beside = halo
    scan, reads = numbered(height, width, filled=filled)
    numbers = np.arange(height * width).reshape(height, width)
    times, order = np.zeros((height, width), int), []

    def process(block):
        (across, inner), rows = block.with_halo, slice(block.start - block.above, block.stop + block.below)
        assert (block.above, block.left) == (min(above, block.start), min(beside, block.first))
        assert (block.below, block.right) == (min(below, height - block.stop), min(beside, width - block.last))
        assert np.array_equal(block.data[..., 3, 5], numbers[rows, across])
        core = numbers[block.start : block.stop, block.first : block.last]
        assert np.array_equal(block.core[..., 7, 9], core)
        assert across.start + inner.start == block.first
        times.ravel()[core] += 1
        if not any(halo):
            assert np.array_equal(np.arange(height * width)[block.positions], core.ravel())
            assert np.array_equal(block.patterns[:, 0, 0], core.ravel())
            order.extend(core.ravel().tolist())

    heard = []
    with execution(memory=memory, inline=inline, observer=lambda *call: heard.append(call[1:3])):
        run_pass(scan, process, stage="test", above=above, below=below, beside=beside)
    assert (times == 1).all()
    assert order == ([] if any(halo) else list(range(height * width)))
    assert heard[-1] == (height, height)
    assert heard == sorted(heard)
    least = (1 + above + below) * (1 + 2 * beside)
    assert all((b - a) * (d - c) <= max(memory // 2**17, least) for a, b, c, d in reads)


def test_parts_of_rows_are_whole_chunks_and_even():
    with execution(memory=_MIB):
        assert column_parts(numbered(2, 20, filled=True)[0]) == [(0, 6), (6, 13), (13, 20)]
        assert column_parts(numbered(2, 20, filled=True, chunk=3)[0]) == [(0, 3), (3, 9), (9, 15), (15, 20)]
        assert column_parts(numbered(2, 20, filled=True, chunk=20)[0]) == [(0, 20)]
        assert column_parts(replace(numbered(2, 20, filled=True)[0], narrow=None)) == [(0, 20)]
    assert column_parts(numbered(2, 20, filled=True)[0]) == [(0, 20)]


def test_an_observer_cancels_by_raising():
    scan, seen = scan_of(20, pixels=256), []

    def observe(stage, done, total, bytes_read):
        if done > 5:
            raise KeyboardInterrupt

    with execution(memory=2 * _MIB, observer=observe), pytest.raises(KeyboardInterrupt):
        run_pass(scan, lambda block: seen.append(block.stop), stage="test")
    assert seen == [8]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("clustem")]


def test_inline_everything_happens_in_the_calling_thread():
    threads = set()

    def note(*_):
        threads.add(threading.current_thread())
        return np.zeros((_[1] - _[0], 2, 256, 256), np.uint8)

    scan = scan_of(20, pixels=256, reader=note)
    with execution(memory=2 * _MIB, inline=True, threads=4):
        run_pass(scan, lambda _: in_threads(note, 10, longest=3), stage="test")
    assert threads == {threading.current_thread()}
