"""What a figure is drawn on: the report, or the page of a journal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from matplotlib import style
from matplotlib.figure import Figure

from clustem.reporting.layout import PAGE_WIDTH, STYLE

P = ParamSpec("P")

MM = 1 / 25.4  # inches
COLUMN, PAGE = 85 * MM, 175 * MM  # widths of one column and of the page of most journals
PIXELS_PER_INCH = 600
PUBLICATION_STYLE: Mapping[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["Arial", "Helvetica", "Liberation Sans", "DejaVu Sans", "sans-serif"],
    "font.size": 7,
    "mathtext.default": "regular",
    "axes.linewidth": 0.5,
    "savefig.dpi": PIXELS_PER_INCH,
    "svg.fonttype": "none",
    "svg.hashsalt": "clustem",
    "image.interpolation": "none",
}


@dataclass(frozen=True, eq=False)
class Sheet:
    """What a figure is drawn on.

    Attributes
    ----------
    width : float
        In inches.
    style : mapping
        Settings of matplotlib.
    ticks : bool
        Whether maps have ticks; they have a scale bar anyway.
    """

    width: float
    style: Mapping[str, Any]
    ticks: bool


_SMALL = {"axes.titlesize": 7, "axes.labelsize": 7, "xtick.labelsize": 6, "ytick.labelsize": 6, "legend.fontsize": 6}
REPORT = Sheet(PAGE_WIDTH, STYLE, True)
PUBLICATION = Sheet(PAGE, {**STYLE, **PUBLICATION_STYLE, **_SMALL}, False)


def drawn_on(plot: Callable[Concatenate[Sheet, P], Figure]) -> Callable[P, Figure]:
    """Return `plot` without its first argument, a sheet: it draws in the style of the report, whatever the settings.

    `publication(plot)` is the same on the page of a journal.
    """

    @wraps(plot)
    def plot_for_report(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with style.context(["default", dict(REPORT.style)]):
            return plot(REPORT, *args, **kwargs)

    return plot_for_report


def publication(plot: Callable[P, Figure]) -> Callable[P, Figure]:
    """Return a plot that was made for the report as one for the page of a journal, 175 mm wide."""
    on_any_sheet: Callable[..., Figure] = plot.__wrapped__  # type: ignore[attr-defined]

    def plot_for_publication(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with style.context(["default", dict(PUBLICATION.style)]):
            return on_any_sheet(PUBLICATION, *args, **kwargs)

    return plot_for_publication
