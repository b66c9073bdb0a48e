"""Style, size and place of the panels of a figure; scale bars and colour bars."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from functools import wraps
from typing import ParamSpec

import numpy as np
from matplotlib import colormaps, style
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.offsetbox import AnchoredOffsetbox, AuxTransformBox, HPacker, TextArea
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import EngFormatter, MaxNLocator, ScalarFormatter
from matplotlib.transforms import blended_transform_factory
from numpy.typing import NDArray

from clustem.calibration import Calibration

P = ParamSpec("P")

PAGE_WIDTH = 10.4  # inches; the report shows 100 CSS px per inch
PANEL_HEIGHT = 4.3  # inches, the most an image may have
MOST_ELONGATED = 10.0  # beyond this ratio of sides the short side is stretched, or it would be a hairline
LEGEND_ENTRY = (1.9, 0.17)  # width and height in inches
LETTER = 0.07  # inches, of a title
MISSING = "#e8384f"  # no value; occurs in none of the colour maps used
STYLE = {
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8,
    "axes.linewidth": 0.6,
    "axes.titlepad": 4,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "axes.unicode_minus": True,
}


def styled(plot: Callable[P, Figure]) -> Callable[P, Figure]:
    """Make `plot` draw in the report's style whatever the user's matplotlib settings are."""

    @wraps(plot)
    def plot_in_style(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with style.context(["default", STYLE]):
            return plot(*args, **kwargs)

    return plot_in_style


def scan_panels(
    titles: Sequence[str],
    shape: tuple[int, int],
    calibration: Calibration,
    *,
    colour_bars: bool,
    most_columns: int = 2,
    page_width: float = PAGE_WIDTH,
    ticks: bool = True,
) -> tuple[Figure, list[Axes]]:
    """Return a figure with one panel per title for images of a scan, each with its scale bar below.

    Panels have the shape of the scanned area, taken from the scan step where it is known. They stand in one column
    for wide scans, in `most_columns` for others, two columns becoming four for tall ones. Sides more unequal than 10:1
    are stretched to that, which the title then says. Axes count scan positions, origin upper left; without `ticks` they
    do not.
    """
    step_y, step_x = calibration.scan_step_yx_nm or (1.0, 1.0)
    true = shape[0] * step_y / (shape[1] * step_x)
    ratio = float(np.clip(true, 1 / MOST_ELONGATED, MOST_ELONGATED))
    if not math.isclose(ratio, true):
        short, times = ("y", ratio / true) if ratio > true else ("x", true / ratio)
        titles = [f"{title}\n{short} stretched {times:.3g}×" for title in titles]
    left = 0.75 if ratio >= 2.5 else 0.42 if ticks else 0.1  # the text of the scale bar is left of it
    fitting = max(1, int(page_width / (left + LETTER * _letters(titles))))
    tall = most_columns if most_columns > 2 else 4
    columns = min(len(titles), fitting, 1 if ratio < 0.4 else most_columns if ratio < 2.5 else tall)
    right = 0.72 if colour_bars else 0.15
    figure, panels = panel_grid(titles, ratio, columns=columns, left=left, right=right, page_width=page_width)
    for axes in panels:
        axes.set_xlim(-0.5, shape[1] - 0.5)
        axes.set_ylim(shape[0] - 0.5, -0.5)
        axes.set_aspect(ratio * shape[1] / shape[0])
        if ticks:
            whole_ticks(axes)
        else:
            axes.set(xticks=[], yticks=[])
        draw_scale_bar(axes, shape[1], calibration.scan_step_yx_nm)
    return figure, panels


def panel_grid(
    titles: Sequence[str],
    ratio: float,
    *,
    columns: int,
    left: float,
    right: float,
    page_width: float = PAGE_WIDTH,
) -> tuple[Figure, list[Axes]]:
    """Return a figure with one panel per title, `columns` in a row, of height = `ratio` × width.

    `left` and `right` of every panel so much is free, in inches; narrow panels get more, for their titles.
    """
    top, bottom = 0.26 + 0.14 * max(title.count("\n") for title in titles), 0.46
    width = min(page_width / columns - left - right, PANEL_HEIGHT / ratio)
    height = width * ratio
    rows = -(-len(titles) // columns)
    cell = (left + max(width + right, LETTER * _letters(titles)), top + height + bottom)
    figure = Figure(figsize=(columns * cell[0], rows * cell[1]))
    panels = []
    for index, title in enumerate(titles):
        row, column = divmod(index, columns)
        axes = add_axes(figure, column * cell[0] + left, row * cell[1] + top, width, height)
        axes.set_title(title, loc="left")
        panels.append(axes)
    return figure, panels


def _letters(titles: Sequence[str]) -> int:
    """Return the number of letters of the longest line; of mathematics only what is between the braces."""
    plain = [re.sub(r"\$[^{$]*\{?([^}$]*)\}?\$", r"\1 ", title) for title in titles]
    return max(len(line) for title in plain for line in title.split("\n"))


def add_axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Add axes with the place of their upper left corner and their size given in inches from the figure's."""
    full_width, full_height = figure.get_size_inches()
    bottom = full_height - top - height
    return figure.add_axes((left / full_width, bottom / full_height, width / full_width, height / full_height))


def legend_below(figure: Figure, handles: Sequence[Artist]) -> None:
    """Make the figure taller by what a legend below everything needs, and draw it there."""
    if not handles:
        return
    width, height = figure.get_size_inches()
    columns = max(1, int(width / LEGEND_ENTRY[0]))
    room = LEGEND_ENTRY[1] * -(-len(handles) // columns)
    for axes in figure.axes:
        box = axes.get_position()
        bottom = (box.y0 * height + room) / (height + room)
        axes.set_position((box.x0, bottom, box.width, box.height * height / (height + room)))
    figure.set_size_inches(width, height + room)
    figure.legend(handles=handles, loc="lower left", ncols=columns, borderaxespad=0.2, handlelength=1.6)


def whole_ticks(axes: Axes) -> None:
    """Put a few ticks at whole numbers on both axes, about two per inch."""
    for axis, inches in zip((axes.xaxis, axes.yaxis), _inches(axes), strict=True):
        axis.set_major_locator(round_locator(max(1, min(8, round(2 * inches))), whole=True))


def round_locator(number: int, *, whole: bool = False) -> MaxNLocator:
    """Return a locator of up to `number` steps of 1, 2 or 5 times a power of ten, of at least 1 for `whole` numbers."""
    return MaxNLocator(nbins=number, steps=[1, 2, 5, 10], integer=whole, min_n_ticks=1 if whole else 2)


def scale_bar_length(width: float) -> float:
    """Return the round number, 1, 2 or 5 times a power of ten, nearest in ratio to 0.22 × `width`.

    Examples
    --------
    >>> scale_bar_length(100.0), scale_bar_length(16.0), scale_bar_length(0.9)
    (20.0, 5.0, 0.2)
    """
    wanted = 0.22 * width
    decade = math.floor(math.log10(wanted))
    candidates = [float(f"{digit}e{power}") for power in (decade, decade + 1) for digit in (1, 2, 5)]
    return min(candidates, key=lambda length: abs(math.log(length / wanted)))


def draw_scale_bar(axes: Axes, positions: int, step_yx_nm: tuple[float, float] | None) -> None:
    """Draw a bar below a scan image, of a round length along x in nm, or in positions where the step is not known."""
    if step_yx_nm is None:
        length = max(1.0, scale_bar_length(positions))
        text = "1 position" if length == 1 else f"{length:g} positions"
    else:
        nm = scale_bar_length(positions * step_yx_nm[1])
        length, text = nm / step_yx_nm[1], f"{nm / 1000:g} µm" if nm >= 1000 else f"{nm:g} nm"
    add_bar(axes, length, text, below=True)


def add_bar(axes: Axes, length: float, text: str, *, below: bool) -> None:
    """Add a bar of `length`, in units of the x axis, with `text` left of it.

    It is black, below the axes and their ticks, or white inside them in the lower left corner.
    """
    colour = "black" if below else "white"
    box = AuxTransformBox(blended_transform_factory(axes.transData, axes.figure.dpi_scale_trans))
    box.add_artist(Rectangle((0, 0), length, 0.03, facecolor=colour, edgecolor="none"))
    halo = [] if below else [withStroke(linewidth=1.5, foreground="black")]
    label = TextArea(text, textprops={"fontsize": 7, "color": colour, "path_effects": halo})
    packed = HPacker(children=[label, box], align="center", pad=0, sep=3)
    anchored = AnchoredOffsetbox(
        "upper right" if below else "lower left",
        child=packed,
        pad=0,
        borderpad=0 if below else 0.5,
        frameon=False,
        bbox_to_anchor=(1.0, -0.22 / _inches(axes)[1]) if below else None,
        bbox_transform=axes.transAxes if below else None,
    )
    anchored.set_clip_on(False)
    axes.add_artist(anchored)


def _inches(axes: Axes) -> tuple[float, float]:
    """Return width and height of axes in inches."""
    box = axes.get_window_extent()
    return box.width / axes.figure.dpi, box.height / axes.figure.dpi


def add_colour_bar(figure: Figure, axes: Axes, image: AxesImage, values: NDArray[np.floating], unit: str) -> None:
    """Add a colour bar right of a panel, with pointed ends where `values` go beyond its range."""
    finite = values[np.isfinite(values)]
    low, high = image.get_clim()
    below, above = bool((finite < low).any()), bool((finite > high).any())
    extend = {(True, True): "both", (True, False): "min", (False, True): "max"}.get((below, above), "neither")
    place, (width, height) = axes.get_position(), figure.get_size_inches()
    bar_axes = figure.add_axes((place.x1 + 0.06 / width, place.y0, 0.1 / width, place.height))
    bar = figure.colorbar(image, cax=bar_axes, extend=extend, extendfrac=0.03)
    bar.outline.set_linewidth(0.5)
    if image.norm.__class__.__name__ == "Normalize":
        bar.locator = round_locator(max(2, min(7, round(2.5 * place.height * height))))
        bar.formatter = EngFormatter(sep="") if max(abs(low), abs(high)) >= 1e4 else ScalarFormatter(useOffset=False)
        bar.update_ticks()
    bar.set_label(unit, fontsize=7, labelpad=2)


def colour_map(name: str) -> Colormap:
    """Return a colour map that shows missing values in the report's colour for them."""
    return colormaps[name].with_extremes(bad=MISSING)


def colour_range(values: NDArray[np.floating]) -> tuple[float, float]:
    """Return the 0.1 and 99.9 percentiles of the finite values, kept apart where they are equal."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 0.0, 1.0
    low, high = (float(edge) for edge in np.percentile(finite, [0.1, 99.9]))
    margin = 1e-6 * max(abs(low), abs(high), 1e-6)
    return (low, high) if high - low > margin else (low - 1e3 * margin, high + 1e3 * margin)
