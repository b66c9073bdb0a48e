"""Figure of the averages with the peaks found in them and the reflections expected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from clustem.averaging import Averages
from clustem.crystallography import Orientations, Peaks, Strain
from clustem.crystallography.directions import low_index_direction
from clustem.crystallography.frames import to_detector
from clustem.crystallography.predicting import expected_spots
from clustem.reporting.gallery import brightest
from clustem.reporting.indices import direction_indices, indices_formula
from clustem.reporting.layout import add_axes, add_bar, scale_bar_length
from clustem.reporting.sheets import Sheet, drawn_on

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = 3
EXPLAINED, UNEXPLAINED, EXPECTED = "#56d8ff", "#ff5fd0", "#ffb000"
_NAMED = 4  # of the strongest reflections, indices are written
_TEXT, _GAP, _LEGEND = 0.42, 0.06, 0.3  # inches
_THIN, _BOLD = 0.3, 1.5  # widths of circles, points
_POWER = 0.35  # of the counts, for the brightness: faint peaks must be seen beside bright ones
_BEAM = 1.5  # radii of the probe around the centre that do not count for the brightness


@drawn_on
def plot_indexed_patterns(
    sheet: Sheet,
    averages: Averages,
    peaks: Peaks,
    orientations: Orientations | None = None,
    *,
    strain: Strain | None = None,
    number: int = 12,
) -> Figure:
    """Draw the averages of the largest domains with the peaks found in them and the reflections expected.

    Circles are peaks, bolder for brighter ones, in another colour where no reflection explains them. Crosses are where
    the best orientation has reflections, without strain, larger for stronger ones; the strongest have their indices.
    Above it stand phase, direction of the beam, score and probability. Without orientations crosses are where the
    lattice of `strain` has its points. Patterns are shown as measured, on the detector, brightness as the 0.35th power
    of the counts.

    Parameters
    ----------
    averages : Averages
    peaks : Peaks
    orientations : Orientations, optional
    strain : Strain, optional
    number : int
        How many domains at most.

    Returns
    -------
    matplotlib.figure.Figure
    """
    largest = np.argsort(-averages.positions, kind="stable")[:number]
    rows_of, explained = _expected(peaks, orientations, strain)
    columns = min(COLUMNS, max(1, largest.size))
    cell = sheet.width / COLUMNS
    width = cell - _GAP
    height = width * float(np.clip(peaks.shape[0] / peaks.shape[1], 0.25, 4.0))
    rows = -(-max(1, largest.size) // columns)
    figure = Figure(figsize=(columns * cell, rows * (_TEXT + height) + _LEGEND))
    for place, index in enumerate(largest.tolist()):
        left, top = place % columns * cell, place // columns * (_TEXT + height) + _TEXT
        axes = add_axes(figure, left + _GAP / 2, top, width, height)
        _show(axes, averages.patterns[index], peaks, index)
        _draw_peaks(axes, peaks, index + 1, explained)
        _draw_expected(axes, rows_of[rows_of["label"] == index + 1], peaks)
        _describe(axes, index, averages, peaks, orientations)
        if place == 0:
            scale = peaks.calibration.inv_angstrom_per_px
            length = scale_bar_length(peaks.shape[1] * (scale or 1.0))
            add_bar(axes, length / (scale or 1.0), f"{length:g} Å$^{{-1}}$" if scale else f"{length:g} px", below=False)
    _explain(figure, lattice=orientations is None, crosses=len(rows_of) > 0)
    return figure


def _expected(
    peaks: Peaks, orientations: Orientations | None, strain: Strain | None
) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """Return the reflections to draw, and the rows of the peaks that one of them explains."""
    if orientations is not None:
        return expected_spots(peaks, orientations), orientations.indexed["peak"].to_numpy(np.int64)
    import pandas as pd

    names = ["label", "h", "k", "l", "k_y", "k_x", "strength"]
    if strain is None:
        return pd.DataFrame(np.zeros((0, 7)), columns=names), np.zeros(0, np.int64)
    points = strain.indexed.rename(columns={"weight": "strength"})
    g = points[["expected_g_y", "expected_g_x"]].to_numpy(np.float64)
    centres = np.where(np.isfinite(peaks.centres), peaks.centres, (np.array(peaks.shape) - 1) / 2)
    k = to_detector(g, np.zeros(2), peaks.calibration) + centres[points["label"].to_numpy(np.int64) - 1]
    points["k_y"], points["k_x"] = k[:, 0], k[:, 1]
    return points[names], points["peak"].to_numpy(np.int64)


def _show(axes: Axes, pattern: NDArray[np.floating], peaks: Peaks, index: int) -> None:
    y, x = np.indices(peaks.shape)
    centre = np.where(np.isfinite(peaks.centres[index]), peaks.centres[index], (np.array(peaks.shape) - 1) / 2)
    outside = peaks.mask & (np.hypot(y - centre[0], x - centre[1]) > _BEAM * peaks.radius)
    norm = PowerNorm(_POWER, 0.0, brightest(pattern, outside if outside.any() else peaks.mask), clip=True)
    axes.imshow(np.asarray(pattern, np.float64), cmap="gray", norm=norm, origin="upper", aspect="auto")
    axes.set(xticks=[], yticks=[], xlim=(-0.5, peaks.shape[1] - 0.5), ylim=(peaks.shape[0] - 0.5, -0.5))
    axes.spines[:].set_visible(False)


def _draw_peaks(axes: Axes, peaks: Peaks, label: int, explained: NDArray[np.int64]) -> None:
    """Draw a circle as large as the probe, but not too small to see, around every peak; bolder around brighter ones."""
    rows = peaks.of(label)
    if not len(rows):
        return
    known = np.isin(rows.index.to_numpy(), explained)
    size = max(2 * peaks.radius + 1, 0.035 * peaks.shape[1])
    brightness = np.maximum(rows["intensity"].to_numpy(np.float64), 0.0)
    bold = (brightness / max(brightness.max(), 1e-300)) ** 0.25
    circles = EllipseCollection(
        np.full(len(rows), size),
        np.full(len(rows), size),
        np.zeros(len(rows)),
        units="xy",
        offsets=rows[["k_x", "k_y"]].to_numpy(np.float64),
        offset_transform=axes.transData,
        facecolors="none",
        edgecolors=np.where(known, EXPLAINED, UNEXPLAINED).tolist(),
        linewidths=_THIN + (_BOLD - _THIN) * bold,
    )
    axes.add_collection(circles, autolim=False)


def _draw_expected(axes: Axes, spots: pd.DataFrame, peaks: Peaks) -> None:
    if not len(spots):
        return
    strength = spots["strength"].to_numpy(np.float64)
    places = spots[["k_x", "k_y"]].to_numpy(np.float64)
    axes.scatter(places[:, 0], places[:, 1], s=3 + 27 * np.sqrt(strength), marker="x", color=EXPECTED, linewidths=0.8)
    centre = (np.array(peaks.shape[::-1]) - 1) / 2
    halo = [withStroke(linewidth=1.6, foreground="black")]
    for row in np.argsort(-strength, kind="stable")[:_NAMED].tolist():
        indices = tuple(int(spots[name].iloc[row]) for name in "hkl")
        above = places[row, 1] > centre[1]
        axes.annotate(
            indices_formula(indices, ""),
            places[row],
            (0, 5 if above else -5),
            textcoords="offset points",
            ha="center",
            va="bottom" if above else "top",
            color="white",
            fontsize=6.5,
            path_effects=halo,
            clip_on=True,
        )


def _describe(axes: Axes, index: int, averages: Averages, peaks: Peaks, orientations: Orientations | None) -> None:
    """Write above a pattern what was found."""
    positions = int(averages.positions[index])
    found = int(peaks.counts[index])
    first = f"{index + 1}   {positions:,} position{'' if positions == 1 else 's'}, {found} peak{'s' * (found != 1)}"
    axes.text(0, 1.0, f"{first}\n{_answer(index, orientations)}", transform=axes.transAxes, va="bottom", fontsize=7)


def _answer(index: int, orientations: Orientations | None) -> str:
    if orientations is None:
        return ""
    if not orientations.found[index]:
        return f"no orientation: {orientations.reason[index]}"
    crystal = orientations.crystal_of(str(orientations.phase[index]))
    indices, off = low_index_direction(orientations.rotation[index, 2], crystal)
    beam = f"{crystal.name} {indices_formula(direction_indices(indices, crystal))} + {off:.1f}°"
    sure = f"score {orientations.score[index]:.2f}, probability {orientations.probability[index]:.2f}"
    return f"{beam}, {sure}{', ambiguous' if orientations.ambiguous[index] else ''}"


def _explain(figure: Figure, *, lattice: bool, crosses: bool) -> None:
    """Say what circles and crosses are, below all patterns."""
    ring: dict[str, Any] = {"linestyle": "none", "marker": "o", "fillstyle": "none", "markersize": 6}
    what, at = ("point of the lattice", "lattice point") if lattice else ("expected reflection", "reflection")
    handles = [
        Line2D([], [], color=EXPLAINED, label=f"peak at a {at}", **ring),
        Line2D([], [], color=UNEXPLAINED, label="peak" if not crosses else "peak that is not explained", **ring),
        Line2D([], [], linestyle="none", marker="x", color=EXPECTED, label=what),
    ]
    legend = figure.legend(handles=handles if crosses else handles[1:2], loc="lower left", ncols=3, frameon=True)
    legend.get_frame().set(facecolor="0.25", edgecolor="none")
    for text in legend.get_texts():
        text.set_color("white")
