"""The recipe of a run over a series: every parameter, as a frozen record and as TOML."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from clustem.errors import InputError
from clustem.recipe import Recipe, read_tables, recipe_of
from clustem.series import check_needs_crystals, check_reference

_HEAD = (
    "# Written by clustem. Run it again with: clustem run recipe.toml -o FOLDER. Paths are relative to this file.\n\n"
)
_NAMES = {"sources": "a list of texts", "time_step": "a positive number of seconds"}
_TRACKING = (
    "method",
    "similarity",
    "threshold",
    "smooth_sigma",
    "min_size",
    "border",
    "prefilter",
    "centre",
    "gain",
    "offset",
    "read_noise",
)
_SAMPLE = "clustem:"
_OF_ONE_SCAN = {
    "source": "names one scan; a series has its scans in sources",
    "frame": "chooses one scan, but all of a series are followed",
    "labels": "is the label image of one scan, but domains of a series are found in every frame",
    "per_position": "asks for maps of one scan; run that frame by itself",
}


@dataclass(frozen=True)
class SeriesRecipe:
    """All parameters of :func:`clustem.run_series`. None means that nothing was given.

    `sources` are paths of frames in order of time, or one path of a file or folder, or one pattern; empty for data in
    memory. `frames` says what is done with every frame, without a source.
    """

    sources: tuple[str, ...] = ()
    time_step: float | None = None
    frames: Recipe = field(default_factory=Recipe)

    def changed(self, options: Mapping[str, Any]) -> SeriesRecipe:
        """Return the recipe with those of `options` that are not None; a calibration is added field by field."""
        given = {name: value for name, value in options.items() if value is not None}
        own = {name: given.pop(name) for name in _NAMES if name in given}
        return replace(self, frames=self.frames.changed(given), **own)

    def check(self) -> None:
        """Raise InputError if a parameter is out of range, or belongs to the run of one scan."""
        refuse_for_series({name: getattr(self.frames, name) for name in _OF_ONE_SCAN})
        if self.frames.method == "labels":
            raise InputError(f"method: 'labels' needs an option that {_OF_ONE_SCAN['labels']}")
        check_reference(_plain(self.frames.strain_reference))
        self.frames.check()

    def check_crystals(self, crystal: Any, probe: Any) -> None:
        """Raise InputError if an option has no effect, because there is no crystal; given are those of the call."""
        check_needs_crystals(
            crystals=crystal is not None or self.frames.crystal is not None,
            probe=self.frames.probe if probe is None else probe,
            precession_deg=self.frames.precession_deg or None,
            strain_reference=self.frames.strain_reference,
        )

    def tracking(self) -> dict[str, Any]:
        """Return the options of :func:`clustem.track` that need no file."""
        return {name: getattr(self.frames, name) for name in _TRACKING} | {
            "precession_deg": self.frames.precession_deg or 0.0,
            "strain_reference": _plain(self.frames.strain_reference),
        }

    def seen_from(self, folder: Path) -> SeriesRecipe:
        """Return the recipe with the paths of its sources as seen from a folder."""
        return replace(self, sources=tuple(_relative(path, folder) for path in self.sources))

    def to_tables(self) -> dict[str, dict[str, Any]]:
        """Return the parameters by table and name; those that are None are left out."""
        own = {"sources": list(self.sources) or None, "time_step": self.time_step}
        return {"series": {k: v for k, v in own.items() if v is not None}} | self.frames.to_tables()

    def to_toml(self) -> str:
        """Return the recipe as TOML text."""
        import tomli_w

        return _HEAD + tomli_w.dumps(self.to_tables())


def refuse_for_series(options: Mapping[str, Any], *, sign: str = "") -> None:
    """Raise InputError if an option was given that belongs to the run of one scan; `sign` stands before its name."""
    for name, value in options.items():
        if value is not None and name in _OF_ONE_SCAN:
            shown = sign + name.replace("_", "-") if sign else name
            raise InputError(f"{shown}: {_OF_ONE_SCAN[name]}; leave it out for a series")


def _plain(reference: str | None) -> str | None:
    return "crystal" if reference == "ideal" else reference


def _relative(path: str, folder: Path) -> str:
    """Return a path as seen from a folder; names of samples stay as they are."""
    if path.startswith(_SAMPLE):
        return path
    try:
        return Path(os.path.relpath(path, folder.absolute())).as_posix()
    except ValueError:  # another drive of Windows
        return Path(path).absolute().as_posix()


def is_series_recipe(path: Path) -> bool:
    """Return whether a file is the recipe of a series; False if it cannot be read."""
    try:
        return path.suffix.lower() == ".toml" and "series" in read_tables(path)
    except InputError:
        return False


def load_series_recipe(path: Path) -> SeriesRecipe:
    """Read a recipe; its relative paths are made absolute, from where the file is.

    Raises
    ------
    MissingFileError
        If there is no such file.
    InputError
        If it is not TOML, or has unknown names or values of the wrong kind.
    """
    tables = read_tables(path)
    own = _own_values(tables.pop("series", {}), path)
    sources = tuple(_absolute(text, path) for text in own.get("sources", ()))
    frames = recipe_of(tables, path)
    if not sources:
        raise InputError(
            f"{path}: names no sources, because its data was in memory; give the data to run_series instead"
        )
    return SeriesRecipe(sources, own.get("time_step"), frames)


def _own_values(content: Any, path: Path) -> dict[str, Any]:
    """Return the values of the table of the series, with their names and kinds checked."""
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected [series] to be a table, got {content!r}")
    for name, value in content.items():
        if name not in _NAMES:
            raise InputError(f"{path}: unknown name {name!r} in [series]; known are {', '.join(_NAMES)}")
        if not _fits(name, value):
            raise InputError(f"{path}: {name}: expected {_NAMES[name]}, got {value!r}")
    return content


def _fits(name: str, value: Any) -> bool:
    if name == "sources":
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0


def _absolute(text: str, path: Path) -> str:
    return text if text.startswith(_SAMPLE) else str((path.absolute().parent / text).resolve())
