from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from clustem import Calibration, Crystal, Domains, InputError, Orientations, misorientation_table
from clustem.crystallography.misorientations import boundary_lengths, disorientation
from clustem.crystallography.rotations import from_rotation_vector, misorientation_deg
from clustem.segmentation import LabelsParameters

from .examples import crystal, rotation

NONE = np.full((3, 3), np.nan)


def turn(angle: float, axis: tuple[float, float, float]) -> NDArray[np.float64]:
    vector = np.array(axis, np.float64)
    return from_rotation_vector(np.deg2rad(angle) * vector / np.linalg.norm(vector))


def oriented(
    rotations: list[NDArray[np.float64]], phases: list[str], *crystals: Crystal, turn_error: float = 0.1
) -> Orientations:
    """Orientations with a tilt error of 0.4°; the last one is ambiguous."""
    number = len(rotations)
    ones = np.ones(number)
    return Orientations(
        rotation=np.array(rotations),
        phase=np.array(phases),
        ambiguous=np.arange(number) == number - 1,
        score=ones,
        probability=ones,
        reliability=ones,
        explained=ones,
        angle_error_in_plane_deg=turn_error * ones,
        angle_error_out_of_plane_deg=0.4 * ones,
        scale=ones,
        thickness_nm=4 * ones,
        candidates=pd.DataFrame(),
        indexed=pd.DataFrame(),
        crystals=crystals,
        reason=np.array([""] * number),
    )


def domains(labels: list[list[int]], step: float | tuple[float, float] | None = None) -> Domains:
    return Domains(np.array(labels, np.int32), "labels", LabelsParameters(), calibration=Calibration(scan_step_nm=step))


@pytest.mark.parametrize(
    ("angle", "axis", "name"),
    [
        (60.0, (1, 1, 1), "Σ3"),
        (36.8699, (1, 0, 0), "Σ5"),
        (38.2132, (1, 1, 1), "Σ7"),
        (38.9424, (1, 1, 0), "Σ9"),
    ],
)
def test_twins_by_hand(angle: float, axis: tuple[int, int, int], name: str) -> None:
    gold, first = crystal("Au"), rotation(4)
    symmetry = gold.rotations
    second = first @ symmetry[5] @ turn(angle, axis) @ symmetry[11]
    table = misorientation_table(oriented([first, second], ["Au", "Au"], gold), domains([[1, 1, 2, 2]], 0.5))
    row = table.iloc[0]
    assert (row["label"], row["neighbour"], row["edges"]) == (1, 2, 1)
    assert row["length_nm"] == pytest.approx(0.5 * row["length_positions"])
    assert row["misorientation_deg"] == pytest.approx(angle, abs=1e-3)
    unit = np.array(axis) / np.linalg.norm(axis)
    np.testing.assert_allclose(row[["axis_x", "axis_y", "axis_z"]].to_numpy(float), unit, atol=1e-5)
    assert row["coincidence"] == name
    assert row["coincidence_deviation_deg"] < 0.01
    assert row["ambiguous"]


def test_hexagonal_crystals_have_angles_but_no_names() -> None:
    titanium = crystal("Ti")
    tilted = turn(90, (1, 0, 0))
    found = oriented([np.eye(3), tilted, tilted @ turn(60, (0, 0, 1))], ["Ti"] * 3, titanium)
    table = misorientation_table(found, domains([[1, 2, 3]]))
    np.testing.assert_allclose(table["misorientation_deg"], [90, 0], atol=1e-5)
    assert table["coincidence"].tolist() == ["", ""]
    assert np.isnan(table["axis_x"][1])
    assert table["ambiguous"].tolist() == [False, True]


def test_between_phases_and_without_an_orientation_there_is_no_angle() -> None:
    found = oriented([np.eye(3), np.eye(3), NONE], ["Au", "Fe", ""], crystal("Au"), crystal("Fe"))
    table = misorientation_table(found, domains([[1, 2], [3, 3], [0, 0]]))
    assert table[["label", "neighbour"]].to_numpy().tolist() == [[1, 2], [1, 3], [2, 3]]
    assert table["misorientation_deg"].isna().all()
    assert table["phase"].tolist() == ["Au", "Au", "Fe"]
    assert table["neighbour_phase"].tolist() == ["Fe", "", ""]
    assert "length_nm" not in table


@pytest.mark.parametrize(("axis", "expected"), [((0, 0, 1), np.sqrt(2) * 0.1), ((1, 0, 0), np.sqrt(2) * 0.4)])
def test_only_errors_along_the_axis_change_the_angle(axis: tuple[int, int, int], expected: float) -> None:
    found = oriented([turn(10, axis), np.eye(3)], ["Au", "Au"], crystal("Au"))
    table = misorientation_table(found, domains([[1, 2]]))
    assert table["misorientation_error_deg"][0] == pytest.approx(expected)


def test_the_error_is_that_of_drawn_orientations() -> None:
    rng, gold = np.random.default_rng(5), crystal("Au")
    first, second = rotation(1), rotation(2)
    spread = np.deg2rad([0.4, 0.4, 0.1])
    draws = from_rotation_vector(rng.normal(size=(2, 2000, 3)) * spread)
    angles = misorientation_deg(draws[0] @ first, draws[1] @ second, gold.rotations)
    table = misorientation_table(oriented([first, second], ["Au", "Au"], gold), domains([[1, 2]]))
    assert table["misorientation_error_deg"][0] == pytest.approx(angles.std(), rel=0.06)


def test_no_boundaries_make_an_empty_table() -> None:
    table = misorientation_table(oriented([np.eye(3)], ["Au"], crystal("Au")), domains([[1, 0, 1]]))
    assert len(table) == 0
    assert "misorientation_deg" in table


def test_records_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(InputError, match="2 domains, got 1"):
        misorientation_table(oriented([np.eye(3)], ["Au"], crystal("Au")), domains([[1, 2]]))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["Au", "Ti", "TiO2", "Mn"]))
def test_disorientation_agrees_with_the_misorientation_and_its_axis_turns_by_it(seed: int, name: str) -> None:
    of, first, second = crystal(name), rotation(seed), rotation(seed + 1)
    angle, axis = disorientation(first, second, of)
    assert angle == pytest.approx(float(misorientation_deg(first, second, of.rotations)), abs=1e-6)
    back = first @ from_rotation_vector(np.deg2rad(angle) * axis)
    assert float(misorientation_deg(back, second, of.rotations)) < 1e-4


def test_lengths_are_right_whatever_the_direction_of_a_boundary() -> None:
    y, x = np.indices((200, 200))
    for degrees in (0, 17, 30, 45, 62, 90):
        angle = np.deg2rad(degrees)
        side = (x - 99.5) * np.sin(angle) - (y - 99.5) * np.cos(angle)
        near = np.hypot(x - 99.5, y - 99.5) < 90
        labels = np.where(near, 1 + (side > 0), 0)
        pairs, edges, length = boundary_lengths(labels)
        assert pairs.tolist() == [[1, 2]]
        assert length[0] == pytest.approx(180, rel=0.06)
        assert edges[0] == pytest.approx(180 * (abs(np.cos(angle)) + abs(np.sin(angle))), rel=0.03)


def test_lengths_follow_unequal_steps() -> None:
    labels = np.kron([[1, 2], [1, 2]], np.ones((50, 50), int))
    assert boundary_lengths(labels, (2.0, 1.0))[2][0] == pytest.approx(200, rel=0.1)
    assert boundary_lengths(labels.T, (2.0, 1.0))[2][0] == pytest.approx(100, rel=0.1)


def test_domains_that_touch_at_a_corner_only_are_no_neighbours() -> None:
    pairs, edges, _ = boundary_lengths(np.array([[1, 2], [3, 4]]))
    assert pairs.tolist() == [[1, 2], [1, 3], [2, 4], [3, 4]]
    assert edges.tolist() == [1, 1, 1, 1]
