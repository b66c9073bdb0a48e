import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustem.computing import execution
from clustem.formats import open_scan
from clustem.segmentation import adjusted_rand_index
from clustem.segmentation import segment as segment_by
from clustem.segmentation.domains import build_tree
from clustem.segmentation.published.marching import neighbour_pairs, published_clusters
from clustem.segmentation.published.segmenting import choose_threshold
from clustem.segmentation.similarity import edge_similarity

THREE = np.ones((16, 18), int)
THREE[:9, 8:] = 2
THREE[9:, 5:] = 3


def segment(scan, **options):
    return segment_by(scan, method="published", **options)


def scan_of(labels, seed=0, mean=4.0, detector=(12, 12)):
    """Poisson counts in which every label has a pattern of its own."""
    generator = np.random.default_rng(seed)
    kinds = generator.gamma(0.4, mean / 0.4, (labels.max() + 1, *detector)) + 0.2
    return generator.poisson(kinds[labels]).astype(np.uint16)


def chosen(counts, min_size=5):
    edges = edge_similarity(open_scan(counts), detector_mask=None, smooth_sigma=0)
    first, second, similarity = neighbour_pairs(edges)
    tree = build_tree(similarity, first, second, np.ones(counts.shape[:2], bool), min_size)
    return tree, choose_threshold(tree, similarity, first, second)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("mean", [4.0, 40.0])
def test_three_clear_domains_are_found(seed, mean):
    truth = np.kron(THREE, np.ones((3, 3), int))
    domains = segment(scan_of(truth, seed, mean))
    assert domains.number == 3
    assert adjusted_rand_index(domains.labels, truth) == 1
    assert domains.warnings == ()
    assert domains.parameters.threshold in domains.tree.similarity
    assert (
        f"threshold {domains.parameters.threshold:.4g}, chosen from the spanning tree: its 3 domains" in domains.reason
    )


@pytest.mark.parametrize("seed", range(4))
def test_noise_is_one_domain_with_a_warning(seed):
    counts = np.random.default_rng(seed).poisson(2.0, (14, 15, 10, 10)).astype(np.uint16)
    domains = segment(counts)
    assert (domains.labels == 1).all()
    assert "no partition is significant" in domains.reason
    longest, needed = map(int, re.search(r"lasts (\d+)% .* and (\d+)% are needed", domains.reason).groups())
    assert longest <= needed
    assert "all is one domain" in domains.reason
    assert len(domains.warnings) == 1
    assert "No threshold stands out" in domains.warnings[0]
    for remedy in ("detector_mask", "smooth_sigma", "giving a threshold"):
        assert remedy in domains.warnings[0]


def test_remedies_that_were_taken_are_not_offered_again():
    counts = np.random.default_rng(0).poisson(2.0, (14, 15, 10, 10)).astype(np.uint16)
    mask = np.ones((10, 10), bool)
    mask[4:6, 4:6] = False
    (warning,) = segment(counts, detector_mask=mask, smooth_sigma=0.3, min_size=20).warnings
    assert warning.endswith("What may help: giving a threshold.")


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), power=st.sampled_from([0.3, 3.0]))
def test_the_choice_depends_on_the_order_of_similarities_alone(seed, power):
    tree, (threshold, _, _) = chosen(scan_of(THREE, seed))
    edges = edge_similarity(open_scan(scan_of(THREE, seed)), detector_mask=None, smooth_sigma=0)
    first, second, similarity = neighbour_pairs(edges)
    stretched = 2 * ((similarity + 1) / 2) ** power - 1
    other = build_tree(stretched, first, second, tree.usable, tree.min_size)
    other_threshold, _, _ = choose_threshold(other, stretched, first, second)
    assert np.array_equal(tree.cut(similarity=threshold), other.cut(similarity=other_threshold))


def test_the_same_scan_gives_the_same_domains_for_any_execution():
    counts = scan_of(THREE, mean=1.0, detector=(64, 64))
    results = []
    for memory, threads in [(2**20, 1), (2**20, 2), (2**29, 2)]:
        with execution(memory=memory, threads=threads):
            domains = segment(counts, smooth_sigma=0.5)
            results.append((domains.labels.tobytes(), domains.parameters, domains.reason, domains.similarity.tobytes()))
    assert results[0] == results[1] == results[2]


def test_patterns_without_noise_are_alike():
    """Similarities of exactly 1 give a threshold that the parameters accept."""
    kinds = np.random.default_rng(0).random((4, 8, 8))
    one = segment(np.broadcast_to(kinds[0], (6, 6, 8, 8)))
    assert (one.labels == 1).all()
    assert -1 < one.parameters.threshold < 1
    three = segment(kinds[THREE])
    assert -1 < three.parameters.threshold < 1


def test_opposite_patterns_are_alike_to_nobody_but_usable():
    pattern = np.random.default_rng(0).random((8, 8))
    domains = segment(np.array([[pattern, -pattern]]), min_size=1, threshold=0.5)
    assert domains.labels.tolist() == [[1, 2]]


def test_a_given_threshold_cuts_there():
    counts = scan_of(THREE)
    domains = segment(counts, threshold=0.6, min_size=3)
    assert domains.reason == "threshold 0.6, as given"
    assert domains.warnings == ()
    assert np.array_equal(domains.labels, domains.tree.cut(similarity=0.6))
    assert domains.tree.min_size == 3


def test_no_domain_is_a_warning():
    domains = segment(scan_of(THREE), threshold=0.9999)
    assert not domains.labels.any()
    assert re.match(
        r"No cluster reaches 5 positions at threshold 0.9999: lower .* \(smooth_sigma\)", domains.warnings[0]
    )
    assert "domains     0" in repr(domains)


@pytest.mark.parametrize("min_size", [1, 4])
def test_published_border_keeps_the_order_of_seeds(min_size):
    counts = scan_of(THREE)
    domains = segment(counts, threshold=0.5, border="published", min_size=min_size)
    edges = edge_similarity(open_scan(counts), detector_mask=None, smooth_sigma=0)
    clusters, seeds = published_clusters(edges, 0.5, np.ones(THREE.shape, bool))
    sizes = np.bincount(clusters.ravel())[clusters]
    assert np.array_equal(domains.labels > 0, sizes >= min_size)
    kept = sizes >= min_size
    assert np.array_equal(domains.labels[kept], np.unique(seeds[kept], return_inverse=True)[1] + 1)
    inner = domains.labels[2:-2, 2:-2]
    assert adjusted_rand_index(inner, THREE[2:-2, 2:-2]) == 1
    if min_size > 1:
        outside = np.ones(THREE.shape, bool)
        outside[2:-2, 2:-2] = False
        assert (domains.labels[outside] > 0).sum() <= domains.number, "in the frame only seeds of larger clusters"


def test_published_numbers_of_domains(counts, group):
    """segment on the crop, border='published': the clusters of the published similarities of the crop."""
    scan_mask = None if group.r_mask is None else group.r_mask[:20, :20]
    domains = segment(
        counts,
        threshold=group.threshold,
        smooth_sigma=group.smooth_sigma,
        detector_mask=group.q_mask,
        scan_mask=scan_mask,
        border="published",
        min_size=1,
    )
    # clusters that the reference, on the whole scan, keeps within the crop's inside are the same
    inner = np.zeros((40, 40), bool)
    inner[3:17, 3:17] = True
    for cluster in np.unique(group.cluster_map[inner]):
        members = group.cluster_map == cluster
        if not members[~inner].any():
            crop = members[:20, :20]
            label = domains.labels[crop][0]
            assert np.array_equal(domains.labels == label, crop)


def test_the_prefilter_makes_noise_alike():
    counts = np.random.default_rng(0).poisson(3.0, (8, 8, 40, 40)).astype(np.uint16)
    plain, filtered = segment(counts, threshold=0.5), segment(counts, threshold=0.5, prefilter=True)
    assert not plain.labels.any()
    assert filtered.parameters.prefilter
    assert np.nanmean(filtered.similarity) > np.nanmean(plain.similarity)


def test_one_line_needs_a_threshold():
    counts = np.random.default_rng(0).poisson(3, (1, 30, 12, 12)).astype(np.uint16)
    assert any("give one" in text for text in segment(counts).warnings)
