import numpy as np
import pytest

from clustem.segmentation.noise_aware.overlaps import dissolve_mixtures
from tests.segmentation.scenes import features_of, halves

KINDS = 30 * np.eye(3, 6)


def mixed(shares, *, seed=0):
    """Features with shares (scan_y, scan_x, 3) of three kinds, and noise."""
    means = shares @ KINDS
    return features_of(means + np.random.default_rng(seed).normal(size=means.shape))


def one_of(labels):
    return np.eye(3)[labels]


@pytest.mark.parametrize(
    ("shares", "background", "gone"),
    [
        ((0.9, 0.1, 0.0), None, True),  # nearly all of one neighbour: its edge
        ((0.5, 0.5, 0.0), None, True),  # the overlap of both
        ((0.7, 0.2, 0.8), None, True),  # of both, with something else
        ((0.7, 0.0, 1.5), None, False),  # of one, with much more of something else
        ((0.0, 0.0, 1.0), None, False),  # something else
        ((0.5, 0.5, 0.0), 0, True),  # the rim of a particle
        ((0.9, 0.0, 0.4), 0, False),  # that of another particle
    ],
)
def test_what_a_thin_region_is_a_mixture_of(shares, background, gone):
    labels = np.zeros((9, 13), np.int64)
    labels[:, 6:8], labels[:, 8:] = 2, 1
    parts = one_of(labels)
    parts[:, 6:8] = shares
    given = labels.copy()
    dissolved = dissolve_mixtures(mixed(parts), labels, background)
    assert (dissolved[:, 6:8] == (-1 if gone else 2)).all()
    assert np.array_equal(dissolved[:, :6], given[:, :6])
    assert np.array_equal(labels, given)


def test_the_tails_of_a_nucleus_in_vacuum_do_not_explain_it():
    """The mean of vacuum is its pattern, a thousand times fainter; four positions have no core."""
    labels = np.zeros((16, 16), np.int64)
    labels[7:9, 7:9] = 1
    means = np.where(labels[..., None] == 1, 1.0, 1e-3) * np.array([30.0, 20, 10])
    features = features_of(means + 0.01 * np.random.default_rng(0).normal(size=means.shape), noise=1e-4)
    assert np.array_equal(dissolve_mixtures(features, labels, 0), labels)
    assert (dissolve_mixtures(features, labels, None)[7:9, 7:9] == -1).all(), "it may be part of a crystal, fainter"


def test_a_region_with_a_core_of_its_own_is_no_mixture():
    labels = np.zeros((12, 18), np.int64)
    labels[:, 6:11], labels[:, 11:] = 2, 1
    shares = one_of(labels)
    shares[:, 6:11] = 0.5, 0.5, 0
    assert np.array_equal(dissolve_mixtures(mixed(shares), labels), labels)


def test_a_settled_region_stays_although_it_is_a_mixture():
    labels = np.zeros((9, 13), np.int64)
    labels[:, 6:8], labels[:, 8:] = 2, 1
    shares = one_of(labels)
    shares[:, 6:8] = 0.5, 0.5, 0
    assert np.array_equal(dissolve_mixtures(mixed(shares), labels, None, 1), labels)
    assert (dissolve_mixtures(mixed(shares), labels)[:, 6:8] == -1).all()


def test_a_region_is_judged_by_what_is_left_around_it():
    """A single position beside a stripe of mixtures goes first, and is no neighbour of the stripe then."""
    labels = np.zeros((9, 13), np.int64)
    labels[:, 6:8], labels[:, 8:], labels[4, 5] = 2, 1, 3
    shares = one_of(np.minimum(labels, 2))
    shares[:, 6:8], shares[4, 5] = (0.5, 0.5, 0), (0.8, 0.2, 0)
    dissolved = dissolve_mixtures(mixed(shares), labels)
    assert (dissolved[:, 6:8] == -1).all()
    assert dissolved[4, 5] == -1


def test_a_single_region_and_none_stay():
    for labels in (halves((6, 8)), np.full((6, 8), -1)):
        assert np.array_equal(dissolve_mixtures(mixed(one_of(np.maximum(labels, 0))), labels), labels)
