"""The log of a run: when, how long, on what, and which choices were made."""

from __future__ import annotations

import logging
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

_ROOT = "clustem"


class Journal(logging.Handler):
    """Collects what the package logs."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.started = time.time()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one message with the seconds since the start."""
        self.lines.append(f"{record.created - self.started:9.2f} s  {record.levelname.lower()}: {record.getMessage()}")

    def add_warnings(self, warnings: tuple[str, ...]) -> None:
        """Keep the warnings of the results."""
        self.lines += [f"{time.time() - self.started:9.2f} s  warning: {text}" for text in warnings]

    def text(self) -> str:
        """Return the log as text."""
        start = time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(self.started))
        head = [
            f"clustem {version('clustem')} on Python {platform.python_version()}",
            f"{platform.platform()}, {os.cpu_count()} cores",
            f"started {start}, took {time.time() - self.started:.2f} s",
        ]
        return "\n".join([*head, "", *self.lines, ""])


@contextmanager
def run_log() -> Iterator[Journal]:
    """Collect the package's log messages, of level info and above, within this context."""
    root = logging.getLogger(_ROOT)
    level, journal = root.level, Journal()
    root.addHandler(journal)
    root.setLevel(min(level or logging.INFO, logging.INFO))
    try:
        yield journal
    finally:
        root.removeHandler(journal)
        root.setLevel(level)
