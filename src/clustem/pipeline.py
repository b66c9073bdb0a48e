"""run: from a scan to a results folder, driven by a recipe."""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from clustem.averaging import average
from clustem.calibration import Calibration
from clustem.characterising import Findings, Plan, characterise, check_reference, plan_of
from clustem.crystallography import Crystal
from clustem.formats import open_scan
from clustem.inputs import INPUTS, images_of, kept_names, words_among, write_inputs
from clustem.journal import run_log
from clustem.recipe import Recipe, given_options, load_recipe
from clustem.results import Results, check_output, whole_folder, write_tables
from clustem.scan import Scan
from clustem.segmentation import check_blur, segment
from clustem.surveying import Survey, chosen_pixels, chosen_positions, peak_pixels
from clustem.surveying import survey as survey_scan

logger = logging.getLogger(__name__)

_LIBRARIES = ("numpy", "scipy", "numba", "h5py", "scikit-image", "matplotlib")


def run(
    scan: Any,
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
    labels: ArrayLike | str | Path | None = None,
    centre: bool | None = None,
    gain: float | None = None,
    offset: float | None = None,
    read_noise: float | None = None,
    crystal: str | Path | Crystal | Sequence[str | Path | Crystal] | None = None,
    probe: ArrayLike | str | Path | None = None,
    precession_deg: float | None = None,
    strain_reference: str | int | None = None,
    per_position: bool | None = None,
    calibration: Calibration | None = None,
    dataset: str | None = None,
    scan_shape: tuple[int, int] | None = None,
    detector_shape: tuple[int, int] | None = None,
    dtype: DTypeLike | None = None,
    snake: bool | None = None,
    flyback: int | None = None,
    frame: int | None = None,
) -> Results:
    """Survey, segment and average a scan, and write a results folder.

    Parameters
    ----------
    scan : Scan, array, object with `.data`, path of a scan, or path of a recipe (.toml)
        Options that are given take the place of those in the recipe.
    output : path, optional
        The results folder: it appears whole, or not at all. Without it nothing is written.
    force : bool
        Whether an existing results folder is replaced.
    method, similarity, threshold, smooth_sigma, min_size, border, prefilter, labels
        As for :func:`clustem.segment`; labels imply ``method="labels"``.
    detector_mask : bool array, image file, or word, optional
        Words are ``"outside-beam"`` (from 1.5 radii of the direct beam), ``"annulus:INNER-OUTER"`` (px about the
        beam) and ``"beam-stop"`` (without its shadow).
    scan_mask : bool array, image file, or ``"sample"``, optional
        ``"sample"`` is :func:`clustem.background_mask`.
    centre : bool, optional
        As for :func:`clustem.average`.
    gain, offset, read_noise : float, optional
        As for :func:`clustem.survey`.
    crystal : path of a CIF file, Crystal, or several, optional
        The candidate phases: peaks, orientations and strain of every domain are measured. The scan must be calibrated.
    probe : vacuum pattern, its file, or word, optional
        The template of :func:`clustem.find_peaks`; words are ``"disk:RADIUS"`` and ``"spot:SIGMA"`` in px. Without a
        crystal, peaks and the strain of lattices in the plane are measured.
    precession_deg : float, optional
        As for :func:`clustem.match_orientations`.
    strain_reference : ``"crystal"``, ``"median"`` or label, optional
        As for :func:`clustem.fit_strain`; ``"ideal"`` is the same as ``"crystal"``.
    per_position : bool, optional
        Whether orientation and strain are measured at every position as well, see :func:`clustem.map_positions`.
    calibration, dataset, scan_shape, detector_shape, dtype, snake, flyback, frame
        As for :func:`clustem.open_scan`.

    Returns
    -------
    Results

    Raises
    ------
    InputError
        If an input or option cannot be used.
    OutputError
        If the folder exists or cannot be written.

    Notes
    -----
    Three reads of the scan: survey, features or similarities, averages; ``"noise-aware"`` also reads a sample, and
    `per_position` reads once more. Hot and dead pixels are replaced by the median around them and not compared. The
    same input gives the same bytes in every file but `run.log`.

    Examples
    --------
    >>> import clustem
    >>> results = clustem.run("clustem:film_au")
    >>> results.domains.number
    17
    """
    options = given_options(locals())
    images = {"detector_mask": detector_mask, "scan_mask": scan_mask, "labels": labels}
    if labels is not None and method is None:
        options["method"] = "labels"
    job = _prepare(scan, options, images, crystal=crystal, probe=probe)
    target = None if output is None else Path(output)
    if target is not None:
        check_output(target, force=force, source=job.scan.path)
    with run_log() as log:
        results = _compute(job)
        log.add_warnings(results.warnings)
    if target is None:
        return results
    with whole_folder(target, force=force) as folder:
        _write(results, job, target, folder)
        (folder / "run.log").write_text(log.text(), encoding="utf-8")
    return replace(results, path=target)


@dataclass(frozen=True, eq=False)
class _Job:
    """A scan, what is to be done with it, and the images that were given."""

    scan: Scan
    recipe: Recipe
    images: dict[str, NDArray[Any]]
    plan: Plan | None


def _prepare(source: Any, options: dict[str, Any], given: dict[str, Any], *, crystal: Any, probe: Any) -> _Job:
    """Open everything and check it, before the first read."""
    recipe = Recipe()
    if isinstance(source, (str, os.PathLike)):
        text = os.fspath(source)
        recipe = load_recipe(Path(text)) if text.lower().endswith(".toml") else replace(recipe, source=text)
    recipe = recipe.changed({**options, **words_among(given)})
    where = source if recipe.source is None else recipe.source
    scan = open_scan(where, **recipe.opening(), calibration=recipe.calibration)
    if isinstance(source, Scan):
        recipe = replace(recipe, calibration=scan.calibration)
    recipe = recipe.changed(scan.opened_with)
    if scan.path is not None:
        recipe = replace(recipe, source=str(scan.path))
    images = images_of(recipe, given, scan_shape=scan.scan_shape, detector_shape=scan.detector_shape)
    recipe = recipe.changed(kept_names(images))
    recipe.check()
    check_blur(recipe.smooth_sigma, scan.detector_shape)
    plan = plan_of(recipe, scan, crystal=crystal, probe=probe, folder=INPUTS)
    return _Job(scan, recipe if plan is None else recipe.changed(plan.names), images, plan)


def _compute(job: _Job) -> Results:
    scan, recipe = job.scan, job.recipe
    found = survey_scan(scan, gain=recipe.gain, offset=recipe.offset, read_noise=recipe.read_noise)
    logger.info("survey: beam at %s, radius %.2f px", found.centre_px.round(2), found.beam_radius_px)
    domains = segment(
        scan,
        method=recipe.method,  # type: ignore[arg-type]
        similarity=recipe.similarity,
        threshold=recipe.threshold,
        smooth_sigma=recipe.smooth_sigma,
        detector_mask=_compared_pixels(job, found),
        scan_mask=chosen_positions(job.images.get("scan_mask", recipe.scan_mask), found),
        min_size=recipe.min_size,
        border=recipe.border,  # type: ignore[arg-type]
        prefilter=recipe.prefilter,
        labels=job.images.get("labels"),
        survey=found,
    )
    logger.info("segmentation: domains: %d; %s", domains.number, domains.reason)
    if job.plan is not None:
        check_reference(job.plan, domains)
    averages = average(scan, domains, survey=found, centre=recipe.centre)
    findings = Findings()
    if job.plan is not None:
        findings = characterise(job.plan, scan, domains, averages, found, peak_pixels(recipe.detector_mask, found))
    shown = replace(recipe, source=scan.name).to_tables()
    return Results(found, domains, averages, shown, _provenance(scan, found), **vars(findings))


def _compared_pixels(job: _Job, found: Survey) -> NDArray[np.bool_] | None:
    """Return the pixels that are compared: those asked for, without bad ones; None = as the method has it."""
    chosen = chosen_pixels(job.images.get("detector_mask", job.recipe.detector_mask), found)
    return found.usable if chosen is None and job.recipe.method == "published" else chosen


def _provenance(scan: Scan, found: Survey) -> dict[str, str]:
    """Return what identifies the input and the software."""
    software = {name: version(name) for name in ("clustem", *_LIBRARIES)}
    return {
        "input": scan.name,
        "dataset": scan.dataset or "",
        "shape": "×".join(map(str, scan.shape)),
        "dtype": str(scan.dtype),
        "fingerprint": found.fingerprint,
        "python": platform.python_version(),
        **software,
    }


def _write(results: Results, job: _Job, target: Path, folder: Path) -> None:
    """Write all files of the results folder but the log."""
    from clustem.reporting import render_report

    write_tables(results, folder)
    (folder / "report.html").write_text(render_report(results), encoding="utf-8")
    write_inputs(folder, job.images, {} if job.plan is None else job.plan.kept)
    (folder / "recipe.toml").write_text(_relative(job, target).to_toml(), encoding="utf-8")


def _relative(job: _Job, target: Path) -> Recipe:
    """Return the recipe with the path of the scan as seen from the results folder."""
    if job.scan.path is None:
        return job.recipe
    try:
        source = Path(os.path.relpath(job.scan.path, target.absolute())).as_posix()
    except ValueError:  # another drive of Windows
        source = job.scan.path.as_posix()
    return replace(job.recipe, source=source)
