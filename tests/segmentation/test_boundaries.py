import numpy as np
import pytest

from clustem.segmentation.boundaries import (
    RegionSum,
    Strips,
    compare_sums,
    difference_but_for_fading,
    difference_of,
    join_doubtful,
    join_gradients,
    touching,
    unlike,
)

from .scenes import features_of, halves

ONE = np.ones(2)
NOTHING = np.zeros(2)


def noisy(means, *, seed=0):
    """Features with noise 1 around means (scan_y, scan_x, D)."""
    return features_of(means + np.random.default_rng(seed).normal(size=means.shape))


def along(values, height=12):
    """The same vector (scan_x, D) in every row."""
    values = np.asarray(values, float)
    return np.broadcast_to(values, (height, *values.shape))


def stripes(shape, number):
    """Labels 0 … of vertical stripes of equal width."""
    return np.broadcast_to(np.arange(shape[1]) * number // shape[1], shape).astype(np.int64)


def test_without_noise_it_is_the_cosine():
    found = compare_sums(np.array([3.0, 4.0]), np.array([4.0, 3.0]), 0.0, 0.0, ONE)
    assert found.similarity == pytest.approx(24 / 25)
    assert found.error == pytest.approx(0, abs=1e-9)


def test_the_energy_of_the_noise_is_taken_off():
    """Sums of 30 and 40 patterns of noise 1 in two features, whose energies are 2500: 60 and 80 of it are noise."""
    a, b = np.array([30.0, 40.0]), np.array([40.0, 30.0])
    found = compare_sums(a, b, 30.0, 40.0, ONE)
    assert found.similarity == pytest.approx(2400 / np.sqrt((2500 - 60) * (2500 - 80)))
    scatter = 40 * 2500 + 30 * 2500 - 30 * 40 * 2
    assert found.error == pytest.approx(np.sqrt(scatter / (2500 - 60) / (2500 - 80)))


def test_the_length_does_not_matter():
    a, b = np.array([30.0, 40.0]), np.array([40.0, 30.0])
    first = compare_sums(a, b, 30.0, 40.0, ONE)
    other = compare_sums(10 * a, b, 3000.0, 40.0, ONE)
    assert (other.similarity, other.error) == pytest.approx((first.similarity, first.error))


@pytest.mark.parametrize(("b", "most"), [((0.0, 25.0, 12.0, 0.0), 1.2), ((25.0, 0.0, 12.0, 0.0), 2.5)])
def test_similarity_and_error_are_those_of_many_draws(b, most):
    """The error is that of vectors at right angles; where they are alike, it is too large rather than too small."""
    generator = np.random.default_rng(0)
    a, b = np.array([30.0, 0, 0, 0]), np.array(b)
    found = [
        compare_sums(a + 3 * one, b + 4 * two, 9.0, 16.0, np.ones(4))
        for one, two in generator.normal(size=(3000, 2, 4))
    ]
    similarities = np.array([comparison.similarity for comparison in found])
    assert similarities.mean() == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b), abs=0.03)
    assert 0.8 < np.mean([comparison.error for comparison in found]) / similarities.std() < most


def test_noise_alone_is_never_alike_for_sure():
    generator = np.random.default_rng(0)
    for a, b in generator.normal(size=(200, 2, 5)):
        found = compare_sums(a, b, 1.0, 1.0, np.ones(5))
        assert found.similarity - 3 * found.error < 0.6
        assert np.isfinite(found.similarity)
    nothing = compare_sums(NOTHING, NOTHING, 0.0, 0.0, ONE)
    assert nothing.similarity == 0


def bright(*contrasts, positions=4):
    """Sum of patterns with the given contrasts and 100 electrons, with next to no noise."""
    return RegionSum(positions * np.array([*contrasts, 100.0]), 1e-9, positions)


BASIS = features_of(np.zeros((1, 1, 2))).basis


def test_what_fades_does_not_differ():
    """(30, 40) is twice (15, 20); as they are, they differ by 15² + 20² in 100 electrons."""
    strong, weak = bright(30.0, 40.0), bright(15.0, 20.0, positions=7)
    assert difference_of(strong, weak).energy == pytest.approx(6.25)
    assert difference_but_for_fading(strong, weak, BASIS).energy == pytest.approx(0, abs=1e-6)
    assert difference_but_for_fading(weak, strong, BASIS).energy == pytest.approx(0, abs=1e-6)


def test_what_is_left_beyond_fading():
    """(30, 0) and (24, 18) are as long, so they are compared as they are: 6² + 18² in 100 electrons."""
    assert difference_but_for_fading(bright(30.0, 0.0), bright(24.0, 18.0), BASIS).energy == pytest.approx(3.6)


@pytest.mark.parametrize("other", [(0.0, 0.0), (3.0, 4.0), (-30.0, -40.0), (40.0, -30.0)])
def test_what_is_gone_or_another_crystal_has_not_faded(other):
    one, two = bright(30.0, 40.0), bright(*other)
    assert difference_but_for_fading(one, two, BASIS).energy == pytest.approx(difference_of(one, two).energy)


def test_regions_that_touch():
    labels = np.array(
        [
            [0, 0, 0, 1, 1, 1],
            [0, 0, 0, 1, 1, 1],
            [0, 0, 0, 1, 1, 1],
            [-1, -1, -1, 2, 3, 3],
            [4, 4, 4, 2, 3, 3],
            [4, 4, 4, 2, 3, 3],
        ]
    )
    assert touching(labels) == [(0, 1), (1, 3)], "2 has only three positions, 0 and 4 do not touch"


def test_a_corner_is_too_little_contact():
    labels = 2 * halves((8, 8)).T + halves((8, 8))
    assert touching(labels) == [(0, 1), (0, 2), (1, 3), (2, 3)]


@pytest.mark.parametrize("labels", [np.zeros((4, 4), int), np.full((3, 3), -1), np.array([[0]])])
def test_nothing_that_touches(labels):
    assert touching(labels) == []


def test_strips_too_small_to_be_compared():
    labels = np.zeros((1, 7), np.int64)
    labels[0, 5:] = 1
    assert Strips(noisy(along(np.ones((7, 2)), 1)), labels).compare(0, 1) is None


def test_both_sides_of_a_jump_and_of_nothing():
    kinds = 50 * np.eye(2)
    labels = halves((12, 20))
    jump = Strips(noisy(kinds[labels]), labels).compare(0, 1)
    assert jump.similarity == pytest.approx(0, abs=0.1)
    assert jump.error < 0.1
    alike = Strips(noisy(kinds[0 * labels]), labels).compare(0, 1)
    assert alike.similarity == pytest.approx(1, abs=0.05)
    assert alike.most < jump.most


def test_a_jump_divides_and_nothing_does_not():
    kinds = 50 * np.eye(2)
    labels = stripes((12, 32), 4)
    joined, pairs = join_gradients(noisy(kinds[labels // 2]), labels, 0.6)
    assert np.array_equal(joined // 2, labels // 2)
    assert len(np.unique(joined)) == 2
    assert [pair[:2] for pair in sorted(pairs)] == [(0, 1), (2, 3)]
    assert all(similarity > 0.6 for _, _, similarity in pairs)


def test_a_gradient_is_one_region():
    """A vector that turns by 90° over 48 columns: the ends are at right angles, neighbours alike."""
    angles = np.linspace(0, np.pi / 2, 48)
    values = 50 * np.column_stack([np.cos(angles), np.sin(angles)])
    joined, pairs = join_gradients(noisy(along(values)), stripes((12, 48), 4), 0.6)
    assert not joined.any()
    assert len(pairs) == 3


def test_the_same_turn_at_once_is_a_boundary():
    values = 50 * np.repeat(np.eye(2), 24, axis=0)
    joined, pairs = join_gradients(noisy(along(values)), stripes((12, 48), 2), 0.6)
    assert len(np.unique(joined)) == 2
    assert pairs == []


def test_a_particle_is_thin_at_its_rim_but_not_part_of_the_background():
    """Liquid and particle have vectors at right angles; a slow ramp of thickness makes both sides of it alike."""
    thickness = np.clip((np.arange(40) - 12) / 16, 0, 1)
    liquid, particle = np.array([30.0, 0.0]), np.array([0.0, 60.0])
    features = noisy(along(np.outer(1 - thickness, liquid) + np.outer(thickness, particle)))
    labels = halves((12, 40))
    assert np.array_equal(join_gradients(features, labels, 0.6, 0)[0], labels)
    assert not join_gradients(features, labels, 0.6)[0].any(), "inside of a film it would be a gradient"


def test_regions_that_are_known_to_be_apart_stay_so():
    """Four stripes of one kind; the first and the third are two, so that the second can be part of one only."""
    labels = stripes((12, 32), 4)
    features = noisy(along([(20, 0)] * 32))
    assert not join_gradients(features, labels, 0.6)[0].any()
    found, joined = join_gradients(features, labels, 0.6, apart=[(0, 2)])
    assert found[0, 0] != found[0, 16]
    assert len(np.unique(found)) == 2
    assert len(joined) == 2


def test_the_background_stays_one_when_it_is_joined():
    values = np.repeat(np.array([[30.0, 0.0], [30.0, 1.0], [0.0, 40.0]]), 12, axis=0)
    joined, pairs = join_gradients(noisy(along(values)), stripes((12, 36), 3), 0.6, 1)
    assert [pair[:2] for pair in pairs] == [(0, 1)]
    assert len(np.unique(joined)) == 2


def test_positions_in_no_region_stay_so_and_what_is_given_is_kept():
    labels = stripes((12, 20), 2)
    labels[5] = -1
    given = labels.copy()
    joined, _ = join_gradients(noisy(along(np.full((20, 2), 30.0))), labels, 0.6)
    assert np.array_equal(joined < 0, given < 0)
    assert (joined[given >= 0] == 0).all()
    assert np.array_equal(labels, given)


def test_a_single_region_and_none():
    features = noisy(along(np.full((6, 2), 30.0), 6))
    for labels in (np.zeros((6, 6), np.int64), np.full((6, 6), -1)):
        joined, pairs = join_gradients(features, labels, 0.6)
        assert np.array_equal(joined, labels)
        assert pairs == []


def test_turning_the_scan_turns_the_regions():
    angles = np.r_[np.linspace(0, 1, 16), np.linspace(2.4, 3, 16)]
    features = noisy(along(50 * np.column_stack([np.cos(angles), np.sin(angles)])))
    labels = stripes((12, 32), 4)
    first, _ = join_gradients(features, labels, 0.6)
    turned = features_of(features.values[..., :-1].swapaxes(0, 1))
    other, _ = join_gradients(turned, np.ascontiguousarray(labels.T), 0.6)
    assert np.array_equal(first, other.T)
    assert len(np.unique(first)) == 2


def test_a_doubtful_region_is_joined_with_what_it_could_be_part_of():
    """Three stripes: the middle one is like the left one, within its noise, and unlike the right one."""
    values = np.zeros((8, 18, 3))
    values[:, :12, 0], values[:, 12:, 1] = 20, 20
    values += np.random.default_rng(0).normal(size=values.shape)
    labels = np.repeat(np.arange(3), 6)[None].repeat(8, axis=0)
    features = features_of(values)
    joined = join_doubtful(features, labels, [1], 0.6)
    assert np.unique(joined[:, :12]).size == 1
    assert (joined[:, 12:] == 2).all()
    assert np.array_equal(join_doubtful(features, labels, [2], 0.6), labels), "it could be part of nothing"
    assert np.array_equal(join_doubtful(features, labels, [], 0.6), labels)


def corner(own, mixed):
    """Means and labels of two crystals that meet at a corner, where positions within four hold both, 26×25."""
    y, x = np.indices((26, 25))
    labels = np.where((y < 13) & (x < 14), 0, np.where((y >= 13) & (x >= 11), 1, -1)).astype(np.int64)
    near = (np.hypot(y - 12.5, x - 12) < 5)[..., None]
    return np.where(near, mixed, np.asarray(own)[np.maximum(labels, 0)]), labels


def test_crystals_that_meet_at_a_corner_are_compared_as_a_whole():
    """The strips on both sides of the corner are mixtures, and alike; the crystals have nothing in common."""
    means, labels = corner([(50, 0), (0, 50)], (25, 25))
    features = noisy(means)
    assert not Strips(features, labels)._side_by_side(0, 1)
    assert Strips(features, labels).compare(0, 1).similarity < 0.4
    assert np.array_equal(join_gradients(features, labels, 0.6)[0], labels)
    same, labels = corner([(50, 0), (50, 0)], (50, 0))
    assert set(np.unique(join_gradients(noisy(same), labels, 0.6)[0])) == {-1, 0}


def test_halves_are_side_by_side_also_after_they_were_joined():
    features = noisy(along(np.full((24, 2), 30.0)))
    strips = Strips(features, stripes((12, 24), 4))
    assert strips._side_by_side(0, 1)
    assert not strips._side_by_side(0, 3), "they do not touch"
    strips.join(0, 1)
    assert strips._side_by_side(0, 2)
    assert strips.sizes[0] == 2 * 6 * 12


def test_what_has_nothing_in_common_three_positions_on_is_no_gradient():
    """A vector that turns by 90° in two columns, again and again, into directions of its own."""
    values = np.zeros((48, 25))
    for column in range(48):
        k, angle = column // 2, np.pi / 4 * (column % 2)
        values[column, k : k + 2] = 50 * np.cos(angle), 50 * np.sin(angle)
    features, labels = noisy(along(values)), stripes((12, 48), 3)
    found = Strips(features, labels).compare(0, 1)
    assert found.most < 2 * found.within, "as steep inside as across"
    assert join_gradients(features, labels, 0.6)[1] == []


def test_regions_that_touch_and_have_less_than_half_in_common_are_unlike():
    """Cosines of neighbours: 0, 0.8, 0.6; the first and the last do not touch."""
    values = 20 * np.repeat(np.array([(1.0, 0.0), (0.0, 1.0), (0.6, 0.8), (1.0, 0.0)]), 8, axis=0)
    labels = stripes((12, 32), 4)
    assert unlike(noisy(along(values)), labels) == {(0, 1)}
    assert unlike(noisy(along(0 * values)), np.full((12, 32), -1)) == set()


def test_parts_that_touch_in_one_position_are_one_if_that_is_enough():
    labels = np.full((20, 20), -1)
    labels[:10, :10], labels[10:, 10:] = 0, 1
    features = noisy(np.full((20, 20, 2), 30.0))
    assert np.array_equal(join_gradients(features, labels, 0.85)[0], labels)
    assert set(np.unique(join_gradients(features, labels, 0.85, contact=1)[0])) == {-1, 0}
    assert touching(labels) == []
    assert touching(labels, 1) == [(0, 1)]
