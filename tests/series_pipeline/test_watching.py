"""watch: files that arrive, that are still being written, and how it ends."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import clustem
from clustem import InputError, MissingFileError, OutputError, SeriesResults

Made = tuple[NDArray[np.uint16], NDArray[np.int32]]


def file_of(counts: NDArray[np.uint16]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, counts)
    return buffer.getvalue()


def test_frames_are_taken_as_they_arrive_and_half_written_ones_wait(tmp_path: Path, moving_particles: Made) -> None:
    files = [file_of(counts) for counts in moving_particles[0][:3]]
    folder = tmp_path / "arriving"
    folder.mkdir()
    (folder / "f_0.npy").write_bytes(files[0])
    (folder / "f_1.npy").write_bytes(files[1][: len(files[1]) // 2])
    seen: list[tuple[int, list[bool]]] = []

    def arrive(results: SeriesResults) -> None:
        """Finish the second frame and bring the third, after the first was seen."""
        seen.append((len(results.tracks.labels), results.tracks.present.tolist()))
        assert clustem.open_series_results(tmp_path / "out").tracks.present.tolist() == seen[-1][1]
        (folder / "f_1.npy").write_bytes(files[1])
        (folder / "f_2.npy").write_bytes(files[2])

    found = clustem.watch(folder, output=tmp_path / "out", until=3, interval="20ms", time_step="2s", notice=arrive)
    assert seen[0] == (1, [True])
    assert seen[-1] == (3, [True] * 3)
    assert len(seen) <= 3
    at_once = clustem.run_series(folder, time_step="2s")
    np.testing.assert_array_equal(found.tracks.labels, at_once.tracks.labels)
    assert found.tracks.fingerprint == at_once.tracks.fingerprint


def test_a_file_that_never_becomes_a_scan_is_a_gap_in_the_end(tmp_path: Path, moving_particles: Made) -> None:
    whole = file_of(moving_particles[0][0])
    (tmp_path / "f_0.npy").write_bytes(whole)
    (tmp_path / "f_1.npy").write_bytes(whole[:5000])
    found = clustem.watch(tmp_path, output=tmp_path / "out", idle="200ms", interval="50ms")
    assert found.tracks.present.tolist() == [True, False]
    assert any("f_1.npy" in text for text in found.warnings)


def test_what_cannot_be_watched_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no scan that can be opened arrived in 0\.1 s"):
        clustem.watch(tmp_path / "empty", output=tmp_path / "out", idle=0.1, interval="20ms")
    with pytest.raises(MissingFileError, match="no such folder"):
        clustem.watch(tmp_path / "missing", output=tmp_path / "out")
    with pytest.raises(InputError, match="until: expected a number of frames"):
        clustem.watch(tmp_path / "empty", output=tmp_path / "out", until=0)
    with pytest.raises(OutputError, match="exists"):
        clustem.watch(tmp_path / "empty", output=tmp_path / "empty")
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]
