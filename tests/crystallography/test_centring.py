import numpy as np
import pytest

from clustem.crystallography.centring import friedel_centre

SHAPE = (96, 96)


def pairs(centre, number=8, seed=0):
    generator = np.random.default_rng(seed)
    half = generator.uniform(-40, 40, (number, 2))
    peaks = np.vstack([half, -half]) + centre + generator.normal(0, 0.1, (2 * number, 2))
    return peaks, generator.gamma(1, 10, 2 * number)


@pytest.mark.parametrize("seed", range(4))
def test_the_centre_of_pairs_among_strays(seed):
    peaks, intensities = pairs((47.3, 49.8), seed=seed)
    strays = np.random.default_rng(seed).uniform(0, 95, (8, 2))
    centre = friedel_centre(
        np.vstack([peaks, strays]), np.append(intensities, np.full(8, 5.0)), np.array([48, 48]), SHAPE
    )
    np.testing.assert_allclose(centre, (47.3, 49.8), atol=0.15)


def test_a_lattice_has_its_centre_and_not_half_a_step_beside():
    steps = np.mgrid[-3:4, -3:4].reshape(2, -1).T
    peaks = steps[(steps != 0).any(axis=1)] * 11.0 + [47, 49]
    centre = friedel_centre(peaks, np.ones(len(peaks)), np.array([49.5, 47.0]), SHAPE)
    np.testing.assert_allclose(centre, (47, 49), atol=0.01)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_too_few_pairs(number):
    peaks, intensities = pairs((47.3, 49.8), number=number)
    assert np.isnan(friedel_centre(peaks, intensities, np.array([48, 48]), SHAPE)).all()
