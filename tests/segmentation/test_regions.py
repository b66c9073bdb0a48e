import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustem.segmentation._region_kernels import (
    SIMILARITY,
    WARD,
    cost_of,
    drop_first,
    join_regions,
    move_entry,
    precedes,
    push_entry,
    similarity_of,
    ward_cost,
)
from clustem.segmentation._tree_kernels import root_of
from clustem.segmentation.regions import grow_regions, labels_after

from .scenes import features_of

SHAPES = st.tuples(st.integers(1, 5), st.integers(1, 5))
SEEDS = st.integers(0, 2**32 - 1)


def both(kernel):
    """A kernel, compiled and as plain Python."""
    return kernel, kernel.py_func


def edges_of(shape):
    """Pairs of 4-neighbours."""
    index = np.arange(np.prod(shape)).reshape(shape)
    pairs = [(index[:, :-1], index[:, 1:]), (index[:-1], index[1:])]
    return tuple(np.concatenate([pair[side].ravel() for pair in pairs]) for side in (0, 1))


def joined(kernel, sums, counts, noise, edges, kind, group=None, apart=None):
    merges, costs = np.full((len(counts) - 1, 2), -1, np.int32), np.full(len(counts) - 1, np.nan)
    group = np.full(len(counts), -1, np.int32) if group is None else np.array(group, np.int32)
    pairs = np.column_stack(edges).astype(np.int32)
    apart = np.zeros((0, 0), bool) if apart is None else apart.copy()
    made = kernel(sums.copy(), counts.copy(), noise.copy(), pairs, kind, group, apart, merges, costs)
    return merges[:made].tolist(), costs[:made]


def joined_the_long_way(sums, counts, noise, edges, kind):
    """Look at all pairs of neighbours before every merge."""
    sums, counts, noise = sums.astype(float), counts.copy(), noise.copy()
    pairs = {(int(min(pair)), int(max(pair))) for pair in zip(*edges, strict=True)}
    merges, costs = [], []
    while pairs:
        cost, a, b = min((cost_of(sums, counts, noise, *pair, kind), *pair) for pair in pairs)
        merges.append([a, b])
        costs.append(cost)
        for values in (sums, counts, noise):
            values[a] += values[b]
        moved = {tuple(sorted(a if region == b else region for region in pair)) for pair in pairs}
        pairs = {pair for pair in moved if pair[0] != pair[1]}
    return merges, np.array(costs)


@pytest.mark.parametrize("kernel", both(ward_cost))
def test_ward_is_the_rise_of_the_sum_of_squares(kernel):
    """Two positions at 1 and one at 4 have their mean at 2: 1 + 1 + 4."""
    assert kernel(np.array([[2.0], [4.0]]), np.array([2.0, 1.0]), 0, 1) == pytest.approx(6)
    one, two = np.random.default_rng(0).normal(size=(2, 5, 3)) * [[[1]], [[2]]]
    both_of_them = np.concatenate([one, two[:2]])
    spread = [((part - part.mean(0)) ** 2).sum() for part in (both_of_them, one, two[:2])]
    sums = np.stack([two[:2].sum(0), np.full(3, np.nan), one.sum(0)])
    assert kernel(sums, np.array([2.0, 1.0, 5.0]), 2, 0) == pytest.approx(spread[0] - spread[1] - spread[2])


@pytest.mark.parametrize("kernel", both(similarity_of))
def test_similarity_without_the_energy_of_noise(kernel):
    sums = np.array([[3.0, 4.0], [4.0, 3.0]])
    assert kernel(sums, np.zeros(2), 0, 1) == pytest.approx(24 / 25)
    assert kernel(sums, np.array([9.0, 16.0]), 0, 1) == pytest.approx(24 / np.sqrt(16 * 9))
    assert kernel(sums * [[2], [5]], np.zeros(2), 1, 0) == pytest.approx(24 / 25), "the length does not matter"
    assert 0 < kernel(sums, np.array([100.0, 0.0]), 0, 1) < np.inf, "noise above the energy"
    assert kernel(sums * [[1], [0]], np.zeros(2), 0, 1) == 0.0


@pytest.mark.parametrize("kernel", both(cost_of))
def test_the_cost_of_both_kinds(kernel):
    sums, counts, noise = np.array([[3.0, 4.0], [4.0, 3.0]]), np.array([1.0, 1.0]), np.zeros(2)
    assert kernel(sums, counts, noise, 0, 1, WARD) == pytest.approx(1)
    assert kernel(sums, counts, noise, 0, 1, SIMILARITY) == pytest.approx(-24 / 25)


@pytest.mark.parametrize("plain", [False, True])
def test_the_heap_gives_costs_in_order_and_equal_ones_by_region(plain):
    push, drop, move = (kernel.py_func if plain else kernel for kernel in (push_entry, drop_first, move_entry))
    generator = np.random.default_rng(0)
    entries = [(float(generator.integers(5)), *generator.permutation(9)[:2].tolist()) for _ in range(40)]
    costs, pairs = np.empty(40), np.empty((40, 3), np.int32)
    for size, (cost, a, b) in enumerate(entries):
        push(costs, pairs, size, cost, a, b, 10 + a + b)
    found = []
    for size in range(40, 0, -1):
        found.append((costs[0], *pairs[0].tolist()))
        drop(costs, pairs, size)
    expected = sorted((cost, min(a, b), max(a, b), 10 + a + b) for cost, a, b in entries)
    assert [(cost, min(a, b), max(a, b), time) for cost, a, b, time in found] == expected
    assert sorted(found) == sorted((cost, a, b, 10 + a + b) for cost, a, b in entries), "the first region stays first"
    move(costs, pairs, 5, 39)
    assert (costs[39], *pairs[39]) == (costs[5], *pairs[5])


@pytest.mark.parametrize("kernel", both(precedes))
def test_the_order_is_by_cost_and_then_by_the_lower_and_the_higher_region(kernel):
    assert kernel(0.5, 8, 9, 1.0, 3, 7)
    assert not kernel(2.0, 0, 1, 1.0, 3, 7)
    assert kernel(1.0, 9, 2, 1.0, 3, 7)
    assert kernel(1.0, 6, 3, 1.0, 3, 7)
    assert not kernel(1.0, 7, 3, 1.0, 3, 7)


@pytest.mark.parametrize("kernel", both(root_of))
def test_the_region_that_another_became(kernel):
    parent = np.array([0, 0, 1, 2, 4])
    assert [kernel(parent, region) for region in (3, 4, 0)] == [0, 4, 0]
    assert parent.tolist()[3] < 2, "the path is shorter now"


@pytest.mark.parametrize("kernel", both(join_regions))
@pytest.mark.parametrize("kind", [WARD, SIMILARITY])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (6, 1), (5, 6)])
def test_always_the_cheapest_neighbours(kernel, kind, shape):
    generator = np.random.default_rng(3)
    size = int(np.prod(shape))
    sums = generator.normal(size=(size, 4)).astype(np.float32)
    counts, noise = generator.integers(1, 5, size).astype(float), generator.uniform(0, 0.5, size)
    merges, costs = joined(kernel, sums, counts, noise, edges_of(shape), kind)
    expected, values = joined_the_long_way(sums, counts, noise, edges_of(shape), kind)
    assert merges == expected
    np.testing.assert_allclose(costs, values, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kernel", both(join_regions))
def test_neighbours_that_changed_are_looked_for_again(kernel):
    """A star: every merge changes the middle, which is the only neighbour of all that are left."""
    size = 60
    edges = np.zeros(size - 1, int), np.arange(1, size)
    sums = np.random.default_rng(5).normal(size=(size, 3)).astype(np.float32)
    merges, costs = joined(kernel, sums, np.ones(size), np.zeros(size), edges, WARD)
    expected, values = joined_the_long_way(sums, np.ones(size), np.zeros(size), edges, WARD)
    assert merges == expected
    np.testing.assert_allclose(costs, values, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kernel", both(join_regions))
def test_regions_that_do_not_touch_are_never_joined(kernel):
    """0–1 and 2–3 on both sides of a gap, all alike."""
    edges = np.array([0, 2]), np.array([1, 3])
    merges, costs = joined(kernel, np.ones((4, 2), np.float32), np.ones(4), np.zeros(4), edges, WARD)
    assert merges == [[0, 1], [2, 3]]
    assert costs.tolist() == [0, 0]


@pytest.mark.parametrize("kernel", both(join_regions))
def test_groups_that_are_apart_are_never_joined_not_even_by_way_of_others(kernel):
    """A row 0 … 4, all alike; 0 and 4 are apart, and 2 belongs to a third group."""
    edges = np.arange(4), np.arange(1, 5)
    apart = np.zeros((3, 3), bool)
    apart[0, 1] = apart[1, 0] = True
    sums = np.ones((5, 2), np.float32)
    merges, _ = joined(kernel, sums, np.ones(5), np.zeros(5), edges, WARD, [0, -1, 2, -1, 1], apart)
    assert len(merges) == 3
    labels = labels_after(np.array(merges), 5)
    assert labels[0] != labels[4]
    assert len(joined(kernel, sums, np.ones(5), np.zeros(5), edges, WARD, [0, -1, 2, -1, 1], apart & False)[0]) == 4


@given(seed=SEEDS, shape=SHAPES, kind=st.sampled_from([WARD, SIMILARITY]))
@settings(max_examples=60, deadline=None)
def test_the_cheapest_neighbours_of_anything(seed, shape, kind):
    """Also where many costs are equal."""
    generator, size = np.random.default_rng(seed), int(np.prod(shape))
    sums = generator.integers(0, 3, (size, 2)).astype(np.float32)
    counts, noise = generator.integers(1, 3, size).astype(float), np.zeros(size)
    merges, costs = joined(join_regions, sums, counts, noise, edges_of(shape), kind)
    expected, values = joined_the_long_way(sums, counts, noise, edges_of(shape), kind)
    assert merges == expected
    np.testing.assert_allclose(costs, values, rtol=1e-4, atol=1e-5)


@given(seed=SEEDS, shape=SHAPES)
@settings(max_examples=30, deadline=None)
def test_labels_after_merges(seed, shape):
    size = int(np.prod(shape))
    sums = np.random.default_rng(seed).normal(size=(size, 2)).astype(np.float32)
    merges, _ = joined(join_regions, sums, np.ones(size), np.zeros(size), edges_of(shape), WARD)
    kept = merges[: len(merges) // 2]
    groups = [{k} for k in range(size)]
    for a, b in kept:
        one, two = (next(group for group in groups if k in group) for k in (a, b))
        groups.remove(two)
        one |= two
    expected = np.empty(size, int)
    for number, group in enumerate(sorted(groups, key=min)):
        expected[sorted(group)] = number
    assert labels_after(np.array(kept, np.int64).reshape(-1, 2), size).tolist() == expected.tolist()


def two_kinds(shape, *, jump=20.0, seed=0):
    """Features of noise 1 with a jump in the middle of the columns."""
    values = np.random.default_rng(seed).normal(size=(*shape, 3))
    values[:, : shape[1] // 2, 0] += jump
    values[:, shape[1] // 2 :, 1] += jump
    return features_of(values)


def parts(tree, shape, similarity):
    kept = tree.merges[tree.similarity >= similarity]
    return labels_after(kept, int(np.prod(shape))).reshape(shape)


def test_two_kinds_become_two_regions():
    shape = (8, 10)
    tree = grow_regions(two_kinds(shape), np.ones(shape, bool))
    assert len(tree.merges) == 79
    assert (np.diff(tree.similarity) <= 0).all()
    assert tree.similarity[:-1].min() > 0.9
    assert tree.similarity[-1] < 0.1
    assert np.array_equal(parts(tree, shape, 0.6), np.arange(10) >= np.full((8, 1), 5))


def test_settled_regions_come_first_and_stay_apart():
    """The first two rows: one region on both kinds, or two of the same kind."""
    shape = (8, 10)
    features, usable = two_kinds(shape), np.ones(shape, bool)
    settled = np.zeros((2, 10), np.int64)
    labels = parts(grow_regions(features, usable, settled), shape, 0.6)
    assert (labels[:2] == labels[0, 0]).all()
    settled[:, :3], settled[:, 3:5], settled[:, 5:] = 0, 1, -1
    apart = np.array([[False, True], [True, False]])
    labels = parts(grow_regions(features, usable, settled, apart), shape, 0.6)
    assert labels[0, 0] != labels[0, 3]
    assert len(np.unique(labels[:, :5])) == 2
    labels = parts(grow_regions(features, usable, settled, ~apart & apart), shape, 0.6)
    assert (labels[:, :5] == labels[0, 0]).all()


def test_positions_that_are_not_usable_take_no_part():
    shape = (6, 9)
    usable = np.ones(shape, bool)
    usable[:, 4] = False
    usable[2, 2] = False
    tree = grow_regions(two_kinds(shape), usable)
    assert len(tree.merges) == usable.sum() - 2, "a wall between two parts"
    assert usable.ravel()[tree.merges].all()
    labels = parts(tree, shape, -2)
    assert len(np.unique(labels[usable])) == 2


@pytest.mark.parametrize("shape", [(1, 1), (1, 12), (12, 1), (2, 2)])
def test_narrow_scans_give_a_whole_tree(shape):
    tree = grow_regions(two_kinds(shape), np.ones(shape, bool))
    assert tree.merges.shape == (np.prod(shape) - 1, 2)
    assert len(tree.similarity) == np.prod(shape) - 1
    assert not parts(tree, shape, -np.inf).any()


def test_nothing_usable_gives_no_merges():
    tree = grow_regions(two_kinds((3, 4)), np.zeros((3, 4), bool))
    assert (tree.merges.shape, tree.similarity.shape) == ((0, 2), (0,))


@pytest.mark.parametrize("turn", [lambda a: a.swapaxes(0, 1), lambda a: a[::-1], lambda a: a[:, ::-1]])
def test_the_direction_of_the_scan_does_not_matter(turn):
    features = two_kinds((7, 8), jump=6)
    turned = features_of(np.ascontiguousarray(turn(features.values[..., :-1])))
    usable = np.ones((7, 8), bool)
    first = parts(grow_regions(features, usable), (7, 8), 0.6)
    other = turn(parts(grow_regions(turned, turn(usable)), turn(usable).shape, 0.6))
    assert len(np.unique(first)) == 2
    assert len(np.unique(np.stack([first, other]).reshape(2, -1), axis=1).T) == 2


def test_noise_alone_is_joined_by_ward_and_counts_as_alike():
    features = features_of(np.random.default_rng(1).normal(size=(10, 10, 3)))
    assert (grow_regions(features, np.ones((10, 10), bool)).similarity[:90] == 1).all()
