"""Figures for publication: the width of a column, plain type, text that can be edited in the SVG."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.path import Path as Outline

from clustem.calibration import Calibration
from clustem.reporting.colours import UNASSIGNED, domain_colours
from clustem.reporting.crystallography import crystallography_figures
from clustem.reporting.gallery import brightest, outside_beam
from clustem.reporting.layout import MOST_ELONGATED, add_axes, scale_bar_length
from clustem.reporting.maps import draw_contours, draw_image, number_domains
from clustem.reporting.sheets import COLUMN, MM, PAGE, PUBLICATION_STYLE, publication
from clustem.results import Results
from clustem.segmentation import polygons

P = ParamSpec("P")

TALLEST = 200 * MM
PATTERNS = 12


def _plain(plot: Callable[P, Figure]) -> Callable[P, Figure]:
    """Make `plot` draw in the style of publications whatever the user's matplotlib settings are."""

    @wraps(plot)
    def plot_plainly(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with style.context(["default", dict(PUBLICATION_STYLE)]):
            return plot(*args, **kwargs)

    return plot_plainly


@_plain
def publication_map(results: Results) -> Figure:
    """Draw the domains, numbered, one column (85 mm) wide, as areas that a drawing program can edit.

    Outlines are smooth. Each area of the SVG has the id `domain-1` and so on. Unassigned positions are light grey.

    Parameters
    ----------
    results : Results

    Returns
    -------
    matplotlib.figure.Figure
    """
    labels = results.domains.labels
    figure, axes = _scan_axes(labels.shape, results.domains.calibration)
    axes.set_facecolor(UNASSIGNED)
    colours = domain_colours(labels)
    for label, parts in polygons(results.domains).items():
        areas = Outline.make_compound_path(*(Outline(line[:, ::-1], closed=True) for part in parts for line in part))
        patch = PathCollection([areas], facecolor=colours[label], edgecolor="black", linewidth=0.5)
        patch.set_gid(f"domain-{label}")
        axes.add_collection(patch, autolim=False)
    number_domains(axes, labels, colours)
    _scan_bar(axes, labels.shape, results.domains.calibration)
    return figure


@_plain
def publication_outlines(results: Results) -> Figure:
    """Draw the smooth outlines over the annular dark field, or the total intensity without one, 85 mm wide.

    Parameters
    ----------
    results : Results

    Returns
    -------
    matplotlib.figure.Figure
    """
    survey, labels = results.survey, results.domains.labels
    figure, axes = _scan_axes(labels.shape, results.domains.calibration)
    image = survey.annular_dark_field if np.isfinite(survey.annular_dark_field).any() else survey.total
    draw_image(axes, image, survey.dead_positions, "gray")
    draw_contours(axes, results.contours, domain_colours(labels))
    _scan_bar(axes, labels.shape, results.domains.calibration)
    return figure


@_plain
def publication_averages(results: Results) -> Figure:
    """Draw the averages of the twelve largest domains, four in a row, 175 mm wide.

    Square root of the counts per pixel, from 0 to the 99.5 percentile outside 1.5 times the radius of the direct beam.

    Parameters
    ----------
    results : Results
        With at least one domain.

    Returns
    -------
    matplotlib.figure.Figure
    """
    averages = results.averages
    largest = np.argsort(-averages.positions, kind="stable")[:PATTERNS]
    columns = min(4, largest.size)
    gap, above = 1.5 * MM, 4 * MM
    width = PAGE / 4 - gap
    height = width * float(np.clip(averages.patterns.shape[1] / averages.patterns.shape[2], 0.25, 4.0))
    rows = -(-largest.size // columns)
    figure = Figure(figsize=(columns * (width + gap), rows * (above + height) + 5 * MM))
    outside = outside_beam(results)
    for place, index in enumerate(largest.tolist()):
        row, column = divmod(place, columns)
        top = row * (above + height) + above
        axes = add_axes(figure, column * (width + gap) + gap / 2, top, width, height)
        norm = PowerNorm(0.5, 0.0, brightest(averages.patterns[index], outside), clip=True)
        axes.imshow(averages.patterns[index].astype(np.float64), cmap="gray", norm=norm, origin="upper", aspect="auto")
        axes.set_axis_off()
        positions = int(averages.positions[index])
        text = f"{index + 1}: {positions:,} position{'' if positions == 1 else 's'}"
        axes.text(0, 1 + 1 * MM / height, text, transform=axes.transAxes)
        if row == rows - 1 and column == 0:
            _pattern_bar(axes, averages.patterns.shape[2], results.domains.calibration)
    return figure


def write_figures(results: Results, folder: Path) -> None:
    """Write every figure as SVG and PNG (600 pixels per inch) into the folder `figures`; the same bytes every time."""
    (folder / "figures").mkdir()
    for name, figure in _figures(results):
        with style.context(["default", dict(PUBLICATION_STYLE)]):
            figure.savefig(folder / "figures" / f"{name}.svg", metadata={"Date": None, "Creator": "clustem"})
            figure.savefig(folder / "figures" / f"{name}.png", metadata={"Software": "clustem"})


def _figures(results: Results) -> Iterator[tuple[str, Figure]]:
    """Make the figures one after the other, those that have something to show."""
    yield "domains", publication_map(results)
    yield "outlines", publication_outlines(results)
    if len(results.averages.patterns):
        yield "averages", publication_averages(results)
    yield from crystallography_figures(results, publication)


def _scan_axes(shape: tuple[int, int], calibration: Calibration) -> tuple[Figure, Axes]:
    """Return axes that fill the width of a column but for the line below them, which has the scale bar."""
    step_y, step_x = calibration.scan_step_yx_nm or (1.0, 1.0)
    true = shape[0] * step_y / (shape[1] * step_x)
    ratio = float(np.clip(true, 1 / MOST_ELONGATED, MOST_ELONGATED))
    margin, below = 0.5 * MM, 5 * MM
    width = min(COLUMN - 2 * margin, TALLEST / ratio)
    figure = Figure(figsize=(width + 2 * margin, width * ratio + margin + below))
    axes = add_axes(figure, margin, margin, width, width * ratio)
    axes.set(xticks=[], yticks=[], xlim=(-0.5, shape[1] - 0.5), ylim=(shape[0] - 0.5, -0.5))
    axes.set_aspect(ratio * shape[1] / shape[0])
    return figure, axes


def _scan_bar(axes: Axes, shape: tuple[int, int], calibration: Calibration) -> None:
    """Draw a scale bar of a round length along x below the scan."""
    step = calibration.scan_step_yx_nm
    if step is None:
        length = max(1.0, scale_bar_length(shape[1]))
        _bar(axes, length / shape[1], "1 position" if length == 1 else f"{length:g} positions")
    else:
        nm = scale_bar_length(shape[1] * step[1])
        _bar(axes, nm / step[1] / shape[1], f"{nm / 1000:g} µm" if nm >= 1000 else f"{nm:g} nm")


def _pattern_bar(axes: Axes, columns: int, calibration: Calibration) -> None:
    """Draw a scale bar below a pattern, in 1/Å or px."""
    pixel = calibration.inv_angstrom_per_px
    length = scale_bar_length(columns * (pixel or 1.0))
    _bar(axes, length / (pixel or 1.0) / columns, f"{length:g} Å$^{{-1}}$" if pixel else f"{length:g} px")


def _bar(axes: Axes, share: float, text: str) -> None:
    """Draw a bar of this share of the axes' width below them, and `text` beside it."""
    low = -2.5 * MM / (axes.get_window_extent().height / axes.figure.dpi)
    line: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False, "color": "black", "solid_capstyle": "butt"}
    axes.plot([0, share], [low, low], linewidth=1.5, **line)
    axes.text(share, low, f"  {text}", transform=axes.transAxes, va="center_baseline")
