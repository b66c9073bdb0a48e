"""Scores against dose, one panel per scene."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from methods import METHODS, NAMES
from PIL import Image
from rows import Row, mean_scores
from score_tables import by_scene_and_dose, distinct
from scores import Scores

COLUMNS = 4
SIZE = 2.05, 1.95  # inches of a panel; four fill the width of a README
DPI = 220
AXIS = {
    "inside": "adjusted Rand index inside domains",
    "everywhere": "adjusted Rand index, all positions",
    "f1": "matched F1",
}
TITLES = {
    "film_au": "gold film",
    "film_au_fine": "gold film, weak grains",
    "twophase": "Ni and Fe",
    "wedge_au": "gold wedge, carbon",
    "bent_au": "bent gold",
    "film_al": "aluminium, carbon",
    "growth": "particles in liquid",
    "ag": "silver, precessed",
}
# Okabe and Ito's colours, which colour-blind eyes tell apart; the markers differ as well
STYLES: tuple[dict[str, Any], ...] = (
    {"color": "#000000", "marker": "o", "linewidth": 2.0, "zorder": 5},
    {"color": "#0072B2", "marker": "s"},
    {"color": "#56B4E9", "marker": "D", "linestyle": (0, (4, 1.5))},
    {"color": "#009E73", "marker": "^"},
    {"color": "#D55E00", "marker": "v"},
    {"color": "#CC79A7", "marker": "P"},
)
LOOK = {
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "lines.markersize": 3.2,
    "lines.linewidth": 1.1,
    "svg.hashsalt": "clustem",
    "svg.fonttype": "none",
}


def draw(rows: list[Row], score: str) -> Figure:
    """Return the figure of one field of `Scores`; means over seeds and frames."""
    rows = [row for row in rows if not row.recording]
    scenes = distinct(row.scene for row in rows)
    columns = min(COLUMNS, len(scenes))
    lines = -(-len(scenes) // columns)
    figure = Figure(figsize=(SIZE[0] * columns, SIZE[1] * lines + 0.55), layout="constrained")
    panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for panel, scene in zip(panels, scenes, strict=False):
        _draw_scene(panel, [row for row in rows if row.scene == scene], score)
        panel.set_title(TITLES.get(scene, scene))
    for above, panel in zip(panels[len(scenes) - columns :], panels[len(scenes) :], strict=False):
        above.tick_params(labelbottom=True)
        panel.set_visible(False)
    figure.supxlabel("electrons per pattern", fontsize=8)
    figure.supylabel(AXIS[score], fontsize=8)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
    return figure


def _draw_scene(panel: Any, rows: list[Row], score: str) -> None:
    for method, style in zip(METHODS, STYLES, strict=True):
        groups = list(by_scene_and_dose([row for row in rows if row.method == method]))
        values = [mean_scores(group)[Scores._fields.index(score)] for _, _, group in groups]
        panel.plot([dose for _, dose, _ in groups], values, label=NAMES[method], **style)
    panel.set_xscale("log")
    panel.set_ylim(-0.02, 1.02)
    panel.grid(axis="y", linewidth=0.4, color="0.88")


def save(figure: Figure, path: Path) -> None:
    """Write the figure as PNG with 256 colours, which keeps it small, and as SVG beside it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, facecolor="white")
    Image.open(buffer).convert("RGB").quantize(256).save(path.with_suffix(".png"), optimize=True)
    figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})


def plot(rows: list[Row], score: str, path: Path) -> None:
    """Draw the scores and write them to `path` with the endings .png and .svg."""
    with mpl.rc_context(LOOK):
        save(draw(rows, score), path)
