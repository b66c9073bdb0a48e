"""Interruption by a signal: remembered, because the exception that it raises can get lost on its way.

Libraries turn it into another error; Python drops it where it meets a finalizer or the callback of a weak reference.
"""

from __future__ import annotations

import signal
import sys
from typing import Any

_received: list[int] = []


def _signals() -> list[signal.Signals]:
    return [getattr(signal, name) for name in ("SIGINT", "SIGTERM") if hasattr(signal, name)]


def _interrupt(number: int, _frame: Any) -> None:
    _received.append(number)
    raise KeyboardInterrupt


def listen() -> None:
    """Raise KeyboardInterrupt where a signal asks the program to end, unless it was started to ignore that signal."""
    for number in _signals():
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    sys.unraisablehook = _unraisable


def _unraisable(lost: Any) -> None:
    """Report an exception that Python drops, unless it is an interruption, which is remembered."""
    if not issubclass(lost.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(lost)


def stop_listening() -> None:
    """Ignore such signals from now on."""
    for number in _signals():
        signal.signal(number, signal.SIG_IGN)


def interrupted() -> bool:
    """Return whether a signal has asked the program to end."""
    return bool(_received)


def end_if_interrupted() -> None:
    """Raise KeyboardInterrupt if a signal has asked the program to end and that got lost."""
    if interrupted():
        raise KeyboardInterrupt
