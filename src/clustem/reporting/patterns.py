"""Figures of diffraction patterns over the whole scan."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from numpy.typing import NDArray

from clustem.reporting.layout import MISSING, add_colour_bar, colour_map, panel_grid, styled
from clustem.surveying import Survey

MARKER = "#1e90ff"
MOST_MARKERS = 300


@styled
def plot_mean_patterns(survey: Survey) -> Figure:
    """Draw the mean and the maximum pattern of the scan on logarithmic scales.

    Axes are in 1/Å, or px where the detector is not calibrated, from the beam centre, k_y down. The cross is the centre
    and the dashed circle the edge of the direct beam. Squares are hot and diamonds dead pixels (where there are at most
    300 of a kind); all pixels that are not used are red.

    Parameters
    ----------
    survey : Survey

    Returns
    -------
    matplotlib.figure.Figure
    """
    rows, columns = survey.mean.shape
    ratio = float(np.clip(rows / columns, 0.25, 4.0))
    figure, panels = panel_grid(["Mean pattern", "Maximum pattern"], ratio, columns=2, left=0.55, right=0.75)
    unit = "electrons per pixel" if survey.is_counts else "intensity per pixel"
    for axes, values in zip(panels, (survey.mean, survey.maximum), strict=True):
        usable = np.where(survey.detector_mask, values, np.nan)
        norm = _logarithmic(usable)
        shown = np.maximum(usable, norm.vmin or 0.0) if isinstance(norm, LogNorm) else usable
        image = axes.imshow(shown, cmap=colour_map("magma"), norm=norm, extent=pattern_extent(survey), origin="upper")
        add_colour_bar(figure, axes, image, usable, unit)
        draw_beam(axes, survey)
        mark_bad_pixels(axes, survey)
        axes.set_xlabel("$k_x$ (1/Å)" if survey.calibration.inv_angstrom_per_px else "$k_x$ (px)", labelpad=1)
        axes.set_ylabel("$k_y$ (1/Å)" if survey.calibration.inv_angstrom_per_px else "$k_y$ (px)", labelpad=1)
    return figure


def pattern_extent(survey: Survey) -> tuple[float, float, float, float]:
    """Return left, right, bottom and top edge of a pattern from the beam centre, in 1/Å or px; y points down."""
    scale = survey.calibration.inv_angstrom_per_px or 1.0
    rows, columns = survey.mean.shape
    y, x = beam_centre(survey)
    return (-0.5 - x) * scale, (columns - 0.5 - x) * scale, (rows - 0.5 - y) * scale, (-0.5 - y) * scale


def beam_centre(survey: Survey) -> tuple[float, float]:
    """Return the beam centre (y, x) in px, or the middle of the detector where it is not known."""
    rows, columns = survey.mean.shape
    if not np.isfinite(survey.centre_px).all():
        return (rows - 1) / 2, (columns - 1) / 2
    return float(survey.centre_px[0]), float(survey.centre_px[1])


def draw_beam(axes: Axes, survey: Survey) -> None:
    """Mark centre and edge of the direct beam on axes that start at its centre."""
    scale = survey.calibration.inv_angstrom_per_px or 1.0
    axes.plot([0], [0], "+", color=MARKER, markersize=5, markeredgewidth=1)
    if np.isfinite(survey.beam_radius_px):
        radius = survey.beam_radius_px * scale
        axes.add_patch(Circle((0, 0), radius, fill=False, edgecolor=MARKER, linewidth=1, linestyle="--"))


def mark_bad_pixels(axes: Axes, survey: Survey) -> None:
    """Put a marker on every hot and dead pixel, unless they are so many that they would hide the pattern."""
    scale = survey.calibration.inv_angstrom_per_px or 1.0
    centre = np.array(beam_centre(survey))
    for name, bad, marker in (("hot", survey.hot_pixels, "s"), ("dead", survey.dead_pixels, "D")):
        y, x = ((np.argwhere(bad) - centre) * scale).T
        if 0 < y.size <= MOST_MARKERS:
            axes.plot(x, y, marker, markersize=5, fillstyle="none", markeredgewidth=0.8, color=MISSING, label=name)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, handletextpad=0.1, borderaxespad=0)


def _logarithmic(values: NDArray[np.float64]) -> Normalize:
    """Return a logarithmic norm over the positive values, at most six decades; linear if there are none."""
    positive = values[np.isfinite(values) & (values > 0)]
    if not positive.size:
        return Normalize(0.0, 1.0)
    high = float(positive.max())
    low = max(float(np.percentile(positive, 0.5)), 1e-6 * high)
    return LogNorm(low if low < 0.5 * high else 0.1 * high, high)
