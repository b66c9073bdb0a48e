import numpy as np
import pytest

from clustem.crystallography.indexing import Candidates, near_the_sphere, pair, separate, tolerances
from clustem.crystallography.structure_factors import Reflections


def test_only_reflections_near_the_sphere_strongest_first():
    wavelength = 0.025
    on_sphere = np.array([0.8, 0, -wavelength * 0.8**2 / 2])
    g = np.array([[0.5, 0, 0.3], [0.8, 0, 0.02], on_sphere])
    reflections = Reflections(np.arange(9).reshape(3, 3), g, np.array([1, 1, 1], complex))
    found = near_the_sphere(reflections, np.eye(3), wavelength)
    assert found.hkl.tolist() == [[6, 7, 8], [3, 4, 5]]
    assert found.strength[0] == pytest.approx(1)


def candidates(places, strength):
    g = np.pad(np.array(places, float), ((0, 0), (0, 1)))
    return Candidates(np.arange(3 * len(g)).reshape(-1, 3), g, np.array(strength, float))


def test_mixed_reflections_are_left_out_and_covered_ones_ignored():
    places = [(1.0, 0), (0, 1.0), (1.01, 0), (0.01, 1)]
    kept = separate(candidates(places, [5, 4, 3, 0.1]), 0.05)
    assert kept.g[:, :2].tolist() == [[0, 1]]


def test_pairs_are_one_to_one_nearest_first():
    expected, peaks = np.array([[0.0, 0], [1, 0], [5, 5]]), np.array([[0.9, 0], [0.3, 0], [9, 9]])
    first, second = pair(expected, peaks, np.full(3, 2.0))
    assert dict(zip(first.tolist(), second.tolist(), strict=True)) == {1: 0, 0: 1}
    assert pair(np.zeros((0, 2)), peaks, np.zeros(0))[0].size == 0


def test_tolerances():
    assert tolerances(np.array([[0.6, 0.8]]), 0.1, loose=False).tolist() == [0.05]
    assert tolerances(np.array([[0.6, 0.8]]), 0.1, loose=True).tolist() == [0.07]
