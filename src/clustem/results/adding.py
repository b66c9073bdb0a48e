"""Files added to a folder: all of them or none."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from clustem.errors import OutputError
from clustem.interruption import end_if_interrupted
from clustem.results.folder import check_name, temporary_folder


def check_new_files(target: Path, names: Sequence[str], *, force: bool) -> None:
    """Raise OutputError if files of these names cannot be added to the folder `target`.

    With `force` those that exist may be replaced. The folder need not exist.
    """
    if not target.name:
        raise OutputError(f"output: expected the name of a folder, got {str(target)!r}")
    check_name(target)
    if (target.exists() or target.is_symlink()) and not target.is_dir():
        raise OutputError(f"output: {target} is a file; choose a folder")
    present = [name for name in names if os.path.lexists(target / name)]
    if present and not force:
        raise OutputError(
            f"output: {target} holds {', '.join(present)}; choose another folder, or give --force (force=True) to "
            "replace that"
        )
    parent = target.absolute()
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise OutputError(f"output: {target} cannot be written, because {parent} is not a folder that can be")


@contextmanager
def added_files(target: Path, *, force: bool) -> Iterator[Path]:
    """Give a temporary folder beside `target`, all of whose files move there when the block ends without an error.

    Raises
    ------
    OutputError
        If writing fails, for example because the disk is full; `target` is then as it was before.
    """
    target = target.absolute()
    with temporary_folder(target) as temporary:
        yield temporary
        end_if_interrupted()
        names = sorted(path.name for path in temporary.iterdir())
        check_new_files(target, names, force=force)
        _move(temporary, target, names)


def _move(temporary: Path, target: Path, names: Sequence[str]) -> None:
    """Move the entries to `target`; those they replace are kept beside them until all are in place."""
    if not target.exists():
        temporary.rename(target)
        return
    replaced = temporary / ".replaced"
    replaced.mkdir()
    moved: list[str] = []
    try:
        for name in names:
            if os.path.lexists(target / name):
                (target / name).rename(replaced / name)
            moved.append(name)
            (temporary / name).rename(target / name)
    except BaseException:
        for name in names:
            if name in moved and os.path.lexists(target / name):
                (target / name).rename(temporary / name)
            if os.path.lexists(replaced / name):
                (replaced / name).rename(target / name)
        raise
