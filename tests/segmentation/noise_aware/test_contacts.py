import numpy as np
import pytest

from clustem.segmentation.noise_aware.contacts import Touching


def pairs_of(labels, contact):
    return [tuple(pair) for pair in touching_of(labels).contacts(contact).pairs.tolist()]


def touching_of(labels, owner=None):
    return Touching.of(labels, np.zeros(labels.shape, int) if owner is None else owner)


def test_regions_that_touch():
    """0 and 1 are three rows long side by side, 2 has three neighbours in 1, 0 and 4 do not touch."""
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
    assert pairs_of(labels, 1) == [(0, 1), (0, 2), (1, 2), (1, 3), (2, 3), (2, 4)]
    assert (0, 2) not in pairs_of(labels, 2), "a corner is one pair of neighbours"
    assert (0, 1) in pairs_of(labels, 7)
    assert (0, 1) not in pairs_of(labels, 8), "three side by side, two times two across"


@pytest.mark.parametrize("labels", [np.zeros((4, 4), int), np.full((3, 3), -1), np.array([[0]])])
def test_nothing_that_touches(labels):
    assert pairs_of(labels, 1) == []
    touching = touching_of(labels).joined(np.arange(1))
    assert touching.contacts(1).windows.size == 0


def test_the_window_in_which_regions_touch_most_or_the_first_of_these():
    labels = np.repeat([[0], [1]], 8, axis=1)
    for columns, window in (([0, 0, 1, 2, 2, 2, 2, 1], 2), ([0, 1, 1, 1, 2, 2, 2, 0], 1)):
        assert touching_of(labels, np.tile(columns, (2, 1))).contacts(1).windows.tolist() == [window]


@pytest.mark.parametrize("seed", range(5))
def test_regions_that_became_others_touch_as_if_they_were_looked_at_again(seed):
    generator = np.random.default_rng(seed)
    labels, owner = generator.integers(-1, 12, (9, 14)), generator.integers(0, 3, (9, 14))
    table = np.minimum(np.arange(12), generator.integers(0, 12, 12))
    found = touching_of(labels, owner).joined(table)
    again = touching_of(np.where(labels >= 0, table[labels], -1), owner)
    for contact in (1, 4):
        one, other = (touching.contacts(contact) for touching in (found, again))
        assert np.array_equal(one.pairs, other.pairs)
        assert np.array_equal(one.windows, other.windows)
