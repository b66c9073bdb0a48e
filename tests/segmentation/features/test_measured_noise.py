from dataclasses import replace

import numpy as np
import pytest

from clustem.segmentation.features.basis import Basis
from clustem.segmentation.features.measured_noise import noise_fits, whitened
from clustem.surveying import NoiseModel, survey

from .patterns import halves, two_crystals

SIZE = 4


def plain_basis(size=SIZE):
    """A basis whose contrasts are the first pixels of a pattern."""
    return Basis(
        matrix=np.eye(size + 2, size + 2, dtype=np.float32),
        weight=np.ones(size, np.float32),
        back=np.eye(size + 2, size, dtype=np.float32),
        ring=np.arange(size + 2),
        place=np.stack([np.arange(size + 2), np.zeros(size + 2, int)], axis=1),
        spot=0.5,
        whole=np.eye(size),
        radial=np.diag(np.arange(size) == 0) * 1.0,
        structure=10.0,
    )


def mixing(seed=0):
    """What makes independent noise correlated, and of variances far from 1."""
    return np.diag([0.3, 1, 3, 10]) @ np.random.default_rng(seed).normal(size=(SIZE, SIZE))


def two_regions(*, seed=0, apart=30.0, shape=(30, 40)):
    """Contrasts of two flat regions with correlated noise."""
    generator = np.random.default_rng(seed)
    levels = np.stack([np.zeros(SIZE), apart * mixing() @ np.ones(SIZE)])
    noise = generator.normal(size=(*shape, SIZE)) @ mixing().T
    return (levels[halves(shape)] + noise).astype(np.float32)


@pytest.mark.parametrize("seed", range(3))
def test_noise_inside_of_regions_becomes_independent_of_variance_one(seed):
    values, _, _ = whitened(two_regions(seed=seed), plain_basis())
    left, right = values[:, :20].reshape(-1, SIZE), values[:, 20:].reshape(-1, SIZE)
    inside = (np.cov(left.T) + np.cov(right.T)) / 2
    np.testing.assert_allclose(inside, np.eye(SIZE), atol=0.25)
    assert np.trace(inside) / SIZE == pytest.approx(1, abs=0.12)


def test_regions_stay_as_far_apart_as_they_are_in_units_of_noise():
    values, _, _ = whitened(two_regions(apart=30.0), plain_basis())
    step = values[:, :20].mean(axis=(0, 1)) - values[:, 20:].mean(axis=(0, 1))
    assert np.linalg.norm(step) == pytest.approx(30 * np.sqrt(SIZE), rel=0.1)


def test_the_basis_makes_the_same_contrasts_and_the_same_patterns():
    given, basis = two_regions(), plain_basis()
    values, _, found = whitened(given, basis)
    patterns = np.concatenate([given, np.ones((*given.shape[:2], 2), np.float32)], axis=2)
    np.testing.assert_allclose((patterns @ found.matrix)[..., :SIZE], values, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(values @ found.back.T, given @ basis.back.T, rtol=1e-3, atol=1e-2)
    for energy, before in ((found.whole, basis.whole), (found.radial, basis.radial)):
        one, other = (np.einsum("yxi,ij,yxj->yx", *c) for c in ((values, energy, values), (given, before, given)))
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-2 * other.max())
    assert np.array_equal(found.matrix[:, SIZE:], basis.matrix[:, SIZE:]), "sum and noise stay"
    assert np.array_equal(basis.matrix, np.eye(6, SIZE + 2)), "what was given stays"


@pytest.mark.parametrize("size", [5, 20, 60])
def test_even_noise_is_one_on_average(size):
    values = np.random.default_rng(size).normal(size=(60, 60, size)).astype(np.float32)
    _, noise, _ = whitened(values, plain_basis(size))
    assert noise.mean() == pytest.approx(1, abs=0.05)


def test_noise_at_a_position_follows_the_second_smallest_distance():
    """Of even contrasts; for even noise half of it is 0.51, and more where there are fewer neighbours."""
    values, noise, _ = whitened(two_regions(shape=(9, 12)), plain_basis())
    padded = np.pad(values, ((1, 1), (1, 1), (0, 0)), constant_values=np.inf)
    apart = np.empty(noise.shape)
    for y, x in np.ndindex(9, 12):
        around = padded[y : y + 3, x : x + 3].reshape(9, SIZE)[np.arange(9) != 4]
        apart[y, x] = np.sort(((around - values[y, x]) ** 2).sum(axis=1))[1] / 2 / SIZE
    times = noise / apart
    np.testing.assert_allclose(times[1:-1, 1:-1], times[1, 1], rtol=1e-4)
    np.testing.assert_allclose(times[0, 1:-1], times[0, 1], rtol=1e-4)
    assert times[1, 1] == pytest.approx(1 / 0.51, rel=0.03)
    assert times[1, 1] > times[0, 1] > times[0, 0] > 1


def test_noise_follows_the_dose():
    """Rows of nine times the variance."""
    generator = np.random.default_rng(3)
    given = generator.normal(size=(60, 40, SIZE)) * np.where(np.arange(60) < 30, 1, 3)[:, None, None]
    _, noise, _ = whitened(given.astype(np.float32), plain_basis())
    assert np.median(noise[31:]) / np.median(noise[:29]) == pytest.approx(9, rel=0.3)


def test_the_unit_of_the_data_does_not_matter():
    one, other = (whitened(two_regions() * np.float32(factor), plain_basis())[0] for factor in (1, 1000))
    np.testing.assert_allclose(other, one, rtol=1e-3, atol=2e-2)


def test_too_few_positions_to_tell():
    values = two_regions()[:1, :3]
    same, noise, basis = whitened(values, plain_basis())
    assert np.array_equal(same, values)
    assert (noise == 1).all()
    assert np.array_equal(basis.matrix, plain_basis().matrix)


def test_values_without_any_noise():
    values, noise, basis = whitened(np.zeros((9, 9, SIZE), np.float32), plain_basis())
    assert not values.any()
    assert np.isfinite(values).all()
    assert (noise > 0).all()
    assert basis.matrix.shape == plain_basis().matrix.shape


def test_positions_that_are_exactly_alike_tell_nothing_of_noise():
    """Two thirds of them are dead."""
    given = two_regions(shape=(30, 40), apart=0)
    dead = given.copy()
    dead[:20] = 0
    values, noise, basis = whitened(dead, plain_basis())
    assert np.isfinite(basis.matrix).all()
    assert (noise > 0).all()
    np.testing.assert_allclose(np.cov(values[20:].reshape(-1, SIZE).T), np.eye(SIZE), atol=0.35)


def test_counts_fit_their_model_and_others_do_not():
    known = survey(two_crystals((10, 12)))
    assert noise_fits(known)
    assert noise_fits(replace(known, noise=NoiseModel("gain", gain=7.0, offset=3.0, covariance=(0.05, 0, 0.05, 0))))
    assert not noise_fits(replace(known, noise=NoiseModel("unknown", gain=0.0)))
    for shared in ((0.9, 0, 0, 0), (0, 0, -0.9, 0)):
        assert not noise_fits(replace(known, noise=NoiseModel("unknown", covariance=shared)))


def test_patterns_whose_contrast_was_stretched_do_not_fit():
    """Each to the range of 8 bits, after noise that does not depend on the mean."""
    generator = np.random.default_rng(0)
    data = generator.uniform(80, 170, (1, 1, 36, 36)) + generator.normal(0, 12, (20, 20, 36, 36))
    low, high = data.min((2, 3), keepdims=True), data.max((2, 3), keepdims=True)
    assert not noise_fits(survey(((data - low) / (high - low) * 255).astype(np.uint8)))
