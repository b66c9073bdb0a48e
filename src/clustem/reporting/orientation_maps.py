"""Figures of orientations and phases on the scan."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path as Outline
from numpy.typing import NDArray

from clustem.crystallography import Crystal, Orientations
from clustem.reporting.colours import PALETTE, UNASSIGNED
from clustem.reporting.layout import add_axes, add_colour_bar, legend_below, scan_panels
from clustem.reporting.maps import draw_contours, number_domains
from clustem.reporting.orientation_colours import NOT_ORIENTED, SAMPLE_AXES, draw_key, orientation_colours
from clustem.reporting.sheets import Sheet, drawn_on
from clustem.segmentation import Domains, contours

HATCH = "//////"
AMBIGUOUS = "ambiguous orientation"
_TITLES = {"z": "Along z (beam)", "x": "Along x (right)", "y": "Along y (down)"}


@drawn_on
def plot_orientation_maps(sheet: Sheet, orientations: Orientations, domains: Domains) -> Figure:
    """Draw which direction of its crystal each domain has along the beam, along x and along y, with the colour keys.

    Ambiguous domains are hatched, those without an orientation grey, unassigned positions light grey. The numbers of
    the domains are on the first map.

    Parameters
    ----------
    orientations : Orientations
    domains : Domains

    Returns
    -------
    matplotlib.figure.Figure
    """
    labels = domains.labels
    figure, panels = scan_panels(
        [*_TITLES.values(), ""],
        labels.shape,
        domains.calibration,
        colour_bars=False,
        page_width=sheet.width,
        ticks=sheet.ticks,
    )
    outlines, unsure = contours(domains), orientations.ambiguous & orientations.found
    for axes, name in zip(panels, _TITLES, strict=False):
        colours = orientation_colours(orientations, SAMPLE_AXES[name])
        paint(axes, colours[labels])
        draw_contours(axes, outlines, np.tile([0.1, 0.1, 0.1, 1.0], (len(colours), 1)))
        hatch(axes, domains, unsure)
        if name == "z":
            number_domains(axes, labels, colours, unsure)
    _draw_keys(figure, panels[-1], orientations)
    legend_below(figure, map_legend(orientations, domains))
    return figure


def _draw_keys(figure: Figure, panel: Axes, orientations: Orientations) -> None:
    """Put the keys of all phases that were found in the place of a panel."""
    left, top, width, height = _place(figure, panel)
    panel.remove()
    found = [crystal for crystal in orientations.crystals if (orientations.phase == crystal.name).any()]
    columns = max(1, min(len(found), round(np.sqrt(len(found) * width / height))))
    rows = -(-len(found) // columns)
    for number, crystal in enumerate(found):
        row, column = divmod(number, columns)
        cell = width / columns, height / rows
        size = max(min(cell[0] - 0.3, cell[1] - 0.35, 2.8), 0.3)
        axes = add_axes(figure, left + (column + 0.5) * cell[0] - size / 2, top + row * cell[1] + 0.2, size, size)
        draw_key(axes, crystal)
        axes.set_title(crystal.name, fontsize=8, pad=8)


def map_legend(orientations: Orientations, domains: Domains) -> list[Patch]:
    """Return what hatching and greys mean, as far as they occur."""
    handles = []
    if (orientations.ambiguous & orientations.found).any():
        handles.append(Patch(facecolor="white", edgecolor="black", hatch=HATCH, linewidth=0.5, label=AMBIGUOUS))
    if not orientations.found.all():
        handles.append(Patch(facecolor=NOT_ORIENTED, edgecolor="black", linewidth=0.5, label="no orientation"))
    if (domains.labels == 0).any():
        handles.append(Patch(facecolor=UNASSIGNED, edgecolor="black", linewidth=0.5, label="unassigned"))
    return handles


@drawn_on
def plot_phase_map(sheet: Sheet, orientations: Orientations, domains: Domains) -> Figure:
    """Draw the phase of each domain and how sure it is, how sure the orientation is, and the error of its tilt.

    With a single crystal the map of phases says where it is, and there is no reliability.

    Parameters
    ----------
    orientations : Orientations
    domains : Domains

    Returns
    -------
    matplotlib.figure.Figure
    """
    several = len(orientations.crystals) > 1
    numbers = [("Probability of the orientation", orientations.probability, "probability", 1.0)]
    if several:
        numbers.insert(0, ("Reliability of the phase", orientations.reliability, "reliability", 1.0))
    error = orientations.angle_error_out_of_plane_deg
    error = np.where(np.isfinite(error), error, np.nan)
    numbers.append(("Standard error of the tilt", error, "degrees", _largest_of(error)))
    labels = domains.labels
    figure, panels = scan_panels(
        [*(["Phase"] if several else []), *(title for title, *_ in numbers)],
        labels.shape,
        domains.calibration,
        colour_bars=True,
        page_width=sheet.width,
        ticks=sheet.ticks,
    )
    outlines = contours(domains)
    colours = colormaps["cividis"].with_extremes(bad=NOT_ORIENTED)
    if several:
        _draw_phases(panels[0], orientations, domains)
    for axes, (_, values, unit, high) in zip(panels[several:], numbers, strict=True):
        shown = value_image(values, labels)
        image = axes.imshow(shown, cmap=colours, vmin=0, vmax=high, aspect=axes.get_aspect(), origin="upper")
        whiten_unassigned(axes, labels)
        add_colour_bar(figure, axes, image, shown, unit)
    for axes in panels:
        draw_contours(axes, outlines, np.tile([0.1, 0.1, 0.1, 1.0], (domains.number + 1, 1)))
    return figure


def phase_colours(crystals: Sequence[Crystal]) -> NDArray[np.float64]:
    """Return one colour (n, 3) per crystal."""
    number = np.arange(len(crystals))
    darker = 0.5 ** (number // len(PALETTE))
    return np.asarray(PALETTE[number % len(PALETTE)] * darker[:, None], np.float64)


def _draw_phases(axes: Axes, orientations: Orientations, domains: Domains) -> None:
    colours = np.ones((domains.number + 1, 4))
    colours[0, :3], colours[1:, :3] = UNASSIGNED, NOT_ORIENTED
    handles = []
    for crystal, colour in zip(orientations.crystals, phase_colours(orientations.crystals), strict=True):
        members = np.flatnonzero(orientations.phase == crystal.name) + 1
        colours[members, :3] = colour
        share = np.isin(domains.labels, members).mean()
        handles.append(Patch(facecolor=colour, edgecolor="black", linewidth=0.5, label=f"{crystal.name}\n{share:.0%}"))
    if not orientations.found.all():
        handles.append(Patch(facecolor=NOT_ORIENTED, edgecolor="black", linewidth=0.5, label="none"))
    paint(axes, colours[domains.labels])
    number_domains(axes, domains.labels, colours)
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2, handlelength=1.2)


def paint(axes: Axes, colours: NDArray[np.float64]) -> None:
    """Show an image (scan_y, scan_x, 4) of colours on a panel."""
    axes.imshow(np.rint(255 * colours).astype(np.uint8), aspect=axes.get_aspect(), origin="upper")


def value_image(values: NDArray[np.float64], labels: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the value of the domain at every position; NaN where there is none."""
    image: NDArray[np.float64] = np.append(np.nan, values)[labels]
    return image


def whiten_unassigned(axes: Axes, labels: NDArray[np.integer]) -> None:
    """Lay the grey of unassigned positions over an image."""
    cover = np.zeros((*labels.shape, 4))
    cover[labels == 0] = (*UNASSIGNED, 1.0)
    paint(axes, cover)


def hatch(axes: Axes, domains: Domains, which: NDArray[np.bool_], pattern: str = HATCH) -> None:
    """Hatch domains; `which` (K,) says which ones."""
    outlines = contours(domains)
    lines = [line for label in (np.flatnonzero(which) + 1).tolist() for line in outlines.get(label, [])]
    if lines:
        areas = Outline.make_compound_path(*(Outline(line[:, ::-1], closed=True) for line in lines))
        axes.add_patch(PathPatch(areas, facecolor="none", edgecolor=(0, 0, 0, 0.75), hatch=pattern, linewidth=0))


def _place(figure: Figure, axes: Axes) -> tuple[float, float, float, float]:
    """Return left, top, width and height of axes in inches from the upper left corner of the figure."""
    width, height = figure.get_size_inches()
    box = axes.get_position()
    return box.x0 * width, (1 - box.y1) * height, box.width * width, box.height * height


def _largest_of(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(max(known.max(), 0.1)) if known.size else 1.0
