import numpy as np
import pytest

from clustem.averaging import average
from clustem.segmentation import Quality, domain_table, segment
from clustem.segmentation.noise_aware.mixtures import mixture_of
from clustem.segmentation.noise_aware.quality import weakest_boundaries
from tests.segmentation.scenes import crystal, features_of, halves, quarters, scene

LABELS = halves((10, 16)).astype(np.int32) + 1
KINDS = 40 * np.eye(2, 5)


def noisy(means, *, seed=0, noise=1.0):
    values = means + np.sqrt(noise) * np.random.default_rng(seed).normal(size=means.shape)
    return features_of(values, noise=noise)


def measure_quality(features, labels):
    return Quality(mixture_of(features, labels)[1], *weakest_boundaries(features, labels))


@pytest.mark.parametrize("noise", [1.0, 4.0])
def test_two_kinds_of_patterns_far_apart(noise):
    found = measure_quality(noisy(KINDS[LABELS - 1], noise=noise), LABELS)
    assert found.positions.shape == LABELS.shape
    assert np.nanmin(found.positions) > 0.99
    np.testing.assert_allclose(found.boundary_similarity, 0, atol=0.1)
    assert found.boundary_neighbour.tolist() == [2, 1]


def test_a_position_between_two_domains_is_as_likely_in_both():
    means = KINDS[LABELS - 1]
    means[:, 8] = KINDS.mean(axis=0)
    probability = measure_quality(features_of(means), LABELS).positions
    np.testing.assert_allclose(probability[1:-1, 8], 0.5, atol=0.1)
    assert (probability[:, 12] == 1).all(), "nothing else is near"


def test_the_boundary_with_what_is_most_alike():
    """Three stripes: the last two are more alike than the first two."""
    kinds = 40 * np.array([[1.0, 0, 0], [0, 1, 0], [0, 1, 1]])
    labels = np.repeat([1, 2, 3], 8)[None].repeat(10, axis=0).astype(np.int32)
    found = measure_quality(noisy(kinds[labels - 1]), labels)
    assert found.boundary_neighbour.tolist() == [2, 3, 2]
    np.testing.assert_allclose(found.boundary_similarity, [0, np.sqrt(0.5), np.sqrt(0.5)], atol=0.1)


def test_what_is_not_known_is_nan():
    labels = np.zeros((6, 6), np.int32)
    labels[2, 2] = 1
    found = measure_quality(noisy(np.zeros((6, 6, 3))), labels)
    assert np.isnan(found.boundary_similarity).all()
    assert found.boundary_neighbour.tolist() == [0]
    assert np.isnan(found.positions[labels == 0]).all()


def test_no_domain_at_all():
    similarity, neighbour = weakest_boundaries(features_of(np.zeros((5, 5, 2))), np.zeros((5, 5), np.int32))
    assert (similarity.size, neighbour.size) == (0, 0)


def test_it_is_in_the_table_and_goes_when_domains_are_changed():
    data = scene(quarters((16, 16)), [crystal(angle) for angle in (0, 20, 40, 60)])
    domains = segment(data)
    table = domain_table(domains, average(data, domains))
    assert (table["sure_positions"] > 0.99).all()
    np.testing.assert_allclose(table["chi_squared"], 1, atol=0.1)
    assert (table["boundary_similarity"] < 0.5).all()
    assert set(table["boundary_neighbour"]) <= {1, 2, 3, 4}
    assert domains.merge([1, 2]).quality is None
