"""export: results as files that other programs open."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clustem.averaging import dark_fields
from clustem.errors import InputError
from clustem.formats import open_scan
from clustem.recipe import Recipe, load_recipe
from clustem.results import Results, added_files, check_new_files, open_results
from clustem.results.exports import (
    csv_names,
    has_orix,
    write_ang,
    write_crystal_map,
    write_csv,
    write_ctf,
    write_dark_fields,
    write_emd,
    write_geojson,
    write_hspy,
    write_tiff,
)
from clustem.scan import Scan

logger = logging.getLogger(__name__)

FOLDER = "exports"
_ORIENTATIONS = ("positions", "domains")


@dataclass(frozen=True)
class _Target:
    """A kind of files: what they are called, and the function that writes them, or None if it needs the scan.

    Those that are `oriented` need orientations.
    """

    files: tuple[str, ...] | Callable[[Results], tuple[str, ...]]
    write: Callable[[Results, Path], None] | None
    oriented: bool = False

    def names(self, results: Results) -> tuple[str, ...]:
        """Return what the files of these results are called."""
        return self.files(results) if callable(self.files) else self.files


def _write_figures(results: Results, folder: Path) -> None:
    from clustem.reporting import write_figures  # it takes a second to import

    write_figures(results, folder)


_TARGETS = {
    "emd": _Target(("averages.emd.h5", "arrays.emd.h5"), write_emd),
    "hspy": _Target(("averages.hspy", "labels.hspy"), write_hspy),
    "tiff": _Target(("labels.tif", "averages.tif", "maps"), write_tiff),
    "csv": _Target(csv_names, write_csv),
    "geojson": _Target(("outlines.geojson", "outlines_smooth.geojson"), write_geojson),
    "dark-fields": _Target(("dark_fields.tif", "apertures.tif"), None),
    "ang": _Target(("orientations.ang",), write_ang, oriented=True),
    "ctf": _Target(("orientations.ctf",), write_ctf, oriented=True),
    "crystalmap": _Target(("orientations.h5",), write_crystal_map, oriented=True),
    "figures": _Target(("figures",), _write_figures),
}


def export(
    results: Results | str | Path,
    *,
    to: str | Sequence[str],
    output: str | Path | None = None,
    orientations: str = "positions",
    scan: Any = None,
    force: bool = False,
) -> list[Path]:
    """Write results as files that other programs open.

    Parameters
    ----------
    results : Results or path of a results folder
    to : str or sequence of str
        ``"emd"``: averages as a DataCube of EMD 1.0, for py4DSTEM; with the labels as arrays, for emdfile.
        ``"hspy"``: averages and labels, for HyperSpy and pyxem. ``"tiff"``: labels, averages and images of the scan,
        for ImageJ, with their scale. ``"csv"``: the table of domains. ``"geojson"``: outlines along the edges of
        positions, and smooth ones. ``"dark-fields"``: the images of :func:`clustem.dark_fields`, for ImageJ.
        ``"ang"``, ``"ctf"``, ``"crystalmap"``: the map of orientations for EDAX OIM, for Oxford and MTEX, and for orix,
        which must be installed for it. ``"figures"``: for publication, as SVG and PNG. ``"all"``: all of these that
        are possible.
    output : path, optional
        The folder to write into, `exports` in the results folder by default. It may exist.
    orientations : "positions" or "domains"
        What maps of orientations hold, where the results have both (`per_position`): that of each position, or that of
        its domain, which is also taken where a position has none of its own.
    scan : as for :func:`clustem.open_scan`, optional
        Needed for dark fields only, and only if the recipe in the results folder does not lead to it.
    force : bool
        Whether files that exist are replaced.

    Returns
    -------
    list of Path
        What was written: files, and folders of them.

    Raises
    ------
    InputError
        If `to` or `orientations` is unknown, orientations are needed and there are none, or the scan is needed and
        cannot be opened.
    OutputError
        If files exist or cannot be written. Then nothing is written.

    Notes
    -----
    The same results give the same bytes. Without a domain, files that hold something for every domain are left out.

    Examples
    --------
    >>> import tempfile
    >>> import clustem
    >>> results = clustem.run("clustem:film_au")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in clustem.export(results, to=["emd", "geojson"], output=folder)]
    ['arrays.emd.h5', 'averages.emd.h5', 'outlines.geojson', 'outlines_smooth.geojson']
    """
    _check(to, orientations)
    found = results if isinstance(results, Results) else open_results(results)
    chosen = _chosen(to, found)
    target = _folder(found, output)
    check_new_files(target, [name for choice in chosen for name in _TARGETS[choice].names(found)], force=force)
    if chosen == ["dark-fields"] and not found.domains.number:
        raise InputError("to: dark fields are made for every domain, but there is none in these results")
    opened = _scan_of(found, scan) if "dark-fields" in chosen and found.domains.number else None
    painted = replace(found, position_maps=None) if orientations == "domains" else found
    with added_files(target, force=force) as folder:
        for choice in chosen:
            write = _TARGETS[choice].write
            if write is not None:
                write(painted if _TARGETS[choice].oriented else found, folder)
            elif opened is not None:
                images = dark_fields(opened, found.averages, survey=found.survey)
                write_dark_fields(found, images, folder)
            logger.info("export: %s", ", ".join(_TARGETS[choice].names(found)))
        names = sorted(path.name for path in folder.iterdir())
    return [target / name for name in names]


def _check(to: str | Sequence[str], orientations: str) -> None:
    wanted = _wanted(to)
    unknown = [name for name in wanted if name != "all" and name not in _TARGETS]
    if unknown or not wanted:
        got = repr(unknown[0]) if unknown else "nothing"
        raise InputError(f"to: expected one or more of {', '.join(_TARGETS)}, all; got {got}")
    if orientations not in _ORIENTATIONS:
        raise InputError(f"orientations: expected one of {', '.join(_ORIENTATIONS)}; got {orientations!r}")


def _wanted(to: str | Sequence[str]) -> list[str]:
    return [to] if isinstance(to, str) else list(to)


def _chosen(to: str | Sequence[str], results: Results) -> list[str]:
    """Return the kinds that are asked for, each once, in their own order; of all kinds, those that are possible."""
    wanted = _wanted(to)
    oriented = [name for name in _TARGETS if _TARGETS[name].oriented]
    if results.orientations is None and any(name in wanted for name in oriented):
        raise InputError(
            f"to: {', '.join(oriented)} need orientations, and these results have none; run the recipe with --crystal"
        )
    possible = [name for name in _TARGETS if not _TARGETS[name].oriented or results.orientations is not None]
    if not has_orix() and "crystalmap" not in wanted:
        possible = [name for name in possible if name != "crystalmap"]
    return [name for name in possible if name in wanted or "all" in wanted]


def _folder(results: Results, output: str | Path | None) -> Path:
    if output is not None:
        return Path(output)
    if results.path is None:
        raise InputError("output: these results have no folder; name one for their files")
    return results.path / FOLDER


def _scan_of(results: Results, scan: Any) -> Scan:
    """Return the scan that results were made of: the one given, or that of the recipe beside them."""
    recipe = _recipe_of(results)
    if scan is None and recipe.source is None:
        raise InputError("scan: dark fields are made from the patterns, but it is not known where they are; give it")
    if scan is None:
        try:
            opened = open_scan(recipe.source, **recipe.opening())
        except InputError as error:
            raise InputError(
                f"scan: dark fields are made from the patterns ({error}); give it where it is now"
            ) from error
    else:
        opened = open_scan(scan, **_opening_elsewhere(scan, recipe))
    return replace(opened, calibration=results.domains.calibration)


def _recipe_of(results: Results) -> Recipe:
    """Return the recipe beside results; an empty one if there is none, or if their data was in memory."""
    try:
        return Recipe() if results.path is None else load_recipe(results.path / "recipe.toml")
    except InputError:
        return Recipe()


def _opening_elsewhere(scan: Any, recipe: Recipe) -> dict[str, Any]:
    """Return how to open a scan that is elsewhere now: as the recipe says, if it is a file of the same kind."""
    if not isinstance(scan, (str, os.PathLike)) or recipe.source is None:
        return {}
    text = os.fsdecode(scan)
    if Path(text.partition("::")[0]).suffix != Path(recipe.source).suffix:
        return {}
    return {name: value for name, value in recipe.opening().items() if name != "dataset" or "::" not in text}
