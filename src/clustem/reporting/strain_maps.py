"""Figures of strain on the scan."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from numpy.typing import NDArray

from clustem.crystallography import PositionMaps, Strain
from clustem.reporting.layout import add_colour_bar, legend_below, scan_panels
from clustem.reporting.maps import draw_contours
from clustem.reporting.orientation_colours import NOT_ORIENTED
from clustem.reporting.orientation_maps import HATCH, hatch, value_image, whiten_unassigned
from clustem.reporting.sheets import Sheet, drawn_on
from clustem.segmentation import Domains, contours

Array = NDArray[np.float64]

SIGNIFICANT = 2.0  # standard errors below which a strain is not told from 0
_NAMES = {"e_xx": "$e_{xx}$", "e_yy": "$e_{yy}$", "e_xy": "$e_{xy}$", "omega": r"Rotation $\omega$"}
_COLOURS = "RdBu_r"
_FRAME = (0.32, 0.52)  # inches, least and largest side of the square that the sample frame is drawn on
_MOST_OUTSTANDING = 2.0  # largest value over the 90th percentile up to which the colours reach it


@drawn_on
def plot_strain_maps(sheet: Sheet, strain: Strain | PositionMaps, domains: Domains) -> Figure:
    """Draw the components of the strain and, below each, its standard error; the rotation too where there is one.

    Tension is red, compression blue, and all components have the same colours. Domains are hatched where the value is
    less than two standard errors; what has no strain is grey. Maps of positions are not hatched: noise would be.

    Parameters
    ----------
    strain : Strain or PositionMaps
    domains : Domains

    Returns
    -------
    matplotlib.figure.Figure
    """
    groups: list[tuple[str, ...]] = [("e_xx", "e_yy", "e_xy")]
    if np.isfinite(strain.omega).any():
        groups.append(("omega",))
    titles = [
        title
        for group in groups
        for title in (*(_NAMES[name] for name in group), *(f"Standard error of {_lower(name)}" for name in group))
    ]
    figure, panels = scan_panels(
        titles,
        domains.labels.shape,
        domains.calibration,
        colour_bars=True,
        most_columns=3,
        page_width=sheet.width,
        ticks=sheet.ticks,
    )
    left = list(panels)
    for group in groups:
        _draw_group(figure, [left.pop(0) for _ in range(2 * len(group))], group, strain, domains)
    outlines = contours(domains)
    for axes in panels:
        draw_contours(axes, outlines, np.tile([0.1, 0.1, 0.1, 1.0], (domains.number + 1, 1)))
    draw_frame(panels[0])
    legend_below(figure, _legend(strain))
    return figure


def _draw_group(
    figure: Figure, panels: list[Axes], group: tuple[str, ...], strain: Strain | PositionMaps, domains: Domains
) -> None:
    """Draw the values of some components, and their standard errors, each kind on one scale."""
    scale, unit = (np.rad2deg(1.0), "degrees") if group == ("omega",) else (100.0, "%")
    values = scale * np.stack([getattr(strain, name) for name in group])
    errors = scale * np.stack([getattr(strain, f"{name}_error") for name in group])
    limit, worst = largest_shown(values), largest_shown(errors)
    for axes, value, error in zip(panels, values, errors, strict=False):
        _draw(figure, axes, value, domains, _COLOURS, (-limit, limit), unit)
        if isinstance(strain, Strain):
            hatch(axes, domains, np.abs(value) < SIGNIFICANT * error)
    for axes, error in zip(panels[len(group) :], errors, strict=True):
        _draw(figure, axes, error, domains, "viridis", (0.0, worst), unit)


def _legend(strain: Strain | PositionMaps) -> list[Patch]:
    """Return what hatching and grey mean, as far as they occur."""
    handles = []
    if isinstance(strain, Strain):
        faint: dict[str, Any] = {"facecolor": "white", "edgecolor": "black", "linewidth": 0.5}
        handles.append(Patch(hatch=HATCH, label=f"below {SIGNIFICANT:g} standard errors", **faint))
    if not strain.measured.all():
        handles.append(Patch(facecolor=NOT_ORIENTED, edgecolor="black", linewidth=0.5, label="no strain"))
    return handles


def _lower(name: str) -> str:
    return _NAMES[name].replace("Rotation", "rotation")


def _draw(
    figure: Figure,
    axes: Axes,
    values: Array,
    domains: Domains,
    name: str,
    limits: tuple[float, float],
    unit: str,
) -> None:
    """Show a value per domain (K,) or position (scan_y, scan_x), grey where there is none, with its colour bar."""
    shown = value_image(values, domains.labels) if values.ndim == 1 else values
    colours = colormaps[name].with_extremes(bad=NOT_ORIENTED)
    image = axes.imshow(shown, cmap=colours, vmin=limits[0], vmax=limits[1], aspect=axes.get_aspect(), origin="upper")
    whiten_unassigned(axes, domains.labels)
    add_colour_bar(figure, axes, image, shown, unit)


def largest_shown(values: Array) -> float:
    """Return the size that gets the last colour: the largest, but at most twice that of nine tenths of the values.

    Examples
    --------
    >>> largest_shown(np.array([0.5, -1.0, np.nan])), largest_shown(np.full(3, np.nan))
    (1.0, 1.0)
    """
    size = np.abs(values[np.isfinite(values)])
    if not size.size or not size.max() > 0:
        return 1.0
    limit = min(size.max(), _MOST_OUTSTANDING * np.percentile(size, 90))
    return float(limit if limit > 0 else size.max())


def draw_frame(axes: Axes) -> None:
    """Draw the sample frame into the upper left corner of a map: x right, y down, z along the beam, away from us."""
    box = axes.get_window_extent()
    width, height = box.width / axes.figure.dpi, box.height / axes.figure.dpi
    side = float(np.clip(0.25 * min(width, height), *_FRAME))
    x, y = side / width, side / height
    axes.add_patch(Rectangle((0, 1 - y), x, y, transform=axes.transAxes, color="white", alpha=0.85, zorder=4))
    arrow = {"arrowstyle": "-|>", "linewidth": 1, "color": "black", "shrinkA": 0, "shrinkB": 0, "mutation_scale": 7}
    write: dict[str, Any] = {"transform": axes.transAxes, "fontsize": 7, "va": "center", "ha": "center", "zorder": 5}
    start = 0.22 * x, 1 - 0.22 * y
    for end, place, text in (
        ((0.72 * x, start[1]), (0.87 * x, start[1]), "x"),
        ((start[0], 1 - 0.72 * y), (start[0], 1 - 0.87 * y), "y"),
    ):
        axes.annotate("", end, start, xycoords="axes fraction", arrowprops=arrow, zorder=5)
        axes.text(*place, text, **write)
