from __future__ import annotations

import numpy as np
import pytest

from clustem.crystallography.rotations import (
    HALF_TURN,
    from_rotation_vector,
    misorientation_deg,
    to_euler_deg,
    to_quaternion,
)
from clustem.crystallography.zones import sample_zones, zone_rotations

from .examples import crystal, rotation


def test_a_rotation_vector_turns_from_x_to_y() -> None:
    turn = from_rotation_vector([0, 0, np.pi / 2])
    np.testing.assert_allclose(turn @ [1, 0, 0], [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(from_rotation_vector([0, 0, np.pi]), HALF_TURN, atol=1e-12)
    np.testing.assert_allclose(from_rotation_vector([0, 0, 0]), np.eye(3))


def test_misorientation_is_reduced_by_symmetry() -> None:
    cubic = crystal("Au").rotations
    for seed in range(5):
        matrix = rotation(seed)
        assert misorientation_deg(matrix @ cubic[seed], matrix, cubic) == pytest.approx(0, abs=1e-5)
        turned = matrix @ from_rotation_vector(np.deg2rad(60) * np.ones(3) / np.sqrt(3))
        assert misorientation_deg(turned, matrix, cubic) == pytest.approx(60, abs=1e-6)  # Σ3


def test_quaternions_are_passive_and_scalar_first() -> None:
    quarter = from_rotation_vector([0, 0, np.pi / 2])  # crystal to sample; the passive one turns back
    np.testing.assert_allclose(to_quaternion(quarter), [np.sqrt(0.5), 0, 0, -np.sqrt(0.5)], atol=1e-12)
    for axis in np.eye(3):
        half = to_quaternion(from_rotation_vector(np.pi * axis))
        np.testing.assert_allclose(np.abs(half), [0, *axis], atol=1e-12)


def test_euler_angles_by_hand() -> None:
    np.testing.assert_allclose(to_euler_deg(np.eye(3)), [0, 0, 0], atol=1e-9)
    np.testing.assert_allclose(to_euler_deg(from_rotation_vector([0, 0, np.deg2rad(30)])), [30, 0, 0], atol=1e-9)
    # the crystal turned by 40° about the sample's x, which stays its own: φ1 = 0, Φ = 40
    np.testing.assert_allclose(to_euler_deg(from_rotation_vector([np.deg2rad(40), 0, 0])), [0, 40, 0], atol=1e-9)
    first, middle, last = (np.deg2rad(v) for v in (20, 50, 70))
    z1, x, z2 = (from_rotation_vector(v) for v in ([0, 0, first], [middle, 0, 0], [0, 0, last]))
    np.testing.assert_allclose(to_euler_deg(z1 @ x @ z2), [20, 50, 70], atol=1e-9)


@pytest.mark.parametrize("name", ["Au", "Ti", "TiO2", "Mn"])
def test_zones_fill_one_fundamental_sector(name: str) -> None:
    made = crystal(name)
    zones = sample_zones(made, step_deg=3)
    order = 2 * len(made.rotations)
    assert 1 / order <= len(zones) / (4 * np.pi / np.deg2rad(3) ** 2) < 1.9 / order + 0.02
    directions = np.random.default_rng(0).normal(size=(200, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    images = np.einsum("rij,nj->nri", np.concatenate([made.rotations, -made.rotations]), directions)
    nearest = np.einsum("nri,zi->nrz", images, zones).max(axis=(1, 2))
    assert np.rad2deg(np.arccos(nearest.min())) < 3
    np.testing.assert_allclose(
        zone_rotations(zones) @ zones[..., None], np.tile([[0], [0], [1]], (len(zones), 1, 1)), atol=1e-9
    )
    np.testing.assert_allclose(np.linalg.det(zone_rotations(zones)), 1)
