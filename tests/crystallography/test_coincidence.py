from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from clustem.crystallography.coincidence import BRANDON_DEG, coincidences, cubic_rotations, nearest_coincidence
from clustem.crystallography.rotations import from_rotation_vector

from .examples import crystal

# angle in degrees and axis, from the literature
KNOWN = {
    "Σ3": (60.0, (1, 1, 1)),
    "Σ5": (36.87, (1, 0, 0)),
    "Σ7": (38.21, (1, 1, 1)),
    "Σ9": (38.94, (1, 1, 0)),
    "Σ11": (50.48, (1, 1, 0)),
    "Σ13a": (22.62, (1, 0, 0)),
    "Σ13b": (27.80, (1, 1, 1)),
    "Σ15": (48.19, (2, 1, 0)),
    "Σ17a": (28.07, (1, 0, 0)),
    "Σ17b": (61.93, (2, 2, 1)),
    "Σ19a": (26.53, (1, 1, 0)),
    "Σ19b": (46.83, (1, 1, 1)),
    "Σ21a": (21.79, (1, 1, 1)),
    "Σ21b": (44.42, (2, 1, 1)),
    "Σ25a": (16.26, (1, 0, 0)),
    "Σ25b": (51.68, (3, 3, 1)),
    "Σ27a": (31.59, (1, 1, 0)),
    "Σ27b": (35.43, (2, 1, 0)),
    "Σ29a": (43.60, (1, 0, 0)),
    "Σ29b": (46.40, (2, 2, 1)),
    "Σ33a": (20.05, (1, 1, 0)),
    "Σ33c": (58.99, (1, 1, 0)),
    "Σ41c": (55.88, (1, 1, 0)),
    "Σ49c": (49.23, (3, 2, 2)),
}


def turn(angle: float, axis: tuple[int, int, int]) -> NDArray[np.float64]:
    vector = np.array(axis, np.float64)
    return from_rotation_vector(np.deg2rad(angle) * vector / np.linalg.norm(vector))


def test_the_rotations_of_a_cube_are_those_of_a_cubic_crystal() -> None:
    ours, gold = cubic_rotations(), crystal("Au").rotations
    assert len(ours) == len(gold) == 24
    assert all(np.abs(gold - one).max(axis=(1, 2)).min() < 1e-9 for one in ours)


@pytest.mark.parametrize("name", KNOWN)
def test_coincidences_are_those_of_the_literature(name: str) -> None:
    found, deviation = nearest_coincidence(turn(*KNOWN[name]))
    assert found == name
    assert deviation < 0.01


def test_letters_and_numbers_are_complete() -> None:
    names = [name for name, *_ in coincidences()]
    assert len(set(names)) == len(names)
    assert {name.rstrip("abc") for name in names} == {f"Σ{sigma}" for sigma in range(3, 50, 2)}


@pytest.mark.parametrize("name", ["Σ3", "Σ9", "Σ33c", "Σ39b"])
def test_names_do_not_depend_on_the_choice_of_axes_or_the_order(name: str) -> None:
    exact = next(matrix for found, _, matrix in coincidences() if found == name)
    symmetry = cubic_rotations()
    for one, other in ((3, 17), (8, 22)):
        assert nearest_coincidence(symmetry[one] @ exact @ symmetry[other])[0] == name
        assert nearest_coincidence((symmetry[one] @ exact @ symmetry[other]).T)[0] == name


def test_the_criterion_of_brandon_is_the_limit_and_the_lowest_number_wins() -> None:
    exact, aside = turn(60, (1, 1, 1)), np.array([1, -1, 0]) / np.sqrt(2)
    limit = BRANDON_DEG / np.sqrt(3)
    for off in (1.0, limit - 0.01):
        name, deviation = nearest_coincidence(from_rotation_vector(np.deg2rad(off) * aside) @ exact)
        assert name == "Σ3"
        assert deviation == pytest.approx(off, abs=1e-6)
    # what is farther from Σ3 is near another one here
    assert nearest_coincidence(from_rotation_vector(np.deg2rad(limit + 0.01) * aside) @ exact)[0] == "Σ43c"


def test_small_angles_have_no_name() -> None:
    assert nearest_coincidence(from_rotation_vector([0, 0.03, 0]))[0] == ""
    assert nearest_coincidence(np.eye(3))[0] == ""
