"""The command line: thin, one command per public function, one module per group of commands."""

from __future__ import annotations

from typing import Annotated

import typer

from clustem.cli.describing import formats, info
from clustem.cli.exporting import export
from clustem.cli.running import demo, run
from clustem.cli.watching import watch

app = typer.Typer(
    name="clustem",
    help="Find the crystallographic domains of a 4D-STEM scan, outline them and average their patterns.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (run, watch, demo, info, formats, export):
    app.command()(command)


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
