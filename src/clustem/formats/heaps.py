"""The global heap of HDF5 files is checked when it is read: the library does not come back from a damaged one.

Texts of variable length, and the sources of a virtual dataset, are objects in collections of the global heap. The
library goes from object to object by their sizes, and where a damaged size is no step ahead it goes on for ever, deaf
to interruption. So a file is opened a second time, through a Python object that sees what the library reads: a
damaged collection reaches the library as zeros, which it refuses. Texts are read from that second file, and what may
be a virtual dataset is opened there first. Patterns are read from the first: Python has no part in that.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any

_SIGNATURE = b"GCOL"
_BEFORE_SIZE = 8  # bytes before the size: signature and version, or an object's number and count of references
_MOST_OBJECTS = 2**16  # their numbers have 16 bits; free space has number 0


class _CheckedFile(FileIO):
    """A file whose damaged heap collections are read as zeros.

    `width` is that of the sizes in the file, in bytes. The library reads a collection from its beginning, alone.
    """

    width = 8

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
        for _ in range(_MOST_OBJECTS):
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
    files: dict[Path, Any] = field(default_factory=dict)

    def file(self, path: Path) -> Any:
        """Return a file, opened so that its heap is checked; without the patterns of virtual datasets."""
        import h5py

        if path not in self.files:
            content = self.stack.enter_context(_CheckedFile(path))
            self.files[path] = self.stack.enter_context(h5py.File(content, "r"))
            content.width = self.files[path].id.get_create_plist().get_sizes()[1]
        return self.files[path]

    def twin(self, node: Any) -> Any:
        """Return a group or dataset as it is in the checked file."""
        return self.file(Path(node.file.filename))[node.name]

    def examine(self, group: Any, name: str) -> None:
        """Open the dataset that has a name in a group, if it is one; what `group[name]` raises is raised."""
        import h5py

        link = group.get(name, getlink=True)
        path, address = Path(group.file.filename), f"{group.name}/{name}"
        if isinstance(link, h5py.ExternalLink):
            path, address = path.parent / link.filename, link.path
        if path.is_file() and self.file(path).get(address, getclass=True) is h5py.Dataset:
            self.file(path)[address]


@contextmanager
def heap_checks() -> Iterator[HeapChecks]:
    """Give the checks of heaps; the files are closed at the end."""
    with ExitStack() as stack:
        yield HeapChecks(stack)
