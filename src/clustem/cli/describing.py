"""Commands that only look: info and formats."""

from __future__ import annotations

from typing import Annotated

import typer

from clustem.cli.options import (
    Dataset,
    DetectorShape,
    Dtype,
    Flyback,
    Frame,
    ScanShape,
    Snake,
    Verbose,
    numbers,
)
from clustem.console import guarded


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
            scan_shape=numbers("scan_shape", scan_shape, int),
            detector_shape=numbers("detector_shape", detector_shape, int),
            dtype=dtype,
            snake=bool(snake),
            flyback=flyback or 0,
            frame=frame,
        )
        console.print(describe_scan(scan), highlight=False, soft_wrap=True, markup=False)


def formats() -> None:
    """List the file formats that can be opened."""
    with guarded(False) as console:
        from clustem.formats import formats_text

        console.print(formats_text(), highlight=False, soft_wrap=True, markup=False)
