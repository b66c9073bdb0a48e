"""run_series: from a series of scans to a results folder."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike, DTypeLike, NDArray

from clustem.calibration import Calibration
from clustem.characterising import Plan, plan_of
from clustem.crystallography import Crystal
from clustem.errors import InputError
from clustem.inputs import INPUTS, images_of, kept_names, words_among, write_inputs
from clustem.journal import run_log
from clustem.recipe import given_options
from clustem.results import SeriesResults, check_output, put_right, whole_folder, write_series_tables
from clustem.segmentation import check_blur
from clustem.series import Series, open_series, seconds_in, track
from clustem.series_pipeline.recipe import SeriesRecipe, load_series_recipe

_LIBRARIES = ("numpy", "scipy", "numba", "h5py", "scikit-image", "laptrack", "networkx")
_KEPT = ".frames"  # what the folder of finished frames is called more than the results folder beside it


def run_series(
    source: Any,
    *,
    output: str | Path | None = None,
    force: bool = False,
    method: str | None = None,
    similarity: float | None = None,
    threshold: float | None = None,
    smooth_sigma: float | None = None,
    detector_mask: ArrayLike | str | Path | None = None,
    scan_mask: ArrayLike | str | Path | None = None,
    min_size: int | None = None,
    border: str | None = None,
    prefilter: bool | None = None,
    centre: bool | None = None,
    gain: float | None = None,
    offset: float | None = None,
    read_noise: float | None = None,
    crystal: str | Path | Crystal | Sequence[str | Path | Crystal] | None = None,
    probe: ArrayLike | str | Path | None = None,
    precession_deg: float | None = None,
    strain_reference: str | None = None,
    time_step: float | str | None = None,
    dataset: str | None = None,
    scan_shape: tuple[int, int] | None = None,
    detector_shape: tuple[int, int] | None = None,
    dtype: DTypeLike | None = None,
    snake: bool | None = None,
    flyback: int | None = None,
    calibration: Calibration | None = None,
) -> SeriesResults:
    """Follow domains through a series of scans, and write a results folder.

    Parameters
    ----------
    source : path of a recipe (.toml), or whatever :func:`clustem.open_series` takes
        Options that are given take the place of those in the recipe.
    output : path, optional
        The results folder: it appears whole, or not at all. Finished frames are kept beside it, in a folder of the same
        name with ``.frames`` behind it: a run that was stopped continues from there, and a series that has grown costs
        its new frames. It may be deleted at any time. Without `output` nothing is written.
    force : bool
        Whether an existing results folder is replaced.
    method, similarity, threshold, smooth_sigma, detector_mask, scan_mask, min_size, border, prefilter, centre
        As for :func:`clustem.track`: how every frame is segmented and averaged.
    gain, offset, read_noise : float, optional
        As for :func:`clustem.survey`.
    crystal : path of a CIF file, Crystal, or several, optional
        The candidate phases: orientation and strain of every track are measured in every frame. The series must be
        calibrated (pixel size and energy).
    probe : vacuum pattern, its file, or word, optional
        The template of :func:`clustem.find_peaks`; words are ``"disk:RADIUS"`` and ``"spot:SIGMA"`` in px.
    precession_deg : float, optional
        As for :func:`clustem.match_orientations`.
    strain_reference : ``"crystal"`` or ``"median"``, optional
        As for :func:`clustem.track`; ``"ideal"`` is the same as ``"crystal"``.
    time_step, dataset, scan_shape, detector_shape, dtype, snake, flyback, calibration
        As for :func:`clustem.open_series`.

    Returns
    -------
    SeriesResults

    Raises
    ------
    InputError
        If an input or option cannot be used, or `probe`, `precession_deg` or `strain_reference` have no effect because
        there is no crystal.
    OutputError
        If the folder exists or cannot be written.

    Notes
    -----
    The same input gives the same bytes in every file but `run.log`, also when the run was stopped in between. Another
    return type than that of :func:`clustem.run` makes it a function of its own; the command line has one for both.

    Examples
    --------
    >>> import numpy as np
    >>> import clustem
    >>> film = np.asarray(clustem.open_scan("clustem:film_au"))[:16, :16]
    >>> results = clustem.run_series([film, film], time_step="2 min")
    >>> results.tracks.times_s.tolist(), results.recipe["series"], results.recipe["segmentation"]["min_size"]
    ([0.0, 120.0], {'time_step': 120.0}, 5)
    """
    options = given_options(locals())
    if time_step is not None:
        options["time_step"] = seconds_in(time_step)
    images = {"detector_mask": detector_mask, "scan_mask": scan_mask}
    return run_given(source, options, images, crystal=crystal, probe=probe, output=output, force=force)


def run_given(
    source: Any,
    options: dict[str, Any],
    images: dict[str, Any],
    *,
    crystal: Any,
    probe: Any,
    output: str | Path | None,
    force: bool,
) -> SeriesResults:
    """Do what run_series does, with its options by name."""
    job = _prepare(source, options, images, crystal=crystal, probe=probe)
    target = None if output is None else Path(output)
    if target is None:
        return _compute(job, None)
    kept = target.with_name(target.name + _KEPT)
    put_right(target, kept)
    for path in (*job.paths, None):
        check_output(target, force=force, source=path)
    return _write(job, target, kept, force)


@dataclass(frozen=True, eq=False)
class _Job:
    """A series, the files it is in, and what is to be done with it."""

    series: Series
    paths: tuple[Path, ...]
    recipe: SeriesRecipe
    images: dict[str, NDArray[Any]]
    plan: Plan


def _prepare(source: Any, options: dict[str, Any], given: dict[str, Any], *, crystal: Any, probe: Any) -> _Job:
    """Open everything and check it, before the first read."""
    recipe = SeriesRecipe()
    if isinstance(source, (str, os.PathLike)) and os.fspath(source).lower().endswith(".toml"):
        recipe = load_series_recipe(Path(source))
        source = recipe.sources[0] if len(recipe.sources) == 1 else list(recipe.sources)
    recipe = checked_recipe(recipe, options, given, crystal=crystal, probe=probe)
    recipe = recipe.changed({"sources": _paths_in(source)})
    series = open_series(
        source,
        **recipe.frames.opening(),
        time_step=recipe.time_step,
        calibration=recipe.frames.calibration,
    )
    scan_shape, detector_shape = series.shape[1:3], series.shape[3:]
    images = images_of(recipe.frames, given, scan_shape=scan_shape, detector_shape=detector_shape)
    check_blur(recipe.frames.smooth_sigma, detector_shape)
    first = series[int(series.present.argmax())]
    plan = plan_of(recipe.frames, first, crystal=crystal, probe=probe, folder=INPUTS) or Plan()
    recipe = recipe.changed({**kept_names(images), **plan.names})
    return _Job(series, tuple(Path(text) for text in recipe.sources), recipe, images, plan)


def checked_recipe(
    recipe: SeriesRecipe, options: dict[str, Any], given: dict[str, Any], *, crystal: Any, probe: Any
) -> SeriesRecipe:
    """Return a recipe with options, and words for masks, that are checked as far as they can be without the data."""
    if not isinstance(options.get("calibration", Calibration()), Calibration):
        got = type(options["calibration"]).__name__
        raise InputError(f"calibration: expected a clustem.Calibration, got {got}")
    recipe = recipe.changed({**options, **words_among(given)})
    recipe.check()
    recipe.check_crystals(crystal, probe)
    return recipe


def _paths_in(source: Any) -> tuple[str, ...]:
    """Return the absolute paths that a source names; none if any part of it is in memory."""
    items = source if isinstance(source, Sequence) and not isinstance(source, (str, bytes)) else [source]
    if not all(isinstance(item, (str, os.PathLike)) for item in items):
        return ()
    texts = [os.fsdecode(os.fspath(item)) for item in items]
    return tuple(text if text.startswith("clustem:") else str(Path(text).absolute()) for text in texts)


def _compute(job: _Job, kept: Path | None) -> SeriesResults:
    names = ("detector_mask", "scan_mask")
    options = job.recipe.tracking() | {name: job.images.get(name, getattr(job.recipe.frames, name)) for name in names}
    tracks = track(job.series, folder=kept, crystals=job.plan.crystals, probe=job.plan.probe, **options)
    shown = replace(job.recipe, sources=tuple(Path(text).name for text in job.recipe.sources))
    return SeriesResults(tracks, shown.to_tables(), _provenance(job.series, tracks.fingerprint))


def _write(job: _Job, target: Path, kept: Path, force: bool) -> SeriesResults:
    """Compute, and write all files of the results folder."""
    from clustem.reporting import write_series_report

    if kept.exists() and not kept.is_dir():
        raise InputError(f"output: finished frames are kept in {kept}, which is a file; choose another output")
    with run_log() as log:
        results = _compute(job, kept)
        log.add_warnings(results.warnings)
    with whole_folder(target, force=force, work=kept) as folder:
        write_series_tables(results, folder)
        write_series_report(results, folder)
        write_inputs(folder, job.images, job.plan.kept)
        recipe = job.recipe.seen_from(target)
        (folder / "recipe.toml").write_text(recipe.to_toml(), encoding="utf-8", newline="\n")
        (folder / "run.log").write_text(log.text(), encoding="utf-8")
    return replace(results, path=target)


def _provenance(series: Series, fingerprint: str) -> dict[str, str]:
    """Return what identifies the input and the software."""
    return {
        "input": series.name,
        "shape": "×".join(map(str, series.shape)),
        "dtype": str(series.dtype),
        "fingerprint": fingerprint,
        "python": platform.python_version(),
        **{name: version(name) for name in ("clustem", *_LIBRARIES)},
    }
