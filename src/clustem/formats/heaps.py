"""The global heap of HDF5 files is checked when it is read: the library does not come back from a damaged one.

Texts of variable length, and the sources of a virtual dataset, are objects in collections of the global heap. The
library goes from object to object by their sizes, and where a damaged size is no step ahead it goes on for ever, deaf
to interruption. So a file is opened a second time, through a Python object that sees what the library reads: a
damaged collection reaches the library as zeros, which it refuses. Texts are read from that second file, and what may
be a virtual dataset is opened there first. Patterns are read from the first: Python has no part in that.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any

_SIGNATURE = b"GCOL\1"  # with the version, which the library checks
_BEFORE_SIZE = 8  # bytes before the size: signature and version, or an object's number and count of references
_MOST_LINKS = 16  # on the way to one object, as in the library
_MOST_OBJECTS = 2**16  # their numbers have 16 bits; free space has number 0


class _CheckedFile(FileIO):
    """A file whose damaged heap collections are read as zeros.

    `width` is that of the sizes in the file, in bytes. The library reads a collection from its beginning, alone.
    """

    width = 8

    def seek(self, place: int, whence: int = 0, /) -> int:
        """Go to a place; one of a damaged file may be larger than any file."""
        try:
            return super().seek(place, whence)
        except OverflowError as error:
            raise OSError(f"there is no place {place} in a file") from error

    def readinto(self, buffer: Any, /) -> int:
        """Fill a buffer; what is beyond the end is 0."""
        view = memoryview(buffer).cast("B")
        place = self.tell()
        count = super().readinto(view) or 0
        view[count:] = bytes(len(view) - count)
        if view[: len(_SIGNATURE)] == _SIGNATURE and not self._is_sound(place):
            view[:] = bytes(len(view))
        return count

    def _is_sound(self, place: int) -> bool:
        """Return whether the objects of the collection at a place fill it step by step."""
        header = -(-(_BEFORE_SIZE + self.width) // 8) * 8  # of the collection, and of every object
        _, size = self._numbers(place)
        end = place + size
        if size < header or end > self.seek(0, 2):
            return False
        place += header
        for _ in range(_MOST_OBJECTS + 1):  # and once behind the last one
            if place + header > end:
                return place <= end
            number, size = self._numbers(place)
            step = header + -(-size // 8) * 8 if number else size
            if step < header:
                return False
            place += step
        return False

    def _numbers(self, place: int) -> tuple[int, int]:
        """Return the number and the size of what begins at a place."""
        self.seek(place)
        content = self.read(_BEFORE_SIZE + self.width) or b""
        return int.from_bytes(content[:2], "little"), int.from_bytes(content[_BEFORE_SIZE:], "little")


@dataclass
class HeapChecks:
    """HDF5 files that were opened a second time, by their paths, and those that links lead to, opened as they are."""

    stack: ExitStack
    files: dict[str, Any] = field(default_factory=dict)
    linked: dict[str, Any] = field(default_factory=dict)

    def file(self, path: Path | str) -> Any:
        """Return a file, opened so that its heap is checked; without the patterns of virtual datasets.

        The library takes links to other files, seen from this one, for links into this one: see `node`.
        """
        import h5py

        name = str(path)
        if name not in self.files:
            content = self.stack.enter_context(_CheckedFile(name))
            self.files[name] = self.stack.enter_context(h5py.File(content, "r"))
            content.width = self.files[name].id.get_create_plist().get_sizes()[1]
        return self.files[name]

    def twin(self, node: Any) -> Any:
        """Return a group or dataset that `node` gave as it is in the checked file."""
        return self.file(node.file.filename)[node.name]

    def node(self, group: Any, name: str) -> Any:
        """Return what `group[name]` is, after its file and all on the way there have been found to be sound.

        It is opened in its own file, where its name has no links in it. What `group[name]` raises is raised.
        """
        path, found = self.examined(group.file.filename, f"{group.name}/{name}")
        return (group.file if path == group.file.filename else self._linked_file(path))[found.name]

    def examined(self, path: str, address: str) -> tuple[str, Any]:
        """Return the file that an address leads to, and what is there as it is in the checked file."""
        path, address = self._target(path, address)
        return path, self.file(path)[address]

    def _linked_file(self, path: str) -> Any:
        import h5py

        if path not in self.linked:
            self.linked[path] = h5py.File(path, "r")
        return self.linked[path]

    def _target(self, path: str, address: str, links: int = _MOST_LINKS) -> tuple[str, str]:
        """Return the file, and the address without links in it, that an address leads to."""
        if not links:
            raise KeyError(f"{address} leads through too many links")
        names = [name for name in address.split("/") if name not in ("", ".")]
        node = self.file(path)["/"]
        for k, name in enumerate(names):
            link = link_of(node, name)
            if link is not None:
                file = path if link.file is None else str(linked_path(Path(path), link.file))
                start = node.name if link.file is None and not link.path.startswith("/") else ""
                return self._target(file, "/".join([start, link.path, *names[k + 1 :]]), links - 1)
            node = node[name]
        return path, node.name


@dataclass(frozen=True)
class Link:
    """A link to another place, in another file unless `file` is None."""

    file: str | None
    path: str


def link_of(group: Any, name: str) -> Link | None:
    """Return the link of this name in a group, None if it is the object itself.

    Raises
    ------
    KeyError
        If there is nothing of this name.
    """
    from h5py import Group, h5l

    if not isinstance(group, Group):
        raise KeyError(f"{group.name} holds nothing, so there is no {name} in it")
    links, key = group.id.links, os.fsencode(name)
    kind = links.get_info(key).type
    if kind == h5l.TYPE_SOFT:
        return Link(None, os.fsdecode(links.get_val(key)))
    if kind == h5l.TYPE_EXTERNAL:
        file, path = links.get_val(key)
        return Link(os.fsdecode(file), os.fsdecode(path))
    return None


def linked_path(path: Path, name: str) -> Path:
    """Return the file that a link in the file `path` names: as the library does, also beside it if it was elsewhere."""
    beside = path.parent / name
    moved = path.parent / Path(name).name
    return moved if not beside.exists() and moved.exists() else beside


@contextmanager
def heap_checks() -> Iterator[HeapChecks]:
    """Give the checks of heaps; the files are closed at the end."""
    with ExitStack() as stack:
        yield HeapChecks(stack)
