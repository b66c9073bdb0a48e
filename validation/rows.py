"""Scores as rows of a CSV file, to which an interrupted run adds what is missing."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from scores import Scores


class Job(NamedTuple):
    """One partition to be scored: of which scan, by which method, recorded how ("" = as it is)."""

    scene: str
    frame: str
    dose: float
    seed: int
    method: str
    recording: str = ""


@dataclass(frozen=True)
class Row:
    """The scores of one partition, its number of domains, and the setting that was best inside domains."""

    scene: str
    frame: str
    dose: float
    seed: int
    method: str
    recording: str
    inside: float
    everywhere: float
    f1: float
    domains: int
    setting: str

    @property
    def job(self) -> Job:
        """What was scored."""
        return Job(self.scene, self.frame, self.dose, self.seed, self.method, self.recording)


def mean_scores(rows: Iterable[Row]) -> Scores:
    """Return the means of the scores over at least one row."""
    return Scores(*(fmean(values) for values in zip(*((r.inside, r.everywhere, r.f1) for r in rows), strict=True)))


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a file, none if there is no such file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [_row(line) for line in csv.DictReader(file)]


def _row(line: dict[str, str]) -> Row:
    whole, real = ("seed", "domains"), ("dose", "inside", "everywhere", "f1")
    values = {
        name: int(text) if name in whole else float(text) if name in real else text for name, text in line.items()
    }
    return Row(**values)  # type: ignore[arg-type]


def add_rows(path: Path, rows: Iterable[Row]) -> None:
    """Append rows to a file, which is made with a header if there is none."""
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)])
        if new:
            writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
