"""Particles that touch in nearly the same orientation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import clustem
from clustem.series.drift import Drift
from clustem.series.frames import measure_anew, measure_labels
from clustem.series.linking import Event, Links
from clustem.series.touching import Likeness, divide_touching
from clustem.surveying import survey

from .scenes import Array, crystal, disk, draw

LEFT, RIGHT = disk(12, 7, 4.5), disk(12, 15, 4) & ~disk(12, 7, 4.5)
LABELS = np.where(LEFT, 1, np.where(RIGHT, 2, 0)).astype(np.int32)
SMALL = disk(12, 8, 2.6), disk(12, 13, 2.6) & ~disk(12, 8, 2.6)


def frames_of(
    patterns: list[tuple[Array, Array]], places: tuple[NDArray[np.bool_], NDArray[np.bool_]] = (LEFT, RIGHT)
) -> list[NDArray[np.uint16]]:
    return [draw(list(zip(places, both, strict=True)), electrons=2000, seed=seed) for seed, both in enumerate(patterns)]


def never(*_: object) -> Any:
    raise AssertionError("no frame needs to be looked at")


def identities(labels: NDArray[np.int32]) -> tuple[set[int], set[int]]:
    """Return which tracks most positions of both particles are in."""
    left, right = ({int(np.bincount(frame[where]).argmax()) for frame in labels} for where in (LEFT, RIGHT))
    return left, right


@pytest.mark.parametrize("middle", [(0,), (-1, 1), (-0.8, -0.8, -0.8, -0.8, -0.4, 0.4, 0.8, 0.8, 0.8, 0.8)])
def test_two_that_turn_past_each_other_stay_two(middle: tuple[float, ...]) -> None:
    """In the middle frames their patterns are nearly the same, so that each frame by itself has one domain."""
    frames = frames_of([(crystal(1), crystal(1, turn)) for turn in (-20, -15, -8, *middle, 8, 15, 20)])
    assert {clustem.segment(frame).number for frame in frames[3:-3]} == {1}
    tracks = clustem.track(frames)
    left, right = identities(tracks.labels)
    assert (len(left), len(right)) == (1, 1)
    assert left != right
    assert tracks.events == ()
    for labels in tracks.labels:
        assert ((labels > 0) == (LABELS > 0)).mean() > 0.95


def test_halves_that_turn_away_slowly_are_two_from_the_beginning(tmp_path: Path) -> None:
    turns = (0, 0, 0, 4, 8, 14, 18, 22)
    frames = frames_of([(crystal(1), crystal(1, turn)) for turn in turns], SMALL)
    tracks = clustem.track(frames, folder=tmp_path)
    assert [(event.frame, event.kind) for event in tracks.events] == [(3, "split")]
    assert tracks.table.length.sort_values().tolist() == [5, 8]
    kept = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    again = clustem.track(frames, folder=tmp_path)
    np.testing.assert_array_equal(again.labels, tracks.labels)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == kept


def test_two_that_become_one_are_one_from_then_on() -> None:
    frames = frames_of([(crystal(1), crystal(1 if t > 3 else 2)) for t in range(8)])
    tracks = clustem.track(frames)
    assert [(event.frame, event.kind) for event in tracks.events] == [(4, "merge")]


@pytest.mark.parametrize(("turn", "divided"), [(0, []), (9, [0, 1])])
def test_a_domain_is_divided_as_long_as_its_halves_differ(turn: float, divided: list[int]) -> None:
    """Seen as two from frame 2 to 4; what the frames before hold tells whether they were one there."""
    scans = [clustem.open_scan(frame) for frame in frames_of([(crystal(1), crystal(1, turn))] * 2)]
    known = survey(scans[0])
    one = measure_labels(scans[0], known, np.minimum(LABELS, 1), np.ones(1))
    two = measure_labels(scans[0], known, LABELS, np.ones(2))
    links = Links((dict.fromkeys(range(5), 0), dict.fromkeys(range(2, 5), 1)), (Event(2, "split", (0,), (0, 1)),))
    found = divide_touching(
        links,
        Drift(np.zeros((5, 2)), 0.0, 1, 0),
        lambda time: one if time < 2 else two,
        lambda time, labels, i, j: Likeness.of(measure_anew(scans[time], one, labels).polar(), i, j),
    )
    assert sorted(found) == divided
    for labels in found.values():
        np.testing.assert_array_equal(labels, LABELS)
        assert measure_anew(scans[0], one, labels).confidence.tolist() == [1, 1]


@pytest.mark.parametrize(("other", "looks"), [(1, 5), (2, 1)])
def test_only_what_may_be_the_same_crystal_is_looked_for_further_on(other: int, looks: int) -> None:
    scans = [clustem.open_scan(frame) for frame in frames_of([(crystal(1), crystal(other, 20))])]
    known = survey(scans[0])
    one = measure_labels(scans[0], known, np.minimum(LABELS, 1), np.ones(1))
    two = measure_labels(scans[0], known, LABELS, np.ones(2))
    links = Links((dict.fromkeys(range(8), 0), dict.fromkeys(range(3), 1)), (Event(3, "merge", (0, 1), (0,)),))
    asked = []

    def alike(time: int, labels: NDArray[np.int32], i: int, j: int) -> Likeness:
        asked.append((time, int(labels.max()), i, j))
        return Likeness(1.0, 0.0)

    drift = Drift(np.zeros((8, 2)), 0.0, 1, 0)
    assert not divide_touching(links, drift, lambda time: two if time < 3 else one, alike)
    assert asked == [(time, 2, 0, 1) for time in range(3, 3 + looks)]


def test_what_is_two_for_two_frames_only_divides_nothing() -> None:
    links = Links((dict.fromkeys(range(5), 0), {3: 1, 4: 1}), (Event(3, "split", (0,), (0, 1)),))
    drift = Drift(np.zeros((5, 2)), 0.0, 1, 0)
    assert not divide_touching(links, drift, never, never)
