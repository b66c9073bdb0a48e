import numpy as np
import pytest

from clustem.computing import execution
from clustem.segmentation.noise_aware.background import Background
from clustem.segmentation.noise_aware.mixtures import mixture_of, refine_labels
from tests.segmentation.scenes import features_of, halves

KINDS = 30 * np.eye(3, 6)


def mixed(shares, *, seed=0, noise=1.0, **options):
    """Features with shares (scan_y, scan_x, 3) of three kinds, and noise."""
    means = shares @ KINDS
    drawn = np.random.default_rng(seed).normal(size=means.shape)
    return features_of(means + noise * drawn, noise=noise**2, **options)


def one_of(labels):
    return np.eye(3)[labels]


def refined(features, labels, *, least=2, rounds=2, **options):
    return refine_labels(features, labels, least=least, rounds=rounds, **options)


def test_positions_go_to_the_larger_share():
    truth = halves((8, 12))
    shares = one_of(truth)
    shares[:, 5] = 0.3, 0.7, 0
    shares[:, 6] = 0.35, 0.65, 0
    assert np.array_equal(refined(mixed(shares), truth.copy()), np.tile(np.arange(12) >= 5, (8, 1)))


def test_holes_and_small_regions_are_given_away_and_labels_stay_in_place():
    truth = halves((8, 12))
    labels = truth.copy()
    labels[2, 2], labels[5, 9:11] = -1, 2
    given = labels.copy()
    assert np.array_equal(refined(mixed(one_of(truth)), labels, least=3, rounds=1), truth)
    assert np.array_equal(labels, given)


def test_a_gradient_inside_of_a_region_is_followed():
    """A kind that turns into another over 40 columns is its own neighbour everywhere; a third one is beside it."""
    part = np.linspace(0, 1, 40)
    shares = np.tile(np.column_stack([1 - part, part, 0 * part]), (10, 1, 1))
    shares[:, 30:] = 0, 0, 1
    labels = np.tile((np.arange(40) >= 30).astype(np.int64), (10, 1))
    wrong = labels.copy()
    wrong[3:6, 28:30] = 1
    assert np.array_equal(refined(mixed(shares), wrong), labels)


def test_own_counts_are_left_out():
    """Two positions of one region that lie in another one are not what keeps them in it."""
    truth = halves((8, 16))
    labels = truth.copy()
    labels[3, 3], labels[4, 12] = 1, 0
    assert np.array_equal(refined(mixed(one_of(truth)), labels), truth)


def test_a_rim_of_the_background_belongs_to_the_crystal_on_it():
    truth = halves((8, 12))
    shares = one_of(truth)
    shares[:, 6] = 0.6, 0.4, 0
    features = mixed(shares)
    assert (refined(features, truth.copy())[:, 6] == 0).all()
    for times, rim in ((20.0, 1), (1.0, 0)):
        background = Background(0, np.array([1.0, times]))
        assert (refined(features, truth.copy(), background=background)[:, 6] == rim).all()


def test_a_background_without_positions_favours_nothing():
    """The last region, or one between others, that lost its last position while labels were refined."""
    truth = halves((8, 12))
    for labels, region in ((truth, 2), (np.where(truth == 1, 2, 0), 1)):
        background = Background(region, np.array([1.0, 5.0, 5.0]))
        assert np.array_equal(refined(mixed(one_of(truth)), labels.copy(), background=background), labels)


def test_the_numbers_of_regions_do_not_matter():
    """Nor how many there are, nor that most windows hold few of them, and some no background."""
    truth = np.tile(np.arange(150) // 50, (12, 1))
    shares, labels = one_of(truth), truth.copy()
    labels[:, 46:52] = 1
    shares[:, 49] = 0.4, 0.6, 0
    features, names, favour = mixed(shares), np.array([700, 2, 41]), np.ones(701)
    favour[700] = 5
    one = refined(features, labels, background=Background(1, np.array([5.0, 1, 1])))
    other = refined(features, names[labels], background=Background(2, favour))
    assert len(features.windows) > 1
    assert np.array_equal(one, truth)
    assert np.array_equal(other, names[one])


@pytest.mark.parametrize("electrons", [0.0, -3.0, -1e4, 1e-3, 1e4])
def test_electrons_of_an_unknown_offset_do_not_decide(electrons):
    """The sum of what is compared may be anything where a constant was taken off; it is the same everywhere."""
    truth = halves((8, 12))
    labels = truth.copy()
    labels[:, 5:8] = 1 - labels[:, 5:8]
    noise = np.random.default_rng(1).normal(size=truth.shape)
    features = mixed(one_of(truth), electrons=electrons + 1e-6 * noise)
    assert np.array_equal(refined(features, labels), truth)


@pytest.mark.parametrize("seed", range(3))
def test_shares_of_known_mixtures_are_found(seed):
    truth = halves((10, 14))
    shares = one_of(truth)
    part = np.random.default_rng(seed).uniform(0.55, 0.9, 10)
    shares[:, 6] = np.column_stack([part, 1 - part, 0 * part])
    mixture, _ = mixture_of(mixed(shares, noise=0.3, seed=seed), (truth + 1).astype(np.int32))
    assert (mixture.labels[..., 0] == truth + 1).all()
    assert (mixture.labels[:, 6, 1] == 2).all()
    np.testing.assert_allclose(mixture.fractions[:, 6, 0], part, atol=0.05)
    np.testing.assert_allclose(mixture.fractions[:, 6, 1], 1 - part, atol=0.05)


def test_shares_of_every_position():
    truth = halves((8, 12))
    shares = one_of(truth)
    shares[:, 5] = 0.7, 0.3, 0
    mixture, sure = mixture_of(mixed(shares, noise=0.3), (truth + 1).astype(np.int32))
    assert (np.diff(mixture.fractions, axis=2) <= 0).all()
    np.testing.assert_allclose(mixture.fractions.sum(2), 1, rtol=1e-5)
    assert (mixture.fractions[:, 0, 0] == 1).all(), "the other is out of reach"
    assert not mixture.unexplained.any()
    assert (mixture.labels[mixture.fractions == 0] == 0).all()
    assert (sure[:, [0, 1, 10, 11]] > 0.99).all()


def test_three_regions_in_one_position():
    labels = np.where(np.arange(14)[:, None] < 7, halves((14, 16)), 2)
    shares = one_of(labels)
    shares[6, 7] = 0.5, 0.3, 0.2
    mixture, _ = mixture_of(mixed(shares, noise=0.2), (labels + 1).astype(np.int32))
    assert mixture.labels[6, 7].tolist() == [1, 2, 3]
    np.testing.assert_allclose(mixture.fractions[6, 7], [0.5, 0.3, 0.2], atol=0.04)


def test_what_no_mixture_explains():
    truth = halves((8, 12))
    shares = one_of(truth)
    values = mixed(shares).windows[0].values.copy()
    values[4, 3] = 40 * np.eye(6)[5]
    mixture, _ = mixture_of(features_of(values), (truth + 1).astype(np.int32))
    assert np.argwhere(mixture.unexplained).tolist() == [[4, 3]]


def test_no_domain_at_all():
    mixture, sure = mixture_of(features_of(np.ones((3, 4, 2))), np.zeros((3, 4), np.int32))
    assert not mixture.labels.any()
    assert not mixture.fractions.any()
    assert not mixture.unexplained.any()
    assert np.isnan(sure).all()


def test_settled_rows_are_not_looked_at_again():
    truth = halves((8, 12))
    features = mixed(one_of(truth), noise=0.3)
    labels = truth.copy()
    labels[:, 5:8] = 1 - labels[:, 5:8]
    found = refined(features, labels, settled_rows=3)
    assert np.array_equal(found[:3], labels[:3])
    assert np.array_equal(found[4:], truth[4:])
    whole, _ = mixture_of(features, (truth + 1).astype(np.int32))
    part, sure = mixture_of(features, (truth + 1).astype(np.int32), 3)
    assert np.array_equal(part.fractions[3:], whole.fractions[3:])
    assert not part.fractions[:3].any()
    assert (sure > 0.9).all()


def test_a_settled_region_stays_although_it_is_small():
    labels = halves((8, 12))
    labels[:1, :3] = 2
    features = mixed(one_of(halves((8, 12))))
    found = refined(features, labels, least=5, rounds=1, settled_rows=1)
    assert (found[:1, :3] == 2).all()
    assert (found[4:] < 2).all()
    assert (refined(features, labels, least=5, rounds=1) < 2).all()


def test_nothing_is_left_of_regions_that_are_all_too_small():
    labels = np.full((6, 6), -1, np.int64)
    labels[2, 2:4] = 0
    assert (refined(mixed(one_of(np.zeros((6, 6), int))), labels, least=3) == -1).all()


def test_windows_and_threads_do_not_matter():
    labels = np.tile(np.arange(150) // 50, (12, 1))
    features, given = mixed(one_of(labels), noise=3.0), labels.copy()
    assert len(features.windows) > 1
    given[:, 46:52] = 1
    results = []
    for options in ({"threads": 1}, {"threads": 2}, {"inline": True}):
        with execution(**options):
            found = refined(features, given)
            mixture, sure = mixture_of(features, (found + 1).astype(np.int32))
        results.append(b"".join(part.tobytes() for part in (found, mixture.labels, mixture.fractions, sure)))
    assert len(set(results)) == 1
    assert (found == labels).mean() > 0.99
