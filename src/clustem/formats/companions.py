"""Files that only belong to a measurement, and the file to open in their place."""

from __future__ import annotations

import re
from pathlib import Path

_MOVIE_TEXTS = re.compile(r"^(?P<stem>.+)_(?:info\.txt|scan_coordinates\.csv)$", re.IGNORECASE)
_LARGEST_DESCRIPTION = 2**20  # bytes of an .xml that is looked through


def main_file(path: Path) -> Path | None:
    """Return the file beside `path` that has to be opened in its place, None if there is none.

    Known are the texts beside Direct Electron's movies, the frames that an EMPAD description names, and the side file
    of a DECTRIS master.
    """
    match = _MOVIE_TEXTS.match(path.name)
    if match is not None:
        movies = sorted(path.parent.glob("*_movie.mrc"))
        return next((p for p in movies if p.name.startswith(match["stem"] + "_")), None)
    if path.suffix.lower() == ".raw":
        return next((p for p in sorted(path.parent.glob("*.xml")) if _names(p, path.name)), None)
    master = path.with_name(f"{path.stem}_master{path.suffix}")
    return master if path.suffix.lower() in (".h5", ".hdf5") and master.is_file() else None


def described_movie(path: Path) -> str | None:
    """Return the name of the movie that a text of Direct Electron belongs to, beside it or not; None for another."""
    match = _MOVIE_TEXTS.match(path.name)
    return None if match is None else f"{match['stem']}_movie.mrc"


def _names(description: Path, name: str) -> bool:
    """Return whether an .xml names a file."""
    if not description.is_file() or description.stat().st_size > _LARGEST_DESCRIPTION:
        return False
    return f'"{name}"'.encode() in description.read_bytes()
