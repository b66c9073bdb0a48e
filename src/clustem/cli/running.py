"""Commands that make results: run and demo."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clustem.cli.options import (
    OUTPUT,
    Border,
    Centre,
    Centred,
    Crystals,
    Dataset,
    DetectorMask,
    DetectorShape,
    Dtype,
    Energy,
    Flip,
    Flyback,
    Force,
    Frame,
    Gain,
    InTime,
    Labels,
    Method,
    MinSize,
    Offset,
    PerPosition,
    PixelSize,
    Precession,
    Prefilter,
    ProbeTemplate,
    Quiet,
    ReadNoise,
    Rotation,
    ScanMask,
    ScanShape,
    ScanStep,
    Semiangle,
    Similarity,
    SmoothSigma,
    Snake,
    Sources,
    StrainReference,
    Threshold,
    TimeStep,
    Verbose,
    calibration_of,
    numbers,
)
from clustem.cli.sources import is_series, refuse_for_scan, series_source
from clustem.console import guarded, progress

if TYPE_CHECKING:
    from rich.console import Console

    from clustem.results import Results, SeriesResults


def run(
    sources: Sources,
    output: Annotated[Path, typer.Option("--output", "-o", help="The results folder to make.", rich_help_panel=OUTPUT)],
    *,
    method: Method = None,
    similarity: Similarity = None,
    threshold: Threshold = None,
    smooth_sigma: SmoothSigma = None,
    detector_mask: DetectorMask = None,
    scan_mask: ScanMask = None,
    min_size: MinSize = None,
    border: Border = None,
    prefilter: Prefilter = None,
    labels: Labels = None,
    centre: Centred = None,
    gain: Gain = None,
    offset: Offset = None,
    read_noise: ReadNoise = None,
    crystal: Crystals = None,
    probe: ProbeTemplate = None,
    precession_deg: Precession = None,
    strain_reference: StrainReference = None,
    per_position: PerPosition = None,
    dataset: Dataset = None,
    scan_shape: ScanShape = None,
    detector_shape: DetectorShape = None,
    dtype: Dtype = None,
    snake: Snake = None,
    flyback: Flyback = None,
    frame: Frame = None,
    series: InTime = False,
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
        from clustem.series_pipeline import refuse_for_series

        calibration = calibration_of(
            inv_angstrom_per_px=inv_angstrom_per_px,
            scan_step_nm=numbers("scan_step_nm", scan_step_nm, float),
            energy_keV=energy_kev,
            semiangle_mrad=semiangle_mrad,
            centre_px=numbers("centre_px", centre_px, float),
            detector_rotation_deg=detector_rotation_deg,
            detector_flip=detector_flip,
        )
        single: dict[str, Any] = {
            "labels": labels,
            "per_position": per_position,
            "frame": frame,
        }
        shared = {
            "output": output,
            "force": force,
            "method": method,
            "similarity": similarity,
            "threshold": threshold,
            "smooth_sigma": smooth_sigma,
            "detector_mask": detector_mask,
            "scan_mask": scan_mask,
            "min_size": min_size,
            "border": border,
            "prefilter": prefilter,
            "centre": centre,
            "gain": gain,
            "offset": offset,
            "read_noise": read_noise,
            "crystal": crystal,
            "probe": probe,
            "precession_deg": precession_deg,
            "strain_reference": strain_reference,
            "calibration": calibration,
            "dataset": dataset,
            "scan_shape": numbers("scan_shape", scan_shape, int),
            "detector_shape": numbers("detector_shape", detector_shape, int),
            "dtype": dtype,
            "snake": snake,
            "flyback": flyback,
        }
        results: Results | SeriesResults
        with progress(shown=not quiet):
            if is_series(sources, dataset=dataset, frame=frame, meant=series or time_step is not None):
                refuse_for_series(single, sign="--")
                results = clustem.run_series(series_source(sources), time_step=time_step, **shared)
            else:
                refuse_for_scan(time_step=time_step, series=series or None)
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
