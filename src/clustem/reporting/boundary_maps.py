"""Figures of the misorientation across boundaries and inside domains."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from clustem.crystallography import (
    PositionMaps,
    grain_reference_orientation_deviation,
    kernel_average_misorientation,
)
from clustem.reporting.charts import BLUE, SIZE
from clustem.reporting.colours import UNASSIGNED
from clustem.reporting.layout import add_colour_bar, colour_range, legend_below, round_locator, scan_panels
from clustem.reporting.maps import draw_contours, number_domains
from clustem.reporting.orientation_colours import NOT_ORIENTED
from clustem.reporting.orientation_maps import paint, whiten_unassigned
from clustem.reporting.sheets import Sheet, drawn_on
from clustem.segmentation import Domains, contours

if TYPE_CHECKING:
    import pandas as pd

FEWEST = 10  # boundaries with an angle for a histogram
_MOST_NAMES = 60
_LEAST_EDGES = 3  # of a boundary that is named
_COLOURS = "viridis"
_INSIDE = (0.97, 0.97, 0.97)
_SURE, _UNSURE = 2.2, 0.9  # widths of lines, points
_BIN_DEG = 5.0
_WIDTH = 6.2  # inches, of the map, unless the scan is wide


@drawn_on
def plot_boundary_map(sheet: Sheet, table: pd.DataFrame, domains: Domains) -> Figure:
    """Draw the boundaries of domains coloured by the misorientation across them, coincidences named.

    Thin lines are boundaries of an ambiguous domain, black ones those between two phases, grey ones those of a domain
    without an orientation.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`clustem.misorientation_table`.
    domains : Domains

    Returns
    -------
    matplotlib.figure.Figure
    """
    labels = domains.labels
    figure, (axes,) = scan_panels(
        ["Misorientation across boundaries"],
        labels.shape,
        domains.calibration,
        colour_bars=True,
        page_width=sheet.width if labels.shape[1] > 2 * labels.shape[0] else min(sheet.width, _WIDTH),
        ticks=sheet.ticks,
    )
    colours = np.ones((domains.number + 1, 4))
    colours[0, :3], colours[1:, :3] = UNASSIGNED, _INSIDE
    paint(axes, colours[labels])
    number_domains(axes, labels, np.tile([0.75, 0.75, 0.75, 1.0], (len(colours), 1)))
    edges, rows = boundary_edges(labels, table)
    angle = table["misorientation_deg"].to_numpy(np.float64)
    norm = Normalize(0.0, max(10.0, float(np.nanmax(angle, initial=0.0))))
    draw_edges(axes, edges, _line_colours(table, norm)[rows], np.where(table["ambiguous"], _UNSURE, _SURE)[rows])
    nothing = np.full(labels.shape, np.nan)  # for the colour bar
    image = axes.imshow(nothing, cmap=_COLOURS, norm=norm, aspect=axes.get_aspect(), origin="upper")
    add_colour_bar(figure, axes, image, angle, "degrees")
    _name_coincidences(axes, table, edges, rows)
    legend_below(figure, _legend(table))
    return figure


def boundary_edges(labels: NDArray[np.integer], table: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the edges of positions (n, 2, 2) between two domains, ends as (x, y), and their rows of the table (n,)."""
    base = int(labels.max(initial=0)) + 1
    known = table["label"].to_numpy(np.int64) * base + table["neighbour"].to_numpy(np.int64)
    parts, rows = [], []
    for one, other, along in ((labels[:, :-1], labels[:, 1:], (1, 0)), (labels[:-1], labels[1:], (0, 1))):
        y, x = np.nonzero((one != other) & (one > 0) & (other > 0))
        key = np.minimum(one, other)[y, x].astype(np.int64) * base + np.maximum(one, other)[y, x]
        end = np.stack([x, y], axis=1) + 0.5
        parts.append(np.stack([end - along[::-1], end], axis=1).astype(np.float64))
        rows.append(np.searchsorted(known, key))
    return np.concatenate(parts), np.concatenate(rows).astype(np.int64)


def draw_edges(
    axes: Axes, edges: NDArray[np.float64], colours: NDArray[np.float64], widths: NDArray[np.float64]
) -> None:
    """Draw edges of positions (n, 2, 2), each with its colour (n, 4) and width (n,) in points."""
    lines = LineCollection(list(edges), colors=colours, linewidths=widths, capstyle="projecting")
    axes.add_collection(lines, autolim=False)


def _line_colours(table: pd.DataFrame, norm: Normalize) -> NDArray[np.float64]:
    colours = colormaps[_COLOURS](norm(table["misorientation_deg"].to_numpy(np.float64)))
    both = (table["phase"] != "") & (table["neighbour_phase"] != "")
    colours[both & (table["phase"] != table["neighbour_phase"])] = (0, 0, 0, 1)
    colours[~both] = (0.6, 0.6, 0.6, 1)
    return np.asarray(colours, np.float64)


def _name_coincidences(axes: Axes, table: pd.DataFrame, edges: NDArray[np.float64], rows: NDArray[np.int64]) -> None:
    """Write the names of coincidences at the middle of their boundaries, the longest ones first."""
    named = table[(table["coincidence"] != "") & (table["edges"] >= _LEAST_EDGES)]
    halo = [withStroke(linewidth=2, foreground="white")]
    for row in named.sort_values("length_positions", ascending=False, kind="stable").index[:_MOST_NAMES]:
        middles = edges[rows == row].mean(axis=1)
        x, y = middles[np.argmin(((middles - middles.mean(axis=0)) ** 2).sum(axis=1))]
        name = str(table.loc[row, "coincidence"])
        axes.text(x, y, name, fontsize=6.5, ha="center", va="center", path_effects=halo, clip_on=True)


def _legend(table: pd.DataFrame) -> list[Line2D]:
    """Return what lines mean, as far as they occur."""
    both = (table["phase"] != "") & (table["neighbour_phase"] != "")
    handles = []
    if (both & table["ambiguous"] & (table["phase"] == table["neighbour_phase"])).any():
        handles.append(Line2D([], [], color="0.3", linewidth=_UNSURE, label="of an ambiguous domain"))
    if (both & (table["phase"] != table["neighbour_phase"])).any():
        handles.append(Line2D([], [], color="black", linewidth=_SURE, label="between phases"))
    if (~both).any():
        handles.append(Line2D([], [], color="0.6", linewidth=_SURE, label="no orientation"))
    return handles


@drawn_on
def plot_misorientation_histogram(sheet: Sheet, table: pd.DataFrame) -> Figure:
    """Draw how much boundary has which misorientation, that of ambiguous domains paler.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`clustem.misorientation_table`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title("Misorientation" if sheet.ticks else "", loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    name = "length_nm" if "length_nm" in table else "length_positions"
    known = table[np.isfinite(table["misorientation_deg"])]
    high = max(30.0, float(known["misorientation_deg"].max())) if len(known) else 30.0
    bins = np.arange(0.0, high + 1.01 * _BIN_DEG, _BIN_DEG)  # 60° is a usual angle, not to be lost at an edge
    unsure = known["ambiguous"].to_numpy(bool)
    parts = [known[~unsure], known[unsure]]
    axes.hist(
        [part["misorientation_deg"] for part in parts],
        bins=bins.tolist(),
        weights=[part[name] for part in parts],
        stacked=True,
        color=[BLUE, (*BLUE, 0.35)],
        edgecolor="white",
        linewidth=0.5,
        label=["boundaries", "of an ambiguous domain"],
    )
    axes.set(
        xlabel="degrees", ylabel="length (nm)" if name == "length_nm" else "length (positions)", xlim=(0, bins[-1])
    )
    axes.xaxis.set_major_locator(round_locator(6))
    axes.yaxis.set_major_locator(round_locator(6))
    if unsure.any():
        axes.legend(loc="upper left")
    return figure


@drawn_on
def plot_internal_misorientation(sheet: Sheet, maps: PositionMaps, domains: Domains) -> Figure:
    """Draw the misorientation of every position to its neighbours (KAM), to the mean of its domain, and its error.

    Parameters
    ----------
    maps : PositionMaps
    domains : Domains

    Returns
    -------
    matplotlib.figure.Figure
    """
    images = {
        "To neighbours (KAM)": kernel_average_misorientation(maps.rotation, domains.labels),
        "To the mean (GROD)": grain_reference_orientation_deviation(maps.rotation, domains.labels),
        "Standard error of the tilt": maps.angle_error_out_of_plane_deg,
    }
    figure, panels = scan_panels(
        list(images),
        domains.labels.shape,
        domains.calibration,
        colour_bars=True,
        most_columns=3,
        page_width=sheet.width,
        ticks=sheet.ticks,
    )
    outlines = contours(domains)
    for axes, values in zip(panels, images.values(), strict=True):
        colours = colormaps[_COLOURS].with_extremes(bad=NOT_ORIENTED)
        high = max(colour_range(values)[1], 0.01)
        image = axes.imshow(values, cmap=colours, vmin=0, vmax=high, aspect=axes.get_aspect(), origin="upper")
        whiten_unassigned(axes, domains.labels)
        add_colour_bar(figure, axes, image, values, "degrees")
        draw_contours(axes, outlines, np.tile([1.0, 1.0, 1.0, 1.0], (domains.number + 1, 1)))
    return figure
