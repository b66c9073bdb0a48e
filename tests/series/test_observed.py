"""Domains of two frames compared: places, drift, outlines, patterns."""

from __future__ import annotations

import numpy as np
import pytest

from clustem.series.drift import Drift
from clustem.series.observed import FAR, Comparisons, Observed, compare, measure_places

from .scenes import SCAN, Array, crystal, disk
from .test_polar import polar


def observed(*particles: tuple[tuple[float, float, float], Array]) -> Observed:
    labels = np.zeros(SCAN, np.int32)
    for n, (place, _) in enumerate(particles):
        labels[disk(*place)] = n + 1
    return Observed(labels, polar(*(pattern for _, pattern in particles)))


def test_places_by_hand() -> None:
    labels = np.array([[1, 1, 0], [1, 0, 3]], np.int32)
    area, centroid = measure_places(labels, 3)
    assert area.tolist() == [3, 0, 1]
    np.testing.assert_allclose(centroid, [[1 / 3, 1 / 3], [np.nan, np.nan], [1, 2]])


def test_what_has_drifted_and_turned_costs_nothing() -> None:
    first, second = observed(((8, 8, 3), crystal(1))), observed(((10, 7, 3), crystal(1, 15)))
    found = compare(first, second, np.array([2.0, -1.0]))
    assert found.cost[0, 0] == pytest.approx(0, abs=0.03)
    assert found.angle[0, 0] == pytest.approx(15, abs=0.7)
    assert (found.first_covered[0, 0], found.second_covered[0, 0]) == (1, 1)


def test_other_places_patterns_outlines_and_waiting_cost() -> None:
    one = observed(((8, 8, 3), crystal(1)))
    same = compare(one, one, np.zeros(2)).cost[0, 0]
    dearer = [
        compare(one, observed(((8, 11, 3), crystal(1))), np.zeros(2)).cost[0, 0],
        compare(one, observed(((8, 8, 3), crystal(2))), np.zeros(2)).cost[0, 0],
        compare(one, observed(((8, 8, 4), crystal(1))), np.zeros(2)).cost[0, 0],
        compare(one, one, np.zeros(2), frames=2).cost[0, 0],
    ]
    assert all(same + 0.05 < cost < FAR for cost in dearer)
    assert compare(one, observed(((19, 19, 3), crystal(1))), np.zeros(2)).cost[0, 0] == FAR


def test_a_small_domain_inside_a_large_one_is_covered() -> None:
    found = compare(observed(((8, 8, 2), crystal(1))), observed(((8, 8, 5), crystal(1))), np.zeros(2))
    assert found.first_covered[0, 0] == 1
    assert found.second_covered[0, 0] < 0.3


def test_what_another_has_grown_by_was_taken_in() -> None:
    """A drop that has become round lies in less than half of the place where the smaller one was."""
    before = observed(((8, 8, 3), crystal(1)), ((8, 14, 3), crystal(2)))
    grown, same = observed(((8, 9.0, 4.2), crystal(1))), observed(((8, 9.0, 3), crystal(1)))
    taken = compare(before, grown, np.zeros(2))
    assert taken.first_covered[1, 0] == pytest.approx(1, abs=0.15)
    assert compare(before, same, np.zeros(2)).first_covered[1, 0] < 0.3
    assert compare(grown, before, np.zeros(2)).second_covered[0, 1] == pytest.approx(1, abs=0.15)


def test_comparisons_know_the_drift_and_the_frames_between() -> None:
    frames = [observed(((8, 8, 3), crystal(1))), None, observed(((8, 10, 3), crystal(1)))]
    drift = Drift(np.array([[0, 0], [np.nan, np.nan], [0, 2.0]]), 0.0, 1, 0)
    between = Comparisons(frames, drift)
    assert between.between(0, 2).cost[0, 0] == pytest.approx(0.15, abs=0.03)
    assert between.between(0, 2) is between.between(0, 2)
