"""Figures of the scan: domains, images, displacement of the beam."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray
from scipy import ndimage

from clustem.reporting.colours import UNASSIGNED, domain_colours, text_colour
from clustem.reporting.layout import MISSING, add_colour_bar, colour_map, colour_range, scan_panels, styled
from clustem.results import Results
from clustem.surveying import Survey

Contours = Mapping[int, list[NDArray[np.float64]]]


@styled
def plot_domain_map(results: Results) -> Figure:
    """Draw the domains with their outlines and numbers, and the outlines over the dark-field image.

    Unassigned positions are light grey. A number stands where its domain is widest, and is left out where the domain
    is too small to hold it. Without a dark-field image the total intensity is shown.

    Parameters
    ----------
    results : Results

    Returns
    -------
    matplotlib.figure.Figure
    """
    survey, labels = results.survey, results.domains.labels
    dark_field = bool(np.isfinite(survey.annular_dark_field).any())
    title = "Outlines on dark field" if dark_field else "Outlines on total intensity"
    figure, (left, right) = scan_panels(["Domains", title], labels.shape, survey.calibration, colour_bars=False)
    colours, contours = domain_colours(labels), results.contours
    left.imshow((255 * colours).astype(np.uint8)[labels], aspect=left.get_aspect())
    draw_contours(left, contours, np.tile([0.1, 0.1, 0.1, 1.0], (len(colours), 1)))
    number_domains(left, labels, colours)
    background = survey.annular_dark_field if dark_field else survey.total
    draw_image(right, background, survey.dead_positions, "gray")
    draw_contours(right, contours, colours)
    return figure


@styled
def plot_scan_images(results: Results) -> Figure:
    """Draw total, bright-field and annular dark-field images, and the mean similarity, those that were measured.

    Positions without a value, among them dead ones, are red. Colours span the 0.1 to 99.9 percentiles.

    Parameters
    ----------
    results : Results

    Returns
    -------
    matplotlib.figure.Figure
    """
    survey = results.survey
    unit = "electrons" if survey.is_counts else "summed intensity"
    images = [
        ("Total", survey.total, "gray", unit),
        ("Bright field", survey.bright_field, "gray", unit),
        ("Annular dark field", survey.annular_dark_field, "gray", unit),
    ]
    if results.domains.similarity is not None:
        images.append(("Mean similarity", results.domains.similarity, "viridis", "similarity"))
    images = [image for image in images if np.isfinite(image[1]).any()]
    titles = [title for title, *_ in images]
    figure, panels = scan_panels(titles, survey.shape[:2], survey.calibration, colour_bars=True)
    for axes, (_, values, name, label) in zip(panels, images, strict=True):
        shown = draw_image(axes, values, survey.dead_positions, name)
        add_colour_bar(figure, axes, shown, values, label)
    return figure


@styled
def plot_certainty(results: Results) -> Figure:
    """Draw how sure every domain and every position is, and the largest share of a domain in every pattern.

    Those that were found; unassigned positions are light grey. Positions that no mixture of the domains around them
    explains are marked with a cross.

    Parameters
    ----------
    results : Results
        With the confidence or the mixture of the domains.

    Returns
    -------
    matplotlib.figure.Figure
    """
    domains, survey = results.domains, results.survey
    inside = domains.labels > 0
    images: list[tuple[str, NDArray[np.float64], str]] = []
    if domains.confidence is not None:
        images.append(("Confidence", np.append(np.nan, domains.confidence)[domains.labels], "confidence"))
    if domains.quality is not None:
        sure = domains.quality.positions.astype(np.float64)
        images.append(("Probability of the domain", sure, "probability"))
    if domains.mixture is not None:
        share = domains.mixture.fractions[..., 0].astype(np.float64)
        images.append(("Largest share in the pattern", np.where(inside, share, np.nan), "share"))
    figure, panels = scan_panels(
        [title for title, *_ in images], domains.labels.shape, survey.calibration, colour_bars=True
    )
    for axes, (title, values, unit) in zip(panels, images, strict=True):
        colours = colormaps["cividis"].with_extremes(bad=UNASSIGNED)
        low = 1 / 3 if unit == "share" else 0.0
        shown = axes.imshow(values, cmap=colours, vmin=low, vmax=1.0, aspect=axes.get_aspect(), origin="upper")
        add_colour_bar(figure, axes, shown, values, unit)
        outlines = np.tile([0.1, 0.1, 0.1, 1.0], (domains.number + 1, 1))
        if title == "Confidence":
            draw_contours(axes, results.contours, outlines)
        elif unit == "share" and domains.mixture is not None:
            y, x = np.nonzero(domains.mixture.unexplained)
            axes.plot(x, y, "x", color=MISSING, markersize=3, markeredgewidth=0.8)
    return figure


@styled
def plot_beam_displacement(survey: Survey) -> Figure:
    """Draw the displacement of the direct beam, along k_y and k_x, by which patterns are centred, in detector px.

    Parameters
    ----------
    survey : Survey

    Returns
    -------
    matplotlib.figure.Figure
    """
    titles = ["Beam shift along $k_y$", "Beam shift along $k_x$"]
    figure, panels = scan_panels(titles, survey.shape[:2], survey.calibration, colour_bars=True)
    largest = float(np.nanmax(np.abs(survey.descan_px), initial=0.0)) or 1.0
    for axes, values in zip(panels, np.moveaxis(survey.descan_px, -1, 0), strict=True):
        shown = axes.imshow(
            values, cmap=colour_map("PuOr"), vmin=-largest, vmax=largest, aspect=axes.get_aspect(), origin="upper"
        )
        add_colour_bar(figure, axes, shown, values, "px")
    return figure


def draw_image(axes: Axes, values: NDArray[np.float64], dead: NDArray[np.bool_], name: str) -> AxesImage:
    """Show a scan image with the named colour map, dead and missing positions marked, and return the image artist."""
    low, high = colour_range(values[~dead])
    shown = np.where(dead, np.nan, values)
    return axes.imshow(shown, cmap=colour_map(name), vmin=low, vmax=high, aspect=axes.get_aspect(), origin="upper")


def draw_contours(axes: Axes, contours: Contours, colours: NDArray[np.float64]) -> None:
    """Draw closed outlines, (y, x) in positions, each in the colour of its label."""
    lines = [(label, line) for label in sorted(contours) for line in contours[label]]
    width = 1.2 if len(lines) < 100 else 0.7 if len(lines) < 500 else 0.4
    collection = LineCollection(
        [line[:, ::-1] for _, line in lines],
        colors=colours[[label for label, _ in lines]] if lines else None,
        linewidths=width,
        capstyle="round",
        joinstyle="round",
    )
    axes.add_collection(collection, autolim=False)


def number_domains(
    axes: Axes, labels: NDArray[np.int32], colours: NDArray[np.float64], hatched: NDArray[np.bool_] | None = None
) -> None:
    """Write the number of every domain that has room for it, on its colour where it is `hatched` (K,)."""
    box = axes.get_window_extent()
    points = 72 / axes.figure.dpi * np.array([box.height / labels.shape[0], box.width / labels.shape[1]])
    places, radii = widest_places(labels, (float(points[0]), float(points[1])))
    for label, ((y, x), radius) in enumerate(zip(places, radii, strict=True), start=1):
        size = min(9.0, 2 * radius / float(np.hypot(0.66 * len(str(label)), 0.75)))
        if size >= 4.5:
            text = axes.text(x, y, str(label), fontsize=size, ha="center", va="center_baseline")
            text.set_color(text_colour(colours[label]))
            if hatched is not None and hatched[label - 1]:
                text.set_path_effects([withStroke(linewidth=3, foreground=colours[label])])


def widest_places(
    labels: NDArray[np.integer], step: tuple[float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return for each label 1 … K the position deepest inside it, and its distance from the domain's border.

    Parameters
    ----------
    labels : (Y, X) int
    step : (y, x) pair
        Size of a position, which gives the unit of the distances.

    Returns
    -------
    places : (K, 2) float64
        (y, x); of equally deep positions the one nearest to the centroid. NaN for a label that does not occur.
    radii : (K,) float64
        0 for a label that does not occur.
    """
    number = int(labels.max(initial=0))
    framed = np.pad(labels.astype(np.int64), 1, constant_values=-1)
    border = ndimage.maximum_filter(framed, 3) != ndimage.minimum_filter(framed, 3)
    beside = framed[1:-1, 1:-1] == np.stack([framed[:-2, 1:-1], framed[2:, 1:-1], framed[1:-1, :-2], framed[1:-1, 2:]])
    least = np.where(beside.any(axis=0), 0.5, 0.25) * min(step)  # the outline of a lone position is a lozenge
    depth = ndimage.distance_transform_edt(~border, sampling=step)[1:-1, 1:-1] + least
    y, x = np.nonzero(labels)
    label, depth = labels[y, x], depth[y, x]
    sizes = np.maximum(np.bincount(label, minlength=number + 1), 1)
    off_y = y - (np.bincount(label, y, number + 1) / sizes)[label]
    off_x = x - (np.bincount(label, x, number + 1) / sizes)[label]
    order = np.lexsort(((off_y * step[0]) ** 2 + (off_x * step[1]) ** 2, -depth, label))
    found, first = np.unique(label[order], return_index=True)
    best = order[first]
    places, radii = np.full((number, 2), np.nan), np.zeros(number)
    places[found - 1] = np.stack([y[best], x[best]], axis=1)
    radii[found - 1] = depth[best]
    return places, radii
