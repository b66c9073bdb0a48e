"""What every format module offers (`Format`) and what it is given (`Options`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from clustem.errors import InputError
from clustem.scan import Scan

_LONGEST_REASON = 300  # characters


def _pair(name: str, value: Any) -> tuple[int, int]:
    """Return two positive whole numbers or raise InputError."""
    try:
        items = list(value)
    except TypeError:
        items = []
    whole = all(isinstance(item, Integral) and not isinstance(item, (bool, np.bool_)) for item in items)
    if isinstance(value, (str, bytes)) or len(items) != 2 or not whole or min(items) < 1:
        raise InputError(f"{name}: expected two positive whole numbers (y, x), got {value!r}")
    return int(items[0]), int(items[1])


def checked_dtype(value: DTypeLike) -> np.dtype[Any]:
    """Return the NumPy type that `value` names or raise InputError."""
    try:
        return np.dtype(value)
    except (TypeError, ValueError, SyntaxError) as error:
        raise InputError(f"dtype: expected a number type such as 'uint16' or '>u2', got {value!r}") from error


@dataclass(frozen=True)
class Options:
    """How to open a source, validated.

    `energy_keV` is what the caller knows of the beam; detector axes in mrad are converted with it. `flyback` columns
    at the end of every scan row are dropped; with `snake`, every second row was scanned backwards; `frame` is the
    number of one scan in a series.
    """

    scan_shape: tuple[int, int] | None = None
    dataset: str | None = None
    detector_shape: tuple[int, int] | None = None
    dtype: np.dtype[Any] | None = None
    energy_keV: float | None = None
    snake: bool = False
    flyback: int = 0
    frame: int | None = None

    def __post_init__(self) -> None:
        for name in ("scan_shape", "detector_shape"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, _pair(name, getattr(self, name)))
        if self.dataset is not None and (not isinstance(self.dataset, str) or not self.dataset.strip()):
            raise InputError(f"dataset: expected an address such as '/entry/data', got {self.dataset!r}")
        if self.dtype is not None:
            object.__setattr__(self, "dtype", checked_dtype(self.dtype))
        if not isinstance(self.snake, (bool, np.bool_)):
            raise InputError(f"snake: expected True or False, got {self.snake!r}")
        object.__setattr__(self, "snake", bool(self.snake))
        for name in ("flyback", "frame"):
            value = getattr(self, name)
            if name == "frame" and value is None:
                continue
            if not isinstance(value, Integral) or isinstance(value, bool) or value < 0:
                raise InputError(f"{name}: expected a whole number of at least 0, got {value!r}")
            object.__setattr__(self, name, int(value))

    def to_dict(self) -> dict[str, Any]:
        """Return the options that were given and concern the source, as plain values."""
        dtype = None if self.dtype is None else self.dtype.str
        values = {
            "dataset": self.dataset,
            "scan_shape": self.scan_shape,
            "detector_shape": self.detector_shape,
            "dtype": dtype,
            "snake": self.snake or None,
            "flyback": self.flyback or None,
            "frame": self.frame,
        }
        return {name: value for name, value in values.items() if value is not None}

    def refuse(self, source: str, names: tuple[str, ...]) -> None:
        """Raise InputError if one of the options `names` was given although `source` cannot use it."""
        given = self.to_dict()
        for name in names:
            if name in given:
                raise InputError(f"{name}: cannot be used with {source}; leave it out")


@dataclass(frozen=True)
class Format:
    """A supported format: its name, file endings, how it is recognised and opened, and the options that it takes.

    `loads_compressed` says that patterns stored with compression are all read when it is opened; else a format is read
    in parts, as they are needed. `calibration` names what is read of it. `holds_series` says that an array of five
    axes, or several of four, are a series of scans there; elsewhere a further axis may be one of thresholds.
    """

    name: str
    endings: tuple[str, ...]
    recognises: Callable[[Path], bool]
    open: Callable[[Path, Options], Scan]
    options: tuple[str, ...] = ("scan_shape",)
    loads_compressed: bool = False
    calibration: str = "–"
    holds_series: bool = False


def reason(error: Exception) -> str:
    """Return what an error of a library says, without the content of the file that some put into it."""
    text = str(error)
    return text if len(text) <= _LONGEST_REASON else text[:_LONGEST_REASON] + " …"


def has_ending(path: Path, endings: tuple[str, ...]) -> bool:
    """Return whether the file's name ends in one of `endings`, in capitals or not."""
    return path.name.lower().endswith(endings)


def first_bytes(path: Path, number: int) -> bytes:
    """Return the first bytes of a file, fewer if it is shorter."""
    with path.open("rb") as file:
        return file.read(number)
