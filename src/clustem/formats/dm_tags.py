"""The tags of a Gatan DigitalMicrograph file: a tree of names and values; arrays stay in the file.

Written after the description of the format by C. Boothroyd and others, for versions 3 and 4. Numbers of the tree itself
have the high byte first, values the order that the file says.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from clustem.errors import InputError

_GROUP, _VALUE = 20, 21
_STRUCTURE, _STRING, _ARRAY = 15, 18, 20
_NUMBERS = {2: "i2", 3: "i4", 4: "u2", 5: "u4", 6: "f4", 7: "f8", 8: "?", 9: "i1", 10: "u1", 11: "i8", 12: "u8"}
_LONGEST_TEXT = 2**16  # bytes; longer arrays are not read
_LONGEST_NAME = 256  # bytes
_LARGEST_INFO = 1000  # numbers that describe one value
_DEEPEST = 64
_UNICODE = 4  # the type of the characters of a text that is stored as an array


@dataclass(frozen=True)
class Placed:
    """An array that stays in the file: where it begins, how many values, and the code of their type."""

    offset: int
    size: int
    kind: int


class _DamagedError(ValueError):
    """The file does not follow the format."""


class _Reader:
    """Reads the tree from an open file."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file = file
        self.size = size
        (version,) = struct.unpack(">I", file.read(4))
        if version not in (3, 4):
            raise _DamagedError(f"version {version}, expected 3 or 4")
        self.wide = version == 4
        self.number()
        (little,) = struct.unpack(">I", file.read(4))
        self.order = "<" if little else ">"

    def number(self) -> int:
        """Return a count or size of the tree."""
        width = 8 if self.wide else 4
        content = self.file.read(width)
        if len(content) < width:
            raise _DamagedError("it ends within its tags")
        return int.from_bytes(content, "big")

    def group(self, depth: int = 0) -> dict[str, Any]:
        """Return the tags of a group by name; those without a name by their place."""
        if depth > _DEEPEST:
            raise _DamagedError("its tags are nested too deep")
        self.file.read(2)
        count = self.number()
        tags: dict[str, Any] = {}
        for place in range(count):
            kind, length = struct.unpack(">BH", self._read(3))
            if length > _LONGEST_NAME:
                raise _DamagedError(f"the name of a tag has {length} bytes")
            name = self._read(length).decode("latin-1") or str(place)
            if self.wide:
                self.number()
            if kind == _GROUP:
                tags[name] = self.group(depth + 1)
            elif kind == _VALUE:
                tags[name] = self.value(in_file=name == "Data")
            else:
                raise _DamagedError(f"tag {name!r} is of kind {kind}")
        return tags

    def value(self, *, in_file: bool = False) -> Any:
        """Return a number or text, the place of an array, or None for structures.

        A short array of 16-bit numbers is a text, unless it is known to stay `in_file`.
        """
        if self._read(4) != b"%%%%":
            raise _DamagedError("a value is not where it should be")
        count = self.number()
        if not 1 <= count <= _LARGEST_INFO:
            raise _DamagedError(f"a value is described by {count} numbers")
        info = [self.number() for _ in range(count)]
        if info[0] in _NUMBERS:
            dtype = self._dtype(info[0])
            return np.frombuffer(self._read(dtype.itemsize), dtype)[0].item()
        if info[0] == _STRING and count == 2:
            return self._text(info[1], "utf-8")
        if info[0] == _STRUCTURE:
            self._skip(self._structure_size(info))
            return None
        if info[0] == _ARRAY and count >= 3:
            return self._array(info, in_file)
        raise _DamagedError(f"a value is of kind {info[0]}")

    def _array(self, info: list[int], in_file: bool) -> Any:
        kind, size = info[1], info[-1]
        if kind == _STRUCTURE:
            self._skip(self._structure_size(info[1:-1]) * size)
            return None
        dtype = self._dtype(kind)
        if kind == _UNICODE and not in_file and size * 2 <= _LONGEST_TEXT:
            return self._text(size * 2, "utf-16-le" if self.order == "<" else "utf-16-be")
        placed = Placed(self.file.tell(), size, kind)
        self._skip(dtype.itemsize * size)
        return placed

    def _dtype(self, kind: int) -> np.dtype[Any]:
        if kind not in _NUMBERS:
            raise _DamagedError(f"a number is of kind {kind}")
        return np.dtype(_NUMBERS[kind]).newbyteorder("<" if self.order == "<" else ">")

    def _structure_size(self, info: list[int]) -> int:
        """Return the bytes of a structure: [kind, length of name, number of fields, (length of name, kind) …]."""
        return sum(self._dtype(kind).itemsize for kind in info[4::2])

    def _text(self, length: int, coding: str) -> str:
        if length > _LONGEST_TEXT:
            raise _DamagedError(f"a text has {length} bytes")
        return self._read(length).decode(coding, "replace")

    def _read(self, length: int) -> bytes:
        content = self.file.read(length)
        if len(content) < length:
            raise _DamagedError("it ends within its tags")
        return content

    def _skip(self, length: int) -> None:
        place = self.file.tell() + length
        if place > self.size:
            raise _DamagedError("it ends within its data")
        self.file.seek(place)


def read_tags(path: Path) -> tuple[dict[str, Any], str]:
    """Return the tree of tags and the byte order of the values, "<" or ">".

    Raises
    ------
    InputError
        If the file is no DigitalMicrograph file, or damaged.
    """
    try:
        with path.open("rb") as file:
            reader = _Reader(file, path.stat().st_size)
            return reader.group(), reader.order
    except (_DamagedError, struct.error) as error:
        raise InputError(
            f"{path.name}: cannot be read as a DigitalMicrograph file ({error}); it is incomplete or damaged: copy it "
            "again"
        ) from error
