from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from clustem import InputError, PositionMaps
from clustem.crystallography.oriented_map import oriented_map, phase_numbers

from .examples import crystal
from .test_misorientations import NONE, oriented, turn

GOLD, IRON = crystal("Au"), crystal("Fe")


def maps_of(rotation: NDArray[np.float64]) -> PositionMaps:
    """Maps with these orientations, from five patterns each, with a tilt error of 0.3° and a score of 0.7."""
    shape = rotation.shape[:2]
    known = np.isfinite(rotation).all(axis=(2, 3))
    nothing = np.full(shape, np.nan)
    return PositionMaps(
        rotation,
        angle_error_in_plane_deg=np.where(known, 0.1, np.nan),
        angle_error_out_of_plane_deg=np.where(known, 0.3, np.nan),
        **dict.fromkeys(("e_xx", "e_yy", "e_xy", "omega"), nothing),
        **dict.fromkeys(("e_xx_error", "e_yy_error", "e_xy_error", "omega_error"), nothing),
        score=np.where(known, 0.7, np.nan),
        averaged=np.where(known, 5, 0).astype(np.int32),
        reference="crystal",
    )


def test_a_position_has_its_own_orientation_or_that_of_its_domain() -> None:
    found = oriented([np.eye(3), turn(30, (1, 2, 3)), NONE], ["Au", "Fe", ""], GOLD, IRON)
    labels = np.array([[1, 1, 2], [0, 3, 2]])
    own = np.full((2, 3, 3, 3), np.nan)
    own[0, 1] = turn(2, (0, 1, 0))
    own[1, 1] = turn(5, (1, 0, 0))  # of a domain without a crystal, so of none
    shown = oriented_map(found, labels, maps_of(own))
    assert shown.phase.tolist() == [[1, 1, 2], [0, 0, 2]]
    assert shown.averaged.tolist() == [[0, 5, 0], [0, 0, 0]]
    np.testing.assert_array_equal(shown.rotation[0], [np.eye(3), turn(2, (0, 1, 0)), turn(30, (1, 2, 3))])
    np.testing.assert_array_equal(np.isfinite(shown.rotation[..., 0, 0]), shown.known)
    np.testing.assert_allclose(shown.tilt_error_deg, [[0.4, 0.5, 0.4], [np.nan, 0.4, 0.4]])
    np.testing.assert_array_equal(found.rotation[0], np.eye(3))


def test_without_positions_it_is_that_of_the_domain() -> None:
    found = oriented([turn(30, (1, 2, 3))], ["Au"], GOLD)
    shown = oriented_map(found, np.array([[1, 0]]), None)
    np.testing.assert_array_equal(shown.rotation[0, 0], found.rotation[0])
    assert shown.averaged.tolist() == [[0, 0]]
    assert shown.of_domains([7.0], -1).tolist() == [[7, -1]]


def test_numbers_of_phases() -> None:
    assert phase_numbers(oriented([np.eye(3), NONE, np.eye(3)], ["Fe", "", "Au"], GOLD, IRON)).tolist() == [2, 0, 1]


def test_maps_of_another_shape_are_refused() -> None:
    found = oriented([np.eye(3)], ["Au"], GOLD)
    with pytest.raises(InputError, match=r"positions: expected maps of shape \(1, 2\) as labels, got \(3, 1\)"):
        oriented_map(found, np.array([[1, 0]]), maps_of(np.full((3, 1, 3, 3), np.nan)))
