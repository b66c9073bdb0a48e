"""How loops are compiled: without the interpreter's lock, and kept on disk where there is a place for it."""

from __future__ import annotations

from collections.abc import Callable
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
