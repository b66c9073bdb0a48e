import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustem.segmentation.domains import build_tree, component_labels
from clustem.segmentation.published.marching import neighbour_pairs, published_clusters
from clustem.segmentation.similarity.cosine import NEIGHBOURS, UNIQUE, around_positions, overlap


def edges_of(similarity, use):
    """(4, Y, X) from (Y, X, 8) in which the positions out of use were set to 0."""
    edges = np.full((4, *similarity.shape[:2]), -1.0)
    for n, (dy, dx) in enumerate(UNIQUE):
        here, there = overlap(dy, dx)
        near = similarity[(*here, NEIGHBOURS.index((dy, dx)))]
        far = similarity[(*there, NEIGHBOURS.index((-dy, -dx)))]
        edges[(n, *here)] = np.where(use[here], near, far)
    return edges


def random_edges(seed, shape):
    return np.round(np.random.default_rng(seed).uniform(-0.2, 1, (4, *shape)), 3)


def march(edges, threshold, usable, *, frame):
    """The published clustering as it is told: the best unclustered position seeds, neighbours join, recursively.

    Positions of the frame, as wide as given, only seed. Clusters in the order they are found; -1 = not usable.
    """
    around = around_positions(edges)
    height, width = usable.shape
    mean = np.where(usable, around.mean(-1), -np.inf)
    clusters = np.full(usable.shape, -1)
    seeds = np.argsort(-mean.ravel(), kind="stable")
    number = 0
    for seed in seeds:
        y, x = divmod(int(seed), width)
        if not usable[y, x] or clusters[y, x] >= 0:
            continue
        clusters[y, x] = number
        growing = [(y, x)]
        while growing:
            y, x = growing.pop()
            for n, (dy, dx) in enumerate(NEIGHBOURS):
                v, u = y + dy, x + dx
                inside = frame <= v < height - frame and frame <= u < width - frame
                if inside and usable[v, u] and clusters[v, u] < 0 and around[y, x, n] >= threshold:
                    clusters[v, u] = number
                    growing.append((v, u))
        number += 1
    return clusters


def same_partition(a, b):
    pairs = np.unique(np.stack([a.ravel(), b.ravel()]), axis=1).shape[1]
    return pairs == np.unique(a).size == np.unique(b).size


def test_published_clusters_and_their_order(group):
    use = np.ones((40, 40), bool) if group.r_mask is None else group.r_mask
    clusters, seeds = published_clusters(edges_of(group.similarity, use), group.threshold, use)
    in_order = np.unique(seeds[use], return_inverse=True)[1]
    assert np.array_equal(in_order, group.cluster_map[use])
    assert same_partition(clusters[use], group.cluster_map[use])
    assert (group.cluster_map[~use] == -1).all()


def test_full_border_gives_components_that_agree_inside(group):
    """Away from the frame both rules join the same, except over paths or seeds in the frame itself."""
    use = np.ones((40, 40), bool) if group.r_mask is None else group.r_mask
    edges = edges_of(group.similarity, use)
    tree = build_tree(*neighbour_pairs(edges)[2:], *neighbour_pairs(edges)[:2], use, 1)
    labels = tree.cut(similarity=group.threshold)
    assert np.array_equal(labels > 0, use)
    inner = np.zeros((40, 40), bool)
    inner[2:-2, 2:-2] = True
    # the components of the inner positions alone …
    inside = build_tree(*neighbour_pairs(edges)[2:], *neighbour_pairs(edges)[:2], use & inner, 1)
    alone = inside.cut(similarity=group.threshold)[inner & use]
    # … are each whole in both partitions
    for partition in (labels, group.cluster_map):
        whole = np.unique(np.stack([alone, partition[inner & use]]), axis=1).shape[1]
        assert whole == np.unique(alone).size


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    threshold=st.floats(0.3, 0.95),
    holes=st.sampled_from([0.0, 0.2]),
)
def test_published_border_marches_as_told(seed, shape, threshold, holes):
    edges = random_edges(seed, shape)
    usable = np.random.default_rng(seed).random(shape) >= holes
    clusters, seeds = published_clusters(edges, threshold, usable)
    told = march(edges, threshold, usable, frame=2)
    assert np.array_equal(np.unique(seeds[usable], return_inverse=True)[1], told[usable])
    assert np.array_equal(seeds.ravel()[np.argsort(clusters.ravel())], np.sort(seeds.ravel()))


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    threshold=st.floats(0.3, 0.95),
    holes=st.sampled_from([0.0, 0.2]),
)
def test_full_border_marches_as_told(seed, shape, threshold, holes):
    """Connected components are the recursive marching; the seeds only number them."""
    edges = random_edges(seed, shape)
    usable = np.random.default_rng(seed).random(shape) >= holes
    first, second, similarity = neighbour_pairs(edges)
    labels = build_tree(similarity, first, second, usable, 1).cut(similarity=threshold)
    told = march(edges, threshold, usable, frame=0)
    assert np.array_equal(labels == 0, told == -1)
    assert same_partition(labels, told)


def test_the_frame_only_seeds():
    """Everything is alike: inside one cluster, found by the first best position; every frame position alone."""
    shape = (7, 8)
    clusters, seeds = published_clusters(np.ones((4, *shape)), 0.5, np.ones(shape, bool))
    inside = np.zeros(shape, bool)
    inside[2:-2, 2:-2] = True
    assert np.unique(clusters[inside]).size == 1
    assert np.unique(clusters).size == 1 + (~inside).sum() - 1, "one frame position is the seed of the inside"
    assert seeds[inside].max() == 0
    assert seeds[1, 1] == 0, "the first position with eight neighbours seeds, and lies in the frame"


def test_scans_narrower_than_the_frame_are_all_alone():
    clusters, _ = published_clusters(np.ones((4, 3, 9)), 0.5, np.ones((3, 9), bool))
    assert np.unique(clusters).size == 27


def test_pairs_by_hand():
    edges = np.arange(4 * 2 * 3, dtype=float).reshape(4, 2, 3)
    first, second, similarity = neighbour_pairs(edges)
    found = dict(zip(zip(first.tolist(), second.tolist(), strict=True), similarity.tolist(), strict=True))
    # positions 0 1 2 / 3 4 5; planes (0,1): 0…5, (1,-1): 6…11, (1,0): 12…17, (1,1): 18…23
    assert found == {
        (0, 1): 0, (1, 2): 1, (3, 4): 3, (4, 5): 4,
        (1, 3): 7, (2, 4): 8,
        (0, 3): 12, (1, 4): 13, (2, 5): 14,
        (0, 4): 18, (1, 5): 19,
    }  # fmt: skip


def test_components_by_hand():
    components = component_labels((2, 3), np.array([0, 1]), np.array([4, 5]))
    assert same_partition(components, np.array([[0, 1, 2], [3, 0, 1]]))
    assert component_labels((2, 2), np.array([], int), np.array([], int)).max() == 3


@pytest.mark.parametrize("value", [np.nan, 0.2])
def test_positions_that_are_like_nothing_stay_alone(value):
    edges = np.ones((4, 7, 7))
    around = np.zeros((7, 7), bool)
    around[3, 3] = True
    for n, (dy, dx) in enumerate(UNIQUE):
        here, there = overlap(dy, dx)
        edges[(n, *here)] = np.where(around[here] | around[there], value, 1)
    clusters, _ = published_clusters(edges, 0.5, np.ones((7, 7), bool))
    assert (clusters == clusters[3, 3]).sum() == 1
    assert np.unique(clusters[2:5, 2:5]).size == 2
