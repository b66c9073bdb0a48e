"""How loops are compiled: without the interpreter's lock, and kept on disk where there is a place for it."""

from __future__ import annotations

import getpass
import importlib
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numba import njit


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Return the decorator of a loop, with options of numba.njit.

    The machine code is kept beside the module or, where that cannot be written, in numba's folder of the user. Where
    there is neither, as in some containers, it is compiled anew in every process.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        try:
            return njit(cache=True, nogil=True, **options)(function)
        except RuntimeError:  # no locator available
            return njit(nogil=True, **options)(function)

    return decorate


def import_compiling(name: str) -> None:
    """Import a module that compiles loops while it is imported, one process of the user at a time.

    Where two processes do that at once, numba may keep halves of both results, and every later process that loads them
    crashes.
    """
    if name not in sys.modules:
        with _alone(name):
            importlib.import_module(name)


@contextmanager
def _alone(name: str) -> Iterator[None]:
    """Wait until no other process of the user is here; where the system has no such locks, go on."""
    try:
        import fcntl

        file = (Path(tempfile.gettempdir()) / f"clustem-{getpass.getuser()}-{name}.lock").open("a", encoding="ascii")
    except (ImportError, OSError, KeyError):
        yield
        return
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
