import numpy as np
import pytest

from clustem.segmentation import adjusted_rand_index
from clustem.segmentation.noise_aware import joining
from clustem.segmentation.noise_aware.fragments import grow_fragments
from clustem.segmentation.noise_aware.joining import _chosen, join_regions
from tests.segmentation.scenes import features_of, halves

SIMILARITY = 0.4


def noisy(means, *, seed=0, noise=1.0):
    """Features with noise around means (scan_y, scan_x, D)."""
    means = np.asarray(means, float)
    drawn = np.random.default_rng(seed).normal(size=means.shape)
    return features_of(means + np.sqrt(noise) * drawn, noise=noise)


def along(values, height=12):
    """The same vector (scan_x, D) in every row."""
    return np.tile(np.asarray(values, float), (height, 1, 1))


def stripes(shape, number):
    """Labels 0 … of vertical stripes of equal width."""
    return np.tile(np.arange(shape[1]) * number // shape[1], (shape[0], 1)).astype(np.int64)


EQUAL = np.full(6, 9)


def test_pairs_of_equals_are_mutual():
    """2 and 3 are the most alike, 1 would rather have 2, 0 has 1 left in the next round."""
    pairs = np.array([(0, 1), (1, 2), (2, 3), (4, 5)])
    assert _chosen(pairs, np.array([0.4, 0.2, 0.1, 0.5]), EQUAL).tolist() == [2, 3]
    assert _chosen(pairs, np.array([0.4, 0.2, np.inf, np.inf]), EQUAL).tolist() == [1]
    assert _chosen(pairs, np.full(4, 0.3), EQUAL).tolist() == [0, 3], "of equal ones the first; 2 has 1 before 3"
    assert _chosen(pairs, np.full(4, np.inf), EQUAL).size == 0


def test_a_large_region_takes_all_small_ones_that_like_it_best():
    """1 to 4 touch 0; 4 is too large for 0 to take it beside 1, which it likes better, and 3 likes 2 better."""
    pairs = np.array([(0, 1), (0, 2), (0, 3), (0, 4), (2, 3)])
    sizes = np.array([200, 9, 9, 9, 20])
    assert _chosen(pairs, np.array([0.1, 0.2, 0.3, 0.15, 0.25]), sizes).tolist() == [0, 1]
    assert _chosen(pairs, np.array([0.1, 0.2, 0.3, 0.15, 0.25]), np.array([400, 9, 9, 9, 20])).tolist() == [0, 1, 3]


def test_a_crystal_as_large_as_the_scan_takes_few_rounds(monkeypatch):
    labels = np.arange(40 * 40).reshape(40, 40) // 4
    rounds = []
    asked = joining.compare_contacts

    def counted(*args, **options):
        rounds.append(1)
        return asked(*args, **options)

    monkeypatch.setattr(joining, "compare_contacts", counted)
    joined = join_regions(noisy(np.full((40, 40, 3), 30.0)), labels, SIMILARITY)
    assert joined.labels.max() == 0
    assert len(joined.merges) == 399
    assert len(rounds) < 40, "400 regions, of which one would take the others one by one"


def test_what_one_region_would_take_stays_two_where_that_is_known():
    labels = np.repeat([0, 1, 2], [4, 40, 4])[None].repeat(12, axis=0)
    joined = join_regions(noisy(np.full((12, 48, 3), 30.0)), labels, SIMILARITY, apart=[(0, 2)])
    assert joined.labels.max() - joined.labels.min() > 0
    assert joined.labels[0, 0] != joined.labels[0, -1]


def test_a_jump_divides_and_nothing_does_not():
    kinds, labels = 50 * np.eye(2, 3), stripes((12, 32), 4)
    joined = join_regions(noisy(kinds[labels // 2]), labels, SIMILARITY)
    assert adjusted_rand_index(joined.labels, labels // 2) == 1
    assert len(joined.merges) == 2
    assert (joined.heights >= SIMILARITY).all()
    assert len(joined.left) == len(joined.pairs) == 1
    assert (joined.left < SIMILARITY).all()


def test_merges_and_pairs_stand_for_positions_of_both_regions():
    kinds, labels = 50 * np.eye(2, 3), stripes((12, 32), 4)
    joined = join_regions(noisy(kinds[labels // 2]), labels, SIMILARITY)
    flat, result = labels.ravel(), joined.labels.ravel()
    for a, b in joined.merges:
        assert flat[a] != flat[b]
        assert result[a] == result[b]
    for a, b in joined.pairs:
        assert result[a] != result[b]


def test_a_gradient_is_one_region_and_the_same_turn_at_once_is_a_boundary():
    """A vector that turns by 60° over 48 columns, looked at as four stripes."""
    angles = np.deg2rad(np.linspace(10, 70, 48))
    turning = 50 * np.column_stack([np.cos(angles), np.sin(angles), 0 * angles])
    assert not join_regions(noisy(along(turning)), stripes((12, 48), 4), SIMILARITY).labels.any()
    at_once = np.where(np.arange(48)[:, None] < 24, turning[0], turning[-1])
    joined = join_regions(noisy(along(at_once)), stripes((12, 48), 4), SIMILARITY)
    assert adjusted_rand_index(joined.labels, halves((12, 48))) == 1


@pytest.mark.parametrize("strength", [6.0, 60.0])
def test_noise_alone_leaves_one_region(strength):
    """Fragments around one pattern are all joined, though they were grown to differ as much as chance makes."""
    numbers = []
    for seed in range(15):
        features = noisy(np.full((20, 20, 4), strength), seed=seed)
        fragments = grow_fragments(features, np.ones((20, 20), bool)).labels
        labels = join_regions(features, fragments, SIMILARITY).labels
        numbers.append(np.unique(labels).size)
    assert numbers == [1] * 15


def test_regions_that_are_apart_are_never_joined_not_even_by_way_of_others():
    """Four stripes of one kind; the first and the third are two, so that the second can be part of one only."""
    labels, features = stripes((12, 32), 4), noisy(along([(20, 0)] * 32))
    assert not join_regions(features, labels, SIMILARITY).labels.any()
    for apart in ([(0, 2)], [(2, 0)]):
        joined = join_regions(features, labels, SIMILARITY, apart=apart)
        assert joined.labels[0, 0] != joined.labels[0, 16]
        assert len(np.unique(joined.labels)) == 2
        assert len(joined.merges) == 2
    ends = join_regions(features, labels, SIMILARITY, apart=[(0, 3)])
    assert ends.labels[0, 0] != ends.labels[0, -1]
    assert len(np.unique(ends.labels)) == 2


@pytest.mark.parametrize("seed", range(6))
def test_any_regions_that_are_apart_stay_so(seed):
    """A board of nine alike regions, of which some are known to be two."""
    generator = np.random.default_rng(seed)
    rows, columns = stripes((24, 24), 3).T, stripes((24, 24), 3)
    labels = 3 * rows + columns
    apart = [tuple(pair) for pair in generator.integers(0, 9, (5, 2)).tolist() if pair[0] != pair[1]]
    found = join_regions(noisy(np.full((24, 24, 3), 9.0), seed=seed), labels, SIMILARITY, apart=apart).labels
    region = [np.unique(found[labels == k]).item() for k in range(9)]
    assert all(region[a] != region[b] for a, b in apart)
    assert len(set(region)) < 9


def test_positions_in_no_region_stay_so_and_what_is_given_is_kept():
    labels = stripes((12, 20), 2)
    labels[5] = -1
    given = labels.copy()
    joined = join_regions(noisy(along(np.full((20, 2), 30.0))), labels, SIMILARITY).labels
    assert np.array_equal(joined < 0, given < 0)
    assert (joined[given >= 0] == 0).all()
    assert np.array_equal(labels, given)


@pytest.mark.parametrize("labels", [np.zeros((6, 6), np.int64), np.full((6, 6), -1)])
def test_a_single_region_and_none(labels):
    joined = join_regions(noisy(along(np.full((6, 2), 30.0), 6)), labels, SIMILARITY)
    assert np.array_equal(joined.labels, labels)
    assert (joined.merges.shape, joined.pairs.shape, joined.left.size) == ((0, 2), (0, 2), 0)


def test_parts_that_touch_in_one_position_are_one_if_that_is_enough():
    labels = np.full((20, 20), -1)
    labels[:10, :10], labels[10:, 10:] = 0, 1
    features = noisy(np.full((20, 20, 2), 30.0))
    assert np.array_equal(join_regions(features, labels, SIMILARITY, contact=3).labels, labels)
    assert set(np.unique(join_regions(features, labels, SIMILARITY, contact=1).labels)) == {-1, 0}


def test_crystals_that_meet_at_a_corner_are_not_one_because_it_holds_both():
    """Positions around the corner are mixtures, and alike; the crystals have nothing in common."""
    y, x = np.indices((26, 25))
    labels = np.where((y < 13) & (x < 14), 0, np.where((y >= 13) & (x >= 11), 1, -1)).astype(np.int64)
    near = (np.hypot(y - 12.5, x - 12) < 2.5)[..., None]
    for kinds, regions in (([(50, 0), (0, 50)], {-1, 0, 1}), ([(50, 0), (50, 0)], {-1, 0})):
        own = np.array(kinds, float)[np.maximum(labels, 0)]
        means = np.where(near, np.mean(kinds, axis=0), own)
        assert set(np.unique(join_regions(noisy(means), labels, SIMILARITY).labels)) == regions


def test_the_numbers_of_regions_do_not_matter():
    kinds, labels = 30 * np.eye(3, 4), stripes((14, 36), 6)
    features = noisy(kinds[labels // 2])
    first = join_regions(features, labels, SIMILARITY).labels
    other = join_regions(features, np.array([3, 0, 5, 1, 4, 2])[labels], SIMILARITY).labels
    assert adjusted_rand_index(first, other) == 1
    assert adjusted_rand_index(first, labels // 2) == 1


def test_turning_the_scan_turns_the_regions():
    angles = np.r_[np.linspace(0, 0.4, 16), np.linspace(1.2, 1.6, 16)]
    features = noisy(along(50 * np.column_stack([np.cos(angles), np.sin(angles), 0 * angles])))
    labels = stripes((12, 32), 4)
    first = join_regions(features, labels, SIMILARITY).labels
    turned = features_of(features.windows[0].values.swapaxes(0, 1))
    other = join_regions(turned, np.ascontiguousarray(labels.T), SIMILARITY).labels
    assert np.array_equal(first, other.T)
    assert adjusted_rand_index(first, halves((12, 32))) == 1
