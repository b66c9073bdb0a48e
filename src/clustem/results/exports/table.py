"""The table of domains as CSV."""

from __future__ import annotations

from pathlib import Path

from clustem.results.record import Results


def write_csv(results: Results, folder: Path) -> None:
    """Write `domains.csv`, one row per domain; six digits, a value that does not exist is empty."""
    results.table.to_csv(folder / "domains.csv", index=False, float_format="%.6g", lineterminator="\n")
