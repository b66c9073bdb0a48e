"""The results folder: whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clustem.errors import InputError, OutputError, is_full_disk
from clustem.interruption import end_if_interrupted
from clustem.results.exports import write_csv, write_labels, write_outlines
from clustem.results.record import Results
from clustem.results.storage import FILE_NAME, save_results

_MADE, _REPLACED = ".results.partial", ".results.replaced"


def check_output(target: Path, *, force: bool, source: Path | None = None) -> None:
    """Raise OutputError if results cannot be written to the folder `target`.

    With `force` an existing results folder may be replaced, but nothing else, and never the folder that holds `source`.
    """
    if not target.name:
        raise OutputError(f"output: expected the name of a new folder, got {str(target)!r}")
    check_name(target)
    if target.exists() or target.is_symlink():
        if not force:
            raise OutputError(
                f"output: {target} exists; choose another folder, or give --force (force=True) to replace it"
            )
        if not target.is_dir() or target.is_symlink() or (any(target.iterdir()) and not (target / FILE_NAME).is_file()):
            raise OutputError(
                f"output: {target} is not a results folder of clustem, so it is not replaced; choose another"
            )
        if source is not None and target.resolve() in source.resolve().parents:
            raise OutputError(
                f"output: {target} holds the scan {source.name}, so it is not replaced; choose another folder"
            )
    parent = target.absolute().parent
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise OutputError(f"output: {target} cannot be made, because {parent} is not a folder that can be written to")


def check_name(target: Path) -> None:
    """Raise OutputError if the file system cannot hold a folder of this name, or the temporary one beside it."""
    try:
        os.lstat(target.with_name(temporary_name(target)))
    except (FileNotFoundError, NotADirectoryError):
        return
    except (OSError, ValueError) as error:
        text = getattr(error, "strerror", None) or str(error)
        raise OutputError(f"output: {str(target)!r} cannot be made ({text}); choose another folder") from error


def temporary_name(target: Path) -> str:
    """Return the name of the folder beside `target` in which its files are made."""
    return f".{target.name}.{os.getpid()}.partial"


@contextmanager
def whole_folder(target: Path, *, force: bool, work: Path | None = None) -> Iterator[Path]:
    """Give a temporary folder beside `target` that takes its place when the block ends without an error.

    With `work`, a folder of one job on the same disk, it is made there, and so is what it replaces moved there: a job
    that was killed leaves nothing elsewhere, and the next one puts it right (:func:`put_right`).

    Raises
    ------
    OutputError
        If writing fails, for example because the disk is full; nothing is left behind then.
    """
    target = target.absolute()
    temporary = None if work is None else work.absolute() / _MADE
    with temporary_folder(target, temporary) as made:
        yield made
        end_if_interrupted()
        replaced = f".{target.name}.{os.getpid()}.replaced"
        _put_in_place(made, target, force, target.with_name(replaced) if work is None else made.with_name(_REPLACED))


def put_right(target: Path, work: Path) -> None:
    """Undo what a job that was killed while its results took their place has left in its folder `work`."""
    replaced = work / _REPLACED
    if replaced.is_dir() and not target.exists():
        replaced.rename(target)
    remove(replaced)
    remove(work / _MADE)


@contextmanager
def temporary_folder(target: Path, temporary: Path | None = None) -> Iterator[Path]:
    """Give an empty folder beside `target` that is gone when the block ends; what fails in it is an OutputError."""
    target = target.absolute()
    temporary = temporary or target.with_name(temporary_name(target))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.parent.mkdir(parents=True, exist_ok=True)
        remove(temporary)
        temporary.mkdir()
        yield temporary
    except InputError:
        raise
    except (OSError, RuntimeError) as error:
        cause = "the disk is full" if is_full_disk(error) else str(error)
        raise OutputError(
            f"output: {target} could not be written: {cause}; nothing was left behind. "
            "Free space or choose another place"
        ) from error
    finally:
        remove(temporary)


def remove(folder: Path) -> None:
    """Remove a folder of ours, also if an interruption comes in between."""
    try:
        shutil.rmtree(folder, ignore_errors=True)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _put_in_place(temporary: Path, target: Path, force: bool, replaced: Path) -> None:
    if not target.exists():
        temporary.rename(target)
        return
    if not force:
        raise OutputError(f"output: {target} appeared while the results were computed; choose another folder")
    try:
        target.rename(replaced)
        temporary.rename(target)
    except BaseException:
        if replaced.exists() and not target.exists():
            replaced.rename(target)
        raise
    finally:
        remove(replaced)


def write_tables(results: Results, folder: Path) -> None:
    """Write `results.h5`, the tables as CSV, `labels.tif` and `outlines.geojson` into an existing folder."""
    save_results(results, folder / FILE_NAME)
    write_csv(results, folder)
    write_labels(results, folder)
    write_outlines(results, folder)
