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
from clustem.errors import InputError, MissingFileError
from clustem.formats import checked_dtype, open_scan
from clustem.journal import run_log
from clustem.recipe import MASK_WORDS, Recipe, annulus_radii, is_mask_word, load_recipe
from clustem.results import Results, check_output, whole_folder, write_tables
from clustem.scan import Scan
from clustem.segmentation import check_blur, segment
from clustem.surveying import (
    Survey,
    annular_mask,
    background_mask,
    beam_stop_mask,
    load_image,
    load_mask,
    outside_beam_mask,
)
from clustem.surveying import survey as survey_scan

logger = logging.getLogger(__name__)

_LIBRARIES = ("numpy", "scipy", "numba", "h5py", "scikit-image", "matplotlib")
_INPUTS = "inputs"


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
    15
    """
    images = {"detector_mask": detector_mask, "scan_mask": scan_mask, "labels": labels}
    options = {
        "method": "labels" if labels is not None and method is None else method,
        "similarity": similarity,
        "threshold": threshold,
        "smooth_sigma": smooth_sigma,
        "min_size": min_size,
        "border": border,
        "prefilter": prefilter,
        "centre": centre,
        "gain": gain,
        "offset": offset,
        "read_noise": read_noise,
        "precession_deg": precession_deg,
        "strain_reference": None if strain_reference is None else str(strain_reference),
        "per_position": per_position,
        "calibration": calibration,
        "dataset": dataset,
        "scan_shape": scan_shape,
        "detector_shape": detector_shape,
        "dtype": None if dtype is None else checked_dtype(dtype).str,
        "snake": snake,
        "flyback": flyback,
        "frame": frame,
    }
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
    words = {name: str(image) for name, image in given.items() if _is_word(image)}
    recipe = recipe.changed({**options, **words})
    where = source if recipe.source is None else recipe.source
    scan = open_scan(where, **recipe.opening(), calibration=recipe.calibration)
    if isinstance(source, Scan):
        recipe = replace(recipe, calibration=scan.calibration)
    recipe = recipe.changed(scan.opened_with)
    if scan.path is not None:
        recipe = replace(recipe, source=str(scan.path))
    images = {}
    for name, image in given.items():
        path = getattr(recipe, name) if image is None else image
        if path is None or _is_word(path):
            continue
        images[name] = _image(path, name)
        expected = scan.detector_shape if name == "detector_mask" else scan.scan_shape
        if images[name].shape != expected:
            raise InputError(f"{name}: expected an image of shape {expected}, got {images[name].shape}")
    recipe = recipe.changed({name: f"{_INPUTS}/{name}.npy" for name in images})
    recipe.check()
    check_blur(recipe.smooth_sigma, scan)
    plan = plan_of(recipe, scan, crystal=crystal, probe=probe, folder=_INPUTS)
    return _Job(scan, recipe if plan is None else recipe.changed(plan.names), images, plan)


def _image(source: Any, name: str) -> NDArray[Any]:
    """Return an image that was given; a name that is neither a file nor a word may be a misspelt word."""
    words = MASK_WORDS.get(name)
    if words is not None and isinstance(source, (str, Path)) and not Path(source).is_file():
        raise MissingFileError(f"{name}: expected an image or one of {', '.join(words)}; there is no file {source}")
    return load_image(source, name=name)


def _is_word(image: Any) -> bool:
    return isinstance(image, str) and is_mask_word(image)


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
        detector_mask=None if recipe.method == "labels" else _detector_mask(job, found),
        scan_mask=_scan_mask(job, found),
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
        findings = characterise(job.plan, scan, domains, averages, found, _peak_mask(job, found))
    shown = replace(recipe, source=scan.name).to_tables()
    return Results(found, domains, averages, shown, _provenance(scan, found), **vars(findings))


def _peak_mask(job: _Job, found: Survey) -> NDArray[np.bool_]:
    """Return the detector pixels that peaks are looked for in: all good ones, without the shadow of a beam stop."""
    stopped = job.recipe.detector_mask == "beam-stop"
    return found.detector_mask & beam_stop_mask(found) if stopped else found.detector_mask


def _detector_mask(job: _Job, found: Survey) -> NDArray[np.bool_] | None:
    """Return the pixels that are compared: those asked for, without bad ones; None = as the method has it."""
    word, image = job.recipe.detector_mask, job.images.get("detector_mask")
    if word is None:
        return found.usable if job.recipe.method == "published" else None
    if image is not None:
        mask = load_mask(image, job.scan.detector_shape, name="detector_mask")
    elif word == "beam-stop":
        mask = beam_stop_mask(found)
        if mask.all():
            raise InputError(
                "detector_mask: no shadow of a beam stop was found; leave the option out, or give an image"
            )
    elif word == "outside-beam":
        if not np.isfinite(found.beam_radius_px):
            raise InputError(
                "detector_mask: 'outside-beam' needs a direct beam, but none was found; give annulus:INNER-OUTER"
            )
        mask = outside_beam_mask(found)
    else:
        inner, outer = annulus_radii(word)
        centre = (float(found.centre_px[0]), float(found.centre_px[1]))
        mask = annular_mask(job.scan.detector_shape, centre_px=centre, inner_px=inner, outer_px=outer)
    return mask & found.detector_mask


def _scan_mask(job: _Job, found: Survey) -> NDArray[Any] | None:
    if job.recipe.scan_mask == "sample":
        if not np.isfinite(found.annular_dark_field).any():
            raise InputError(
                "scan_mask: 'sample' needs a direct beam, for the dark field, but none was found; give an image"
            )
        return background_mask(found)
    return job.images.get("scan_mask")


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
    inputs: dict[str, Any] = {f"{name}.npy": image for name, image in job.images.items()}
    inputs |= {} if job.plan is None else job.plan.kept
    if inputs:
        (folder / _INPUTS).mkdir()
    for name, content in inputs.items():
        if isinstance(content, bytes):
            (folder / _INPUTS / name).write_bytes(content)
        else:
            np.save(folder / _INPUTS / name, content, allow_pickle=False)
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
