from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from clustem.crystallography.candidates import half_turns
from clustem.crystallography.refining import Fit
from clustem.crystallography.rotations import from_rotation_vector, misorientation_deg

from .examples import crystal

ALONG_111 = np.array([[1, -1, 0], [1, 1, -2], [1, 1, 1]]) / np.sqrt([[2], [6], [3]])
TILTED = from_rotation_vector(np.array([0.05, 0.02, 0.0])) @ ALONG_111  # ⟨111⟩ is 3° from the beam


def fit_of(hkl: list[tuple[int, int, int]], rotation: NDArray[np.float64] = TILTED) -> Fit:
    number, nothing = len(hkl), np.zeros(0)
    indices = np.array(hkl, np.int64).reshape(number, 3)
    spots, expected = np.zeros((number, 2)), np.linspace(1, 2, number)
    return Fit(rotation, 40.0, np.zeros(3), 1.0, np.zeros((2, 2)), expected, nothing, indices, spots)


def test_a_tilted_zone_is_turned_about_its_axis() -> None:
    """The zone stays where it is; for ⟨111⟩ of gold the other one is the twin, Σ3."""
    gold = crystal("Au")
    about_beam, about_zone = half_turns(fit_of([(2, -2, 0), (0, 2, -2), (2, 0, -2)]), gold)
    zone = np.ones(3) / np.sqrt(3)
    np.testing.assert_allclose(about_zone @ zone, TILTED @ zone, atol=1e-12)
    np.testing.assert_allclose((about_beam @ zone)[:2], -(TILTED @ zone)[:2], atol=1e-12)
    assert misorientation_deg(about_zone, TILTED, gold.rotations) == pytest.approx(60)
    for turned in (about_beam, about_zone):
        np.testing.assert_allclose(turned @ turned.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(turned) == pytest.approx(1)


def test_one_row_is_turned_within_its_zones() -> None:
    """The row comes to lie on itself, and the axis is at right angles to it."""
    row = np.array([1.0, -1.0, 0.0]) / np.sqrt(2)
    about_zone = half_turns(fit_of([(2, -2, 0), (4, -4, 0), (-2, 2, 0)]), crystal("Au"))[1]
    np.testing.assert_allclose(about_zone @ row, -(TILTED @ row), atol=1e-12)


def test_without_a_reflection_it_is_still_a_rotation() -> None:
    for turned in half_turns(fit_of([(0, 0, 0)]), crystal("Au")):
        np.testing.assert_allclose(turned @ turned.T, np.eye(3), atol=1e-12)
