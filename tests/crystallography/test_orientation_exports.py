from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from clustem import InputError, Orientations
from clustem.crystallography.orientation_exports import (
    orientation_table,
    oxford_axes,
    save_crystal_map,
    to_ang,
    to_csv,
    to_ctf,
)
from clustem.crystallography.rotations import from_rotation_vector

from .examples import crystal
from .test_oriented_map import maps_of

LABELS = np.array([[1, 2, 0], [3, 3, 4]])
TURN = from_rotation_vector([0, 0, np.deg2rad(20)])
TILT = from_rotation_vector([np.deg2rad(40), 0, 0])


@pytest.fixture
def found() -> Orientations:
    """Gold turned by 20° about the beam, titanium as the axes lie, rutile tilted by 40°, and nothing."""
    one = np.array([1.0, 0.9, 0.8, np.nan])
    return Orientations(
        rotation=np.stack([TURN, np.eye(3), TILT, np.full((3, 3), np.nan)]),
        phase=np.array(["Au", "Ti", "TiO2", ""]),
        ambiguous=np.array([False, False, True, True]),
        score=one,
        probability=one,
        reliability=one,
        explained=one,
        angle_error_in_plane_deg=0.1 * one,
        angle_error_out_of_plane_deg=0.2 * one,
        scale=one,
        thickness_nm=4 * one,
        candidates=pd.DataFrame(),
        indexed=pd.DataFrame(),
        crystals=tuple(crystal(name) for name in ("Au", "Ti", "TiO2")),
        reason=np.array(["", "", "", "fewer than 3 peaks"]),
    )


def rows_of(text: str, comment: str) -> list[list[float]]:
    return [[float(v) for v in line.split()] for line in text.splitlines() if not line.startswith(comment)]


def test_ang_by_hand(found: Orientations) -> None:
    text = to_ang(found, LABELS, step_nm=(2, 4))
    rows = np.array(rows_of(text, "#"))
    assert rows.shape == (6, 10)
    np.testing.assert_allclose(rows[0, :3], [np.deg2rad(20), 0, 0], atol=1e-5)
    np.testing.assert_allclose(rows[1, :3], 0, atol=1e-5)
    np.testing.assert_allclose(rows[3, :3], [0, np.deg2rad(40), 0], atol=1e-5)
    np.testing.assert_allclose(rows[:, 3], [0, 0.004, 0.008] * 2)
    np.testing.assert_allclose(rows[:, 4], [0] * 3 + [0.002] * 3)
    assert rows[:, 7].tolist() == [1, 2, 0, 3, 3, 0]
    assert rows[:, 6].tolist() == [1, 0.9, -1, 0.8, 0.8, -1]
    assert "# Symmetry              43" in text
    assert "# Symmetry              62" in text


def test_ctf_by_hand(found: Orientations) -> None:
    text = to_ctf(found, LABELS, step_nm=2)
    head, body = text.split("Phase\tX\tY\tBands\tError\tEuler1\tEuler2\tEuler3\tMAD\tBC\tBS\n")
    rows = np.array([[float(v) for v in line.split()] for line in body.splitlines()])
    assert rows[:, 0].tolist() == [1, 2, 0, 3, 3, 0]
    np.testing.assert_allclose(rows[0, 5:8], [20, 0, 0], atol=1e-4)
    # e1 ∥ a lies along the sample's x, and Oxford's X ∥ a* 30° from it towards y
    np.testing.assert_allclose(rows[1, 5:8], [30, 0, 0], atol=1e-4)
    np.testing.assert_allclose(rows[3, 5:8], [0, 40, 0], atol=1e-4)
    assert "XCells\t3" in head
    assert "2.9500;2.9500;4.6860\t90.0000;90.0000;120.0000\tTi\t9\t194" in head


def test_oxford_axes_are_a_star_and_b() -> None:
    hexagonal = crystal("Ti")
    axes = oxford_axes(hexagonal)
    np.testing.assert_allclose(axes[:, 0], hexagonal.reciprocal[:, 0] * np.sqrt(0.75) * 2.95, atol=1e-12)
    np.testing.assert_allclose(axes[:, 1], hexagonal.direct[:, 1] / 2.95, atol=1e-12)
    np.testing.assert_allclose(oxford_axes(crystal("TiO2")), np.eye(3), atol=1e-12)


def test_csv_and_table(found: Orientations) -> None:
    table = orientation_table(found)
    assert table["phase"].tolist() == ["Au", "Ti", "TiO2", ""]
    np.testing.assert_allclose(table.loc[0, ["phi1_deg", "Phi_deg", "phi2_deg"]].astype(float), [20, 0, 0], atol=1e-9)
    np.testing.assert_allclose(
        table.loc[2, ["beam_x", "beam_y", "beam_z"]].astype(float), TILT.T @ [0, 0, 1], atol=1e-12
    )
    assert to_csv(found).splitlines()[4].startswith("4,,True,,,")


def test_orix_reads_what_is_written(found: Orientations, tmp_path: Path) -> None:
    from orix import io

    folder = tmp_path
    save_crystal_map(folder / "map.h5", found, LABELS, step_nm=2)
    (folder / "map.ang").write_text(to_ang(found, LABELS, step_nm=2))
    (folder / "map.ctf").write_text(to_ctf(found, LABELS, step_nm=2))
    stored = io.load(str(folder / "map.h5"))
    assert stored.phases.names == ["not_indexed", "Au", "Ti", "TiO2"]
    assert stored.phase_id.tolist() == [0, 1, -1, 2, 2, -1]
    np.testing.assert_allclose(stored.rotations[0].to_matrix()[0], TURN.T, atol=1e-6)
    np.testing.assert_allclose(stored.prop["score"][[0, 1, 3]], [1, 0.9, 0.8])
    edax = io.load(str(folder / "map.ang"))
    np.testing.assert_allclose(edax["indexed"].rotations[2].to_matrix()[0], TILT.T, atol=1e-4)
    oxford = io.load(str(folder / "map.ctf"))
    assert oxford.phases.names[-3:] == ["Au", "Ti", "TiO2"]
    np.testing.assert_allclose(oxford["indexed"].rotations[0].to_matrix()[0], TURN.T, atol=1e-4)


def test_orix_reads_positions_where_they_were_measured(found: Orientations, tmp_path: Path) -> None:
    from orix import io

    bent = from_rotation_vector([0.02, -0.01, 0.03])
    own = np.full((2, 3, 3, 3), np.nan)
    own[0, 1], own[1, 0] = bent, bent @ TILT  # of titanium and of rutile; not of gold, nor of the other of rutile
    positions = maps_of(own)
    save_crystal_map(tmp_path / "map.h5", found, LABELS, positions=positions)
    (tmp_path / "map.ang").write_text(to_ang(found, LABELS, positions=positions))
    (tmp_path / "map.ctf").write_text(to_ctf(found, LABELS, positions=positions))
    expected = [TURN, bent, bent @ TILT, TILT]
    for name, accuracy in (("map.h5", 1e-6), ("map.ang", 2e-5), ("map.ctf", 2e-5)):
        crystal_map = io.load(str(tmp_path / name))["indexed"]
        matrices = crystal_map.rotations.to_matrix().copy()
        if name == "map.ctf":  # Oxford's X ∥ a* is 30° from a in titanium
            matrices[1] = from_rotation_vector([0, 0, np.pi / 6]) @ matrices[1]
        np.testing.assert_allclose(matrices, np.swapaxes(expected, 1, 2), atol=accuracy)
    stored = io.load(str(tmp_path / "map.h5"))
    assert stored.prop["averaged"].tolist() == [0, 5, 0, 5, 0, 0]
    np.testing.assert_allclose(stored.prop["score"][:5], [1, 0.7, np.nan, 0.7, 0.8])
    errors = [0.2, np.hypot(0.2 * 0.9, 0.3), np.nan, np.hypot(0.2 * 0.8, 0.3), 0.2 * 0.8]
    np.testing.assert_allclose(stored.prop["angle_error_out_of_plane_deg"][:5], errors)


@pytest.mark.parametrize("labels", [np.array([[5]]), np.array([[-1]]), np.array([1]), np.array([[1.5]])])
def test_labels_that_do_not_fit_are_told(found: Orientations, labels: np.ndarray) -> None:
    with pytest.raises(InputError, match="labels"):
        to_ang(found, labels)


def test_a_bad_step_is_told(found: Orientations) -> None:
    with pytest.raises(InputError, match="step_nm"):
        to_ctf(found, LABELS, step_nm=0)
