"""How much memory and how many threads computing takes, and the threads themselves."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Protocol, TypeVar

from clustem.errors import InputError

T = TypeVar("T")


class Observer(Protocol):
    """Told after every block: the name of the pass, scan rows done, scan rows in all, bytes read so far.

    What it raises cancels the pass and comes out of the function that made it.
    """

    def __call__(self, stage: str, done: int, total: int, bytes_read: int) -> None:
        """Take notice."""


@dataclass(frozen=True)
class Execution:
    """How passes run. It never changes a result.

    `memory` is the budget in bytes for the blocks of a pass with its working arrays (at least one chunk of the file and
    its halo is always read, and at least one scan row of a source that cannot read less); `threads` the number of
    computing threads; `observer` is told of progress. With `inline` everything happens in the calling thread, one
    thing after the other, which is easier to follow in a debugger.
    """

    memory: int = 512 * 2**20
    threads: int = 0
    observer: Observer | None = None
    inline: bool = False

    def __post_init__(self) -> None:
        if self.memory < 2**20:
            raise InputError(f"memory: expected at least {2**20} bytes (1 MiB), got {self.memory}")
        if self.threads < 0:
            raise InputError(f"threads: expected 0 (all cores) or more, got {self.threads}")

    @property
    def workers(self) -> int:
        """Number of computing threads, at least 1."""
        return (
            1
            if self.inline
            else self.threads or len(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else [0]) or 1
        )


_DEFAULT = Execution()
_execution: ContextVar[Execution] = ContextVar("clustem_execution", default=_DEFAULT)
_pool: ContextVar[ThreadPoolExecutor | None] = ContextVar("clustem_pool", default=None)


@contextmanager
def execution(**settings: Any) -> Iterator[Execution]:
    """Within this context passes run with the given fields of :class:`Execution`.

    Examples
    --------
    >>> with execution(memory=64 * 2**20, threads=1) as settings:
    ...     settings.workers
    1
    """
    token = _execution.set(replace(_execution.get(), **settings))
    try:
        yield _execution.get()
    finally:
        _execution.reset(token)


def current_execution() -> Execution:
    """Return how passes run in this context."""
    return _execution.get()


def memory_budget() -> int:
    """Return the budget in bytes for the blocks of a pass."""
    return _execution.get().memory


def in_threads(work: Callable[[int, int], None], count: int, *, longest: int = 0) -> None:
    """Call ``work(start, stop)`` for pieces of range(count), in as many threads as there are cores for it.

    Meant for kernels that release the interpreter lock; the pieces must write to separate places. With `longest`,
    pieces are at most so long. What calls this in a piece runs in the thread of the piece.
    """
    workers = min(_execution.get().workers, count)
    if not count:
        work(0, 0)
        return
    rounds = -(-count // (longest * workers)) if longest else 1
    pieces = min(count, rounds * workers)
    edges = [count * k // pieces for k in range(pieces + 1)]
    if workers == 1:
        for a, b in pairwise(edges):
            work(a, b)
        return
    inside = replace(_execution.get(), inline=True)

    def piece(start: int, stop: int) -> None:
        token = _execution.set(inside)
        try:
            work(start, stop)
        finally:
            _execution.reset(token)

    with computing_threads() as pool:
        pieces_done = [pool.submit(piece, a, b) for a, b in pairwise(edges)]
        wait(pieces_done)
        for done in pieces_done:
            done.result()


@contextmanager
def computing_threads() -> Iterator[ThreadPoolExecutor]:
    """Use the computing threads of the context, or make them, because making them takes as long as a small block."""
    pool = _pool.get()
    if pool is not None:
        yield pool
        return
    with ThreadPoolExecutor(_execution.get().workers, thread_name_prefix="clustem-work") as pool:
        token = _pool.set(pool)
        try:
            yield pool
        finally:
            _pool.reset(token)


def at_once(aside: Callable[[], None], work: Callable[[], T]) -> T:
    """Call both, the first in a thread of its own, and return what the second returns once both are done.

    With one computing thread they are called one after the other.
    """
    if _execution.get().workers == 1:
        aside()
        return work()
    with ThreadPoolExecutor(1, thread_name_prefix="clustem-aside") as pool, computing_threads():
        done = pool.submit(copy_context().run, aside)
        result = work()
        done.result()
        return result


def all_at_once(tasks: Sequence[Callable[[], T]]) -> list[T]:
    """Call all, each in a thread of its own, and return what they return, in their order, once all are done.

    They share the computing threads. With one computing thread they are called one after the other.
    """
    if _execution.get().workers == 1:
        return [task() for task in tasks]
    with ThreadPoolExecutor(max(1, len(tasks)), thread_name_prefix="clustem-task") as pool, computing_threads():
        done = [pool.submit(copy_context().run, task) for task in tasks]
        wait(done)
        return [each.result() for each in done]
