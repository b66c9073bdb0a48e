"""Orientation and strain at every position."""

import numpy as np
import pytest

import clustem
from clustem.crystallography.deformation import left_polar
from clustem.crystallography.local_strains import deformations, fit_gradients, strains
from clustem.crystallography.local_tilts import LocalTilts
from clustem.errors import InputError
from clustem.formats import open_scan
from clustem.passes import column_parts

from .patterns import lattice_pattern

SHAPE, CENTRE = (72, 72), (35.5, 35.5)
VECTORS = np.array([[0.0, 15.0], [13.5, 3.0]])
STRETCH = np.array([[1.0, 0.0], [0.0, 0.99]])  # of reciprocal space, (y, x): the crystal is 1 % longer along x


@pytest.fixture(scope="module")
def scene():
    """One domain of 6×10 positions, of which the right half is strained by 1 % along x."""
    halves = [
        lattice_pattern(SHAPE, CENTRE, VECTORS @ m, 3.2, height=25.0, beam=400.0, background=0.05, reach=26)[0]
        for m in (np.eye(2), STRETCH)
    ]
    expected = np.array(halves)[(np.arange(10) >= 5).astype(int)]
    return np.random.default_rng(0).poisson(np.broadcast_to(expected, (6, 10, *SHAPE))).astype(np.uint16)


def mapped(scan, labels, **options):
    survey = clustem.survey(scan)
    averages = clustem.average(scan, labels, survey=survey)
    peaks = clustem.find_peaks(averages)
    strain = clustem.fit_strain(peaks, reference=1)
    return clustem.map_positions(scan, labels, averages, peaks, strain=strain, survey=survey, **options)


@pytest.fixture(scope="module")
def maps(scene):
    return mapped(scene, np.ones((6, 10), int))


def test_strain_inside_of_a_domain_shows(maps):
    assert maps.measured.all()
    assert not maps.oriented.any()
    assert (maps.averaged == 1).all()
    left, right = maps.e_xx[:, :5], maps.e_xx[:, 5:]
    assert abs(right.mean() - left.mean() - 0.0101) < 0.0012, "a tenth: how well the template has the edges of disks"
    for name in ("e_yy", "e_xy", "omega"):
        values, errors = getattr(maps, name), getattr(maps, f"{name}_error")
        assert abs(values.mean()) < 1e-3
        assert values.std() < 2 * errors.mean()
    assert 0.5 < np.hypot(left.std(), right.std()) / np.sqrt(2) / maps.e_xx_error.mean() < 1.5
    assert "60, standard error" in repr(maps)


def test_where_electrons_are_few_neighbours_in_the_domain_are_averaged(scene):
    faint = np.random.default_rng(1).binomial(scene, 0.05)
    labels = np.ones((6, 10), int)
    labels[:, 9] = 0
    maps = mapped(faint, labels)
    assert maps.averaged.max() > 4
    assert maps.averaged[0, 0] < maps.averaged[3, 4]
    assert not maps.averaged[:, 9].any()
    assert np.isnan(maps.e_xx[:, 9]).all()
    assert maps.e_xx[:, 7:9].mean() - maps.e_xx[:, :2].mean() > 0.006


def test_blocks_and_threads_change_nothing(scene, maps):
    with clustem.execution(memory=2**20, threads=1):
        again = mapped(scene, np.ones((6, 10), int))
    np.testing.assert_array_equal(again.e_xx, maps.e_xx)
    np.testing.assert_array_equal(again.averaged, maps.averaged)


def test_parts_of_rows_change_nothing(scene):
    wide, labels = np.tile(scene[:3], (1, 6, 1, 1)), np.ones((3, 60), int)
    labels[:, :25], labels[:, 38:41] = 2, 0
    once = mapped(wide, labels)
    with clustem.execution(memory=2**20, threads=2):
        assert len(column_parts(open_scan(wide), working_bytes=8)) == 4
        again = mapped(wide, labels)
    np.testing.assert_array_equal(again.e_xx, once.e_xx)
    np.testing.assert_array_equal(again.averaged, once.averaged)


def test_a_beam_that_moves_strains_nothing(scene, maps):
    moved = np.stack([np.roll(scene[:, x], x // 2, axis=-1) for x in range(10)], axis=1)
    again = mapped(moved, np.ones((6, 10), int))
    assert abs(again.e_xx - maps.e_xx).max() < 6e-3
    assert abs(again.e_xx[:, 5:].mean() - again.e_xx[:, :5].mean() - 0.0101) < 0.0015


def test_what_does_not_fit_is_told(scene, maps):
    labels = np.ones((6, 10), int)
    averages = clustem.average(scene, labels)
    peaks = clustem.find_peaks(averages)
    with pytest.raises(InputError, match="domains: expected whole numbers"):
        clustem.map_positions(scene, labels[1:], averages, peaks)
    with pytest.raises(InputError, match="averages: expected those of 2 domains"):
        clustem.map_positions(scene, labels + np.eye(6, 10, dtype=int), averages, peaks)


def test_gradients_of_exact_moves_are_exact():
    generator = np.random.default_rng(3)
    places, average = generator.uniform(-30, 30, (12, 2)), generator.uniform(1, 5, 12)
    wanted = generator.normal(0, 0.01, (4, 2, 2))
    bright = average * generator.uniform(0.2, 2, (4, 12))
    moves = (bright / average)[..., None] * np.einsum("mij,nj->mni", wanted, places)
    variances = np.full((12, 2), 0.01)
    found, covariances = fit_gradients(places, bright, average, moves, variances, np.zeros((4, 2)))
    np.testing.assert_allclose(found, wanted, atol=1e-8)
    assert (np.linalg.eigvalsh(covariances) > 0).all()


@pytest.mark.parametrize("rotation", [0.0, 30.0])
def test_deformation_in_the_frame_of_the_sample(rotation):
    calibration = clustem.Calibration(detector_rotation_deg=rotation, inv_angstrom_per_px=0.02)
    c, s = np.cos(np.deg2rad(rotation)), np.sin(np.deg2rad(rotation))
    turn = np.array([[c, -s], [s, c]])  # from the detector to the sample, (x, y)
    wanted = np.array([[1.01, 0.002], [0.004, 0.995]])
    on_detector = turn.T @ np.linalg.inv(wanted).T @ turn - np.eye(2)
    found, errors = deformations(on_detector[None, ::-1, ::-1], 1e-6 * np.eye(4)[None], calibration)
    np.testing.assert_allclose(found[0], wanted, atol=1e-12)
    np.testing.assert_allclose(errors[0], 1e-3 * np.array([1, 1, 0.5**0.5, 0.5**0.5]))
    stretch, angle = left_polar(wanted)
    expected = [stretch[0, 0] - 1, stretch[1, 1] - 1, stretch[0, 1], angle]
    np.testing.assert_allclose(strains(found)[0], expected, atol=1e-12)


def test_a_tilt_is_found_between_the_steps_of_the_grid():
    generator = np.random.default_rng(0)
    axis = np.deg2rad(0.5) * np.arange(-8, 9)
    slopes = generator.normal(0, 1, (30, 2))

    def amplitudes(tilts):
        return np.exp(-(((slopes @ tilts.T).T / np.deg2rad(3) + 0.5) ** 2))

    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    tilts = LocalTilts(axis, amplitudes(grid), amplitudes(np.zeros((1, 2)))[0] ** 2)
    wanted = np.deg2rad([[0.6, -0.8], [0.0, 0.2], [9.0, 9.0]])
    found, covariance, score = tilts.fit(4 * amplitudes(wanted) ** 2, np.full(30, 1e-4))
    np.testing.assert_allclose(np.rad2deg(found[:2]), np.rad2deg(wanted[:2]), atol=0.07)
    assert np.isnan(found[2]).all(), "outside of the grid"
    assert (np.linalg.eigvalsh(covariance[:2]) > 0).all()
    assert score[0] > 0.995
