import numpy as np
import pytest

from clustem.segmentation.confidence import judge, split_noise

from .scenes import features_of, halves


def jump(shape=(10, 12), *, height=0.0, seed=0):
    values = np.random.default_rng(seed).normal(size=(*shape, 3))
    values[..., 0] += height * halves(shape)
    return features_of(values)


def test_the_halves_have_twice_the_noise_and_the_same_mean():
    features = jump((60, 70))
    one, two = split_noise(features)
    np.testing.assert_allclose((one.values + two.values) / 2, features.values, rtol=1e-5, atol=1e-5)
    for half in (one, two):
        assert np.array_equal(half.noise, 2 * features.noise)
        np.testing.assert_allclose(half.values[..., :-1].var(axis=(0, 1)), 2, rtol=0.08)
        assert half.values[..., -1].var() == pytest.approx(1, rel=0.08), "the sum had no noise here"


def test_the_noise_of_the_halves_is_independent():
    one, two = (half.values[..., :-1].reshape(-1, 3) for half in split_noise(jump((60, 70))))
    correlation = np.corrcoef(one.T, two.T)[:3, 3:]
    assert np.abs(correlation).max() < 0.06


def test_brighter_positions_get_more_noise():
    noise = np.ones((40, 40))
    noise[:, 20:] = 9
    one, two = split_noise(features_of(np.zeros((40, 40, 3)), noise=noise))
    added = (one.values - two.values)[..., :-1] / 2
    assert added[:, 20:].std() / added[:, :20].std() == pytest.approx(3, rel=0.05)


def test_the_halves_are_the_same_every_time():
    first, other = split_noise(jump()), split_noise(jump())
    assert [half.values.tobytes() for half in first] == [half.values.tobytes() for half in other]


def test_the_same_partition_twice_is_sure():
    labels = (halves((10, 12)) + 1).astype(np.int32)
    found = judge(labels, [labels, 3 - labels], split_noise(jump(height=20)))
    assert found.domains.tolist() == [1, 1], "numbers do not matter"
    assert found.distinct
    assert found.boundary == pytest.approx(1 / 12), "one column of twelve has another domain to its right"


def test_overlaps_by_hand():
    """Domain 1 is found whole and half; domain 2 whole, and with two columns more."""
    labels = (halves((10, 8)) + 1).astype(np.int32)
    one, two = np.full((10, 8), 2, np.int32), np.full((10, 8), 5, np.int32)
    one[:, :4] = 1
    two[:, :2] = 7
    found = judge(labels, [one, two], split_noise(jump((10, 8))))
    np.testing.assert_allclose(found.domains, [(1 + 1 / 2) / 2, (1 + 4 / 6) / 2])
    wide = np.full((10, 8), 1, np.int32)
    np.testing.assert_allclose(judge(labels, [wide, wide], split_noise(jump((10, 8)))).domains, 0.5)


def test_noise_is_not_distinct():
    labels = (halves((10, 12)) + 1).astype(np.int32)
    assert not judge(labels, [labels, labels], split_noise(jump())).distinct


def test_one_domain_is_not_distinct_from_anything():
    labels = np.ones((10, 12), np.int32)
    found = judge(labels, [labels, labels], split_noise(jump(height=20)))
    assert not found.distinct
    assert found.boundary == 0
    assert found.domains.tolist() == [1]


def test_no_domain():
    labels = np.zeros((10, 12), np.int32)
    found = judge(labels, [labels, labels], split_noise(jump(height=20)))
    assert (found.domains.size, found.distinct, found.boundary) == (0, False, 0)
