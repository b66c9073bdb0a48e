import numpy as np
import pytest

from clustem.crystallography.lattice import find_lattice, lattice_points, turn_onto

RADIUS = 0.05


def peaks_on(lattice, *, seed=0, reach=1.5, kept=0.6):
    generator = np.random.default_rng(seed)
    points = lattice_points(np.array(lattice), 0.0, reach).g[:, :2]
    points = points[generator.random(len(points)) < kept]
    return points + generator.normal(0, 0.003, points.shape), generator.gamma(1, 10, len(points))


@pytest.mark.parametrize(
    "lattice", [[[0.4, 0.0], [0.0, 0.4]], [[0.35, 0.1], [-0.05, 0.6]], [[0.42, 0.21], [0.0, 0.3637]]]
)
@pytest.mark.parametrize("seed", range(3))
def test_the_lattice_is_found_and_not_a_part_or_multiple(lattice, seed):
    lattice = np.array(lattice)
    found = find_lattice(*peaks_on(lattice, seed=seed), RADIUS)
    change = np.linalg.inv(lattice) @ found
    np.testing.assert_allclose(change, np.rint(change), atol=0.02)
    assert np.linalg.det(change) == pytest.approx(1, abs=0.03)


def test_strays_do_not_matter():
    lattice = np.array([[0.4, 0.05], [0.0, 0.45]])
    peaks, intensities = peaks_on(lattice)
    strays = np.random.default_rng(5).uniform(-1, 1, (6, 2))
    found = find_lattice(np.vstack([peaks, strays]), np.append(intensities, np.full(6, 3.0)), RADIUS)
    assert np.linalg.det(found) == pytest.approx(np.linalg.det(lattice), rel=0.02)


def test_no_lattice():
    generator = np.random.default_rng(0)
    assert find_lattice(np.zeros((0, 2)), np.zeros(0), RADIUS) is None
    assert find_lattice(np.outer([-2, -1, 1, 2], [0.3, 0.1]), np.ones(4), RADIUS) is None
    angles = generator.uniform(0, 6, 40)
    ring = 0.6 * np.stack([np.cos(angles), np.sin(angles)], axis=1) * generator.uniform(0.6, 1.8, (40, 1))
    assert find_lattice(ring, np.ones(40), 0.02) is None


@pytest.mark.parametrize("turn_deg", [-70, -3, 0, 12.3, 80])
def test_a_turned_lattice_is_recognised(turn_deg):
    lattice = np.array([[0.4, 0.05], [0.0, 0.5]])
    peaks, intensities = peaks_on(lattice)
    turn = np.deg2rad(turn_deg)
    turned = peaks @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    assert np.rad2deg(turn_onto(lattice, turned, intensities, RADIUS)) == pytest.approx(turn_deg, abs=0.8)


@pytest.mark.parametrize(
    "lattice", [[[0.4, 0.0], [0.0, 0.4]], [[0.4, 0.2], [0.0, 0.3464]]], ids=["square", "hexagonal"]
)
@pytest.mark.parametrize("turn_deg", [-3, 0, 3])
def test_of_equivalent_turns_the_smallest_counts_whatever_the_strain(lattice, turn_deg):
    turn = np.deg2rad(turn_deg)
    for seed, stretch in enumerate((np.diag([1.01, 1.0]), np.diag([1.0, 1.01]), np.array([[1, 0.008], [0.008, 1]]))):
        peaks, intensities = peaks_on(lattice, seed=seed)
        turned = peaks @ stretch @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        assert np.rad2deg(turn_onto(np.array(lattice), turned, intensities, RADIUS)) == pytest.approx(turn_deg, abs=1)


def test_another_lattice_is_not():
    peaks, intensities = peaks_on([[0.37, 0.1], [0.0, 0.3]])
    assert turn_onto(np.array([[0.55, 0.0], [0.1, 0.47]]), peaks, intensities, 0.02) is None
