import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from clustem.errors import InputError
from clustem.segmentation import adjusted_rand_index


@pytest.mark.parametrize(
    ("labels", "truth", "index"),
    [
        ([1, 1, 2, 2], [5, 5, 7, 7], 1.0),
        ([0, 0, 0, 0], [3, 3, 3, 3], 1.0),
        ([0, 1, 2, 3], [3, 2, 1, 0], 1.0),
        ([0, 0, 0, 0], [0, 1, 2, 3], 0.0),
        ([0], [9], 1.0),
        # pairs together: 2 in labels, 2 in truth, 0 in both, of 6: expected 2/3
        ([0, 0, 1, 1], [0, 1, 0, 1], (0 - 2 / 3) / (2 - 2 / 3)),
        # 2 in labels, 1 in truth, 1 in both: expected 1/3
        ([0, 0, 1, 1], [0, 0, 1, 2], (1 - 1 / 3) / (1.5 - 1 / 3)),
        # Hubert & Arabie's table of 3×3 classes is checked against the formula of pairs below
        ([0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 2, 2], (2 - 18 / 15) / (4.5 - 18 / 15)),
    ],
)
def test_by_hand(labels, truth, index):
    assert adjusted_rand_index(labels, truth) == pytest.approx(index)


LABELS = arrays(np.int64, (3, 4), elements=st.integers(0, 3))


@settings(max_examples=30, deadline=None)
@given(a=LABELS, b=LABELS, seed=st.integers(0, 1000))
def test_it_is_symmetric_blind_to_names_and_to_order(a, b, seed):
    index = adjusted_rand_index(a, b)
    generator = np.random.default_rng(seed)
    names, order = generator.permutation(100)[:4], generator.permutation(12)
    assert adjusted_rand_index(b, a) == pytest.approx(index)
    assert adjusted_rand_index(names[a], b) == pytest.approx(index)
    assert adjusted_rand_index(a.ravel()[order], b.ravel()[order]) == pytest.approx(index)
    assert index <= 1


@settings(max_examples=30, deadline=None)
@given(a=LABELS, b=LABELS)
def test_by_counting_pairs(a, b):
    upper = np.triu_indices(12, 1)
    together_a, together_b = ((c.ravel()[:, None] == c.ravel())[upper] for c in (a, b))
    expected = together_a.mean() * together_b.mean()
    most = (together_a.mean() + together_b.mean()) / 2
    if most != expected:
        index = ((together_a & together_b).mean() - expected) / (most - expected)
        assert adjusted_rand_index(a, b) == pytest.approx(index)
    else:
        assert adjusted_rand_index(a, b) == 1


@pytest.mark.parametrize(("a", "b"), [([1, 2], [1, 2, 3]), ([], []), (np.ones((2, 2)), np.ones(4))])
def test_images_that_cannot_be_compared(a, b):
    with pytest.raises(InputError, match="expected two images of the same shape"):
        adjusted_rand_index(a, b)
