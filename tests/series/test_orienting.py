"""Orientations of tracks: a half turn that one frame cannot tell, gaps, and a whole series of a known crystal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import clustem
from clustem import Calibration, InputError
from clustem.crystallography import Probe
from clustem.crystallography.rotations import HALF_TURN, from_rotation_vector, misorientation_deg
from clustem.series import Appearances
from clustem.series.frames import measure_labels
from clustem.series.options import OrientingOptions
from clustem.series.orienting import OrientedFrame, orient_frame, orient_tracks

GOLD = clustem.read_crystal("clustem:Au")
CALIBRATION = Calibration(inv_angstrom_per_px=0.0375, energy_keV=200)


def oriented(rotations: list[NDArray[np.float64]], probabilities: list[float], problem: str = "") -> OrientedFrame:
    """One domain with some candidates, and no peaks."""
    number = len(rotations)
    return OrientedFrame(
        label=np.ones(number, np.int64),
        rotation=np.array(rotations).reshape(-1, 3, 3),
        phase=np.zeros(number, np.int64),
        probability=np.array(probabilities),
        score=np.full(number, 0.9),
        tilt_error=np.array([0.5]),
        peaks=np.zeros((0, 11)),
        centres=np.full((1, 2), 8.0),
        noise_intensity=np.ones(1),
        radius=1.5,
        mask=np.ones((16, 16), bool),
        problem=problem,
    )


def appearances(frames: list[int]) -> Appearances:
    """One track in some frames."""
    number = len(frames)
    ones = np.ones(number)
    return Appearances(
        track=np.ones(number, np.int64),
        frame=np.array(frames, np.int64),
        positions=np.full(number, 9),
        centroid=np.zeros((number, 2)),
        cut=np.zeros(number, bool),
        electrons=ones,
        snr=ones,
        confidence=ones,
        similarity=ones,
        similarity_before=ones,
        turn_deg=ones,
        scan_electrons=np.ones(max(frames) + 1),
    )


def test_half_turns_are_told_by_the_frames_around() -> None:
    turned = [from_rotation_vector(np.deg2rad([t * 4.0, 20, 10])) for t in range(4)]
    frames = {
        0: oriented([turned[0], HALF_TURN @ turned[0]], [0.9, 0.1]),
        1: oriented([HALF_TURN @ turned[1], turned[1]], [0.55, 0.45]),
        3: oriented([turned[3], HALF_TURN @ turned[3]], [0.8, 0.2]),
        4: oriented([], [], "there is no direct beam"),
    }
    names = [None if time == 2 else np.array([1]) for time in range(5)]
    found, warnings = orient_tracks(
        appearances([0, 1, 3, 4]), names, frames.__getitem__, OrientingOptions((GOLD,)), CALIBRATION
    )
    np.testing.assert_allclose(found.rotation[:3], [turned[0], turned[1], turned[3]])
    assert (found.probability[:3] > 0.9).all()
    assert found.phase.tolist() == ["Au", "Au", "Au", ""]
    assert np.isnan(found.rotation[3]).all()
    assert np.isnan(found.e_xx).all()
    assert warnings == ["frame 4 has no orientations: there is no direct beam"]
    angles = found.misorientation_deg(np.array([0, 1, 0, -1]), np.array([1, 2, 3, 0]))
    np.testing.assert_allclose(angles, [4, 8, np.nan, np.nan], atol=0.5)


def test_a_series_of_gold_is_oriented_and_strained_in_every_frame(tmp_path: Path) -> None:
    film = clustem.open_scan("clustem:film_au")
    counts = np.asarray(film)[2:12, 30:40]
    series = clustem.open_series([counts, np.rot90(counts, axes=(2, 3))], calibration=film.calibration)
    tracks = clustem.track(series, folder=tmp_path, crystals=GOLD)
    found = tracks.orientations
    assert found is not None
    pairs = [np.flatnonzero(tracks.appearances.track == track) for track in range(1, tracks.number + 1)]
    pairs = [pair for pair in pairs if pair.size == 2 and tracks.appearances.positions[pair].min() > 20]
    assert pairs
    quarter = np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]])  # rot90 turns k_x towards −k_y
    for before, after in pairs:
        apart = misorientation_deg(found.rotation[after], quarter @ found.rotation[before], GOLD.rotations)
        assert (
            min(
                apart,
                misorientation_deg(found.rotation[after], HALF_TURN @ quarter @ found.rotation[before], GOLD.rotations),
            )
            < 1
        )
        assert found.e_xx[before] == pytest.approx(found.e_yy[after], abs=0.004)
    table = tracks.frames
    assert set(table["phase"]) <= {"Au", ""}
    assert table.groupby("track")["misorientation"].first().dropna().eq(0).all()
    assert table["omega"].isna().all()

    kept = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    relative = clustem.track(series, folder=tmp_path, crystals=GOLD, strain_reference="median")
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == kept
    assert relative.orientations is not None
    assert relative.orientations.reference == "median"
    unknown = relative.frames["e_xx"].isna().all()
    assert any("no frame has three domains" in text for text in relative.warnings) == unknown
    assert not any("three domains" in text for text in tracks.warnings)


def test_strain_relative_to_the_median_of_a_frame_has_a_rotation() -> None:
    film = clustem.open_scan("clustem:film_au")
    found = clustem.survey(film)
    rows, columns = np.nonzero(clustem.segment(film, survey=found).labels == 2)
    labels = np.zeros(film.scan_shape, np.int32)
    labels[rows, columns] = 1 + np.digitize(rows, np.quantile(rows, [1 / 3, 2 / 3]))  # three parts of one grain
    frame = measure_labels(film, found, labels, np.ones(3))
    options = OrientingOptions((GOLD,), strain_reference="median", probe=Probe.disk(2.3))
    oriented_frame = orient_frame(frame, film.calibration, options)
    assert oriented_frame.radius == 2.3
    three = replace(appearances([0] * 3), track=np.arange(1, 4))
    given = three, [np.arange(1, 4)], [oriented_frame].__getitem__
    median, _ = orient_tracks(*given, options, film.calibration)
    assert median.reference == "median"
    assert np.median(median.e_xx) == pytest.approx(0, abs=1e-3)
    assert (np.abs(median.omega) < 0.01).all()
    assert (median.omega_error > 0).all()
    ideal, _ = orient_tracks(*given, OrientingOptions((GOLD,)), film.calibration)
    assert np.isnan(ideal.omega).all()
    np.testing.assert_allclose(np.ptp(ideal.e_xx), np.ptp(median.e_xx), atol=2e-3)


def test_orientations_need_a_calibration() -> None:
    with pytest.raises(InputError, match="calibrated inv_angstrom_per_px"):
        clustem.track([np.ones((3, 3, 8, 8), np.uint16)], crystals=GOLD)
