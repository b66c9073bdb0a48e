"""The recipe of a run over a series: every parameter, as a frozen record and as TOML."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from clustem.calibration import Calibration
from clustem.errors import InputError
from clustem.recipe import read_tables

_HEAD = (
    "# Written by clustem. Run it again with: clustem run recipe.toml -o FOLDER. Paths are relative to this file.\n\n"
)
_TABLES: dict[str, dict[str, str]] = {
    "series": {"sources": "a list of texts", "time_step": "a positive number of seconds"},
    "input": {"dataset": "a text", "scan_shape": "two whole numbers"},
    "crystallography": {"crystal": "a list of texts", "precession_deg": "a number of degrees, 0 to 5"},
}
_SAMPLE = "clustem:"


@dataclass(frozen=True)
class SeriesRecipe:
    """All parameters of :func:`clustem.run_series`. None means that nothing was given.

    `sources` are paths of frames in order of time, or one path of a file or folder, or one pattern; empty for data in
    memory. `crystal` are paths of CIF files, or names of samples. `calibration` holds only what the user gave.
    """

    sources: tuple[str, ...] = ()
    time_step: float | None = None
    dataset: str | None = None
    scan_shape: tuple[int, int] | None = None
    calibration: Calibration = field(default_factory=Calibration)
    crystal: tuple[str, ...] = ()
    precession_deg: float | None = None

    def changed(self, options: Mapping[str, Any]) -> SeriesRecipe:
        """Return the recipe with those of `options` that are not None; a calibration is added field by field."""
        given = {name: value for name, value in options.items() if value is not None}
        return replace(self, calibration=self.calibration.updated(given.pop("calibration", None)), **given)

    def seen_from(self, folder: Path) -> SeriesRecipe:
        """Return the recipe with the paths of its sources as seen from a folder."""
        return replace(self, sources=tuple(_relative(path, folder) for path in self.sources))

    def to_tables(self) -> dict[str, dict[str, Any]]:
        """Return the parameters by table and name; those that were not given are left out."""
        tables = {table: {name: getattr(self, name) for name in names} for table, names in _TABLES.items()}
        tables = {"series": tables["series"], "calibration": self.calibration.to_dict()} | tables
        plain = {
            table: {k: list(v) if isinstance(v, tuple) else v for k, v in values.items() if v not in (None, ())}
            for table, values in tables.items()
        }
        return {table: values for table, values in plain.items() if values or table == "series"}

    def to_toml(self) -> str:
        """Return the recipe as TOML text."""
        import tomli_w

        return _HEAD + tomli_w.dumps(self.to_tables())


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
    values: dict[str, Any] = {"calibration": Calibration.from_dict(_table(tables, "calibration", path))}
    for table in tables.keys() - {"calibration"}:
        values |= _values(table, _table(tables, table, path), path)
    for name in ("sources", "crystal"):
        values[name] = tuple(_absolute(text, path) for text in values.get(name, ()))
    if not values["sources"]:
        raise InputError(
            f"{path}: names no sources, because its data was in memory; give the data to run_series instead"
        )
    return SeriesRecipe(**values)


def _table(tables: Mapping[str, Any], name: str, path: Path) -> dict[str, Any]:
    content = tables.get(name, {})
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected [{name}] to be a table, got {content!r}")
    return content


def _values(table: str, content: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return the values of a table, with their names and kinds checked."""
    if table not in _TABLES:
        raise InputError(f"{path}: unknown table [{table}]; known are {', '.join([*_TABLES, 'calibration'])}")
    for name, value in content.items():
        if name not in _TABLES[table]:
            raise InputError(f"{path}: unknown name {name!r} in [{table}]; known are {', '.join(_TABLES[table])}")
        if not _fits(name, value):
            raise InputError(f"{path}: {name}: expected {_TABLES[table][name]}, got {value!r}")
    return {name: tuple(value) if isinstance(value, list) else value for name, value in content.items()}


def _fits(name: str, value: Any) -> bool:
    if name in ("sources", "crystal"):
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if name == "time_step":
        return isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0
    if name == "precession_deg":
        return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 5
    if name == "scan_shape":
        return isinstance(value, list) and len(value) == 2 and all(type(item) is int for item in value)
    return isinstance(value, str)


def _absolute(text: str, path: Path) -> str:
    return text if text.startswith(_SAMPLE) else str((path.absolute().parent / text).resolve())
