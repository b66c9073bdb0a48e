import threading
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustem.computing import Execution, all_at_once, at_once, current_execution, execution, in_threads
from clustem.errors import InputError

_MIB = 2**20


@settings(max_examples=20, deadline=None)
@given(count=st.integers(0, 50), threads=st.integers(1, 6))
def test_threads_share_a_range(count, threads):
    done = np.zeros(count, int)
    pieces = []

    def work(start, stop):
        done[start:stop] += 1
        pieces.append(stop - start)

    with execution(threads=threads):
        in_threads(work, count)
    assert (done == 1).all()
    assert len(pieces) == max(1, min(threads, count))
    assert max(pieces) - min(pieces) <= 1


def test_a_piece_stays_in_its_thread():
    """Also what is shared among threads inside of it, with the memory that its caller has."""
    found = []

    def piece(start, stop):
        here = threading.get_ident()

        def inner(first, last):
            found.append((threading.get_ident() == here, current_execution().memory))

        in_threads(inner, 5, longest=1)

    with execution(threads=3, memory=2 * _MIB):
        in_threads(piece, 3)
    assert found == 15 * [(True, 2 * _MIB)]


@pytest.mark.parametrize("threads", [1, 3])
def test_errors_in_threads_reach_the_caller(threads):
    def work(start, stop):
        if stop == 10:
            raise KeyError("last piece")

    with execution(threads=threads), pytest.raises(KeyError, match="last piece"):
        in_threads(work, 10)


def test_settings_end_with_their_context():
    with execution(threads=3) as outer:
        assert outer.workers == 3
        with execution(memory=2 * _MIB) as inner:
            assert (inner.threads, inner.memory) == (3, 2 * _MIB)
        with pytest.raises(RuntimeError, match="stop"), execution(threads=1):
            raise RuntimeError("stop")
        with execution() as again:
            assert again == outer
    with execution() as default:
        assert default == Execution()
        assert default.workers >= 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [({"memory": _MIB - 1}, "memory: expected at least 1048576 bytes"), ({"threads": -1}, "threads: expected 0")],
)
def test_settings_out_of_range(fields, message):
    with pytest.raises(InputError, match=message), execution(**fields):
        pass


def test_two_things_are_done_at_once():
    """Each waits for the other to have begun; both see the settings of the caller."""
    meeting, seen = threading.Barrier(2, timeout=30), []

    def meet(name):
        meeting.wait()
        seen.append((name, threading.current_thread() is threading.main_thread(), current_execution().memory))
        return name

    def aside():
        meet("aside")

    with execution(threads=2, memory=3 * _MIB):
        assert at_once(aside, partial(meet, "work")) == "work"
    assert sorted(seen) == [("aside", False, 3 * _MIB), ("work", True, 3 * _MIB)]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("clustem")]


@pytest.mark.parametrize("settings_", [{"threads": 1}, {"inline": True, "threads": 4}])
def test_with_one_thread_two_things_are_done_one_after_the_other(settings_):
    seen = []
    with execution(**settings_):
        assert at_once(partial(seen.append, threading.current_thread()), lambda: len(seen)) == 1
    assert seen == [threading.main_thread()]


@pytest.mark.parametrize("threads", [1, 2])
def test_errors_of_two_things_at_once_reach_the_caller(threads):
    done = []

    def fail(name):
        raise KeyError(name)

    with execution(threads=threads):
        with pytest.raises(KeyError, match="aside"):
            at_once(partial(fail, "aside"), lambda: None)
        with pytest.raises(KeyError, match="work"):
            at_once(partial(done.append, 1), partial(fail, "work"))
    assert done == [1], "is not left half done"


def test_any_number_of_tasks_at_once_share_the_computing_threads():
    """Each waits for the others to have begun; all see the settings of the caller."""
    meeting, used = threading.Barrier(3, timeout=30), set()

    def task(number):
        meeting.wait()
        in_threads(lambda *_: used.add(threading.current_thread()), 8, longest=1)
        return number, current_execution().memory

    with execution(threads=2, memory=3 * _MIB):
        assert all_at_once([partial(task, number) for number in range(3)]) == [(k, 3 * _MIB) for k in range(3)]
        assert all_at_once([]) == []
    assert len(used) <= 2
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("clustem")]


def test_with_one_thread_tasks_are_done_one_after_the_other():
    with execution(threads=1):
        assert all_at_once([threading.current_thread] * 2) == [threading.main_thread()] * 2


@pytest.mark.parametrize("threads", [1, 2])
def test_errors_of_tasks_reach_the_caller(threads):
    def fail():
        raise KeyError("task")

    with execution(threads=threads), pytest.raises(KeyError, match="task"):
        all_at_once([lambda: 1, fail])
