"""track: whole series with known particles, and the steps of a frame in them."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from numpy.typing import NDArray

import clustem
from clustem import InputError
from clustem.series import keeping

from .scenes import draw, rotating_series


def names_in(tracks: clustem.Tracks, truth: NDArray[np.int32]) -> list[list[int]]:
    """Return for each particle the identity that most of its positions have, frame by frame where it is."""
    particles = range(1, truth.max() + 1)
    return [
        [
            int(np.bincount(found[true == n]).argmax())
            for found, true in zip(tracks.labels, truth, strict=True)
            if (true == n).any()
        ]
        for n in particles
    ]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module")
def tracks(kept: Path) -> clustem.Tracks:
    counts, _ = rotating_series(faint=3)
    return clustem.track(clustem.open_series(counts, time_step="2s"), folder=kept)


def test_every_particle_is_one_track_also_in_the_faint_frame(tracks: clustem.Tracks) -> None:
    names = names_in(tracks, rotating_series()[1])
    assert [set(name) for name in names] == [{names[0][0]}, {names[1][0]}, {3}]
    assert sorted({names[0][0], names[1][0]}) == [1, 2]
    assert tracks.number == 3
    assert [(event.frame, event.kind, event.children) for event in tracks.events] == [(2, "appear", (3,))]


def test_outlines_drift_and_rotation_are_those_of_the_scene(tracks: clustem.Tracks) -> None:
    truth = rotating_series()[1]
    agree = ((tracks.labels > 0) == (truth > 0)).mean(axis=(1, 2))
    assert agree.min() > 0.96
    np.testing.assert_allclose(tracks.drift.displacement, [[0, t] for t in range(5)], atol=0.3)
    turning = names_in(tracks, truth)[0][0]
    rows = tracks.frames[tracks.frames.track == turning]
    np.testing.assert_allclose(rows.turn.to_numpy()[1:], 8, atol=1.5)
    np.testing.assert_allclose(rows.rotation.to_numpy(), 8.0 * np.arange(5), atol=2)
    np.testing.assert_allclose(rows.x_drift, rows.x_drift.iloc[0], atol=0.5)


def test_tables_say_what_the_labels_say(tracks: clustem.Tracks) -> None:
    frames, table = tracks.frames, tracks.table
    for row in frames.itertuples():
        where = tracks.labels[row.frame] == row.track
        assert (row.area, row.time_s) == (where.sum(), 2.0 * row.frame)
        assert (row.y, row.x) == pytest.approx(np.argwhere(where).mean(axis=0))
    assert table.birth.tolist() == [0, 0, 2]
    assert table.death.tolist() == [4, 4, 4]
    assert table.begin.tolist() == ["first frame", "first frame", "appear"]
    assert table.length.tolist() == [5, 5, 3]
    assert (table.similarity > 0.8).all()
    assert "1 appear" in repr(tracks)


def test_lineage_is_graphml_with_a_node_per_track(tracks: clustem.Tracks) -> None:
    nodes = ET.fromstring(tracks.to_graphml()).findall(".//{*}node")
    assert [node.get("id") for node in nodes] == ["1", "2", "3"]


def test_what_is_kept_is_not_computed_again(
    tracks: clustem.Tracks, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    save = keeping._save
    monkeypatch.setattr(keeping, "_save", lambda path, record: (made.append(path.name), save(path, record)))
    for path in sorted(kept.glob("refined*"))[:1] + sorted(kept.glob("measured*"))[:1]:
        path.unlink()  # as if the run had been stopped before
    again = clustem.track(clustem.open_series(rotating_series(faint=3)[0], time_step="2s"), folder=kept)
    assert len(made) == 2
    np.testing.assert_array_equal(again.labels, tracks.labels)
    assert again.frames.equals(tracks.frames)
    assert again.to_graphml() == tracks.to_graphml()


def test_a_broken_frame_is_a_gap_and_particles_live_on(tracks: clustem.Tracks, kept: Path) -> None:
    counts = list(rotating_series(faint=3)[0])
    broken = [*counts[:2], "missing.h5", *counts[3:]]
    found = clustem.track(clustem.open_series(broken, time_step=1), folder=kept)
    assert found.present.tolist() == [True, True, False, True, True]
    assert not found.labels[2].any()
    assert found.table.missed.tolist() == [1, 1, 0]
    assert any("missing.h5" in text for text in found.warnings)


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("")
    with pytest.raises(InputError, match=r"folder: .* is a file"):
        clustem.track(rotating_series()[0], folder=tmp_path / "kept")


def test_a_series_without_crystals_has_no_tracks() -> None:
    counts = np.stack([draw([], electrons=2000, seed=seed) for seed in (1, 2)])
    found = clustem.track(counts)
    assert found.number == 0
    assert not found.labels.any()
    assert len(found.table) == len(found.frames) == 0
    assert (found.drift.displacement == 0).all()
    assert any("drift: 2 frames show nothing" in text for text in found.warnings)
