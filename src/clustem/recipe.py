"""The recipe of a run: every parameter, as a frozen record and as TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from numbers import Real
from pathlib import Path
from typing import Any

from clustem.calibration import Calibration
from clustem.crystallography import check_precession
from clustem.errors import InputError, MissingFileError
from clustem.formats import checked_dtype
from clustem.segmentation import NoiseAwareParameters, PublishedParameters, check_options, has_option
from clustem.surveying import NoiseModel, check_mask_word, is_mask_word

_TABLES = {
    "input": ("source", "dataset", "scan_shape", "detector_shape", "dtype", "snake", "flyback", "frame"),
    "noise": ("gain", "offset", "read_noise"),
    "segmentation": (
        "method",
        "similarity",
        "threshold",
        "smooth_sigma",
        "detector_mask",
        "scan_mask",
        "min_size",
        "border",
        "prefilter",
        "labels",
    ),
    "averaging": ("centre",),
    "crystallography": ("crystal", "probe", "precession_deg", "strain_reference", "per_position"),
}
_NUMBERS = ("similarity", "threshold", "smooth_sigma", "gain", "offset", "read_noise", "precession_deg")
_PATHS = ("source", "detector_mask", "scan_mask", "labels", "probe")
_OF_FILES = ("source", "detector_mask", "scan_mask", "labels", "crystal", "probe")  # which may be objects as well
_PROBE_WORDS = ("disk:", "spot:")
_HEAD = (
    "# Written by clustem. Run it again with: clustem run recipe.toml -o FOLDER. Paths are relative to this file.\n\n"
)


@dataclass(frozen=True)
class Recipe:
    """All parameters of :func:`clustem.run`. None means that nothing was given.

    `detector_mask`, `scan_mask` and `labels` are words (see :func:`clustem.run`) or paths of images; `source` is
    a path, the name of a sample, or None for data in memory. `crystal` are paths of CIF files or bundled crystals,
    `probe` is a word or the path of an image. `calibration` holds only what the user gave.
    """

    source: str | None = None
    dataset: str | None = None
    scan_shape: tuple[int, int] | None = None
    detector_shape: tuple[int, int] | None = None
    dtype: str | None = None
    snake: bool | None = None
    flyback: int | None = None
    frame: int | None = None
    calibration: Calibration = field(default_factory=Calibration)
    method: str = "noise-aware"
    similarity: float = 0.2
    threshold: float | None = None
    smooth_sigma: float = 0.0
    detector_mask: str | None = None
    scan_mask: str | None = None
    min_size: int = 5
    border: str = "full"
    prefilter: bool = False
    labels: str | None = None
    centre: bool = True
    gain: float | None = None
    offset: float | None = None
    read_noise: float | None = None
    crystal: tuple[str, ...] | None = None
    probe: str | None = None
    precession_deg: float | None = None
    strain_reference: str | None = None
    per_position: bool | None = None

    def changed(self, options: Mapping[str, Any]) -> Recipe:
        """Return the recipe with those of `options` that are not None; a calibration is added field by field."""
        given = {name: value for name, value in options.items() if value is not None}
        calibration = self.calibration.updated(given.pop("calibration", None))
        given |= {name: float(given[name]) for name in _NUMBERS if _is_number(given.get(name))}
        return replace(self, calibration=calibration, **given)

    def check(self) -> None:
        """Raise InputError if the method is unknown, a parameter is out of range, or a word for a mask is."""
        names = [name for name in _TABLES["segmentation"] if name != "method"]
        check_options(self.method, {name: getattr(self, name) for name in names})
        if self.method == "labels" and self.labels is None:
            raise InputError("labels: method 'labels' needs a label image")
        NoiseAwareParameters(self.similarity, self.min_size)
        PublishedParameters(self.threshold, self.smooth_sigma, self.min_size, self.border, self.prefilter)  # type: ignore[arg-type]
        NoiseModel().overridden(gain=self.gain, offset=self.offset, read_noise=self.read_noise)
        check_mask_word("detector_mask", self.detector_mask)
        check_mask_word("scan_mask", self.scan_mask)
        if self.precession_deg is not None:
            check_precession(self.precession_deg)

    def opening(self) -> dict[str, Any]:
        """Return the options of :func:`clustem.open_scan` that were given, without source and calibration."""
        values = {name: getattr(self, name) for name in _TABLES["input"] if name != "source"}
        return {name: value for name, value in values.items() if value is not None}

    def to_tables(self) -> dict[str, dict[str, Any]]:
        """Return the parameters by table and name; those that are None are left out."""
        tables = {table: {name: getattr(self, name) for name in names} for table, names in _TABLES.items()}
        tables["segmentation"] = {
            name: value
            for name, value in tables["segmentation"].items()
            if name == "method" or has_option(self.method, name)
        }
        tables["calibration"] = self.calibration.to_dict()
        order = ("input", "calibration", "noise", "segmentation", "averaging", "crystallography")
        return {
            table: {name: list(v) if isinstance(v, tuple) else v for name, v in tables[table].items() if v is not None}
            for table in order
            if any(value is not None for value in tables[table].values())
        }

    def to_toml(self) -> str:
        """Return the recipe as TOML text."""
        import tomli_w

        return _HEAD + tomli_w.dumps(self.to_tables())


def given_options(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return those arguments of a call that a recipe has by the same names, as it keeps them.

    Sources, images, crystals and probes are not among them, because they need not be names of files.
    """
    names = [item.name for item in fields(Recipe) if item.name not in _OF_FILES]
    options = {name: arguments[name] for name in names if arguments.get(name) is not None}
    if "strain_reference" in options:
        options["strain_reference"] = str(options["strain_reference"])
    if "dtype" in options:
        options["dtype"] = checked_dtype(options["dtype"]).str
    return options


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def probe_of_word(text: str) -> tuple[str, float] | None:
    """Return the kind and the size in px of ``disk:RADIUS`` or ``spot:SIGMA``; None for anything else, a path."""
    if not text.startswith(_PROBE_WORDS):
        return None
    kind, _, size = text.partition(":")
    try:
        return kind, float(size)
    except ValueError as error:
        raise InputError(f"probe: expected {kind}: and a number of px, such as {kind}:3.5, got {text!r}") from error


def read_tables(path: Path) -> dict[str, Any]:
    """Return the tables of a recipe by name."""
    if not path.is_file():
        raise MissingFileError(f"{path}: there is no such recipe")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise InputError(f"{path}: cannot be read as a recipe ({error})") from error


def load_recipe(path: Path) -> Recipe:
    """Read a recipe; its relative paths are made absolute, from where the file is.

    Raises
    ------
    MissingFileError
        If there is no such file.
    InputError
        If it is not TOML, or has unknown names or values of the wrong kind.
    """
    recipe = recipe_of(read_tables(path), path)
    if recipe.source is None:
        raise InputError(
            f"{path}: names no source, because its data was in memory; give the data with its path instead"
        )
    return recipe


def recipe_of(tables: Mapping[str, Any], path: Path) -> Recipe:
    """Return the recipe that the tables of a file say; relative paths are made absolute, from where the file is."""
    values = _values(tables, path)
    for name in _PATHS:
        if values.get(name) is not None:
            values[name] = _absolute(values[name], path)
    if values.get("crystal") is not None:
        values["crystal"] = tuple(_absolute(text, path) for text in values["crystal"])
    return Recipe(**values)


def _absolute(text: str, path: Path) -> str:
    """Return a path as seen from the recipe `path`; what is bundled, and words, stay."""
    if text.startswith(("clustem:", *_PROBE_WORDS)) or is_mask_word(text):
        return text
    return str((path.absolute().parent / text).resolve())


def _values(tables: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return the fields of a recipe from its tables, with names and kinds checked."""
    kinds = {item.name: str(item.type) for item in fields(Recipe)}
    values: dict[str, Any] = {}
    for table, content in tables.items():
        if table == "calibration" and isinstance(content, dict):
            values["calibration"] = Calibration.from_dict(content)
            continue
        if table not in _TABLES or not isinstance(content, dict):
            raise InputError(f"{path}: unknown table [{table}]; known are {', '.join([*_TABLES, 'calibration'])}")
        for name, value in content.items():
            if name not in _TABLES[table]:
                raise InputError(f"{path}: unknown name {name!r} in [{table}]; known are {', '.join(_TABLES[table])}")
            values[name] = _checked(name, value, kinds[name], path)
    return values


_KINDS: dict[str, tuple[type, ...]] = {"str": (str,), "bool": (bool,), "int": (int,), "float": (int, float)}


def _checked(name: str, value: Any, kind: str, path: Path) -> Any:
    if kind.startswith("tuple") and isinstance(value, list):
        if kind.startswith("tuple[str") and not all(isinstance(item, str) for item in value):
            raise InputError(f"{path}: {name}: expected a list of texts, got {value!r}")
        if kind.startswith("tuple[int") and not (len(value) == 2 and all(type(item) is int for item in value)):
            raise InputError(f"{path}: {name}: expected two whole numbers, got {value!r}")
        return tuple(value)
    first = kind.split(" ", maxsplit=1)[0]
    if not isinstance(value, _KINDS.get(first, ())) or (isinstance(value, bool) and first != "bool"):
        raise InputError(f"{path}: {name}: expected {kind}, got {value!r}")
    return value
