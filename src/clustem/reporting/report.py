"""The report: one HTML page that holds everything it shows."""

from __future__ import annotations

import base64
import dataclasses
import io
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup
from matplotlib import style
from matplotlib.figure import Figure

from clustem.calibration import Calibration
from clustem.reporting.charts import plot_domain_sizes, plot_snr_gain, plot_threshold
from clustem.reporting.crystallography import crystallography_figures, describe_crystallography
from clustem.reporting.gallery import plot_gallery
from clustem.reporting.maps import plot_beam_displacement, plot_certainty, plot_domain_map, plot_scan_images
from clustem.reporting.numerals import column_texts, number_text
from clustem.reporting.patterns import plot_mean_patterns
from clustem.results import CONVENTIONS, Results
from clustem.segmentation import PublishedParameters, domain_table

DPI, LOW_DPI = 150, 100
LARGE = 1_000_000  # bytes of one picture
LEAST_SCALE = 0.8  # in a narrow window pictures scroll rather than shrink further: their text must stay readable
GALLERY = 24
TABLE_ROWS = 200
MIXED = 0.7  # largest share below which a pattern is called a mixture
HEADINGS = {
    "label": "label",
    "positions": "positions",
    "area_nm2": "area (nm²)",
    "centroid_y": "centroid y",
    "centroid_x": "centroid x",
    "equivalent_diameter": "diameter (positions)",
    "equivalent_diameter_nm": "diameter (nm)",
    "electrons": "electrons",
    "electrons_per_position": "electrons per position",
    "snr_single": "SNR of one",
    "snr_domain": "SNR of average",
    "snr_gain": "SNR gain",
    "chi_squared": "χ²/n",
    "mean_similarity": "mean similarity",
    "confidence": "confidence",
    "sure_positions": "sure positions",
    "boundary_similarity": "boundary similarity",
    "boundary_neighbour": "with domain",
    "at_edge": "at edge",
}


def render_report(results: Results) -> str:
    """Return the report of a run as one HTML page, with images inside it and nothing outside.

    The same results give the same bytes: the page holds no dates.

    Parameters
    ----------
    results : Results

    Returns
    -------
    str
    """
    folder = files("clustem.reporting")
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: folder.joinpath(name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    heading, rows = _table(results)
    return environment.get_template("report.html.jinja").render(
        style=Markup(folder.joinpath("page.css").read_text(encoding="utf-8")),
        results=results,
        survey=results.survey,
        summary=list(_summary(results)),
        figures={name: _embed(figure) for name, figure in _figures(results)},
        counts=_counts(results),
        gallery=GALLERY,
        heading=heading,
        rows=rows,
        certainty=_certainty(results),
        crystals=describe_crystallography(results),
        parameters=_parameters(results),
        conventions=_conventions(results),
    )


def _figures(results: Results) -> Iterator[tuple[str, Figure]]:
    """Make the figures one after the other, those that have something to show."""
    yield "map", plot_domain_map(results)
    if results.domains.confidence is not None or results.domains.mixture is not None:
        yield "certainty", plot_certainty(results)
    yield "images", plot_scan_images(results)
    yield "patterns", plot_mean_patterns(results.survey)
    if results.survey.descan_px.any():
        yield "displacement", plot_beam_displacement(results.survey)
    if results.domains.number:
        yield "gallery", plot_gallery(results, number=GALLERY)
        yield "sizes", plot_domain_sizes(results.domains)
        yield "gain", plot_snr_gain(results.averages)
    if results.domains.tree is not None:
        yield "threshold", plot_threshold(results.domains)
    yield from crystallography_figures(results)


def _embed(figure: Figure) -> dict[str, Any]:
    """Return the figure as a PNG in a data address, with its width and least width in CSS px.

    Noisy images take many bytes and gain nothing from resolution, so large pictures are drawn again with less.
    """
    picture = _png(figure, DPI)
    if len(picture) > LARGE:
        picture = _png(figure, LOW_DPI)
    address = "data:image/png;base64," + base64.b64encode(picture).decode("ascii")
    width = 100 * float(figure.get_size_inches()[0])
    return {"address": address, "width": round(width), "least": round(LEAST_SCALE * width)}


def _png(figure: Figure, dpi: int) -> bytes:
    buffer = io.BytesIO()
    with style.context("default"):
        figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def _summary(results: Results) -> Iterator[str]:
    """Say in short phrases what was found."""
    domains, averages = results.domains, results.averages
    number = f"{domains.number} domain" + "s" * (domains.number != 1)
    told = domains.reason.startswith(number)
    yield domains.reason if told else number
    yield f"{(domains.labels == 0).mean():.1%} of {domains.labels.size:,} positions unassigned"
    gain = averages.snr_gain[np.isfinite(averages.snr_gain)]
    if gain.size:
        yield f"signal-to-noise gain {number_text(float(np.median(gain)))}× (median)"
    if domains.number:
        yield f"data reduction {number_text(averages.data_reduction)}×"
    if results.orientations is not None:
        found, ambiguous = results.orientations.found, results.orientations.ambiguous
        yield f"{found.sum()} of {domains.number} oriented, {(found & ambiguous).sum()} ambiguous"
    if domains.reason and not told:
        yield domains.reason


def _certainty(results: Results) -> str:
    """Say in a line how sure the domains are."""
    confidence, mixture = results.domains.confidence, results.domains.mixture
    parts = []
    if confidence is not None and np.isfinite(confidence).any():
        least = int(np.nanargmin(confidence))
        sure = f"Confidence: median {np.nanmedian(confidence):.2f}"
        parts.append(f"{sure}, least {confidence[least]:.2f} (domain {least + 1})" if confidence.size > 1 else sure)
    if mixture is not None and results.domains.number:
        mixed = (mixture.fractions[..., 0] < MIXED)[results.domains.labels > 0].mean()
        parts.append(f"{mixed:.0%} of the assigned patterns are mixtures, with less than {MIXED:.0%} of one domain")
    return "; ".join(parts) + "." if parts else ""


def _counts(results: Results) -> dict[str, int]:
    """Return the numbers that the captions quote."""
    survey, mixture = results.survey, results.domains.mixture
    return {
        "domains": results.domains.number,
        "dead_positions": int(survey.dead_positions.sum()),
        "hot": int(survey.hot_pixels.sum()),
        "dead": int(survey.dead_pixels.sum()),
        "virtual": int(np.isfinite(survey.bright_field).any()),
        "unused": int((~survey.detector_mask).sum()),
        "unexplained": 0 if mixture is None else int(mixture.unexplained.sum()),
    }


def _table(results: Results) -> tuple[list[str], list[list[str]]]:
    """Return heading and rows of the table of domains, the largest first."""
    table = domain_table(results.domains, results.averages)  # crystallography has a table of its own
    table = table.sort_values("positions", ascending=False, kind="stable").head(TABLE_ROWS)
    if results.domains.similarity is None:
        table = table.drop(columns="mean_similarity")
    heading = [HEADINGS.get(str(name), str(name)) for name in table.columns]
    if not results.survey.is_counts:
        heading = [name.replace("electrons", "intensity") for name in heading]
    columns = [column_texts(table[name].tolist()) for name in table.columns]
    return heading, [list(row) for row in zip(*columns, strict=True)]


def _parameters(results: Results) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the tables of the recipe, with the threshold that was used, and calibration and noise as used."""
    recipe = dict(results.recipe)
    used = results.domains.parameters
    if isinstance(used, PublishedParameters) and used.threshold is not None:
        given = dict(recipe.get("segmentation", {}))
        if given.get("threshold") is None:
            given["threshold"] = f"{used.threshold:.6g} (chosen)"
        recipe["segmentation"] = given
    noise = results.survey.noise
    recipe["noise"] = {**recipe.get("noise", {}), "model": noise.summary, "found": noise.reason}
    recipe["calibration"] = {
        name: "not calibrated" if value is None else value
        for name, value in dataclasses.asdict(results.survey.calibration).items()
    }
    return parameter_tables(recipe)


def parameter_tables(recipe: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the recipe as (table, [(name, value), …]); values outside any table come first, under no name."""
    loose = {name: value for name, value in recipe.items() if not isinstance(value, Mapping)}
    nested = {name: value for name, value in recipe.items() if isinstance(value, Mapping)}
    tables = {**({"": loose} if loose else {}), **nested}
    return [(title, [(name, _value(value)) for name, value in table.items()]) for title, table in tables.items()]


def _value(value: Any) -> str:
    if value is None:
        return "not given"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _conventions(results: Results) -> list[str]:
    """Return what a reader has to know to use the numbers."""
    return [
        *CONVENTIONS,
        *unit_sentences(results.survey.calibration),
        "Signal-to-noise ratio: SNR² = 2R/(1 − R), with R the correlation of two thinned halves, direct beam masked.",
        "– means no value, never zero.",
    ]


def unit_sentences(calibration: Calibration) -> tuple[str, str]:
    """Say what a scan step and a detector pixel are."""
    step, pixel = calibration.scan_step_yx_nm, calibration.inv_angstrom_per_px
    scan_unit = "The scan step is not known: lengths are in positions."
    if step is not None:
        scan_unit = f"Scan step (y, x): {step[0]:g}, {step[1]:g} nm."
    detector_unit = "The detector is not calibrated: reciprocal lengths are in px."
    if pixel is not None:
        detector_unit = f"Detector pixel: {pixel:.6g} 1/Å."
    return scan_unit, detector_unit
