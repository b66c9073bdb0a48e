import numpy as np
import pytest

from clustem.segmentation.features import owners
from clustem.segmentation.noise_aware.comparing import Comparisons, compare_contacts, decided
from clustem.segmentation.noise_aware.contacts import Touching
from tests.segmentation.scenes import features_of, halves

WANTED = 0.25  # what crystals are asked to have in common


def noisy(means, *, seed=0, noise=1.0):
    """Features with noise around means (scan_y, scan_x, D)."""
    means = np.asarray(means, float)
    drawn = np.random.default_rng(seed).normal(size=means.shape)
    return features_of(means + np.sqrt(noise) * drawn, noise=noise)


def along(values, height=12):
    """The same vector (scan_x, D) in every row."""
    return np.tile(np.asarray(values, float), (height, 1, 1))


def contacts_of(features, labels, contact=3):
    owner = owners(labels.shape, [window.window for window in features.windows])
    return Touching.of(labels, owner).contacts(contact)


def compared(features, labels, **options):
    return compare_contacts(features, labels, contacts_of(features, labels), **options)


def one(found):
    """Whether pairs would be joined."""
    return np.logical_or(*decided(found, WANTED)).tolist()


@pytest.mark.parametrize("labels", [np.zeros((4, 4), int), np.full((3, 3), -1), np.array([[0]])])
def test_nothing_that_touches(labels):
    assert compared(features_of(np.ones((*labels.shape, 2))), labels).kind.size == 0


def test_pairs_are_compared_in_the_window_where_they_touch_most():
    labels = np.zeros((12, 150), np.int64)
    labels[6:] = 1
    features = features_of(np.ones((12, 150, 2)))
    found = contacts_of(features, labels)
    assert found.pairs.tolist() == [[0, 1]]
    widths = [len(range(*window.window.columns.indices(150))) for window in features.windows]
    assert widths[found.windows[0]] == max(widths)


@pytest.mark.parametrize("noise", [0.01, 1.0, 25.0])
def test_the_cosine_of_both_means_without_their_noise(noise):
    kinds = 60 * np.array([(0.6, 0.8, 0.0, 0.0), (0.8, 0.6, 0.0, 0.0)])
    labels = halves((24, 24))
    found = compared(noisy(kinds[labels], noise=noise), labels)
    assert found.similarity[0] == pytest.approx(0.96, abs=0.02)
    assert found.difference[0] == pytest.approx(2 * 12**2, rel=0.1)
    assert found.energy[0] == pytest.approx(2 * 60**2, rel=0.05)
    assert 0 < found.error[0] < 0.1


def test_noise_is_taken_off_on_average():
    """Fifty draws of two patterns that are not much more than their noise."""
    labels, kinds = halves((6, 8)), 3 * np.array([(1, 0, 0, 0, 0, 0), (0.6, 0.8, 0, 0, 0, 0)])
    found = [compared(noisy(kinds[labels], seed=seed, noise=4.0), labels) for seed in range(50)]
    assert np.mean([f.similarity[0] for f in found]) == pytest.approx(0.6, abs=0.15)
    assert np.mean([f.difference[0] for f in found]) == pytest.approx(((kinds[0] - kinds[1]) ** 2).sum(), rel=0.25)
    assert np.mean([f.energy[0] for f in found]) == pytest.approx(18, rel=0.25)


@pytest.mark.parametrize("noise", [1e-4, 0.01, 1.0, 9.0])
@pytest.mark.parametrize("common", [0.0, 300.0])
def test_two_flat_regions_that_differ_are_two_at_any_dose(noise, common):
    """What all patterns have in common lies along an axis of its own."""
    labels, kinds = halves((16, 24)), 20 * np.eye(2, 5)
    features = noisy(kinds[labels] + common * np.eye(5)[4], noise=noise)
    centred = features_of(features.windows[0].values - features.windows[0].values.mean((0, 1)), noise=noise)
    assert one(compared(centred, labels)) == [False]
    if common == 0:
        assert one(compared(features, labels)) == [False]


@pytest.mark.parametrize("noise", [1e-6, 1.0, 100.0])
def test_two_halves_of_one_flat_region_are_one(noise):
    labels = halves((16, 24))
    found = [
        one(compared(noisy(along([(20, 5, 0, 0)] * 24, 16), seed=seed, noise=noise), labels)) for seed in range(30)
    ]
    assert found == [[True]] * 30


def test_noise_alone_does_not_differ():
    labels = halves((8, 12))
    found = [one(compared(noisy(np.zeros((8, 12, 6)), seed=seed), labels)) for seed in range(100)]
    assert found.count([True]) >= 99


def turning(columns, first, last):
    """Vectors 50 long that turn in a plane, from an angle to another in degrees."""
    angles = np.deg2rad(np.linspace(first, last, columns))
    return 50 * np.column_stack([np.cos(angles), np.sin(angles), 0 * angles])


def test_a_gradient_is_one_and_a_step_of_the_same_size_is_two():
    """A vector that turns by 60° over 40 columns, or at once."""
    labels = halves((14, 40))
    assert one(compared(noisy(along(turning(40, 10, 70), 14)), labels)) == [True]
    step = np.concatenate([turning(20, 10, 10), turning(20, 70, 70)])
    assert one(compared(noisy(along(step, 14)), labels)) == [False]


def curving(columns, boundary, across):
    """Vectors that turn by 4° from one column to the next, and by some more at a boundary."""
    angles = np.deg2rad(4.0 * np.arange(columns) + across * (np.arange(columns) >= boundary))
    return 50 * np.column_stack([np.cos(angles), np.sin(angles), 0 * angles])


@pytest.mark.parametrize(("across", "expected"), [(0, True), (10, True), (36, False)])
@pytest.mark.parametrize("boundary", [9, 15, 21])
def test_a_step_is_compared_with_the_change_over_the_same_distance_inside(across, expected, boundary):
    """Over three columns it is 12° inside: 22° across are less than five times its energy, 48° are more."""
    labels = np.tile(np.arange(30) >= boundary, (14, 1)).astype(int)
    found = compared(noisy(along(curving(30, boundary, across), 14)), labels, everything=True)
    assert found.similarity[0] > 0.6, "so alike that nothing but the step divides them"
    assert one(found) == [expected]


def test_what_changes_inside_elsewhere_does_not_excuse_a_step():
    """Two crystals are flat at their boundary, however much the one bends at its far end."""
    bending = np.concatenate([turning(20, 0, 0), turning(20, 30, 30), turning(40, 30, 200)])
    labels = np.tile(np.arange(80) >= 20, (14, 1)).astype(int)
    found = compared(noisy(along(bending, 14)), labels, everything=True)
    assert found.similarity[0] > 0.8, "so alike that nothing but the step divides them"
    assert one(found) == [False]


@pytest.mark.parametrize("fainter", [0.3, 0.6])
def test_a_crystal_that_fades_is_one_and_vacuum_beside_it_is_not_joined(fainter):
    pattern, labels = np.array([40.0, 20.0, 10.0, 0.0]), halves((14, 30))
    fading = np.linspace(1, fainter, 30)[:, None] * pattern
    assert one(compared(noisy(along(fading, 14)), labels)) == [True]
    vacuum = np.where(np.arange(30)[:, None] < 15, pattern, 0.0)
    assert one(compared(noisy(along(vacuum, 14)), labels)) == [False]


def test_tails_of_a_bright_neighbour_are_no_difference_between_faint_regions():
    """Two stripes of vacuum beside a crystal, of which the nearer one shows a thousandth of the amplitude."""
    pattern = np.array([3000.0, 1000.0, 500.0, 0.0])
    labels = np.tile(np.repeat([0, 1, 2], 10), (14, 1))
    shown = np.array([1.0, 1e-3, 0.0])[labels][..., None] * pattern
    features = noisy(shown, noise=0.01)
    pairs = contacts_of(features, labels).pairs.tolist()
    found = dict(zip(map(tuple, pairs), one(compared(features, labels)), strict=True))
    assert found == {(0, 1): False, (1, 2): True}


def test_what_crystals_share_is_asked_where_the_rest_does_not_decide_or_always():
    labels, kinds = halves((14, 20)), 30 * np.array([(1.0, 0.2, 0, 0), (0.2, 1.0, 0, 0)])
    features = noisy(kinds[labels])
    assert np.isnan(compared(features, labels).shared).all(), "a clear step"
    asked = compared(features, labels, everything=True).shared
    assert np.isfinite(asked).all()
    assert (asked < 1).all()


def test_nothing_is_known_of_a_pair_that_is_too_small():
    labels = np.zeros((1, 7), np.int64)
    labels[0, 6] = 1
    features = features_of(np.ones((1, 7, 2)))
    found = compare_contacts(features, labels, contacts_of(features, labels, 1))
    assert found.kind.tolist() == [-1]
    assert np.isnan(found.similarity).all()
    assert one(found) == [False]


def test_comparisons_are_put_and_taken():
    labels = halves((8, 12))
    found, whole = compared(features_of(np.ones((8, 12, 2))), labels), Comparisons.empty(3)
    whole.put(np.array([1]), found)
    assert whole.kind.tolist() == [-1, found.kind[0], -1]
    assert whole.take(np.array([1])).energy.tolist() == found.energy.tolist()


@pytest.mark.parametrize("turn", [lambda a: a.swapaxes(0, 1), lambda a: a[::-1], lambda a: a[:, ::-1]])
def test_the_direction_of_the_scan_does_not_matter(turn):
    labels, kinds = halves((16, 24)), np.array([(20, 5, 0), (12, 16, 3)])
    features = noisy(kinds[labels])
    turned = features_of(turn(features.windows[0].values))
    first, other = compared(features, labels), compared(turned, np.ascontiguousarray(turn(labels)))
    assert other.similarity[0] == pytest.approx(first.similarity[0], rel=1e-5)
    assert other.difference[0] == pytest.approx(first.difference[0], rel=1e-4)
    assert other.allowed[0] == pytest.approx(first.allowed[0], rel=0.02)


def test_the_axes_of_contrasts_do_not_matter():
    labels, kinds = halves((16, 24)), np.array([(20, 5, 0), (12, 16, 3)])
    values = noisy(kinds[labels]).windows[0].values
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    first, other = (compared(features_of(v), labels) for v in (values, values @ turn))
    for name in ("similarity", "error", "energy", "difference", "spread", "allowed"):
        np.testing.assert_allclose(getattr(other, name), getattr(first, name), rtol=1e-4)


@pytest.mark.parametrize("parts", [1, 4, 12])
def test_parts_of_a_bright_crystal_do_not_hide_a_faint_one(parts):
    """However many parts a bright crystal is in, only its own pattern has tails; noise of twelve spans everything."""
    columns = np.arange(48)
    labels = np.tile(np.select([columns < 12, columns < 24], [0, 1], 2 + (columns - 24) * parts // 24), (16, 1))
    kinds = np.array([(0.0, 0, 0, 0, 0), (0, 15, 0, 0, 0), (400, 0, 0, 0, 0)])[np.minimum(labels, 2)]
    kinds = (
        kinds + np.random.default_rng(0).normal(size=kinds.shape) * np.array([0.3, 0.3, 2])[np.minimum(labels, 2), None]
    )
    features = features_of(kinds, noise=np.array([0.09, 0.09, 4])[np.minimum(labels, 2)])
    pairs = contacts_of(features, labels).pairs.tolist()
    assert one(compared(features, labels))[pairs.index([0, 1])] is False
