"""Tables and lineage of tracks made by hand: a split, a merge, a gap."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import numpy as np
import pytest

from clustem import Calibration, Tracks
from clustem.series import Appearances, Drift, Event

PLACES = [(0, 1), (0, 2), (1, 1), (1, 3), (3, 1), (3, 3), (4, 1)]  # frame 2 is a gap; 2 ends in 1; 3 splits off 1
EVENTS = (Event(1, "merge", (1, 2), (1,)), Event(1, "split", (1,), (1, 3)), Event(4, "vanish", (3,), ()))


def made(calibration: Calibration | None = None) -> Tracks:
    frame, track = np.array(PLACES, np.int64).T
    number = len(PLACES)
    turn = np.array([np.nan, np.nan, 5, np.nan, 4, 3, 7.0])
    found = Appearances(
        track=track,
        frame=frame,
        positions=np.full(number, 4),
        centroid=np.tile([2.0, 3.0], (number, 1)),
        cut=np.arange(number) == 3,
        electrons=np.ones(number),
        snr=np.ones(number),
        confidence=np.ones(number),
        similarity=np.array([0.9, np.nan, 0.8, 0.7, 1.0, 0.7, 0.9]),
        similarity_before=np.array([np.nan, np.nan, 0.9, np.nan, 0.9, 0.9, 0.2]),
        turn_deg=turn,
        scan_electrons=np.array([100, 200, np.nan, 100, 100]),
    )
    drift = Drift(np.array([[0, 0], [0, 1], [np.nan, np.nan], [0, 3], [0, 4.0]]), 0.1, 6, 0)
    present = np.arange(5) != 2
    labels = np.zeros((5, 4, 5), np.int32)
    return Tracks(
        name="made",
        labels=labels,
        appearances=found,
        events=EVENTS,
        drift=drift,
        images=np.zeros(labels.shape, np.float32),
        patterns=np.zeros((3, 6, 6), np.float32),
        centre_px=np.array([2.5, 2.5]),
        times_s=np.arange(5.0),
        present=present,
        calibration=calibration or Calibration(),
    )


def test_rows_of_tracks() -> None:
    table = made().table.set_index("track")
    assert table.length.tolist() == [4, 1, 2]
    assert table.missed.tolist() == [1, 0, 1]
    assert table.begin.tolist() == ["first frame", "first frame", "split"]
    assert table.end.tolist() == ["last frame", "merge", "vanish"]
    assert table.parents.tolist() == ["2", "", "1"]
    assert table.children.tolist() == ["3", "1", ""]
    assert table.similarity.tolist()[::2] == pytest.approx([0.9, 0.7])
    assert table.cut.tolist() == [False, False, True]


def test_rows_of_frames() -> None:
    rows = made().frames
    assert rows.x_drift.tolist() == [3, 3, 2, 2, 0, 0, -1]
    one = rows[rows.track == 1]
    np.testing.assert_array_equal(one.turn, [np.nan, 5, 4, np.nan])  # the last similarity is too small to believe it
    np.testing.assert_array_equal(one.rotation, [0, 5, 9, np.nan])
    assert "dose" not in rows


def test_a_scan_step_gives_sizes_in_nm_and_the_dose() -> None:
    rows = made(Calibration(scan_step_nm=0.5)).frames
    assert set(rows.area_nm2) == {1.0}
    np.testing.assert_allclose(rows.dose, np.array([100, 100, 300, 300, 400, 400, 500]) / 25)


def test_lineage() -> None:
    graph = ET.fromstring(made().to_graphml())
    edges = [(edge.get("source"), edge.get("target")) for edge in graph.findall(".//{*}edge")]
    assert sorted(edges) == [("1", "3"), ("2", "1")]
    assert made().to_graphml() == made().to_graphml()
    assert "1 split, 1 merge" in repr(made())
