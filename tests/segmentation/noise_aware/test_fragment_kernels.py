import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import linkage

from clustem.segmentation.domains import root_of
from clustem.segmentation.noise_aware._fragment_kernels import (
    drop_first,
    join_regions,
    move_entry,
    precedes,
    push_entry,
    ward_cost,
)

SHAPES = st.tuples(st.integers(1, 5), st.integers(1, 5))
SEEDS = st.integers(0, 2**32 - 1)
NO_LIMITS = np.inf, np.inf, 1, np.inf


def both(kernel):
    """A kernel, compiled and as plain Python."""
    return kernel, kernel.py_func


def edges_of(shape):
    """Pairs (m, 2) of 4-neighbours."""
    index = np.arange(np.prod(shape)).reshape(shape)
    pairs = [(index[:, :-1], index[:, 1:]), (index[:-1], index[1:])]
    return np.concatenate([np.column_stack([a.ravel(), b.ravel()]) for a, b in pairs])


def joined(kernel, sums, counts, edges, limits=NO_LIMITS):
    merges, costs = np.full((len(counts) - 1, 2), -1, np.int32), np.full(len(counts) - 1, np.nan)
    pairs = np.array(edges, np.int32)
    made = kernel(sums.copy(), counts.copy(), pairs, np.array(limits, float).reshape(-1, 4), merges, costs)
    return merges[:made].tolist(), costs[:made]


def joined_the_long_way(sums, counts, edges, limits=NO_LIMITS):
    """Look at all pairs of neighbours before every merge."""
    largest, smallest, fewest, most = limits
    sums, counts = sums.astype(float), counts.copy()
    pairs = {(int(min(pair)), int(max(pair))) for pair in edges}
    merges, costs = [], []
    while len(counts) - len(merges) > fewest:
        allowed = [
            (a, b) for a, b in pairs if counts[a] + counts[b] <= largest and min(counts[a], counts[b]) < smallest
        ]
        cost, a, b = min(((ward_cost(sums, counts, *pair), *pair) for pair in allowed), default=(np.inf, 0, 0))
        if cost > most or not allowed:
            break
        merges.append([a, b])
        costs.append(cost)
        for values in (sums, counts):
            values[a] += values[b]
        moved = {tuple(sorted(a if region == b else region for region in pair)) for pair in pairs}
        pairs = {pair for pair in moved if pair[0] != pair[1]}
    return merges, np.array(costs)


def sizes_of(merges, counts):
    """Sizes of the regions that are left."""
    sizes = counts.copy()
    for a, b in merges:
        sizes[a], sizes[b] = sizes[a] + sizes[b], 0
    return sizes[sizes > 0]


@pytest.mark.parametrize("kernel", both(ward_cost))
def test_ward_is_the_rise_of_the_sum_of_squares(kernel):
    """Two positions at 1 and one at 4 have their mean at 2: 1 + 1 + 4."""
    assert kernel(np.array([[2.0], [4.0]]), np.array([2.0, 1.0]), 0, 1) == pytest.approx(6)
    one, two = np.random.default_rng(0).normal(size=(2, 5, 3)) * [[[1]], [[2]]]
    both_of_them = np.concatenate([one, two[:2]])
    spread = [((part - part.mean(0)) ** 2).sum() for part in (both_of_them, one, two[:2])]
    sums = np.stack([two[:2].sum(0), np.full(3, np.nan), one.sum(0)])
    assert kernel(sums, np.array([2.0, 1.0, 5.0]), 2, 0) == pytest.approx(spread[0] - spread[1] - spread[2])


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
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (6, 1), (5, 6)])
def test_always_the_cheapest_neighbours(kernel, shape):
    generator = np.random.default_rng(3)
    size = int(np.prod(shape))
    sums = generator.normal(size=(size, 4)).astype(np.float32)
    counts = generator.integers(1, 5, size).astype(float)
    merges, costs = joined(kernel, sums, counts, edges_of(shape))
    expected, values = joined_the_long_way(sums, counts, edges_of(shape))
    assert merges == expected
    np.testing.assert_allclose(costs, values, rtol=1e-4, atol=1e-5)


def test_where_all_are_neighbours_it_is_the_linkage_of_ward():
    """Its heights are the square roots of twice the rise of the sum of squares."""
    points = np.random.default_rng(1).normal(size=(14, 3)).astype(np.float32)
    edges = np.column_stack(np.triu_indices(14, 1))
    _, costs = joined(join_regions, points, np.ones(14), edges)
    np.testing.assert_allclose(np.sqrt(2 * costs), linkage(points, "ward")[:, 2], rtol=1e-4)


@pytest.mark.parametrize("kernel", both(join_regions))
def test_neighbours_that_changed_are_looked_for_again(kernel):
    """A star: every merge changes the middle, which is the only neighbour of all that are left."""
    size = 60
    edges = np.column_stack([np.zeros(size - 1, int), np.arange(1, size)])
    sums = np.random.default_rng(5).normal(size=(size, 3)).astype(np.float32)
    merges, costs = joined(kernel, sums, np.ones(size), edges)
    expected, values = joined_the_long_way(sums, np.ones(size), edges)
    assert merges == expected
    np.testing.assert_allclose(costs, values, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kernel", both(join_regions))
def test_regions_that_do_not_touch_are_never_joined(kernel):
    """0–1 and 2–3 on both sides of a gap, all alike."""
    merges, costs = joined(kernel, np.ones((4, 2), np.float32), np.ones(4), [(0, 1), (2, 3)])
    assert merges == [[0, 1], [2, 3]]
    assert costs.tolist() == [0, 0]


@pytest.mark.parametrize("kernel", both(join_regions))
def test_limits(kernel):
    """A row of six at 0, 1, 10, 11, 20, 21: pairs cost 1/2, and two pairs 100."""
    sums, edges = np.array([[0.0], [1], [10], [11], [20], [21]], np.float32), edges_of((1, 6))
    one = np.ones(6)
    pairs = [[0, 1], [2, 3], [4, 5]]
    assert joined(kernel, sums, one, edges)[0] == [*pairs, [0, 2], [0, 4]]
    assert joined(kernel, sums, one, edges)[1].tolist() == pytest.approx([0.5, 0.5, 0.5, 100, 300])
    assert joined(kernel, sums, one, edges, (3, np.inf, 1, np.inf))[0] == pairs, "four would be too large"
    assert joined(kernel, sums, one, edges, (np.inf, 2, 1, np.inf))[0] == pairs, "two of two are large enough"
    assert joined(kernel, sums, one, edges, (np.inf, np.inf, 4, np.inf))[0] == pairs[:2]
    assert joined(kernel, sums, one, edges, (np.inf, np.inf, 1, 99.0))[0] == pairs
    assert joined(kernel, sums, one, edges, (np.inf, np.inf, 1, 101.0))[0] == [*pairs, [0, 2]]
    assert joined(kernel, sums, one, edges, (np.inf, np.inf, 6, np.inf))[0] == []


@pytest.mark.parametrize("kernel", both(join_regions))
@pytest.mark.parametrize("seed", range(3))
def test_limits_one_after_the_other(kernel, seed):
    """As if what the first limits leave were joined within the second."""
    generator = np.random.default_rng(seed)
    sums, counts = generator.normal(size=(20, 3)).astype(np.float32), np.ones(20)
    first, second = (3, np.inf, 9, np.inf), (np.inf, 3, 1, np.inf)
    merges, costs = joined(kernel, sums, counts, edges_of((4, 5)), (first, second))
    made, values = joined_the_long_way(sums, counts, edges_of((4, 5)), first)
    assert merges[: len(made)] == made
    region = np.arange(20)
    for a, b in made:
        region[region == b] = a
    left = np.unique(region)
    number = np.searchsorted(left, region)
    totals = np.array([sums[region == k].sum(axis=0) for k in left])
    edges = {tuple(sorted(pair)) for pair in number[edges_of((4, 5))].tolist() if pair[0] != pair[1]}
    rest, others = joined_the_long_way(totals, np.bincount(number).astype(float), edges, second)
    assert [[int(left[k]) for k in pair] for pair in rest] == merges[len(made) :]
    assert rest
    np.testing.assert_allclose(costs, [*values, *others], rtol=1e-4, atol=1e-5)


@given(
    seed=SEEDS,
    shape=SHAPES,
    largest=st.sampled_from([3, 6, np.inf]),
    smallest=st.sampled_from([2, 4, np.inf]),
    fewest=st.integers(1, 6),
    most=st.sampled_from([0.5, 2.0, np.inf]),
)
@settings(max_examples=80, deadline=None)
def test_the_cheapest_neighbours_of_anything_within_limits(seed, shape, largest, smallest, fewest, most):
    """Also where many costs are equal."""
    generator, size = np.random.default_rng(seed), int(np.prod(shape))
    sums = generator.integers(0, 3, (size, 2)).astype(np.float32)
    counts, limits = generator.integers(1, 3, size).astype(float), (largest, smallest, fewest, most)
    merges, costs = joined(join_regions, sums, counts, edges_of(shape), limits)
    expected, values = joined_the_long_way(sums, counts, edges_of(shape), limits)
    assert merges == expected
    np.testing.assert_allclose(costs, values, rtol=1e-4, atol=1e-5)
    left = sizes_of(merges, counts)
    assert left.max() <= max(largest, counts.max())
    assert left.size >= min(fewest, size)
    assert (costs <= most).all()
