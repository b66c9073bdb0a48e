"""The scores of the benchmark as a Markdown table and as a plot."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from rivals import NAMES, TOLD
from rows import Row, mean_scores
from score_plot import LOOK, save
from score_tables import BEGIN, END, distinct, table
from simulated_kinds import KINDS

MARKS = {
    "default": ("#000000", "o"),
    "published": ("#0072B2", "s"),
    "prefilter": ("#56B4E9", "^"),
    "non-local": ("#009E73", "D"),
    "correlation": ("#E69F00", "v"),
    "ward": ("#D55E00", "P"),
    "nmf": ("#CC79A7", "X"),
    "mixture": ("#8C564B", "p"),
    TOLD: ("#999999", "|"),
}
OTHERS = "#333333", "*"
"""Colour and marker of a method that another program brought."""


def methods_of(rows: list[Row]) -> list[str]:
    """Return the methods, those of the benchmark first, in their order."""
    used = distinct(row.method for row in rows)
    return [name for name in NAMES if name in used] + [name for name in used if name not in NAMES]


def conditions_of(rows: list[Row]) -> list[tuple[float, float]]:
    """Return the conditions as dose, in multiples of that of the kind, and background."""
    return sorted({_condition(row) for row in rows}, key=lambda pair: (pair[1], pair[0]))


def _condition(row: Row) -> tuple[float, float]:
    return row.dose / KINDS[row.scene].dose, float(row.recording)


def all_tables(rows: list[Row]) -> str:
    """Return the table of all scans, below it the means over kinds; means over seeds."""
    used = methods_of(rows)
    lines = []
    for times, background in conditions_of(rows):
        group = [row for row in rows if _condition(row) == (times, background)]
        for kind in (kind for kind in KINDS if any(row.scene == kind for row in group)):
            cells = [_cell([row for row in group if row.scene == kind and row.method == name]) for name in used]
            lines.append([kind, f"{times * KINDS[kind].dose:g}", f"× {background:g}", *cells])
    means = []
    for times, background in conditions_of(rows):
        group = [row for row in rows if _condition(row) == (times, background)]
        means.append(["mean", f"dose × {times:g}", f"× {background:g}", *_mean_cells(group, used)])
    head = ["kind", "electrons per pattern", "background", *(NAMES.get(name, name) for name in used)]
    title = "Adjusted Rand index inside domains / over all positions"
    return f"{title}:\n\n{table(head, lines + means)}\n" if rows else ""


def _cell(rows: list[Row]) -> str:
    if not rows:
        return ""
    scores = mean_scores(rows)
    return f"{scores.inside:.3f} / {scores.everywhere:.3f}"


def _mean_cells(rows: list[Row], used: list[str]) -> list[str]:
    """Means over kinds, "" for a method that has no score for one of them."""
    kinds = {row.scene for row in rows}
    by_method = [[row for row in rows if row.method == name] for name in used]
    return [_cell(group) if {row.scene for row in group} == kinds else "" for group in by_method]


def write_page(rows: list[Row], page: Path) -> None:
    """Put the table between the two marks of a page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise SystemExit(f"{page}: expected {BEGIN.strip()} and {END.strip()}, each in a line of its own")
    page.write_text(f"{before}{BEGIN}\n{all_tables(rows)}\n{END}{after}", encoding="utf-8")


def draw_all(rows: list[Row], path: Path) -> None:
    """Draw the index over all positions, a panel per condition, a line per kind, and write it as .png and .svg."""
    with mpl.rc_context(LOOK):
        save(_figure(rows), path)


def _figure(rows: list[Row]) -> Figure:
    conditions, used = conditions_of(rows), methods_of(rows)
    kinds = [kind for kind in KINDS if any(row.scene == kind for row in rows)]
    figure = Figure(figsize=(8.2, 0.8 + 0.24 * len(kinds)), layout="constrained")
    panels = figure.subplots(1, len(conditions), sharex=True, sharey=True, squeeze=False)[0]
    for panel, (times, background) in zip(panels, conditions, strict=True):
        panel.set_title(f"dose × {times:g}, background × {background:g}")
        for name in used:
            scores = [_everywhere(rows, kind, name, (times, background)) for kind in kinds]
            colour, marker = MARKS.get(name, OTHERS)
            size, layer = (34, 5) if name == "default" else (20, 3)
            heights = np.arange(len(kinds))
            label = NAMES.get(name, name)
            panel.scatter(scores, heights, s=size, c=colour, marker=marker, label=label, zorder=layer, linewidths=0.8)
        panel.set_yticks(np.arange(len(kinds)), kinds)
        panel.set_xlim(-0.04, 1.04)
        panel.grid(axis="y", linewidth=0.4, color="0.88")
    panels[0].set_ylim(len(kinds) - 0.4, -0.6)
    figure.supxlabel("adjusted Rand index, all positions", fontsize=8)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False)
    return figure


def _everywhere(rows: list[Row], kind: str, method: str, condition: tuple[float, float]) -> float:
    found = [
        row.everywhere for row in rows if (row.scene, row.method) == (kind, method) and _condition(row) == condition
    ]
    return fmean(found) if found else float("nan")
