"""Commands that make results: run and demo."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clustem.cli.options import (
    CRYSTALLOGRAPHY,
    NOISE,
    OUTPUT,
    SEGMENTATION,
    Centre,
    Crystals,
    Dataset,
    DetectorShape,
    Dtype,
    Energy,
    Flip,
    Flyback,
    Force,
    Frame,
    PixelSize,
    Precession,
    Quiet,
    Rotation,
    ScanShape,
    ScanStep,
    Semiangle,
    Snake,
    Sources,
    TimeStep,
    Verbose,
    calibration_of,
    numbers,
)
from clustem.cli.sources import is_series, refuse_for_scan, refuse_for_series, series_source
from clustem.console import guarded, progress

if TYPE_CHECKING:
    from rich.console import Console

    from clustem.results import Results, SeriesResults


def run(
    sources: Sources,
    output: Annotated[Path, typer.Option("--output", "-o", help="The results folder to make.", rich_help_panel=OUTPUT)],
    *,
    method: Annotated[
        str | None, typer.Option(help="noise-aware, published, or labels.", rich_help_panel=SEGMENTATION)
    ] = None,
    similarity: Annotated[
        float | None, typer.Option(help="noise-aware: from which regions are one.", rich_help_panel=SEGMENTATION)
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(help="published: cosine similarity; left out, one is chosen.", rich_help_panel=SEGMENTATION),
    ] = None,
    smooth_sigma: Annotated[
        float | None, typer.Option(help="published: blur, px.", rich_help_panel=SEGMENTATION)
    ] = None,
    detector_mask: Annotated[
        str | None,
        typer.Option(
            help="outside-beam, annulus:INNER-OUTER, beam-stop, or an image (.npy .tif .png).",
            rich_help_panel=SEGMENTATION,
        ),
    ] = None,
    scan_mask: Annotated[
        str | None, typer.Option(help="sample, or an image (.npy .tif .png).", rich_help_panel=SEGMENTATION)
    ] = None,
    min_size: Annotated[
        int | None, typer.Option(help="Smallest domain, positions.", rich_help_panel=SEGMENTATION)
    ] = None,
    border: Annotated[
        str | None, typer.Option(help="published: full, or published.", rich_help_panel=SEGMENTATION)
    ] = None,
    prefilter: Annotated[
        bool | None, typer.Option(help="published: average similar neighbours first.", rich_help_panel=SEGMENTATION)
    ] = None,
    labels: Annotated[
        str | None, typer.Option(help="Your own label image (.npy .tif).", rich_help_panel=SEGMENTATION)
    ] = None,
    centre: Annotated[
        bool | None, typer.Option(help="Move patterns to a common centre.", rich_help_panel=SEGMENTATION)
    ] = None,
    gain: Annotated[float | None, typer.Option(help="Variance per mean.", rich_help_panel=NOISE)] = None,
    offset: Annotated[float | None, typer.Option(help="Value without an electron.", rich_help_panel=NOISE)] = None,
    read_noise: Annotated[
        float | None, typer.Option(help="Standard deviation without an electron.", rich_help_panel=NOISE)
    ] = None,
    crystal: Crystals = None,
    probe: Annotated[
        str | None,
        typer.Option(
            help="Vacuum pattern (.npy .tif .png), disk:RADIUS or spot:SIGMA.", rich_help_panel=CRYSTALLOGRAPHY
        ),
    ] = None,
    precession_deg: Precession = None,
    strain_reference: Annotated[
        str | None, typer.Option(help="ideal crystal, median, or a label.", rich_help_panel=CRYSTALLOGRAPHY)
    ] = None,
    per_position: Annotated[
        bool | None,
        typer.Option("--per-position/--per-domain", help="At every position, too.", rich_help_panel=CRYSTALLOGRAPHY),
    ] = None,
    dataset: Dataset = None,
    scan_shape: ScanShape = None,
    detector_shape: DetectorShape = None,
    dtype: Dtype = None,
    snake: Snake = None,
    flyback: Flyback = None,
    frame: Frame = None,
    time_step: TimeStep = None,
    inv_angstrom_per_px: PixelSize = None,
    scan_step_nm: ScanStep = None,
    energy_kev: Energy = None,
    semiangle_mrad: Semiangle = None,
    centre_px: Centre = None,
    detector_rotation_deg: Rotation = None,
    detector_flip: Flip = None,
    force: Force = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Survey, segment and average a scan, or follow domains through a series; write a results folder with a report."""
    with guarded(verbose) as console:
        import clustem

        calibration = calibration_of(
            inv_angstrom_per_px=inv_angstrom_per_px,
            scan_step_nm=numbers("scan_step_nm", scan_step_nm, float),
            energy_keV=energy_kev,
            semiangle_mrad=semiangle_mrad,
            centre_px=numbers("centre_px", centre_px, float),
            detector_rotation_deg=detector_rotation_deg,
            detector_flip=detector_flip,
        )
        single = {
            "method": method,
            "similarity": similarity,
            "threshold": threshold,
            "smooth_sigma": smooth_sigma,
            "detector_mask": detector_mask,
            "scan_mask": scan_mask,
            "min_size": min_size,
            "border": border,
            "prefilter": prefilter,
            "labels": labels,
            "centre": centre,
            "gain": gain,
            "offset": offset,
            "read_noise": read_noise,
            "probe": probe,
            "strain_reference": strain_reference,
            "per_position": per_position,
            "detector_shape": numbers("detector_shape", detector_shape, int),
            "dtype": dtype,
            "snake": snake,
            "flyback": flyback,
            "frame": frame,
        }
        shared = {
            "output": output,
            "force": force,
            "crystal": crystal,
            "precession_deg": precession_deg,
            "calibration": calibration,
            "dataset": dataset,
            "scan_shape": numbers("scan_shape", scan_shape, int),
        }
        results: Results | SeriesResults
        with progress(shown=not quiet):
            if is_series(sources, dataset=dataset, frame=frame):
                refuse_for_series(single)
                results = clustem.run_series(series_source(sources), time_step=time_step, **shared)
            else:
                refuse_for_scan(time_step=time_step)
                results = clustem.run(sources[0], **single, **shared)
        _summarise(console, results, quiet)


def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The results folder to make.", rich_help_panel=OUTPUT)
    ] = Path("clustem-demo"),
    *,
    force: Force = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Run the main job on the sample that comes with the package, and say how right it was."""
    with guarded(verbose) as console:
        from clustem.demonstration import run_demo

        with progress(shown=not quiet):
            results, truth = run_demo(output, force=force)
        _summarise(console, results, quiet)
        if not quiet:
            console.print(truth, highlight=False)


def _summarise(console: Console, results: Results | SeriesResults, quiet: bool) -> None:
    if quiet:
        return
    console.print(str(results), highlight=False, markup=False)
    if results.path is not None:
        console.print(f"  report                {results.path / 'report.html'}", highlight=False, markup=False)
