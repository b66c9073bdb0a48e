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
    """HDF5 files that were opened a second time, by their paths."""

    stack: ExitStack
    files: dict[str, Any] = field(default_factory=dict)

    def file(self, path: Path | str) -> Any:
        """Return a file, opened so that its heap is checked; without the patterns of virtual datasets."""
        import h5py

        name = str(path)
        if name not in self.files:
            content = self.stack.enter_context(_CheckedFile(name))
            self.files[name] = self.stack.enter_context(h5py.File(content, "r"))
            content.width = self.files[name].id.get_create_plist().get_sizes()[1]
        return self.files[name]

    def twin(self, node: Any) -> Any:
        """Return a group or dataset as it is in the checked file."""
        return self.file(node.file.filename)[node.name]

    def examine(self, group: Any, name: str) -> None:
        """Open what has a name in a group, to see whether that can be done; what `group[name]` raises is raised."""
        import h5py

        path, address = os.fsdecode(h5py.h5f.get_name(group.id)), f"{group.name}/{name}"
        if group.get(name, getclass=True, getlink=True) is h5py.ExternalLink:
            link = group.get(name, getlink=True)
            path, address = str(Path(path).parent / link.filename), link.path
        if path in self.files or Path(path).is_file():
            self.file(path)[address]


@contextmanager
def heap_checks() -> Iterator[HeapChecks]:
    """Give the checks of heaps; the files are closed at the end."""
    with ExitStack() as stack:
        yield HeapChecks(stack)
