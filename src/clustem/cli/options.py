"""Options that several commands share, and what their texts mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from clustem.errors import InputError

if TYPE_CHECKING:
    from clustem.calibration import Calibration

INPUT, SEGMENTATION, CALIBRATION, OUTPUT = "Input", "Segmentation", "Calibration", "Output"
CRYSTALLOGRAPHY = "Crystallography (needs the calibration)"
SERIES = "Series"
NOISE = "Noise (left out, it is measured)"

Source = Annotated[str, typer.Argument(help="A scan, FILE::/ADDRESS of one inside a file, or a recipe.toml.")]
Sources = Annotated[
    list[str],
    typer.Argument(
        help="A scan, FILE::/ADDRESS of one inside a file, or a recipe.toml; or a series: several scans, a folder, "
        "or a file that holds several.",
    ),
]
ScanShape = Annotated[
    str | None, typer.Option(help="Scan positions YxX, for stacks of patterns.", rich_help_panel=INPUT)
]
Dataset = Annotated[str | None, typer.Option(help="Address inside the file.", rich_help_panel=INPUT)]
DetectorShape = Annotated[str | None, typer.Option(help="Pixels YxX, for raw binary.", rich_help_panel=INPUT)]
Snake = Annotated[
    bool | None, typer.Option("--snake/--no-snake", help="Every second row ran backwards.", rich_help_panel=INPUT)
]
Flyback = Annotated[int | None, typer.Option(help="Columns to drop at the end of rows.", rich_help_panel=INPUT)]
Frame = Annotated[int | None, typer.Option(help="Which scan of a series, from 0.", rich_help_panel=INPUT)]
Method = Annotated[str | None, typer.Option(help="noise-aware, published, or labels.", rich_help_panel=SEGMENTATION)]
Similarity = Annotated[
    float | None, typer.Option(help="noise-aware: from which regions are one.", rich_help_panel=SEGMENTATION)
]
Threshold = Annotated[
    float | None,
    typer.Option(help="published: cosine similarity; left out, one is chosen.", rich_help_panel=SEGMENTATION),
]
SmoothSigma = Annotated[float | None, typer.Option(help="published: blur, px.", rich_help_panel=SEGMENTATION)]
DetectorMask = Annotated[
    str | None,
    typer.Option(
        help="outside-beam, annulus:INNER-OUTER, beam-stop, or an image (.npy .tif .png).",
        rich_help_panel=SEGMENTATION,
    ),
]
ScanMask = Annotated[
    str | None, typer.Option(help="sample, or an image (.npy .tif .png).", rich_help_panel=SEGMENTATION)
]
MinSize = Annotated[int | None, typer.Option(help="Smallest domain, positions.", rich_help_panel=SEGMENTATION)]
Border = Annotated[str | None, typer.Option(help="published: full, or published.", rich_help_panel=SEGMENTATION)]
Prefilter = Annotated[
    bool | None, typer.Option(help="published: average similar neighbours first.", rich_help_panel=SEGMENTATION)
]
Labels = Annotated[str | None, typer.Option(help="Your own label image (.npy .tif).", rich_help_panel=SEGMENTATION)]
Centred = Annotated[
    bool | None,
    typer.Option("--centre/--no-centre", help="Move patterns to a common centre.", rich_help_panel=SEGMENTATION),
]
Gain = Annotated[float | None, typer.Option(help="Variance per mean.", rich_help_panel=NOISE)]
Offset = Annotated[float | None, typer.Option(help="Value without an electron.", rich_help_panel=NOISE)]
ReadNoise = Annotated[float | None, typer.Option(help="Standard deviation without an electron.", rich_help_panel=NOISE)]
ProbeTemplate = Annotated[
    str | None,
    typer.Option(
        "--probe", help="Vacuum pattern (.npy .tif .png), disk:RADIUS or spot:SIGMA.", rich_help_panel=CRYSTALLOGRAPHY
    ),
]
StrainReference = Annotated[
    str | None, typer.Option(help="ideal crystal, median, or a label.", rich_help_panel=CRYSTALLOGRAPHY)
]
PerPosition = Annotated[
    bool | None,
    typer.Option("--per-position/--per-domain", help="At every position, too.", rich_help_panel=CRYSTALLOGRAPHY),
]
Crystals = Annotated[
    list[str] | None,
    typer.Option(
        "--crystal", help="CIF file of a candidate phase; repeat for several.", rich_help_panel=CRYSTALLOGRAPHY
    ),
]
Precession = Annotated[
    float | None,
    typer.Option("--precession-deg", help="Angle of a precessed beam.", rich_help_panel=CRYSTALLOGRAPHY),
]
InTime = Annotated[
    bool, typer.Option("--series", help="Several scans in one file are one after the other.", rich_help_panel=SERIES)
]
TimeStep = Annotated[
    str | None,
    typer.Option(help="From frame to frame: 12s, 200ms, 2min; left out, files tell.", rich_help_panel=SERIES),
]
Dtype = Annotated[str | None, typer.Option(help="Number type, for raw binary: uint16, >u2 …", rich_help_panel=INPUT)]
PixelSize = Annotated[
    float | None, typer.Option("--inv-angstrom-per-px", help="Detector pixel in 1/Å.", rich_help_panel=CALIBRATION)
]
ScanStep = Annotated[str | None, typer.Option(help="Scan step in nm, or Y,X.", rich_help_panel=CALIBRATION)]
Energy = Annotated[
    float | None,
    typer.Option("--energy-keV", help="Electron energy in keV.", rich_help_panel=CALIBRATION),
]
Semiangle = Annotated[float | None, typer.Option(help="Convergence semi-angle in mrad.", rich_help_panel=CALIBRATION)]
Centre = Annotated[str | None, typer.Option("--centre-px", help="Direct beam Y,X in px.", rich_help_panel=CALIBRATION)]
Rotation = Annotated[
    float | None, typer.Option(help="Detector to scan, degrees clockwise.", rich_help_panel=CALIBRATION)
]
Flip = Annotated[
    bool | None,
    typer.Option("--detector-flip/--no-flip", help="Reverse k_y first.", rich_help_panel=CALIBRATION),
]
Force = Annotated[bool, typer.Option("--force", help="Replace an existing results folder.", rich_help_panel=OUTPUT)]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.", rich_help_panel=OUTPUT)]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Print choices as they are made.", rich_help_panel=OUTPUT)
]


def numbers(name: str, text: str | None, kind: type[int] | type[float]) -> Any:
    """Return the numbers of ``"2"``, ``"2,3"`` or ``"2x3"``; None stays None."""
    if text is None:
        return None
    try:
        values = tuple(kind(part) for part in text.replace("×", ",").replace("x", ",").split(","))
    except ValueError as error:
        raise InputError(f"{name}: expected numbers such as 64x64 or 0.4,0.5, got {text!r}") from error
    return values if len(values) > 1 or kind is int else values[0]


def calibration_of(**values: Any) -> Calibration | None:
    """Return the calibration of those values that are not None; None if all are."""
    from clustem.calibration import Calibration

    given = {name: value for name, value in values.items() if value is not None}
    return Calibration(**given) if given else None
