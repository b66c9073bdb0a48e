import numpy as np
import pytest

from clustem.segmentation.noise_aware.confidence import judge, split_noise
from tests.segmentation.scenes import features_of, halves


def jump(shape=(10, 12), *, height=0.0, seed=0):
    values = np.random.default_rng(seed).normal(size=(*shape, 3))
    values[..., 0] += height * halves(shape)
    return features_of(values)


def values_of(features):
    """Contrasts of all windows, one after the other."""
    return np.concatenate([window.values.reshape(-1, window.values.shape[2]) for window in features.windows])


def test_the_halves_have_twice_the_noise_and_the_same_mean():
    features = jump((60, 70))
    one, two = split_noise(features)
    np.testing.assert_allclose((values_of(one) + values_of(two)) / 2, values_of(features), rtol=1e-5, atol=1e-5)
    for half in (one, two):
        assert np.array_equal(half.windows[0].noise, 2 * features.windows[0].noise)
        np.testing.assert_allclose(values_of(half).var(axis=0), 2, rtol=0.08)
        assert np.array_equal(half.electrons, features.electrons)


def test_the_noise_of_the_halves_is_independent():
    one, two = (values_of(half) for half in split_noise(jump((60, 70))))
    correlation = np.corrcoef(one.T, two.T)[:3, 3:]
    assert np.abs(correlation).max() < 0.06


def test_brighter_positions_get_more_noise():
    noise = np.ones((40, 40))
    noise[:, 20:] = 9
    one, two = split_noise(features_of(np.zeros((40, 40, 3)), noise=noise))
    added = (one.windows[0].values - two.windows[0].values) / 2
    assert added[:, 20:].std() / added[:, :20].std() == pytest.approx(3, rel=0.05)


def test_the_halves_are_the_same_every_time():
    first, other = split_noise(jump()), split_noise(jump())
    assert [values_of(half).tobytes() for half in first] == [values_of(half).tobytes() for half in other]


def test_the_same_partition_twice_is_sure():
    labels = (halves((10, 12)) + 1).astype(np.int32)
    found = judge(labels, [labels, 3 - labels])
    assert found.domains.tolist() == [1, 1], "numbers do not matter"
    assert found.distinct
    assert found.boundary == pytest.approx(1 / 12), "one column of twelve has another domain to its right"


def test_overlaps_by_hand():
    """Domain 1 is found whole and half; domain 2 whole, and with two columns more."""
    labels = (halves((10, 8)) + 1).astype(np.int32)
    one, two = np.full((10, 8), 2, np.int32), np.full((10, 8), 5, np.int32)
    one[:, :4] = 1
    two[:, :2] = 7
    np.testing.assert_allclose(judge(labels, [one, two]).domains, [(1 + 1 / 2) / 2, (1 + 4 / 6) / 2])
    wide = np.full((10, 8), 1, np.int32)
    np.testing.assert_allclose(judge(labels, [wide, wide]).domains, 0.5)


def test_what_is_not_found_again_is_not_distinct():
    """Twenty strips of which both halves know only the whole."""
    labels = np.tile(np.arange(1, 21, dtype=np.int32), (10, 1))
    whole = np.ones((10, 20), np.int32)
    found = judge(labels, [whole, whole])
    assert not found.distinct
    np.testing.assert_allclose(found.domains, 1 / 20)


def test_a_domain_and_vacuum_are_two_regions():
    labels = halves((10, 12)).astype(np.int32)
    assert judge(labels, [labels, labels]).distinct
    assert not judge(labels, [1 - 0 * labels, 1 - 0 * labels]).distinct


def test_one_domain_is_not_distinct_from_anything():
    labels = np.ones((10, 12), np.int32)
    found = judge(labels, [labels, labels])
    assert not found.distinct
    assert found.boundary == 0
    assert found.domains.tolist() == [1]


def test_no_domain():
    labels = np.zeros((10, 12), np.int32)
    found = judge(labels, [labels, labels])
    assert (found.domains.size, found.distinct, found.boundary) == (0, False, 0)


def test_the_background_of_one_half_may_be_a_domain_of_the_other():
    labels = halves((10, 12)).astype(np.int32)
    found = judge(labels + 1, [labels, 2 - labels])
    assert found.distinct
    assert found.domains.tolist() == [1, 1]


def test_two_halves_of_what_is_found_whole_are_not_distinct():
    labels = (halves((10, 12)) + 1).astype(np.int32)
    found = judge(labels, [np.ones_like(labels), np.zeros_like(labels)])
    assert found.domains.tolist() == [0.5, 0.5]
    assert not found.distinct


def test_one_half_that_finds_nothing_takes_no_domain_away():
    labels = halves((10, 12)).astype(np.int32)
    found = judge(labels, [np.ones_like(labels), labels])
    assert found.domains.tolist() == [0.75]
    assert found.distinct
