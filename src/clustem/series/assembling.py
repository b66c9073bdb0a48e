"""From chains and final frames to the record of tracks."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from clustem.series.drift import Drift
from clustem.series.linking import Event, Links
from clustem.series.observed import measure_places
from clustem.series.polar import PolarPatterns, compare_rotated, similarity_at, turned_mean
from clustem.series.record import Series
from clustem.series.refining import RefinedFrame
from clustem.series.tracks import Appearances, Tracks

_BELIEVED = 0.4  # similarity from which a rotation is taken off before patterns are averaged


def assemble(series: Series, links: Links, drift: Drift, refined: list[RefinedFrame | None]) -> Tracks:
    """Return the tracks of chains in the final frames, whose candidates are numbers of chains."""
    numbers = _numbers(refined)
    labels = np.zeros(series.shape[:3], np.int32)
    for time, frame in enumerate(refined):
        if frame is not None:
            table = np.array([0, *(numbers[chain] for chain in frame.candidates.tolist())], np.int32)
            labels[time] = table[frame.measured.labels]
    return Tracks(
        name=series.name,
        labels=labels,
        appearances=_appearances(refined, numbers),
        events=_events(links, labels, numbers, np.array([frame is not None for frame in refined])),
        drift=drift,
        times_s=series.times_s,
        present=np.array([frame is not None for frame in refined]),
        calibration=series.calibration,
        warnings=series.warnings,
    )


def _numbers(refined: list[RefinedFrame | None]) -> dict[int, int]:
    """Return the identity of every chain that is in a final frame, in order of birth, then of its place."""
    numbers: dict[int, int] = {}
    for frame in refined:
        if frame is None:
            continue
        labels = frame.measured.labels.ravel()
        first = [int(np.flatnonzero(labels == k + 1)[0]) for k in range(len(frame.candidates))]
        for k in np.argsort(first, kind="stable").tolist():
            numbers.setdefault(int(frame.candidates[k]), len(numbers) + 1)
    return numbers


def _events(
    links: Links, labels: NDArray[np.int32], numbers: dict[int, int], present: NDArray[np.bool_]
) -> tuple[Event, ...]:
    """Return all events by identities: splits and merges, and the begins and ends that they do not explain."""
    events = [
        replace(e, parents=tuple(numbers[n] for n in e.parents), children=tuple(numbers[n] for n in e.children))
        for e in links.events
        if all(n in numbers for n in (*e.parents, *e.children))
    ]
    born = {child for e in events if e.kind == "split" for child in e.children if child not in e.parents}
    ended = {parent for e in events if e.kind == "merge" for parent in e.parents if parent not in e.children}
    frames = {number: np.flatnonzero((labels == number).any(axis=(1, 2))) for number in numbers.values()}
    seen = np.flatnonzero(present)
    for number, where in frames.items():
        if where[0] > seen[0] and number not in born:
            events.append(Event(int(where[0]), "appear", (), (number,)))
        if where[-1] < seen[-1] and number not in ended:
            after = int(seen[seen > where[-1]][0])
            events.append(Event(after, "vanish", (number,), ()))
    return tuple(sorted(events, key=lambda e: (e.frame, e.kind, e.parents, e.children)))


def _appearances(refined: list[RefinedFrame | None], numbers: dict[int, int]) -> Appearances:
    """Return what was measured of every track in every frame."""
    parts: dict[str, list[NDArray[np.generic]]] = defaultdict(list)
    scan_electrons = np.full(len(refined), np.nan)
    polars: list[PolarPatterns] = []
    for time, frame in enumerate(refined):
        if frame is None:
            continue
        measured = frame.measured
        scan_electrons[time] = float(measured.total.mean())
        identity = np.array([numbers[chain] for chain in frame.candidates.tolist()], np.int64)
        order = np.argsort(identity)
        area, centroid = measure_places(measured.labels, identity.size)
        edge = np.concatenate([measured.labels[[0, -1]].ravel(), measured.labels[:, [0, -1]].ravel()])
        values = {
            "track": identity,
            "frame": np.full(identity.size, time),
            "positions": area.astype(np.int64),
            "centroid": centroid,
            "cut": np.isin(np.arange(1, identity.size + 1), edge),
            "electrons": measured.electrons,
            "snr": measured.snr,
            "confidence": measured.confidence,
        }
        for name, value in values.items():
            parts[name].append(value[order])
        polar = measured.polar() if identity.size else None
        polars += [polar.only([int(k)]) for k in order] if polar is not None else []
    merged = {name: np.concatenate(values) for name, values in parts.items()}
    likeness = _likeness(merged["track"], polars)
    return Appearances(
        **merged,
        similarity=likeness[0],
        similarity_before=likeness[1],
        turn_deg=likeness[2],
        scan_electrons=scan_electrons,
    )


def _likeness(
    track: NDArray[np.generic], polars: list[PolarPatterns]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return similarities to the mean of the track's others and to the one before, and the turn since that."""
    to_mean, before, turn = (np.full(len(polars), np.nan) for _ in range(3))
    for number in np.unique(track):
        where = np.flatnonzero(track == number)
        angles = [0.0]
        for early, late in pairwise(where):
            similarity, angle = compare_rotated(polars[early], polars[late])
            before[late], turn[late] = similarity[0, 0], angle[0, 0]
            angles.append(angles[-1] + (turn[late] if before[late] >= _BELIEVED else 0.0))
        if where.size < 2:
            continue
        own = [polars[k] for k in where]
        for n, k in enumerate(where):
            others = [m for m in range(where.size) if m != n]
            mean = turned_mean([own[m] for m in others], [angles[m] for m in others])
            to_mean[k] = similarity_at(mean, 0, own[n], 0, angles[n])
    return to_mean, before, turn
