"""What a benchmark returns: figures with their bars, and sections of a Markdown page."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

WIDTH = 118
"""Columns of the pages."""


@dataclass(frozen=True)
class Figure:
    """One measured number and what it should be.

    `unit` follows the number in the tables. `bar` is the most that is allowed, or with `at_least` the least. A `value`
    of NaN was not measured here.
    """

    work: str
    value: float
    unit: str
    bar: float
    at_least: bool = False

    @property
    def holds(self) -> bool | None:
        """Whether the bar holds; None if nothing was measured."""
        if math.isnan(self.value):
            return None
        return self.value >= self.bar if self.at_least else self.value <= self.bar

    def cells(self) -> tuple[str, str, str, str]:
        """Return work, measured, bar, and whether it holds."""
        verdict = {True: "yes", False: "**no**", None: "not measured"}[self.holds]
        measured = "–" if self.holds is None else with_unit(self.value, self.unit)
        return self.work, measured, f"{'≥' if self.at_least else '≤'} {self.bar:g} {self.unit}", verdict


@dataclass(frozen=True)
class Section:
    """One part of a page: a heading, paragraphs, a table, remarks below it, and the figures that have a bar."""

    title: str
    text: str
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    remarks: str = ""
    figures: tuple[Figure, ...] = ()

    def markdown(self) -> str:
        """Return the section as Markdown."""
        parts = [f"## {self.title}", paragraphs(self.text), table(self.header, self.rows), paragraphs(self.remarks)]
        return "\n\n".join(part for part in parts if part)


def paragraphs(text: str) -> str:
    """Return text with its paragraphs, which empty lines divide, filled to the width of the page."""
    wrapped = (
        textwrap.fill(" ".join(part.split()), WIDTH, break_on_hyphens=False, break_long_words=False)
        for part in text.split("\n\n")
    )
    return "\n\n".join(part for part in wrapped if part)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def bars_table(figures: Iterable[Figure]) -> str:
    """Return the table of figures with their bars."""
    return table(("work", "measured", "bar", "holds"), [figure.cells() for figure in figures])


def with_unit(value: float, unit: str) -> str:
    """Return a number and its unit as in ``"1.24 × the sum"``."""
    return f"{number(value)} {unit}"


def number(value: float) -> str:
    """Return a number with three digits, without an exponent; NaN is a dash."""
    if math.isnan(value):
        return "–"
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value)))) if abs(value) < 100 else 0
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if digits > 3 else text


def runs(repeats: int) -> str:
    """Return how often something was timed, as in ``"medians of 3 runs"``."""
    return "single runs" if repeats == 1 else f"medians of {repeats} runs"


def print_section(section: Section) -> None:
    """Print one section alone, with its bars at the end."""
    print(section.markdown())
    if section.figures:
        print(f"\n{bars_table(section.figures)}")
