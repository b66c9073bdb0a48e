import numpy as np
import pytest

from clustem.surveying import NoiseModel, survey
from clustem.surveying.misfits import find_misfits


def spots(mean=3.0, sigma=1.0, seed=0, shape=(20, 20)):
    y, x = np.indices((40, 40))
    generator = np.random.default_rng(seed)
    expected = np.full((*shape, 40, 40), mean)
    for cy, cx in generator.uniform(4, 36, (8, 2)):
        strength = generator.gamma(1, 30, shape)[..., None, None]
        expected = expected + strength * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * sigma**2))
    return generator.poisson(expected).astype(np.uint16)


@pytest.mark.parametrize("sigma", [0.6, 1.0, 2.0])
@pytest.mark.parametrize("mean", [0.02, 3.0])
def test_spots_that_come_and_go_are_no_misfits(sigma, mean):
    for seed in range(3):
        assert not survey(spots(mean, sigma, seed)).misfit_pixels.any()


def test_a_saturated_pixel_is_left_out():
    data = spots()
    data[..., 20:22, 20:22] = np.minimum(data[..., 20:22, 20:22] + 500, 502)
    found = survey(data)
    expected = np.zeros((40, 40), bool)
    expected[20:22, 20:22] = True
    assert np.array_equal(found.misfit_pixels, expected)
    assert not found.detector_mask[20, 20]
    assert np.array_equal(found.bad_pixels, expected)
    assert "4 pixels whose variance does not fit the noise, saturated or flickering, are left out." in found.warnings
    assert "4 saturated or flickering" in repr(found)


def test_a_flickering_pixel_is_left_out():
    data = spots(5.0)
    data[..., 37, 20] = np.random.default_rng(3).choice([0, 15], data.shape[:2])
    assert np.argwhere(survey(data).misfit_pixels).tolist() == [[37, 20]]


def test_only_pixels_in_use_with_enough_counts_are_judged():
    mean, use = np.full((9, 9), 5.0), np.ones((9, 9), bool)
    variance = mean.copy()
    variance[4, 4], variance[2, 2] = 100.0, 0.0
    found = find_misfits(mean, variance, 5000, use, NoiseModel())
    assert np.argwhere(found).tolist() == [[2, 2], [4, 4]]
    use[4, 4] = use[2, 2] = False
    assert not find_misfits(mean, variance, 5000, use, NoiseModel()).any()
    assert not find_misfits(mean, variance, 10, np.ones((9, 9), bool), NoiseModel()).any()
