"""The terminal: errors as messages and exit codes, progress as bars."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from clustem.errors import InputError, is_full_disk
from clustem.interruption import end_if_interrupted, interrupted

if TYPE_CHECKING:
    from rich.console import Console

EXIT_FAILED, EXIT_INPUT, EXIT_INTERRUPTED = 1, 2, 130


@contextmanager
def guarded(verbose: bool) -> Iterator[Console]:
    """Turn errors into messages and exit codes."""
    from rich.console import Console

    errors = Console(stderr=True, soft_wrap=True)
    if verbose:
        logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        yield Console(soft_wrap=True)
    except typer.Exit:
        raise
    except (KeyboardInterrupt, Exception) as error:
        code, message = _explained(error)
        if verbose and code == EXIT_FAILED:
            traceback.print_exc()
        style = None if code == EXIT_INTERRUPTED else "red"
        errors.print(message, style=style, highlight=False, markup=False)
        raise typer.Exit(code) from None


def _explained(error: BaseException) -> tuple[int, str]:
    """Return the exit code and the message for what ended a command."""
    if isinstance(error, KeyboardInterrupt) or interrupted():
        return EXIT_INTERRUPTED, "interrupted: nothing was written"
    if isinstance(error, InputError):
        return EXIT_INPUT, f"error: {error}"
    if isinstance(error, MemoryError):
        return EXIT_FAILED, "error: there is not enough memory; close other programs, or crop or bin the scan"
    if is_full_disk(error):
        return EXIT_INPUT, (
            f"error: the disk is full ({error}); free space where results, temporary files and the compiled loops "
            "(NUMBA_CACHE_DIR, or beside the installed package) are kept"
        )
    return EXIT_FAILED, (
        f"error: {type(error).__name__}: {error}\nThis is a defect of clustem: please report it with the output of "
        "the same command and --verbose"
    )


@contextmanager
def progress(*, shown: bool) -> Iterator[None]:
    """Show a bar per pass, with its rate and the time left."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from clustem.computing import execution
    from clustem.tables import size_text

    if not shown:
        with execution(observer=lambda *_: end_if_interrupted()):
            yield
        return
    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[rate]:>10}"),
        TimeRemainingColumn(),
    )
    bars = Progress(*columns, console=Console(stderr=True))
    tasks: dict[str, Any] = {}

    def observe(stage: str, done: int, total: int, bytes_read: int) -> None:
        end_if_interrupted()
        bars.start()
        if stage not in tasks:
            tasks[stage] = bars.add_task(stage, total=total, rate="")
        elif done == 0:
            bars.reset(tasks[stage], total=total)
        task = bars.tasks[bars.task_ids.index(tasks[stage])]
        rate = f"{size_text(int(bytes_read / task.elapsed))}/s" if task.elapsed and bytes_read else ""
        bars.update(tasks[stage], completed=done, rate=rate)

    try:
        with execution(observer=observe):
            yield
    finally:
        bars.stop()
