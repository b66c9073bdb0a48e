from __future__ import annotations

import numpy as np

from clustem import match_orientations
from clustem.crystallography.predicting import expected_spots

from .examples import crystal, peaks_of, rotation, spots


def test_spots_are_where_the_peaks_are() -> None:
    gold = crystal("Au")
    g, intensity = spots(gold, rotation(5))
    peaks = peaks_of([(g, intensity), (g[:0], intensity[:0])])
    found = match_orientations(peaks, gold, dynamical=False, step_deg=2)
    table = expected_spots(peaks, found)
    assert set(table["label"]) == {1}
    assert table["strength"].iloc[0] == 1
    assert table["strength"].is_monotonic_decreasing
    place = table[["k_y", "k_x"]].to_numpy()
    measured = peaks.table[["k_y", "k_x"]].to_numpy()[:8]
    nearest = np.linalg.norm(place[:, None] - measured, axis=2).min(axis=0)
    assert nearest.max() < 0.6  # px; the strongest peaks all have a spot
    indexed = found.indexed.set_index("peak").loc[range(4), ["h", "k", "l"]].to_numpy().tolist()
    assert all(row in table[["h", "k", "l"]].to_numpy().tolist() for row in indexed)


def test_no_orientation_no_spots() -> None:
    gold = crystal("Au")
    peaks = peaks_of([(np.zeros((0, 2)), np.zeros(0))])
    table = expected_spots(peaks, match_orientations(peaks, gold, dynamical=False, step_deg=5))
    assert len(table) == 0
    assert table["h"].dtype == np.int64
