"""Passes over a scan: blocks with a halo, read ahead by one thread while the others compute.

A pass visits the blocks in scan order, one at a time, so whatever it accumulates is the same for any
block size and thread count as long as each thread owns its own part of the result. Blocks are whole rows; where the
memory budget does not hold them, they are parts of single rows, or, with a halo, rows of strips of columns.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from contextvars import copy_context
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.computing import computing_threads, current_execution, memory_budget
from clustem.scan import Scan

_SCARCE = 1.5  # times the budget from which two blocks take too much, because already one row of the scan is large
_STRIP_ROWS = 4  # of strips of columns, besides their halo, that must fit
_BLOCK_BYTES = 32 * 2**20  # large enough for the threads, small enough that the last one is not waited for


@dataclass(frozen=True, eq=False)
class Block:
    """Scan rows start … stop-1, columns first … last-1, with a halo on all sides.

    `data` is (above + stop - start + below, left + last - first + right, k_y, k_x); at the edges of the scan the halo
    is cut. Of a pass without a halo, a block has whole rows or is a part of a single one, so that its `positions`
    follow each other.
    """

    data: NDArray[Any]
    start: int
    stop: int
    above: int
    below: int
    first: int
    last: int
    left: int
    right: int
    scan_x: int

    @property
    def core(self) -> NDArray[Any]:
        """The rows start … stop-1 and columns first … last-1 alone."""
        rows = self.data[self.above : self.above + self.stop - self.start]
        return rows if not self.left + self.right else rows[:, self.left : self.left + self.last - self.first]

    @property
    def patterns(self) -> NDArray[Any]:
        """The same as a list (n, k_y, k_x)."""
        return self.core.reshape(-1, *self.data.shape[2:])

    @property
    def positions(self) -> slice:
        """Their numbers, y · scan_x + x, if the block has whole rows or is a part of a single one."""
        return slice(self.start * self.scan_x + self.first, (self.stop - 1) * self.scan_x + self.last)

    @property
    def with_halo(self) -> tuple[slice, slice]:
        """The columns of the scan that are in `data`, and the columns of `data` that are its core."""
        core = slice(self.left, self.left + self.last - self.first)
        return slice(self.first - self.left, self.last + self.right), core


def tell_progress(stage: str, done: int, total: int) -> None:
    """Tell the observer how far a job of several passes is."""
    observer = current_execution().observer
    if observer is not None:
        observer(stage, done, total, 0)


def rows_per_block(scan: Scan, *, halo: int, working_bytes: float) -> int:
    """Return how many scan rows are read at once.

    Two blocks are in memory at the same time (one is read ahead); `working_bytes` is what the pass allocates per value.
    Blocks that are read into memory are no larger than they must be to keep all cores busy, but hold whole chunks of
    the file if they may.
    """
    row = int(np.prod(scan.shape[1:], dtype=np.int64))
    per_row = row * (2 * scan.dtype.itemsize + scan.working_bytes + working_bytes)
    most = int((memory_budget() - scan.held_bytes) / per_row) - halo
    rows = most if scan.filler is None else max(_BLOCK_BYTES // (row * scan.dtype.itemsize), scan.rows_per_chunk)
    rows = max(1, min(most, rows, scan.shape[0]))
    return rows - rows % scan.rows_per_chunk if rows > scan.rows_per_chunk else rows


def column_parts(scan: Scan, *, rows: int = 1, beside: int = 0, working_bytes: float = 0.0) -> list[tuple[int, int]]:
    """Return the parts first … last-1 of the columns that are read one after the other, so many rows at a time.

    One part, unless the memory budget does not hold that many whole rows and the source can read less of them. Parts
    are even, and hold whole chunks of the file; `beside` columns are read on both sides of each.
    """
    width, chunk = scan.shape[1], scan.columns_per_chunk
    position = scan.detector_shape[0] * scan.detector_shape[1]
    needed = rows * position * (2 * scan.dtype.itemsize + scan.working_bytes + working_bytes)
    most = int((memory_budget() - scan.held_bytes) / needed)
    if most >= width or scan.narrow is None:
        return [(0, width)]
    chunks = -(-width // chunk)
    number = -(-chunks // max(1, (most - 2 * beside) // chunk))
    return list(pairwise(min(width, chunks * k // number * chunk) for k in range(number + 1)))


@dataclass(frozen=True, eq=False)
class _Strip:
    """Columns first … last-1 of a scan; `scan` has them with their halo, and no others."""

    scan: Scan
    first: int
    last: int
    left: int
    right: int

    @classmethod
    def of(cls, scan: Scan, first: int, last: int, beside: int) -> _Strip:
        left, right = min(beside, first), min(beside, scan.shape[1] - last)
        return cls(scan.with_columns(first - left, last + right), first, last, left, right)


@dataclass(frozen=True, eq=False)
class _Span:
    """Scan rows start … stop-1 of a block of a strip, and with their halo first … last-1."""

    strip: _Strip
    start: int
    stop: int
    first: int
    last: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the block."""
        return (self.last - self.first, *self.strip.scan.shape[1:])

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape, dtype=np.int64))


def _plan(scan: Scan, above: int, below: int, beside: int, working_bytes: float) -> list[_Span]:
    """Return the blocks of a pass, in order."""
    halo = above + below
    parts = column_parts(scan, rows=1 + halo, working_bytes=working_bytes)
    if len(parts) > 1 and (halo or beside):
        rows = max(_STRIP_ROWS, scan.rows_per_chunk) + halo
        parts = column_parts(scan, rows=rows, beside=beside, working_bytes=working_bytes)
    strips = [_Strip.of(scan, *part, beside) for part in parts]
    if len(strips) > 1 and not halo and not beside:
        return [_Span(strip, y, y + 1, y, y + 1) for y in range(scan.shape[0]) for strip in strips]
    spans = []
    for strip in strips:
        rows = rows_per_block(strip.scan, halo=halo, working_bytes=working_bytes)
        spans += _spans(strip, rows, above, below)
    return spans


def _spans(strip: _Strip, rows: int, above: int, below: int) -> list[_Span]:
    """Return the blocks of a strip that is read `rows` rows at a time, at whole chunks if they are."""
    spans: list[_Span] = []
    start, scan = 0, strip.scan
    height = scan.shape[0]
    for edge in range(rows, height + rows, rows):
        complete = height if edge >= height else edge - (below if scan.rows_per_chunk > 1 else 0)
        while start < complete:
            stop = min(start + rows, complete)
            spans.append(_Span(strip, start, stop, max(0, start - above), min(height, stop + below)))
            start = stop
    return spans


class _Loader:
    """Loads the blocks in order, into one or two buffers in turn; rows that two blocks share are not read again."""

    def __init__(self, scan: Scan, spans: list[_Span], buffers: int) -> None:
        self.spans, self.width = spans, scan.shape[1]
        filled = any(span.strip.scan.filler is not None for span in spans)
        largest = max(span.size for span in spans) if filled else 0
        self.buffers = [np.empty(largest, scan.dtype) for _ in spans[:buffers]]
        self.before: tuple[_Span, NDArray[Any]] | None = None
        self.bytes_read = 0

    def load(self, number: int) -> Block:
        """Return a block, which stays as it is until all other buffers have been filled as well."""
        span = self.spans[number]
        data, strip = self._data(span, self.buffers[number % len(self.buffers)]), span.strip
        above, below = span.start - span.first, span.last - span.stop
        columns = strip.first, strip.last, strip.left, strip.right
        return Block(data, span.start, span.stop, above, below, *columns, self.width)

    def _data(self, span: _Span, memory: NDArray[Any]) -> NDArray[Any]:
        scan = span.strip.scan
        if scan.filler is None:
            data = scan.read(span.first, span.last)
            self.bytes_read += data.nbytes
            return data
        buffer, known = memory[: span.size].reshape(span.shape), 0
        if self.before is not None and self.before[0].strip is span.strip:
            before, rows = self.before
            shared = rows[span.first - before.first :]
            known = len(shared)
            for n in range(known):  # one by one, because it may be the same buffer
                buffer[n] = shared[n]
        if known < len(buffer):
            self.bytes_read += scan.read(span.first + known, span.last, buffer=buffer[known:]).nbytes
        self.before = span, buffer
        return buffer


def run_pass(
    scan: Scan,
    process: Callable[[Block], None],
    *,
    stage: str,
    above: int = 0,
    below: int = 0,
    beside: int = 0,
    working_bytes: float = 0.0,
) -> None:
    """Call `process` with every block of the scan, in order, while the next one is being read.

    In order of positions without a halo. With one, strips of columns may come one after the other, so that only what is
    filled position by position is the same for any budget.

    Parameters
    ----------
    scan : Scan
    process : callable
        Takes a :class:`Block`; copies what it keeps, because another block may take the same memory.
    stage : str
        Name of the pass, for progress and messages.
    above, below : int
        Scan rows of halo before and after each block.
    beside : int
        Columns of halo on both sides of each block.
    working_bytes : float
        Bytes that `process` allocates per value of a block, for the memory budget.
    """
    observer, height = current_execution().observer, scan.shape[0]
    spans = _plan(scan, above, below, beside, working_bytes)
    block_bytes = max(span.size for span in spans) * scan.dtype.itemsize
    inline = current_execution().inline or 2 * block_bytes > _SCARCE * memory_budget()
    loader, done = _Loader(scan, spans, 1 if inline else 2), 0
    if observer is not None:
        observer(stage, 0, height, 0)
    with computing_threads(), closing(_in_turn(loader) if inline else _read_ahead(loader)) as blocks:
        for block, bytes_read in blocks:
            process(block)
            done += (block.stop - block.start) * (block.last - block.first)
            del block  # its memory is free for the next one
            if observer is not None:
                observer(stage, done // scan.shape[1], height, bytes_read)


def _in_turn(loader: _Loader) -> Generator[tuple[Block, int], None, None]:
    """Yield every block, loaded when it is asked for, and the bytes read so far."""
    for number in range(len(loader.spans)):
        yield loader.load(number), loader.bytes_read


def _read_ahead(loader: _Loader) -> Generator[tuple[Block, int], None, None]:
    """Yield the same, with the next block being loaded by another thread meanwhile."""
    with ThreadPoolExecutor(1, thread_name_prefix="clustem-read") as reader:
        ahead = reader.submit(copy_context().run, loader.load, 0)
        for number in range(1, len(loader.spans) + 1):
            block, bytes_read = ahead.result(), loader.bytes_read
            if number < len(loader.spans):
                ahead = reader.submit(copy_context().run, loader.load, number)
            yield block, bytes_read
