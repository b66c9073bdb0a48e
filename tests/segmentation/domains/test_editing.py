from dataclasses import replace

import numpy as np
import pytest

from clustem.errors import InputError
from clustem.segmentation import Domains, MergeTree, Mixture, NoiseAwareParameters

LABELS = np.array([[1, 1, 1, 1, 2, 2, 3, 3, 0]], np.int32)
TREE = MergeTree(
    LABELS.shape,
    np.array([0, 2, 4, 6, 1, 3, 5]),
    np.array([1, 3, 5, 7, 2, 4, 6]),
    np.array([1.0, 1.0, 0.9, 0.9, 0.8, 0.3, 0.1]),
    LABELS > 0,
    2,
)


def domains():
    parts = np.zeros((*LABELS.shape, 3), np.int32)
    parts[..., 0] = LABELS
    parts[0, 3] = [1, 2, 3]
    fractions = (parts > 0).astype(np.float32)
    fractions[0, 3] = [0.4, 0.35, 0.25]
    return Domains(
        LABELS,
        "noise-aware",
        NoiseAwareParameters(),
        tree=TREE,
        mixture=Mixture(parts, fractions, np.zeros(LABELS.shape, bool)),
        confidence=np.array([0.9, 0.8, 0.7]),
        reason="found",
    )


def test_merged_domains_take_the_lowest_label_and_add_their_shares():
    before = domains()
    after = before.merge([3, 2])
    assert after.labels.tolist() == [[1, 1, 1, 1, 2, 2, 2, 2, 0]]
    assert after.labels.dtype == np.int32
    np.testing.assert_array_equal(after.confidence, [0.9, np.nan])
    assert after.mixture.labels[0, 3].tolist() == [2, 1, 0]
    np.testing.assert_allclose(after.mixture.fractions[0, 3], [0.6, 0.4, 0], rtol=1e-6)
    assert after.reason == "found; by hand: 2 and 3 merged"
    assert before.labels is LABELS
    assert before.mixture.labels[0, 3].tolist() == [1, 2, 3]


def test_labels_above_those_that_vanish_move_down():
    after = domains().merge([np.int64(1), 2])
    assert after.labels.tolist() == [[1, 1, 1, 1, 1, 1, 2, 2, 0]]
    np.testing.assert_array_equal(after.confidence, [np.nan, 0.7])


def test_a_domain_is_split_at_the_last_merge_of_two_parts():
    after = domains().split(1)
    assert after.labels.tolist() in ([[1, 1, 4, 4, 2, 2, 3, 3, 0]], [[4, 4, 1, 1, 2, 2, 3, 3, 0]])
    assert after.mixture is None
    np.testing.assert_array_equal(after.confidence, [np.nan, 0.8, 0.7, np.nan])
    assert after.reason == "found; by hand: 1 split at similarity 0.8, into 1 and 4"


def test_what_joins_later_goes_to_the_nearer_part():
    labels = np.array([[1, 1, 1, 1, 1, 1, 1, 1, 1]], np.int32)
    usable = labels > 0
    tree = MergeTree(
        labels.shape,
        np.array([0, 1, 5, 6, 2, 3, 7, 8]),
        np.array([1, 2, 6, 7, 5, 2, 8, 4]),
        np.linspace(1, 0.3, 8),
        usable,
        2,
    )
    after = replace(domains(), labels=labels, tree=tree, confidence=None).split(1)
    assert np.array_equal(after.labels[0, :4], np.full(4, after.labels[0, 0]))
    assert np.array_equal(after.labels[0, 5:], np.full(4, after.labels[0, 8]))
    assert after.number == 2
    assert after.confidence is None


def test_merging_what_was_split_gives_the_same_domains():
    again = domains().split(1).merge([1, 4])
    assert np.array_equal(again.labels, LABELS)
    assert again.reason.endswith("into 1 and 4; by hand: 1 and 4 merged")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.merge([1]), r"merge: expected at least two different domains, got \[1\]"),
        (lambda d: d.merge([2, 2]), "merge: expected at least two different domains"),
        (lambda d: d.merge([1, 4]), "merge: expected labels of domains from 1 to 3, got 4"),
        (lambda d: d.merge([0, 1]), "merge: expected labels of domains from 1 to 3, got 0"),
        (lambda d: d.split(1.5), "split: expected labels of domains from 1 to 3, got 1.5"),
        (lambda d: d.split(2), "split: the tree has no two parts of at least 2 positions in this domain"),
        (lambda d: replace(d, tree=None, method="labels").split(1), "split: method 'labels' has no tree"),
    ],
)
def test_what_cannot_be_done(change, message):
    with pytest.raises(InputError, match=message):
        change(domains())
