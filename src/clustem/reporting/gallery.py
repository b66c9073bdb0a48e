"""Figure of the domains' averages beside single patterns."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from clustem.reporting.colours import domain_colours, text_colour
from clustem.reporting.layout import add_axes, add_bar, colour_map, scale_bar_length, styled
from clustem.reporting.numerals import number_text
from clustem.results import Results

COLUMNS = 4
CELL_WIDTH = 2.6
TEXT_HEIGHT = 0.4
GAP = 0.05


@styled
def plot_gallery(results: Results, *, number: int = 24) -> Figure:
    """Draw the averages of the largest domains, each beside one single pattern of the domain.

    Both patterns of a pair have the same colours for the same counts per pixel: the square root from 0 to the value
    written as "top", the 99.5 percentile of the average outside 1.5 times the radius of the direct beam.

    Parameters
    ----------
    results : Results
        With at least one domain.
    number : int
        How many domains at most.

    Returns
    -------
    matplotlib.figure.Figure
    """
    averages = results.averages
    largest = np.argsort(-averages.positions, kind="stable")[:number]
    columns = min(COLUMNS, max(1, largest.size))
    detector = results.survey.mean.shape
    width = (CELL_WIDTH - 3 * GAP) / 2
    height = width * float(np.clip(detector[0] / detector[1], 0.25, 4.0))
    cell = TEXT_HEIGHT + height + 0.12
    figure = Figure(figsize=(columns * CELL_WIDTH, max(1, -(-largest.size // columns)) * cell))
    colours, outside = domain_colours(results.domains.labels), outside_beam(results)
    for place, index in enumerate(largest.tolist()):
        left, top = place % columns * CELL_WIDTH + GAP, place // columns * cell + TEXT_HEIGHT
        limit = brightest(averages.patterns[index], outside)
        pair = [add_axes(figure, left + shift * (width + GAP), top, width, height) for shift in (0, 1)]
        for axes, pattern in zip(pair, (averages.patterns[index], averages.examples[index]), strict=True):
            _show(axes, pattern, limit)
        _describe(pair[0], results, index, colours[index + 1], limit)
        if place == 0:
            _explain(pair, results)
    return figure


def _show(axes: Axes, pattern: NDArray[np.floating], limit: float) -> None:
    norm = PowerNorm(0.5, 0.0, limit, clip=True)
    axes.imshow(np.asarray(pattern, np.float64), cmap=colour_map("magma"), norm=norm, origin="upper")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def _describe(axes: Axes, results: Results, index: int, colour: NDArray[np.float64], limit: float) -> None:
    """Write number, size and gain of a domain above its average."""
    averages = results.averages
    positions = int(averages.positions[index])
    amount = number_text(averages.electrons[index])
    single, domain = averages.snr_single[index], averages.snr_domain[index]
    gain = f"SNR {single:.3g} → {domain:.3g}" if np.isfinite(single + domain) else "SNR not measured"
    badge = {"boxstyle": "round,pad=0.25", "facecolor": colour, "edgecolor": "none"}
    height = axes.get_window_extent().height / axes.figure.dpi
    y, low = 1 + 0.24 / height, 1 + 0.07 / height
    write: dict[str, Any] = {"transform": axes.transAxes, "va": "center"}
    axes.text(0.11, y, str(index + 1), color=text_colour(colour), ha="center", weight="bold", bbox=badge, **write)
    plural = "" if positions == 1 else "s"
    unit = "electrons" if results.survey.is_counts else "intensity"
    axes.text(0.26, y, f"{positions:,} position{plural}, {amount} {unit}", fontsize=7, **write)
    axes.text(0.26, low, f"{gain},  top {limit:.3g}", fontsize=7, **write)


def _explain(pair: list[Axes], results: Results) -> None:
    """Say on the first pair which is which, and how large it is."""
    halo = [withStroke(linewidth=1.5, foreground="black")]
    write: dict[str, Any] = {"ha": "right", "va": "top", "color": "white", "fontsize": 7, "path_effects": halo}
    for axes, text in zip(pair, ("average", "one pattern"), strict=True):
        axes.text(0.97, 0.97, text, transform=axes.transAxes, **write)
    scale = results.survey.calibration.inv_angstrom_per_px
    length = scale_bar_length(results.survey.mean.shape[1] * (scale or 1.0))
    add_bar(pair[0], length / (scale or 1.0), f"{length:g} Å⁻¹" if scale else f"{length:g} px", below=False)


def outside_beam(results: Results) -> NDArray[np.bool_]:
    """Return the used detector pixels outside 1.5 times the radius of the direct beam; all where that is not known."""
    survey = results.survey
    radius = survey.beam_radius_px
    if not np.isfinite(radius):
        return survey.detector_mask
    y, x = np.indices(survey.mean.shape)
    far = np.hypot(y - results.averages.centre_px[0], x - results.averages.centre_px[1]) > 1.5 * radius
    return far & survey.detector_mask if (far & survey.detector_mask).any() else survey.detector_mask


def brightest(average: NDArray[np.floating], outside: NDArray[np.bool_]) -> float:
    """Return the counts per pixel that get the brightest colour."""
    values = average[outside]
    values = values[np.isfinite(values)]
    limit = float(np.percentile(values, 99.5)) if values.size else 0.0
    return limit if limit > 0 else max(1e-12, float(np.nan_to_num(average).max()))
