"""Tables as CSV: domains and, where they were measured, peaks, orientations, candidates and boundaries."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from clustem.crystallography import misorientation_table
from clustem.crystallography.orientation_exports import orientation_table
from clustem.results.record import Results

if TYPE_CHECKING:
    import pandas as pd


def write_csv(results: Results, folder: Path) -> None:
    """Write `domains.csv` and, as far as there are any, the tables of peaks, orientations, candidates and boundaries.

    Numbers have six digits, a value that does not exist is empty.
    """
    for name, table in _tables(results).items():
        table().to_csv(folder / name, index=False, float_format="%.6g", lineterminator="\n")


def csv_names(results: Results) -> tuple[str, ...]:
    """Return the names of the files that `write_csv` writes."""
    return tuple(_tables(results))


def _tables(results: Results) -> dict[str, Callable[[], pd.DataFrame]]:
    """Return by the name of each file how its table is made."""
    peaks, orientations = results.peaks, results.orientations
    tables: dict[str, Callable[[], pd.DataFrame]] = {"domains.csv": lambda: results.table}
    if peaks is not None:
        tables["peaks.csv"] = lambda: peaks.table
    if orientations is not None:
        tables["orientations.csv"] = lambda: orientation_table(orientations)
        tables["candidates.csv"] = lambda: orientations.candidates
        tables["boundaries.csv"] = lambda: misorientation_table(orientations, results.domains)
    return tables
