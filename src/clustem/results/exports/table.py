"""Tables as CSV: domains and, where they were measured, peaks, orientations and candidates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from clustem.crystallography.orientation_exports import orientation_table
from clustem.results.record import Results

if TYPE_CHECKING:
    import pandas as pd


def write_csv(results: Results, folder: Path) -> None:
    """Write `domains.csv`, `peaks.csv`, `orientations.csv` and `candidates.csv`, as far as there are any.

    Numbers have six digits, a value that does not exist is empty.
    """
    for name, table in _tables(results).items():
        table.to_csv(folder / name, index=False, float_format="%.6g", lineterminator="\n")


def csv_names(results: Results) -> tuple[str, ...]:
    """Return the names of the files that `write_csv` writes."""
    return tuple(_tables(results))


def _tables(results: Results) -> dict[str, pd.DataFrame]:
    tables = {"domains.csv": results.table}
    if results.peaks is not None:
        tables["peaks.csv"] = results.peaks.table
    if results.orientations is not None:
        tables["orientations.csv"] = orientation_table(results.orientations)
        tables["candidates.csv"] = results.orientations.candidates
    return tables
