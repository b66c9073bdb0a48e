"""The command that writes results for other programs: export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clustem.cli.options import Quiet, Verbose
from clustem.console import guarded, progress


def export(
    results: Annotated[Path, typer.Argument(help="A results folder.")],
    *,
    to: Annotated[
        list[str],
        typer.Option(
            help="emd, hspy, tiff, csv, geojson, dark-fields, ang, ctf, crystalmap, figures, or all; repeatable."
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder to write into; left out, RESULTS/exports.")
    ] = None,
    orientations: Annotated[
        str,
        typer.Option(
            help="ang, ctf, crystalmap: of positions, where a run with --per-position measured them, or of domains."
        ),
    ] = "positions",
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
            written = clustem.export(results, to=to, output=output, orientations=orientations, scan=scan, force=force)
        for path in written if not quiet else ():
            console.print(str(path), highlight=False, markup=False)
