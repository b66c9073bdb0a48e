"""The report of a series: one HTML page with a time slider, that holds everything it shows."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from clustem.reporting.colours import luminance
from clustem.reporting.film import write_film
from clustem.reporting.numerals import column_texts
from clustem.reporting.report import parameter_tables, unit_sentences
from clustem.reporting.series_pictures import Colours, image_png, map_png, outlines_png, track_colours
from clustem.reporting.time_charts import Curve, TimeAxis, curve_chart, event_chart, lineage_chart
from clustem.results import CONVENTIONS, SeriesResults
from clustem.series import Tracks

_CURVES = 150  # tracks that are drawn, the longest
_TABLE_ROWS = 300
_IMAGE_PIXELS = 4_000_000  # of all scan images together; larger ones are shown coarser
_LIGHT, _DARKER = 0.4, 0.75  # luminance from which a colour is light, and what is left of it in a line on white
_CAPTIONS = {
    "Growth": "Radius of the circle of the same area; that of domains which the scan edge cuts is too small.",
    "Rotation": "In-plane rotation of the pattern since birth, from x towards y, up to the symmetry of the pattern.",
    "Misorientation": "Angle between the orientation and that at birth, the smallest that symmetry allows.",
    "Strain": "Strain relative to the cell of the crystal, in the sample frame (x right, y down); tension is positive.",
}
HEADINGS = {"birth_s": "birth (s)", "death_s": "death (s)", "radius": "largest radius (positions)", "missed": "missed"}


def write_series_report(results: SeriesResults, folder: Path) -> None:
    """Write `report.html` and the film into an existing folder."""
    colours = track_colours(results.tracks.labels)
    films = write_film(results.tracks, colours, folder)
    (folder / "report.html").write_text(render_series_report(results, films=films), encoding="utf-8", newline="\n")


def render_series_report(results: SeriesResults, *, films: tuple[str, ...] = ()) -> str:
    """Return the report of a series as one HTML page, with images inside it and nothing outside.

    The same results give the same bytes: the page holds no dates.

    Parameters
    ----------
    results : SeriesResults
    films : tuple of str
        Names of films beside the page, to which it links.

    Returns
    -------
    str
    """
    tracks = results.tracks
    colours = track_colours(tracks.labels)
    axis = TimeAxis.of(tracks)
    folder = files("clustem.reporting")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    shown = _longest(tracks)
    heading, rows = _table(tracks, colours)
    return environment.from_string(folder.joinpath("series.html.jinja").read_text(encoding="utf-8")).render(
        style=Markup(folder.joinpath("page.css").read_text(encoding="utf-8")),
        script=Markup(folder.joinpath("series.js").read_text(encoding="utf-8")),
        results=results,
        tracks=tracks,
        summary=_summary(tracks),
        frames=_frames(tracks, colours, axis),
        shape=tracks.labels.shape[1:],
        charts=[(*words, Markup(chart)) for *words, chart in _charts(tracks, colours, axis, shown)],
        events=Markup(event_chart(tracks.events, axis, [_css(c) for c in colours])),
        lineage=Markup(lineage_chart(tracks, shown, axis, [_css(c) for c in colours])),
        shown=len(shown),
        heading=heading,
        rows=rows,
        films=films,
        parameters=parameter_tables(results.recipe),
        conventions=[*CONVENTIONS, *unit_sentences(tracks.calibration)],
    )


def _summary(tracks: Tracks) -> str:
    kinds = [event.kind for event in tracks.events]
    parts = [f"{tracks.number} track{'s' * (tracks.number != 1)}", f"{len(tracks.labels)} frames"]
    gaps = int((~tracks.present).sum())
    parts += [f"{gaps} of them gaps"] if gaps else []
    known = tracks.times_s[np.isfinite(tracks.times_s)]
    parts += [f"{known[-1]:g} s"] if known.size else []
    return " · ".join([*parts, *(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))])


def _longest(tracks: Tracks) -> list[int]:
    """Return the tracks that are drawn, in their order."""
    table = tracks.table.sort_values(["length", "track"], ascending=[False, True], kind="stable")
    return sorted(int(number) for number in table["track"].head(_CURVES))


def _frames(tracks: Tracks, colours: Colours, axis: TimeAxis) -> Markup:
    """Return what the slider shows, as JSON for the page's script."""
    pixels = tracks.images.size
    every = max(1, int(np.ceil(np.sqrt(pixels / _IMAGE_PIXELS))))
    numbers = np.bincount(tracks.appearances.frame, minlength=len(tracks.labels))
    frames = []
    for time, (labels, image) in enumerate(zip(tracks.labels, tracks.images, strict=True)):
        words = [f"frame {time}"]
        words += [f"{tracks.times_s[time]:g} s"] if np.isfinite(tracks.times_s[time]) else []
        words += [f"{numbers[time]} tracks" if tracks.present[time] else "a gap"]
        frames.append(
            {
                "map": _address(map_png(labels, colours)),
                "lines": _address(outlines_png(labels, colours)),
                "image": _address(image_png(image, every=every)),
                "text": " · ".join(words),
                "x": axis.places[time],
            }
        )
    names = {f"{r},{g},{b}": number for number, (r, g, b) in enumerate(colours.tolist()) if number}
    return Markup(json.dumps({"frames": frames, "names": names}, ensure_ascii=False).replace("</", "<\\/"))


def _address(picture: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(picture).decode("ascii")


def _css(colour: Any) -> str:
    return "#" + "".join(f"{int(part):02x}" for part in colour)


def _line_css(colour: Any) -> str:
    """Return a colour for lines on white: light ones darker."""
    part = np.asarray(colour) / 255
    return _css(np.asarray(colour) * (_DARKER if luminance(part) > _LIGHT else 1.0))


def _charts(tracks: Tracks, colours: Colours, axis: TimeAxis, shown: list[int]) -> Iterator[tuple[str, str, str]]:
    """Yield heading, caption and picture of every chart of curves that has something to show."""
    step = tracks.calibration.scan_step_yx_nm
    radius, unit = ("radius", "positions") if step is None else ("radius_nm", "nm")
    wanted = [
        ("Growth", _CAPTIONS["Growth"], radius, f"radius ({unit})"),
        ("Rotation", _CAPTIONS["Rotation"], "rotation", "rotation (°)"),
    ]
    if tracks.orientations is not None:
        wanted += [
            ("Misorientation", _CAPTIONS["Misorientation"], "misorientation", "misorientation (°)"),
            *((f"Strain {name}", _CAPTIONS["Strain"], name, name) for name in ("e_xx", "e_yy", "e_xy")),
        ]
    frames = tracks.frames
    for title, caption, column, label in wanted:
        curves = []
        for number in shown:
            part = frames[frames["track"] == number]
            curves.append(Curve(part["frame"].tolist(), part[column].tolist(), _line_css(colours[number]), number))
        if any(np.isfinite(curve.values).any() for curve in curves):
            yield title, caption, curve_chart(title, curves, axis, label=label)
    yield _drift(tracks, axis)


def _drift(tracks: Tracks, axis: TimeAxis) -> tuple[str, str, str]:
    moved, step = tracks.drift.displacement, tracks.calibration.scan_step_yx_nm
    moved = moved if step is None else moved * step
    everything = list(range(len(moved)))
    curves = [
        Curve(everything, moved[:, axis_number].tolist(), colour, name=name)
        for axis_number, name, colour in ((0, "y", "#0072b2"), (1, "x", "#d55e00"))
    ]
    caption = "How far the sample has moved since the first frame."
    if tracks.drift.pairs:
        caption += (
            f" From {tracks.drift.pairs} pairs of frames, {tracks.drift.outliers} of them left out; "
            f"the others agree within {tracks.drift.scatter:.2f} positions."
        )
    unit = "positions" if step is None else "nm"
    return "Drift", caption, curve_chart("Drift", curves, axis, label=f"drift ({unit})")


def _table(tracks: Tracks, colours: Colours) -> tuple[list[str], list[dict[str, Any]]]:
    """Return heading and rows of the table of tracks, the longest first."""
    table = tracks.table.sort_values(["length", "track"], ascending=[False, True], kind="stable").head(_TABLE_ROWS)
    if not np.isfinite(tracks.times_s).any():
        table = table.drop(columns=["birth_s", "death_s"])
    heading = [HEADINGS.get(str(name), str(name)) for name in table.columns]
    columns = [column_texts(table[name].tolist()) for name in table.columns]
    rows = [
        {"track": int(number), "colour": _css(colours[number]), "cells": list(cells)}
        for number, cells in zip(table["track"], zip(*columns, strict=True), strict=True)
    ]
    return heading, rows
