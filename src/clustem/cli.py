"""The command line: thin, one command per public function."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clustem.console import guarded, progress
from clustem.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from clustem.results import Results

app = typer.Typer(
    name="clustem",
    help="Find the crystallographic domains of a 4D-STEM scan, outline them and average their patterns.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_INPUT, _SEGMENTATION, _CALIBRATION, _OUTPUT = "Input", "Segmentation", "Calibration", "Output"
_NOISE = "Noise (left out, it is measured)"

Source = Annotated[str, typer.Argument(help="A scan, FILE::/ADDRESS of one inside a file, or a recipe.toml.")]
ScanShape = Annotated[
    str | None, typer.Option(help="Scan positions YxX, for stacks of patterns.", rich_help_panel=_INPUT)
]
Dataset = Annotated[str | None, typer.Option(help="Address inside the file.", rich_help_panel=_INPUT)]
DetectorShape = Annotated[str | None, typer.Option(help="Pixels YxX, for raw binary.", rich_help_panel=_INPUT)]
Snake = Annotated[
    bool | None, typer.Option("--snake/--no-snake", help="Every second row ran backwards.", rich_help_panel=_INPUT)
]
Flyback = Annotated[int | None, typer.Option(help="Columns to drop at the end of rows.", rich_help_panel=_INPUT)]
Frame = Annotated[int | None, typer.Option(help="Which scan of a series, from 0.", rich_help_panel=_INPUT)]
Dtype = Annotated[str | None, typer.Option(help="Number type, for raw binary: uint16, >u2 …", rich_help_panel=_INPUT)]
PixelSize = Annotated[
    float | None, typer.Option("--inv-angstrom-per-px", help="Detector pixel in 1/Å.", rich_help_panel=_CALIBRATION)
]
ScanStep = Annotated[str | None, typer.Option(help="Scan step in nm, or Y,X.", rich_help_panel=_CALIBRATION)]
Energy = Annotated[
    float | None,
    typer.Option("--energy-keV", help="Electron energy in keV.", rich_help_panel=_CALIBRATION),
]
Semiangle = Annotated[float | None, typer.Option(help="Convergence semi-angle in mrad.", rich_help_panel=_CALIBRATION)]
Centre = Annotated[str | None, typer.Option("--centre-px", help="Direct beam Y,X in px.", rich_help_panel=_CALIBRATION)]
Rotation = Annotated[
    float | None, typer.Option(help="Detector to scan, degrees clockwise.", rich_help_panel=_CALIBRATION)
]
Flip = Annotated[
    bool | None,
    typer.Option("--detector-flip/--no-flip", help="Reverse k_y first.", rich_help_panel=_CALIBRATION),
]
Force = Annotated[bool, typer.Option("--force", help="Replace an existing results folder.", rich_help_panel=_OUTPUT)]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.", rich_help_panel=_OUTPUT)]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Print choices as they are made.", rich_help_panel=_OUTPUT)
]


@app.command()
def run(
    source: Source,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The results folder to make.", rich_help_panel=_OUTPUT)
    ],
    *,
    method: Annotated[
        str | None, typer.Option(help="noise-aware, published, or labels.", rich_help_panel=_SEGMENTATION)
    ] = None,
    similarity: Annotated[
        float | None, typer.Option(help="noise-aware: from which regions are one.", rich_help_panel=_SEGMENTATION)
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(help="published: cosine similarity; left out, one is chosen.", rich_help_panel=_SEGMENTATION),
    ] = None,
    smooth_sigma: Annotated[
        float | None, typer.Option(help="published: blur, px.", rich_help_panel=_SEGMENTATION)
    ] = None,
    detector_mask: Annotated[
        str | None,
        typer.Option(
            help="outside-beam, annulus:INNER-OUTER, beam-stop, or an image (.npy .tif .png).",
            rich_help_panel=_SEGMENTATION,
        ),
    ] = None,
    scan_mask: Annotated[
        str | None, typer.Option(help="sample, or an image (.npy .tif .png).", rich_help_panel=_SEGMENTATION)
    ] = None,
    min_size: Annotated[
        int | None, typer.Option(help="Smallest domain, positions.", rich_help_panel=_SEGMENTATION)
    ] = None,
    border: Annotated[
        str | None, typer.Option(help="published: full, or published.", rich_help_panel=_SEGMENTATION)
    ] = None,
    prefilter: Annotated[
        bool | None, typer.Option(help="published: average similar neighbours first.", rich_help_panel=_SEGMENTATION)
    ] = None,
    labels: Annotated[
        str | None, typer.Option(help="Your own label image (.npy .tif).", rich_help_panel=_SEGMENTATION)
    ] = None,
    centre: Annotated[
        bool | None, typer.Option(help="Move patterns to a common centre.", rich_help_panel=_SEGMENTATION)
    ] = None,
    gain: Annotated[float | None, typer.Option(help="Variance per mean.", rich_help_panel=_NOISE)] = None,
    offset: Annotated[float | None, typer.Option(help="Value without an electron.", rich_help_panel=_NOISE)] = None,
    read_noise: Annotated[
        float | None, typer.Option(help="Standard deviation without an electron.", rich_help_panel=_NOISE)
    ] = None,
    dataset: Dataset = None,
    scan_shape: ScanShape = None,
    detector_shape: DetectorShape = None,
    dtype: Dtype = None,
    snake: Snake = None,
    flyback: Flyback = None,
    frame: Frame = None,
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
    """Survey, segment and average a scan, and write a results folder with a report."""
    with guarded(verbose) as console:
        import clustem

        calibration = _calibration(
            inv_angstrom_per_px=inv_angstrom_per_px,
            scan_step_nm=_numbers("scan_step_nm", scan_step_nm, float),
            energy_keV=energy_kev,
            semiangle_mrad=semiangle_mrad,
            centre_px=_numbers("centre_px", centre_px, float),
            detector_rotation_deg=detector_rotation_deg,
            detector_flip=detector_flip,
        )
        with progress(shown=not quiet):
            results = clustem.run(
                source,
                output=output,
                force=force,
                method=method,
                similarity=similarity,
                threshold=threshold,
                smooth_sigma=smooth_sigma,
                detector_mask=detector_mask,
                scan_mask=scan_mask,
                min_size=min_size,
                border=border,
                prefilter=prefilter,
                labels=labels,
                centre=centre,
                gain=gain,
                offset=offset,
                read_noise=read_noise,
                calibration=calibration,
                dataset=dataset,
                scan_shape=_numbers("scan_shape", scan_shape, int),
                detector_shape=_numbers("detector_shape", detector_shape, int),
                dtype=dtype,
                snake=snake,
                flyback=flyback,
                frame=frame,
            )
        _summarise(console, results, quiet)


@app.command()
def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The results folder to make.", rich_help_panel=_OUTPUT)
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


@app.command()
def info(
    source: Annotated[str, typer.Argument(help="A scan, or FILE::/ADDRESS of one inside a file.")],
    *,
    dataset: Dataset = None,
    scan_shape: ScanShape = None,
    detector_shape: DetectorShape = None,
    dtype: Dtype = None,
    snake: Snake = None,
    flyback: Flyback = None,
    frame: Frame = None,
    verbose: Verbose = False,
) -> None:
    """Show what is known of a scan, and what a run would assume; reads only a few patterns."""
    with guarded(verbose) as console:
        from clustem.formats import open_scan
        from clustem.surveying import describe_scan

        scan = open_scan(
            source,
            dataset=dataset,
            scan_shape=_numbers("scan_shape", scan_shape, int),
            detector_shape=_numbers("detector_shape", detector_shape, int),
            dtype=dtype,
            snake=bool(snake),
            flyback=flyback or 0,
            frame=frame,
        )
        console.print(describe_scan(scan), highlight=False, soft_wrap=True, markup=False)


@app.command()
def formats() -> None:
    """List the file formats that can be opened."""
    with guarded(False) as console:
        from clustem.formats import formats_text

        console.print(formats_text(), highlight=False, soft_wrap=True, markup=False)


@app.command()
def export(
    results: Annotated[Path, typer.Argument(help="A results folder.")],
    *,
    to: Annotated[
        list[str], typer.Option(help="emd, hspy, tiff, csv, geojson, dark-fields, figures, or all; repeat for several.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder to write into; left out, RESULTS/exports.")
    ] = None,
    scan: Annotated[
        str | None, typer.Option(help="The scan, for dark-fields, if it is not where the recipe says.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write results as files that other programs open: py4DSTEM, HyperSpy, ImageJ, QGIS, drawing programs."""
    with guarded(verbose) as console:
        import clustem

        with progress(shown=not quiet):
            written = clustem.export(results, to=to, output=output, scan=scan, force=force)
        for path in written if not quiet else ():
            console.print(str(path), highlight=False, markup=False)


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(f"clustem {version('clustem')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Hold the options before the command."""


def _summarise(console: Console, results: Results, quiet: bool) -> None:
    if quiet:
        return
    console.print(str(results), highlight=False, markup=False)
    if results.path is not None:
        console.print(f"  report                {results.path / 'report.html'}", highlight=False, markup=False)


def _numbers(name: str, text: str | None, kind: type[int] | type[float]) -> Any:
    """Return the numbers of ``"2"``, ``"2,3"`` or ``"2x3"``; None stays None."""
    if text is None:
        return None
    try:
        values = tuple(kind(part) for part in text.replace("×", ",").replace("x", ",").split(","))
    except ValueError as error:
        raise InputError(f"{name}: expected numbers such as 64x64 or 0.4,0.5, got {text!r}") from error
    return values if len(values) > 1 or kind is int else values[0]


def _calibration(**values: Any) -> Any:
    from clustem.calibration import Calibration

    given = {name: value for name, value in values.items() if value is not None}
    return Calibration(**given) if given else None
