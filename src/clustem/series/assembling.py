"""From chains and final frames to the record of tracks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from clustem.series.drift import Drift
from clustem.series.evidence import rotated
from clustem.series.frames import MeasuredFrame
from clustem.series.linking import Event, Links
from clustem.series.observed import measure_places
from clustem.series.polar import PolarPatterns, compare_rotated, means_of_others, similarity_at
from clustem.series.record import Series
from clustem.series.refining import RefinedFrame
from clustem.series.tracks import Appearances, Tracks

_BELIEVED = 0.4  # similarity from which a rotation is taken off before patterns are averaged


def assemble(
    series: Series, links: Links, drift: Drift, refined: Sequence[RefinedFrame | None]
) -> tuple[Tracks, list[NDArray[np.int64] | None]]:
    """Return the tracks of chains in the final frames, and for every frame the tracks of its domains, None for a gap.

    The candidates of the frames are numbers of chains.
    """
    numbers: dict[int, int] = {}
    labels = np.zeros(series.shape[:3], np.int32)
    images = np.full(labels.shape, np.nan, np.float32)
    present = np.zeros(len(series), bool)
    centres = np.full((len(series), 2), np.nan)
    gathered = _Gathered(len(series))
    identities: list[NDArray[np.int64] | None] = []
    for time, frame in enumerate(refined):
        if frame is None:
            identities.append(None)
            continue
        _name(frame, numbers)
        identity = np.array([numbers[chain] for chain in frame.candidates.tolist()], np.int64)
        identities.append(identity)
        labels[time] = np.append(0, identity).astype(np.int32)[frame.measured.labels]
        images[time], present[time], centres[time] = frame.measured.image, True, frame.measured.centre_px
        gathered.add(time, frame.measured, identity)
    appearances, standing = gathered.appearances()
    centre = centres[present][0]
    tracks = Tracks(
        name=series.name,
        labels=labels,
        appearances=appearances,
        events=_events(links, labels, numbers, present),
        drift=drift,
        images=images,
        patterns=_turned_back(refined, numbers, appearances, standing, centre),
        centre_px=centre,
        times_s=series.times_s,
        present=present,
        calibration=series.calibration,
        warnings=series.warnings,
    )
    return tracks, identities


def _name(frame: RefinedFrame, numbers: dict[int, int]) -> None:
    """Give every chain of a frame that has none yet its identity: in order of birth, then of its place."""
    labels = frame.measured.labels.ravel()
    first = [int(np.flatnonzero(labels == k + 1)[0]) for k in range(len(frame.candidates))]
    for k in np.argsort(first, kind="stable").tolist():
        numbers.setdefault(int(frame.candidates[k]), len(numbers) + 1)


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


class _Gathered:
    """What was measured of every track, frame after frame."""

    def __init__(self, frames: int) -> None:
        self.parts: dict[str, list[NDArray[np.generic]]] = defaultdict(list)
        self.scan_electrons = np.full(frames, np.nan)
        self.polars: list[PolarPatterns] = []

    def add(self, time: int, measured: MeasuredFrame, identity: NDArray[np.int64]) -> None:
        """Take the domains of a frame, whose identities are given."""
        self.scan_electrons[time] = float(measured.total.mean())
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
            self.parts[name].append(value[order])
        polar = measured.polar() if identity.size else None
        self.polars += [polar.only([int(k)]) for k in order] if polar is not None else []

    def appearances(self) -> tuple[Appearances, NDArray[np.float64]]:
        """Return the record of all, and by how much each is turned since the birth of its track, in degrees."""
        merged = {name: np.concatenate(values) for name, values in self.parts.items()}
        to_mean, before, turn, standing = _likeness(merged["track"], self.polars)
        found = Appearances(
            **merged,
            similarity=to_mean,
            similarity_before=before,
            turn_deg=turn,
            scan_electrons=self.scan_electrons,
        )
        return found, standing


def _turned_back(
    refined: Sequence[RefinedFrame | None],
    numbers: dict[int, int],
    found: Appearances,
    standing: NDArray[np.float64],
    centre: NDArray[np.float64],
) -> NDArray[np.float32]:
    """Return the mean pattern (K, k_y, k_x) of every track in its own rotating frame."""
    angles = {(int(t), int(n)): float(a) for t, n, a in zip(found.frame, found.track, standing, strict=True)}
    shape = next(frame.measured.mask.shape for frame in refined if frame is not None)
    total, positions = np.zeros((len(numbers), *shape), np.float32), np.zeros(len(numbers))
    for time, frame in enumerate(refined):
        if frame is None:
            continue
        measured = frame.measured
        for k, chain in enumerate(frame.candidates.tolist()):
            n, weight = numbers[chain], measured.positions[k]
            clean = measured.patterns[k].astype(float) - measured.noise[1]
            total[n - 1] += weight * rotated(clean, -angles[time, n], measured.centre_px, centre)
            positions[n - 1] += weight
    return np.asarray(total / np.maximum(positions, 1)[:, None, None], np.float32)


def _likeness(track: NDArray[np.generic], polars: list[PolarPatterns]) -> tuple[NDArray[np.float64], ...]:
    """Return similarities to the mean of the track's others and to the one before, the turn since that, and in all."""
    to_mean, before, turn = (np.full(len(polars), np.nan) for _ in range(3))
    standing = np.zeros(len(polars))
    for number in np.unique(track):
        where = np.flatnonzero(track == number)
        for early, late in pairwise(where):
            similarity, angle = compare_rotated(polars[early], polars[late])
            before[late], turn[late] = similarity[0, 0], angle[0, 0]
            standing[late] = standing[early] + (turn[late] if before[late] >= _BELIEVED else 0.0)
        if where.size < 2:
            continue
        own, angles = [polars[k] for k in where], standing[where].tolist()
        for k, mean in zip(where, means_of_others(own, angles), strict=True):
            to_mean[k] = similarity_at(mean, 0, polars[k], 0, standing[k])
    return to_mean, before, turn, standing
