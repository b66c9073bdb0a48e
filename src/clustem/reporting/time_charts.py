"""Charts over time as SVG: curves of tracks, drift, events, and the lineage; all with the same time axis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np
from numpy.typing import NDArray

from clustem.reporting.layout import round_locator
from clustem.reporting.numerals import number_text
from clustem.series import Event, Tracks

WIDTH, LEFT, RIGHT = 1020, 62, 16  # px
_TOP, _BOTTOM, _HEIGHT = 10, 34, 170
_ROW = 26  # px of a row of the timeline
_ROOM = 0.06  # of the span of values above and below the curves
_KINDS = ("appear", "split", "merge", "vanish")


@dataclass(frozen=True)
class TimeAxis:
    """Where frames are on the time axis. `values` are in s, or numbers of frames where times are not known."""

    values: NDArray[np.float64]
    label: str

    @classmethod
    def of(cls, tracks: Tracks) -> TimeAxis:
        """Return the time axis of a series."""
        if np.isfinite(tracks.times_s).all() and len(tracks.times_s):
            return cls(tracks.times_s, "time (s)")
        return cls(np.arange(len(tracks.labels), dtype=float), "frame")

    def place(self, value: float) -> float:
        """Return where a value is, in px."""
        low, high = float(self.values[0]), float(self.values[-1])
        share = (value - low) / (high - low) if high > low else 0.5
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    @property
    def places(self) -> list[float]:
        """Where the frames are, in px."""
        return [self.place(float(value)) for value in self.values]

    def ticks(self) -> list[tuple[float, str]]:
        """Return places and texts of the ticks."""
        low, high = float(self.values[0]), float(self.values[-1])
        values = [v for v in round_locator(10).tick_values(low, max(high, low + 1)) if low <= v <= high]
        return [(self.place(float(v)), f"{v:g}") for v in values]


@dataclass(frozen=True)
class Curve:
    """A line: values at frames, NaN where there is none. `track` is 0 for what belongs to none."""

    frames: Sequence[int]
    values: Sequence[float]
    colour: str
    track: int = 0
    name: str = ""


@dataclass
class _Drawing:
    """Pieces of an SVG picture."""

    height: float
    pieces: list[str] = field(default_factory=list)

    def add(self, *pieces: str) -> None:
        """Put pieces on top."""
        self.pieces += pieces

    def text(self, x: float, y: float, text: str, *, anchor: str = "start", kind: str = "") -> None:
        """Write a text."""
        self.add(f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" class="{kind}">{escape(text)}</text>')

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        """Draw a straight line."""
        self.add(f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" class="{kind}"/>')

    def time_axis(self, axis: TimeAxis, *, bottom: float) -> None:
        """Draw the time axis and the line that shows the frame that is seen."""
        self.line(LEFT, bottom, WIDTH - RIGHT, bottom, "axis")
        for place, text in axis.ticks():
            self.line(place, bottom, place, bottom + 4, "axis")
            self.text(place, bottom + 16, text, anchor="middle")
        self.text(WIDTH - RIGHT, bottom + 30, axis.label, anchor="end")
        here = axis.places[-1]
        self.add(f'<line class="now" x1="{here:g}" x2="{here:g}" y1="{_TOP - 6:g}" y2="{bottom:g}"/>')

    def svg(self, title: str) -> str:
        """Return the whole picture."""
        return (
            f'<svg class="chart" viewBox="0 0 {WIDTH} {self.height:g}" role="img" aria-label="{escape(title)}">'
            + "".join(self.pieces)
            + "</svg>"
        )


def curve_chart(title: str, curves: Sequence[Curve], axis: TimeAxis, *, label: str) -> str:
    """Return an SVG picture of curves over time. Ends of curves without a track are named."""
    drawing = _Drawing(_TOP + _HEIGHT + _BOTTOM)
    bottom = _TOP + _HEIGHT
    known = np.array([v for curve in curves for v in curve.values if np.isfinite(v)])
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    room = _ROOM * (high - low) or 0.5
    low, high = low - room, high + room

    def height(value: float) -> float:
        return round(bottom - (value - low) / (high - low) * _HEIGHT, 1)

    for value in (v for v in round_locator(6).tick_values(low, high) if low <= v <= high):
        drawing.line(LEFT, height(value), WIDTH - RIGHT, height(value), "grid")
        drawing.text(LEFT - 6, height(value) + 4, number_text(float(value)), anchor="end")
    turned = f'transform="translate(12 {_TOP + _HEIGHT / 2:g}) rotate(-90)"'
    drawing.add(f'<text {turned} text-anchor="middle">{escape(label)}</text>')
    drawing.time_axis(axis, bottom=bottom)
    for curve in curves:
        points = [
            (axis.places[f], height(v)) for f, v in zip(curve.frames, curve.values, strict=True) if np.isfinite(v)
        ]
        drawing.add(_curve(curve, points))
    return drawing.svg(title)


def _curve(curve: Curve, points: list[tuple[float, float]]) -> str:
    """Return a line through points, a dot where there is only one, in a group that names its track."""
    if not points:
        return ""
    name = curve.name or f"track {curve.track}"
    shape = f'<polyline points="{" ".join(f"{x:g},{y:g}" for x, y in points)}" stroke="{curve.colour}"/>'
    if len(points) == 1:
        shape = f'<circle cx="{points[0][0]:g}" cy="{points[0][1]:g}" r="2.5" fill="{curve.colour}"/>'
    end = ""
    if not curve.track:
        x, y = points[-1]
        end = f'<text x="{x - 4:g}" y="{y - 5:g}" text-anchor="end" fill="{curve.colour}">{escape(curve.name)}</text>'
    return f'<g class="track" data-track="{curve.track}"><title>{escape(name)}</title>{shape}{end}</g>'


def event_chart(events: Sequence[Event], axis: TimeAxis, colours: Sequence[str]) -> str:
    """Return an SVG picture of events over time, a row for each kind, in the colour of a track that it happens to."""
    drawing = _Drawing(_TOP + len(_KINDS) * _ROW + _BOTTOM)
    bottom = _TOP + len(_KINDS) * _ROW
    for row, kind in enumerate(_KINDS):
        y = _TOP + (row + 0.5) * _ROW
        drawing.line(LEFT, y, WIDTH - RIGHT, y, "grid")
        drawing.text(LEFT - 6, y + 4, kind, anchor="end")
    drawing.time_axis(axis, bottom=bottom)
    seen: dict[tuple[int, str], int] = {}
    for event in events:
        count = seen[event.frame, event.kind] = seen.get((event.frame, event.kind), -1) + 1
        y = _TOP + (_KINDS.index(event.kind) + 0.5) * _ROW + 5 - 5 * min(count, 3)
        track = (event.children or event.parents)[-1]
        drawing.add(
            f'<g class="mark" data-track="{track}" data-frame="{event.frame}"><title>{escape(told(event))}</title>'
            f'<circle cx="{axis.places[event.frame]:g}" cy="{y:g}" r="4" fill="{colours[track]}"/></g>'
        )
    return drawing.svg("Events")


def told(event: Event) -> str:
    """Return a sentence on an event."""
    before, after = (" and ".join(map(str, numbers)) for numbers in (event.parents, event.children))
    happened = {
        "appear": f"{after} appears",
        "vanish": f"{before} has vanished",
        "split": f"{before} splits into {after}",
        "merge": f"{before} merge into {after}",
    }
    return f"frame {event.frame}: {happened[event.kind]}"


def lineage_chart(tracks: Tracks, shown: Iterable[int], axis: TimeAxis, colours: Sequence[str]) -> str:
    """Return an SVG picture of the lives of the tracks `shown`, one row each, joined where they split and merge."""
    rows = {track: row for row, track in enumerate(_related(tracks.events, sorted(shown)))}
    step = 15.0 if len(rows) <= 40 else 9.0
    bottom = _TOP + max(len(rows), 1) * step
    drawing = _Drawing(bottom + _BOTTOM)
    drawing.time_axis(axis, bottom=bottom)
    found = tracks.appearances
    for track, row in rows.items():
        y = _TOP + (row + 0.5) * step
        frames = found.frame[found.track == track]
        drawing.text(LEFT - 6, y + 4, str(track), anchor="end", kind="" if step > 10 else "small")
        drawing.add(_life(track, frames, y, step, axis, colours[track]))
    for event in tracks.events:
        one, other = (event.parents[0], event.children[-1]) if event.kind == "split" else (0, 0)
        if event.kind == "merge":
            one, other = event.parents[-1], event.children[0]
        if one in rows and other in rows:
            x, ends = axis.places[event.frame], [_TOP + (rows[n] + 0.5) * step for n in (one, other)]
            drawing.add(f"<g><title>{escape(told(event))}</title>")
            drawing.line(x, ends[0], x, ends[1], "joint")
            drawing.add("</g>")
    return drawing.svg("Lineage")


def _life(track: int, frames: NDArray[np.int64], y: float, step: float, axis: TimeAxis, colour: str) -> str:
    """Return the bars of a track, one for each stretch of frames without a gap, on a thin line from birth to death."""
    half = (axis.places[-1] - axis.places[0]) / max(len(axis.places) - 1, 1) / 2
    cuts = np.flatnonzero(np.diff(frames) > 1) + 1
    bars = [
        f'<line x1="{axis.places[frames[0]]:g}" x2="{axis.places[frames[-1]]:g}" y1="{y:g}" y2="{y:g}" class="axis"/>'
    ]
    for part in np.split(frames, cuts):
        first = max(axis.places[part[0]] - min(half, 3), LEFT - 3)
        last = min(axis.places[part[-1]] + min(half, 3), WIDTH - RIGHT + 3)
        size = f'x="{first:g}" y="{y - step / 3:g}" width="{last - first:g}" height="{step / 1.5:g}" rx="2"'
        bars.append(f'<rect {size} fill="{colour}"/>')
    title = f"<title>track {track}: frame {frames[0]} to {frames[-1]}</title>"
    return f'<g class="track" data-track="{track}">{title}{"".join(bars)}</g>'


def _related(events: Sequence[Event], tracks: list[int]) -> list[int]:
    """Return tracks in order, those that splits and merges join one below the other."""
    root = {track: track for track in tracks}

    def top(track: int) -> int:
        while root[track] != track:
            track = root[track]
        return track

    for event in events:
        known = [track for track in {*event.parents, *event.children} if track in root]
        if event.kind in ("split", "merge") and known:
            least = min(top(track) for track in known)
            for track in known:
                root[top(track)] = least
    return sorted(tracks, key=lambda track: (top(track), track))
