"""Frames from names: natural order, numbers that are missing, and folders."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

from clustem.errors import InputError, MissingFileError
from clustem.formats.registry import FORMATS

_NUMBER = re.compile(r"\d+")
_MASTER = "_master."
_RESULTS = ("recipe.toml", "results.h5")
_OTHER = re.compile(r"depth|thick|slice|layer|focus|energy|voltage|tilt|angle|detector|channel|mode", re.IGNORECASE)


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return a key that sorts numbers in names by their value.

    Examples
    --------
    >>> sorted(["b2", "b10", "b1"], key=natural_key)
    ['b1', 'b2', 'b10']
    """
    parts = re.split(r"(\d+)", name)
    return tuple((0, int(part), part) if part.isdigit() else (1, 0, part) for part in parts if part)


def is_other_than_time(name: str) -> bool:
    """Return whether a name is that of a depth, an energy, a tilt or the like.

    Examples
    --------
    >>> is_other_than_time("CBED_array_depth"), is_other_than_time("frame")
    (True, False)
    """
    return _OTHER.search(name) is not None


def are_numbered(addresses: Sequence[str]) -> bool:
    """Return whether addresses differ only by a number in one place, which is not that of a depth or the like.

    Examples
    --------
    >>> are_numbered(["/frame000/counts", "/frame001/counts"]), are_numbered(["/depth0/data", "/depth1/data"])
    (True, False)
    >>> are_numbered(["/raw", "/filtered"])
    False
    """
    parts = [address.strip("/").split("/") for address in addresses]
    if len({len(part) for part in parts}) != 1:
        return False
    differing = [names for names in zip(*parts, strict=True) if len(set(names)) > 1]
    words = {_NUMBER.sub("#", name) for names in differing for name in names}
    return len(differing) == 1 and len(words) == 1 and not is_other_than_time(words.pop())


def matching_files(pattern: str) -> list[Path]:
    """Return the files that a glob pattern names, in natural order.

    Raises
    ------
    MissingFileError
        If there are none.
    """
    path = Path(pattern)
    found = _scans_among(Path(path.anchor or ".").glob(str(path.relative_to(path.anchor))))
    if not found:
        raise MissingFileError(f"{pattern}: no file has such a name; check the pattern, seen from {Path.cwd()}")
    return found


def scans_in(folder: Path) -> list[Path]:
    """Return the files of a folder that are named or begin like scans, in natural order; none if there are none."""
    return _scans_among(folder.iterdir())


def files_of(folder: Path) -> list[Path]:
    """Return the files of a folder that are named or begin like scans, in natural order.

    Raises
    ------
    InputError
        If there are none, or it is a folder of results.
    """
    refuse_results(folder)
    found = scans_in(folder)
    if not found:
        raise InputError(f"{folder.name}: the folder holds no file of a known format; name the files, or a pattern")
    return found


def refuse_results(folder: Path) -> None:
    """Raise InputError if a folder is one that a run has made, which holds no scans."""
    if all((folder / name).is_file() for name in _RESULTS):
        recipe = folder / _RESULTS[0]
        raise InputError(
            f"{folder}: is a folder of results, not of scans; to repeat its run, give its recipe: "
            f"clustem run {recipe} -o FOLDER"
        )


def _scans_among(paths: Iterable[Path]) -> list[Path]:
    """Return the paths that some format recognises; of DECTRIS files, the masters alone."""
    known = [
        path
        for path in sorted(paths, key=lambda path: natural_key(str(path)))
        if not path.name.startswith(".") and any(candidate.recognises(path) for candidate in FORMATS)
    ]
    masters = [path for path in known if _MASTER in path.name]
    return masters or known


def missing_numbers(names: Sequence[str]) -> list[tuple[int, str]]:
    """Return (place, name) of what is missing in names that count up by a fixed step, as the places then are.

    Names are alike but for their last number. Nothing is missing where fewer than half of the numbers would be there:
    then they count something else.

    Examples
    --------
    >>> missing_numbers(["f_08.h5", "f_09.h5", "f_11.h5"])
    [(2, 'f_10.h5')]
    """
    parts = [_last_number(name) for name in names]
    if len(names) < 3 or any(part is None for part in parts):
        return []
    known = [part for part in parts if part is not None]
    numbers = [int(number) for _, number, _ in known]
    if len({(before, after) for before, _, after in known}) > 1 or sorted(set(numbers)) != numbers:
        return []
    step = min(b - a for a, b in pairwise(numbers))
    places = [(number - numbers[0]) / step for number in numbers]
    if any(place % 1 for place in places) or places[-1] + 1 > 2 * len(numbers):
        return []
    there = {int(place) for place in places}
    before, first, after = known[0]
    width = len(first)
    return [
        (place, f"{before}{numbers[0] + place * step:0{width}d}{after}")
        for place in range(int(places[-1]))
        if place not in there
    ]


def _last_number(name: str) -> tuple[str, str, str] | None:
    """Return what stands before the last number of a name without its ending, the number, and what follows."""
    stem = name[: len(name) - len(Path(name).suffix)]
    found = list(_NUMBER.finditer(stem))
    if not found:
        return None
    last = found[-1]
    return name[: last.start()], last.group(), name[last.end() :]
