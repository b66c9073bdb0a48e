"""The command that follows a folder: watch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clustem.cli.options import (
    OUTPUT,
    SERIES,
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
    Gain,
    Method,
    MinSize,
    Offset,
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
    StrainReference,
    Threshold,
    TimeStep,
    Verbose,
    calibration_of,
    numbers,
)
from clustem.console import guarded, progress
from clustem.interruption import interrupted

if TYPE_CHECKING:
    from clustem.results import SeriesResults


def watch(
    folder: Annotated[Path, typer.Argument(help="The folder that scans arrive in.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The results folder to make and renew.", rich_help_panel=OUTPUT)
    ],
    *,
    until: Annotated[int | None, typer.Option(help="End after so many frames.", rich_help_panel=SERIES)] = None,
    idle: Annotated[
        str | None, typer.Option(help="End after so long without a change, as 60s.", rich_help_panel=SERIES)
    ] = None,
    interval: Annotated[str, typer.Option(help="From one look to the next.", rich_help_panel=SERIES)] = "2s",
    method: Method = None,
    similarity: Similarity = None,
    threshold: Threshold = None,
    smooth_sigma: SmoothSigma = None,
    detector_mask: DetectorMask = None,
    scan_mask: ScanMask = None,
    min_size: MinSize = None,
    border: Border = None,
    prefilter: Prefilter = None,
    centre: Centred = None,
    gain: Gain = None,
    offset: Offset = None,
    read_noise: ReadNoise = None,
    crystal: Crystals = None,
    probe: ProbeTemplate = None,
    precession_deg: Precession = None,
    strain_reference: StrainReference = None,
    time_step: TimeStep = None,
    dataset: Dataset = None,
    scan_shape: ScanShape = None,
    detector_shape: DetectorShape = None,
    dtype: Dtype = None,
    snake: Snake = None,
    flyback: Flyback = None,
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
    """Follow domains through a series while its scans arrive in a folder; Ctrl-C ends it, the results stay."""
    with guarded(verbose) as console:
        import clustem

        def notice(results: SeriesResults) -> None:
            number = len(results.tracks.labels)
            if not quiet:
                console.print(f"frames: {number}, tracks: {results.tracks.number}", highlight=False)

        try:
            with progress(shown=False):
                clustem.watch(
                    folder,
                    output=output,
                    force=force,
                    until=until,
                    idle=idle,
                    interval=interval,
                    method=method,
                    similarity=similarity,
                    threshold=threshold,
                    smooth_sigma=smooth_sigma,
                    detector_mask=detector_mask,
                    scan_mask=scan_mask,
                    min_size=min_size,
                    border=border,
                    prefilter=prefilter,
                    centre=centre,
                    gain=gain,
                    offset=offset,
                    read_noise=read_noise,
                    crystal=crystal,
                    probe=probe,
                    precession_deg=precession_deg,
                    strain_reference=strain_reference,
                    time_step=time_step,
                    dataset=dataset,
                    scan_shape=numbers("scan_shape", scan_shape, int),
                    detector_shape=numbers("detector_shape", detector_shape, int),
                    dtype=dtype,
                    snake=snake,
                    flyback=flyback,
                    calibration=calibration_of(
                        inv_angstrom_per_px=inv_angstrom_per_px,
                        scan_step_nm=numbers("scan_step_nm", scan_step_nm, float),
                        energy_keV=energy_kev,
                        semiangle_mrad=semiangle_mrad,
                        centre_px=numbers("centre_px", centre_px, float),
                        detector_rotation_deg=detector_rotation_deg,
                        detector_flip=detector_flip,
                    ),
                    notice=notice,
                )
        except (KeyboardInterrupt, Exception):
            if not interrupted():
                raise
        if not quiet:
            report = output / "report.html"
            console.print(
                f"ended; report: {report}" if report.is_file() else "ended: no frame arrived", highlight=False
            )
