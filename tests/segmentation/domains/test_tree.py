import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustem.errors import InputError
from clustem.segmentation import MergeTree
from clustem.segmentation.domains._tree_kernels import follow_merges, last_division, spanning_edges
from clustem.segmentation.domains.tree import build_tree, number_by_size, number_in_order
from clustem.segmentation.published import neighbour_pairs

SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 6))
SEEDS = st.integers(0, 2**32 - 1)


def random_tree(seed, shape, *, min_size=1, holes=0.0, dead=0.0, levels=0):
    """A tree of random similarities, with positions out of use, NaN edges, or only a few different values."""
    generator = np.random.default_rng(seed)
    edges = generator.uniform(-1, 1, (4, *shape))
    if levels:
        edges = np.round(edges * levels) / levels
    edges[generator.random(edges.shape) < dead] = np.nan
    usable = generator.random(shape) >= holes
    first, second, similarity = neighbour_pairs(edges)
    return build_tree(similarity, first, second, usable, min_size), (first, second, similarity, usable)


def components_of(edges, threshold):
    """Connected components by relabelling until nothing changes; -1 = not usable."""
    first, second, similarity, usable = edges
    labels = np.where(usable.ravel(), np.arange(usable.size), -1)
    joined = [
        (a, b)
        for a, b, s in zip(first, second, similarity, strict=True)
        if s >= threshold and labels[a] >= 0 and labels[b] >= 0
    ]
    for a, b in joined:
        old, new = labels[b], labels[a]
        labels[labels == old] = new
    return labels.reshape(usable.shape)


def domains_of(components, min_size):
    """Sizes of the components that are domains."""
    sizes = np.unique(components[components >= 0], return_counts=True)[1]
    return sizes[sizes >= min_size]


def expected_labels(components, min_size):
    """Numbered by falling size, then by first position."""
    ids, start, sizes = np.unique(components, return_index=True, return_counts=True)
    ranked = sorted((-size, first, k) for k, first, size in zip(ids, start, sizes, strict=True) if k >= 0)
    labels = np.zeros(components.shape, int)
    for number, (size, _, k) in enumerate(ranked, start=1):
        if -size >= min_size:
            labels[components == k] = number
    return labels


@settings(max_examples=30, deadline=None)
@given(
    seed=SEEDS,
    shape=SHAPES,
    threshold=st.floats(-1, 1),
    min_size=st.integers(1, 4),
    holes=st.sampled_from([0.0, 0.3]),
    levels=st.sampled_from([0, 2]),
)
def test_a_cut_is_the_connected_components(seed, shape, threshold, min_size, holes, levels):
    tree, edges = random_tree(seed, shape, min_size=min_size, holes=holes, dead=0.1, levels=levels)
    labels = tree.cut(similarity=threshold)
    assert labels.dtype == np.int32
    assert np.array_equal(labels, expected_labels(components_of(edges, threshold), min_size))
    if tree.similarity.size:
        exact = float(tree.similarity[len(tree.similarity) // 2])
        expected = expected_labels(components_of(edges, exact), min_size)
        assert np.array_equal(tree.cut(similarity=exact), expected), "a height belongs to the cut at itself"


@settings(max_examples=15, deadline=None)
@given(
    seed=SEEDS,
    shape=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    min_size=st.integers(1, 4),
    holes=st.sampled_from([0.0, 0.3]),
    levels=st.sampled_from([0, 2]),
)
def test_the_history_is_what_every_cut_gives(seed, shape, min_size, holes, levels):
    tree, edges = random_tree(seed, shape, min_size=min_size, holes=holes, dead=0.1, levels=levels)
    thresholds, number, covered = tree.counts()
    assert np.array_equal(thresholds, np.unique(tree.similarity)[::-1])
    for threshold, count, share in zip(thresholds, number, covered, strict=True):
        sizes = domains_of(components_of(edges, threshold), min_size)
        assert count == sizes.size
        assert share == pytest.approx(sizes.sum() / max(1, edges[3].sum()))


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, shape=SHAPES, min_size=st.integers(1, 3), levels=st.sampled_from([0, 2]))
def test_lifetimes_by_following_every_domain(seed, shape, min_size, levels):
    """Of a position: the share of all merges from its domain's birth to its end, where two domains become one.

    A domain of at least three times the size of the other lives on.
    """
    tree, edges = random_tree(seed, shape, min_size=min_size, levels=levels)
    merges, size = len(tree.first), edges[3].size
    # the domain of every position after every merge: the set of domains that were joined into it
    component = np.arange(size)
    born = dict.fromkeys(range(size), 0) if min_size == 1 else {}
    ended, inside = {}, np.full((merges + 1, size), -1)
    current = {n: n for n in range(size)} if min_size == 1 else {}
    inside[0] = np.arange(size) if min_size == 1 else -1
    new = size
    for n in range(merges):
        a, b = component[tree.first[n]], component[tree.second[n]]
        members = {k: int((component == k).sum()) for k in (a, b)}
        joined = {k: current.pop(k) for k in (a, b) if k in current}
        component[component == b] = a
        large, small = sorted((a, b), key=members.get, reverse=True)
        if len(joined) == 2:
            ended[joined[small]] = n
            survivor = joined[large]
            joined = [survivor]
            if members[large] < 3 * members[small]:
                ended[survivor] = n
                joined = []
        else:
            joined = list(joined.values())
        if not joined and (component == a).sum() >= min_size:
            born[new] = n
            joined, new = [new], new + 1
        if joined:
            current[a] = joined[0]
        inside[n + 1] = [current.get(k, -1) for k in component]
    lasting = {k: (ended[k] - born[k]) / merges for k in ended}
    last = [np.flatnonzero(tree.similarity == t)[-1] for t in tree.history.threshold]
    expected = [sum(lasting.get(k, 0) for k in inside[n + 1]) / size for n in last]
    np.testing.assert_allclose(tree.history.lifetime, expected, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, shape=SHAPES, min_size=st.integers(1, 3), levels=st.sampled_from([0, 2]))
def test_a_cut_by_number_is_the_highest_that_gives_it(seed, shape, min_size, levels):
    tree, _ = random_tree(seed, shape, min_size=min_size, levels=levels)
    thresholds, number, _ = tree.counts()
    for wanted in range(1, number.max(initial=0) + 2):
        fits = thresholds[number == wanted]
        if fits.size:
            labels = tree.cut(number=wanted)
            assert labels.max() == wanted
            assert np.array_equal(labels, tree.cut(similarity=fits.max()))
        else:
            with pytest.raises(
                InputError, match=f"no threshold gives {wanted} domains; at most {number.max(initial=0)}"
            ):
                tree.cut(number=wanted)


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, shape=SHAPES, holes=st.sampled_from([0.0, 0.3]), levels=st.sampled_from([0, 1]))
def test_heights_never_rise_and_merges_join(seed, shape, holes, levels):
    tree, edges = random_tree(seed, shape, holes=holes, dead=0.2, levels=levels)
    assert (np.diff(tree.similarity) <= 0).all()
    whole = components_of(edges, -2)
    assert len(tree.first) == edges[3].sum() - np.unique(whole[whole >= 0]).size
    assert np.isfinite(tree.similarity).all()
    assert edges[3].ravel()[tree.first].all()
    assert edges[3].ravel()[tree.second].all()


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, shape=SHAPES, levels=st.sampled_from([1, 2]))
def test_ties_do_not_depend_on_the_order_of_the_edges(seed, shape, levels):
    tree, (first, second, similarity, usable) = random_tree(seed, shape, levels=levels)
    order = np.random.default_rng(seed).permutation(similarity.size)
    other = build_tree(similarity[order], first[order], second[order], usable, 1)
    for name in ("first", "second", "similarity"):
        assert np.array_equal(getattr(tree, name), getattr(other, name))


def chain(*heights, min_size=1):
    """A scan of one row with these similarities between its positions."""
    n = len(heights)
    usable = np.ones((1, n + 1), bool)
    return build_tree(np.array(heights, float), np.arange(n), np.arange(1, n + 1), usable, min_size)


def test_cuts_by_hand():
    tree = chain(0.9, 0.2, 0.8, 0.7, 0.1, 0.95)
    assert tree.similarity.tolist() == [0.95, 0.9, 0.8, 0.7, 0.2, 0.1]
    assert tree.cut(similarity=0.75).tolist() == [[1, 1, 2, 2, 4, 3, 3]]
    assert tree.cut(similarity=0.7).tolist() == [[2, 2, 1, 1, 1, 3, 3]]
    assert tree.cut(similarity=2).tolist() == [[1, 2, 3, 4, 5, 6, 7]]
    assert tree.cut(number=2).tolist() == [[1, 1, 1, 1, 1, 2, 2]]
    assert tree.counts()[1].tolist() == [6, 5, 4, 3, 2, 1]


def test_small_components_stay_unassigned():
    tree = chain(0.9, 0.2, 0.8, 0.7, 0.1, 0.95, min_size=3)
    assert tree.cut(similarity=0.7).tolist() == [[0, 0, 1, 1, 1, 0, 0]]
    thresholds, number, covered = tree.counts()
    assert thresholds.tolist() == [0.95, 0.9, 0.8, 0.7, 0.2, 0.1]
    assert number.tolist() == [0, 0, 0, 1, 1, 1]
    np.testing.assert_allclose(covered, [0, 0, 0, 3 / 7, 5 / 7, 1])
    # the one domain never ends, so it counts 0
    assert not tree.history.lifetime.any()
    with pytest.raises(InputError, match="no threshold gives 2 domains; at most 1 are possible"):
        tree.cut(number=2)


def test_lifetime_by_hand():
    """Two pairs, born at merges 0 and 1 and joined at merge 2, of 3 merges: (2 · 2/3 + 2 · 1/3) / 4."""
    tree = chain(0.9, 0.1, 0.8, min_size=2)
    assert tree.counts()[1].tolist() == [1, 2, 1]
    np.testing.assert_allclose(tree.history.lifetime, [2 * (2 / 3) / 4, 0.5, 0])


def test_merges_of_the_same_height_are_one_entry():
    tree = chain(0.5, 0.5, 0.2)
    assert tree.counts()[0].tolist() == [0.5, 0.2]
    assert tree.counts()[1].tolist() == [2, 1]


def test_nothing_to_merge():
    usable = np.zeros((2, 2), bool)
    none = np.array([], np.int64)
    tree = build_tree(np.array([]), none, none, usable, 1)
    assert tree.counts()[0].size == 0
    assert not tree.cut(similarity=0).any()
    assert "no merges" in repr(tree)
    with pytest.raises(InputError, match="no threshold gives 1 domains; at most 0"):
        tree.cut(number=1)


@pytest.mark.parametrize("arguments", [{}, {"similarity": 0.5, "number": 2}])
def test_a_cut_needs_one_criterion(arguments):
    with pytest.raises(InputError, match="give either similarity or number"):
        chain(0.5).cut(**arguments)


def test_numbering_by_size_and_by_order():
    components = np.array([[7, 7, 3, 3, 3], [5, 7, 5, 9, 9]])
    usable = np.ones((2, 5), bool)
    usable[1, 4] = False
    assert number_by_size(components, usable, 1).tolist() == [[1, 1, 2, 2, 2], [3, 1, 3, 4, 0]]
    assert number_by_size(components, usable, 3).tolist() == [[1, 1, 2, 2, 2], [0, 1, 0, 0, 0]]
    order = components * 10
    assert number_in_order(components, order, usable, 2).tolist() == [[3, 3, 1, 1, 1], [2, 3, 2, 0, 0]]


def test_a_tree_shows_its_heights():
    assert repr(chain(0.25, 0.75, min_size=2)) == (
        "MergeTree\n  merges           2\n  similarity       0.25 to 0.75\n  smallest domain  2"
    )
    assert isinstance(chain(0.25), MergeTree)


@pytest.mark.parametrize("min_size", [1, 2, 3])
def test_kernel_compiled_and_as_plain_python(min_size):
    tree, _ = random_tree(3, (4, 5))
    results = []
    for kernel in (follow_merges, follow_merges.py_func):
        domains, sizes, life = np.zeros((3, 19), int), np.zeros((2, 19), int), np.zeros((39, 2), int)
        number = kernel(tree.first, tree.second, 20, min_size, domains, sizes, life)
        results.append((number, domains, sizes, life))
    for compiled, plain in zip(*results, strict=True):
        assert np.array_equal(compiled, plain)
    number, domains, sizes, life = results[0]
    assert domains.max() == number - 1
    assert sizes[:, -1].sum() == 20
    assert (life[:number, 0] <= life[:number, 1]).all()
    assert (life[:number, 1] == 19).sum() == 1, "one domain never ends"


def test_kernel_of_the_spanning_tree_compiled_and_as_plain_python():
    """Two triangles joined by an edge, and a position apart: the heaviest edge of each triangle is left out."""
    first, second = np.array([0, 1, 0, 3, 4, 3, 2]), np.array([1, 2, 2, 4, 5, 5, 3])
    order = np.array([4, 1, 0, 2, 6, 3, 5])
    for kernel in (spanning_edges, spanning_edges.py_func):
        kept = np.full(7, -1)
        number = kernel(first, second, order, 7, kept)
        assert kept[:number].tolist() == [4, 1, 0, 6, 3]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 999), st.integers(1, 6), st.integers(1, 6), st.integers(1, 4))
def test_the_tree_does_not_depend_on_the_order_of_the_edges(seed, height, width, levels):
    generator = np.random.default_rng(seed)
    first, second, similarity = neighbour_pairs(generator.integers(0, levels, (4, height, width)) / levels)
    usable = generator.random((height, width)) < 0.9
    tree = build_tree(similarity, first, second, usable, 1)
    mixed = generator.permutation(first.size)
    other = build_tree(similarity[mixed], first[mixed], second[mixed], usable, 1)
    for name in ("first", "second", "similarity"):
        assert np.array_equal(getattr(tree, name), getattr(other, name))


@pytest.mark.parametrize("kernel", [last_division, last_division.py_func])
@pytest.mark.parametrize(("least", "expected"), [(1, 5), (2, 3), (3, -1)])
def test_kernel_of_the_last_division(kernel, least, expected):
    """0–1 and 2–3 become pairs, meet again within one, then become four, take in 4, which is no member, and 5."""
    first, second = np.array([0, 2, 1, 1, 0, 5]), np.array([1, 3, 0, 2, 4, 4])
    members = np.array([True, True, True, True, False, True])
    assert kernel(first, second, members, least) == expected
