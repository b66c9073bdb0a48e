"""run_series: the results folder, its recipe, growth of a series, and being killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from tifffile import TiffFile

import clustem
from clustem import InputError, MissingFileError, OutputError, SeriesResults

FILES = {
    "averages.emd.h5",
    "drift.csv",
    "events.csv",
    "film.gif",
    "labels.tif",
    "lineage.graphml",
    "recipe.toml",
    "report.html",
    "results.h5",
    "run.log",
    "track_frames.csv",
    "tracks.csv",
}
Made = tuple[NDArray[np.uint16], NDArray[np.int32]]
STEP = clustem.Calibration(scan_step_nm=0.5)


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of all files of results but the log, which holds times."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "run.log"}


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory, moving_particles: Made) -> list[Path]:
    folder = tmp_path_factory.mktemp("frames")
    for number, counts in enumerate(moving_particles[0]):
        np.save(folder / f"f_{number}.npy", counts)
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def results(frames: list[Path]) -> SeriesResults:
    return clustem.run_series(frames, output=frames[0].parents[1] / "out", time_step="2s", calibration=STEP)


def test_the_folder_holds_everything_and_its_recipe_gives_the_same_bytes(results: SeriesResults) -> None:
    assert results.path is not None
    assert {path.name for path in results.path.iterdir()} - {"film.mp4"} == FILES
    again = clustem.run_series(results.path / "recipe.toml", output=results.path.with_name("again"))
    assert again.path is not None
    assert contents(again.path) == contents(results.path)


def test_tables_labels_and_lineage_tell_what_the_tracks_do(results: SeriesResults) -> None:
    folder, tracks = results.path, results.tracks
    assert folder is not None
    assert pd.read_csv(folder / "tracks.csv")["birth"].tolist() == tracks.table["birth"].tolist()
    assert len(pd.read_csv(folder / "track_frames.csv")) == len(tracks.frames)
    assert pd.read_csv(folder / "events.csv").loc[0, ["frame", "kind"]].tolist() == [2, "appear"]
    drift = pd.read_csv(folder / "drift.csv")
    assert drift["x"].tolist() == pytest.approx([0, 1, 2, 3, 4], abs=0.3)
    assert drift["x_nm"].tolist() == pytest.approx(drift["x"] / 2, abs=1e-4)
    with TiffFile(folder / "labels.tif") as file:
        np.testing.assert_array_equal(file.asarray(), tracks.labels)
        assert (file.series[0].axes, file.imagej_metadata["finterval"]) == ("TYX", 2.0)
    assert len(ET.fromstring((folder / "lineage.graphml").read_text(encoding="utf-8")).findall(".//{*}node")) == 3


def test_mean_patterns_of_tracks_are_a_scan_of_their_own(results: SeriesResults) -> None:
    assert results.path is not None
    scan = clustem.open_scan(results.path / "averages.emd.h5")
    np.testing.assert_array_equal(np.asarray(scan)[0], results.tracks.patterns)


def test_results_are_read_back_as_they_were(results: SeriesResults) -> None:
    assert results.path is not None
    read = clustem.open_series_results(results.path)
    assert repr(read) == repr(results)
    assert (read.recipe, read.provenance) == (results.recipe, results.provenance)
    assert read.tracks.frames.equals(results.tracks.frames)
    assert read.tracks.events == results.tracks.events
    for name in ("labels", "images", "patterns", "centre_px"):
        np.testing.assert_array_equal(getattr(read.tracks, name), getattr(results.tracks, name))
    assert read.tracks.to_graphml() == results.tracks.to_graphml()


def test_the_mean_in_the_rotating_frame_is_sharper_than_in_the_fixed_one(
    results: SeriesResults, moving_particles: Made
) -> None:
    counts, truth = moving_particles
    rotating = results.tracks.labels[0][truth[0] == 1].max()
    found = results.tracks.patterns[rotating - 1]
    fixed = np.mean([frame[true == 1].mean(axis=0) for frame, true in zip(counts, truth, strict=True)], axis=0)
    first = counts[0][truth[0] == 1].mean(axis=0)
    y, x = np.indices(first.shape) - 15.5
    ring = (np.hypot(y, x) > 4) & (np.hypot(y, x) < 14)
    likeness = [np.corrcoef(first[ring], mean[ring])[0, 1] for mean in (found, fixed)]
    assert likeness[0] > 0.95 > 0.9 > likeness[1]


def test_a_series_that_has_grown_keeps_what_is_known(frames: list[Path], results: SeriesResults) -> None:
    target = frames[0].parents[1] / "grown"
    first = clustem.run_series(frames[:3], output=target, time_step="2s", calibration=STEP)
    kept = {path.name: path.stat().st_mtime_ns for path in (target.with_name("grown.frames")).glob("measured*")}
    assert len(kept) == 3
    with pytest.raises(OutputError, match="exists"):
        clustem.run_series(frames, output=target)
    grown = clustem.run_series(frames, output=target, time_step="2s", calibration=STEP, force=True)
    measured = {path.name: path.stat().st_mtime_ns for path in target.with_name("grown.frames").glob("measured*")}
    assert {name: measured[name] for name in kept} == kept
    assert len(list(target.with_name("grown.frames").glob("refined*"))) == 5
    assert first.path is not None
    assert results.path is not None
    assert grown.path is not None
    assert contents(grown.path) == contents(results.path)


def test_options_are_repeated_by_the_recipe_and_recompute_only_what_they_change(frames: list[Path]) -> None:
    target = frames[0].parents[1] / "masked"
    mask = np.hypot(*np.indices((32, 32)) - 15.5) < 14

    def run(threshold: float) -> SeriesResults:
        options = {"method": "published", "detector_mask": mask, "gain": 1}
        return clustem.run_series(frames[:2], output=target, force=True, threshold=threshold, **options)  # type: ignore[arg-type]

    first = run(0.5)
    kept = target.with_name("masked.frames")
    assert first.recipe["segmentation"]["detector_mask"] == "inputs/detector_mask.npy"
    assert first.recipe["segmentation"]["threshold"] == 0.5
    assert first.recipe["noise"] == {"gain": 1.0}
    before = {path.name: path.stat().st_mtime_ns for path in kept.glob("*.npz")}
    recipe = target / "recipe.toml"
    again = clustem.run_series(recipe, output=target.with_name("masked-again"))
    assert again.path is not None
    for name in ("results.h5", "report.html", "recipe.toml", "inputs/detector_mask.npy"):
        assert (again.path / name).read_bytes() == (target / name).read_bytes()
    clustem.run_series(
        frames[:2], output=target, method="published", threshold=0.5, detector_mask=mask, gain=1, force=True
    )
    assert {path.name: path.stat().st_mtime_ns for path in kept.glob("*.npz")} == before
    clustem.run_series(
        frames[:2], output=target, method="published", threshold=0.6, detector_mask=mask, gain=1, force=True
    )
    assert len(list(kept.glob("measured*"))) == 4


def test_killed_at_any_moment_it_ends_with_the_same_bytes(frames: list[Path], results: SeriesResults) -> None:
    target = frames[0].parents[1] / "killed"
    kept = target.with_name("killed.frames")
    options = ["--time-step", "2s", "--scan-step-nm", "0.5", "--quiet"]
    command = [sys.executable, "-m", "clustem", "run", *map(str, frames), "-o", str(target), *options]
    with subprocess.Popen(command, env=dict(os.environ)) as running:
        while running.poll() is None and len(list(kept.glob("*.npz"))) < 6:  # all frames, and one looked at once more
            time.sleep(0.01)
        running.send_signal(signal.SIGKILL)
    assert not target.exists()
    assert kept.is_dir()
    clustem.run_series(frames, output=target, time_step="2s", calibration=STEP)
    assert results.path is not None
    assert contents(target) == contents(results.path)
    assert not [path.name for path in kept.iterdir() if path.name.startswith(".")]


def test_results_that_were_being_replaced_are_put_back(frames: list[Path], results: SeriesResults) -> None:
    assert results.path is not None
    kept = results.path.with_name("out.frames")
    before = contents(results.path)
    (kept / ".results.partial").mkdir()
    results.path.rename(kept / ".results.replaced")  # killed between the two steps of replacing
    with pytest.raises(MissingFileError):
        clustem.run_series("missing_*.npy", output=results.path)
    with pytest.raises(OutputError, match="exists"):
        clustem.run_series(frames, output=results.path)
    assert contents(results.path) == before
    assert not (kept / ".results.partial").exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"time_step": "soon"}, "time_step: expected a positive time"),
        ({"calibration": 3}, "calibration: expected a clustem.Calibration"),
        ({"scan_shape": (3, 3)}, "none of 5 frames can be opened"),
        ({"detector_mask": np.ones((3, 3))}, r"detector_mask: expected an image of shape \(32, 32\)"),
        ({"scan_mask": "nothing.npy"}, "scan_mask: expected an image or one of sample"),
        ({"method": "published", "smooth_sigma": 40}, "smooth_sigma: expected a blur"),
        ({"crystal": "clustem:Au"}, "pixel is not calibrated"),
        ({"crystal": "clustem:Au", "strain_reference": "2"}, "strain_reference: expected 'crystal' or 'median'"),
    ],
)
def test_bad_options_are_told(frames: list[Path], options: dict[str, object], told: str) -> None:
    with pytest.raises(InputError, match=told):
        clustem.run_series(frames, **options)  # type: ignore[arg-type]


def test_a_folder_of_frames_that_is_a_file_is_told(frames: list[Path], tmp_path: Path) -> None:
    (tmp_path / "out.frames").write_text("")
    with pytest.raises(InputError, match="which is a file"):
        clustem.run_series(frames, output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_results_of_one_scan_are_not_those_of_a_series(tmp_path: Path, results: SeriesResults) -> None:
    assert results.path is not None
    with pytest.raises(InputError, match="open_series_results"):
        clustem.open_results(results.path)
    with pytest.raises(MissingFileError, match="there are no results"):
        clustem.open_series_results(tmp_path)
