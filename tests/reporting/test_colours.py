import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from clustem.reporting.colours import PALETTE, UNASSIGNED, adjacent_labels, domain_colours, text_colour

LABELS = arrays(np.int32, array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.integers(0, 30))


def touching(labels):
    """Oracle: all pairs of positions one step apart, one by one."""
    pairs = set()
    for (y, x), first in np.ndenumerate(labels):
        for second in labels[y : y + 2, max(0, x - 1) : x + 2].ravel().tolist():
            if min(first, second) > 0 and first != second:
                pairs.add((min(int(first), second), max(int(first), second)))
    return pairs


@settings(max_examples=150, deadline=None)
@given(LABELS)
def test_neighbours_never_share_a_colour_and_none_is_grey(labels):
    colours = domain_colours(labels)
    assert colours.shape == (labels.max() + 1, 4)
    pairs = adjacent_labels(labels)
    assert {tuple(pair) for pair in pairs.tolist()} == touching(labels)
    assert (colours[pairs[:, 0]] != colours[pairs[:, 1]]).any(axis=1).all()
    assert (colours[1:, :3] != UNASSIGNED).any(axis=1).all()
    assert ((colours >= 0) & (colours <= 1)).all()


@pytest.mark.parametrize("seam", [1, 2, 5])
def test_domains_on_both_sides_of_an_unassigned_boundary_differ(seam):
    grid = np.arange(1, 421).reshape(20, 21)
    cell = np.pad(np.ones((4, 4), int), ((0, seam), (0, seam)))
    colours = domain_colours(np.kron(grid, cell))[grid]
    assert (colours[1:] != colours[:-1]).any(axis=-1).all()
    assert (colours[:, 1:] != colours[:, :-1]).any(axis=-1).all()


def test_many_domains_that_all_touch_have_distinct_colours():
    number = 40
    labels = np.array([pair for a in range(1, number + 1) for b in range(1, a) for pair in ([a, b], [0, 0])])
    colours = domain_colours(labels)
    assert len(np.unique(colours, axis=0)) == number + 1
    distance = np.abs(colours[:, None] - colours[None]).max(axis=-1)[~np.eye(number + 1, dtype=bool)]
    assert distance.min() > 0.02


def test_a_chessboard_of_domains_needs_only_the_palette():
    labels = np.arange(1, 401).reshape(20, 20)
    colours = domain_colours(labels)[1:, :3]
    assert all((colour == PALETTE).all(axis=1).any() for colour in colours)


def test_no_domains_have_the_grey_alone():
    colours = domain_colours(np.zeros((3, 4), np.int32))
    np.testing.assert_array_equal(colours, [[*UNASSIGNED, 1.0]])


@pytest.mark.parametrize(("colour", "expected"), [((1, 1, 0, 1), "black"), ((0, 0.2, 0.5, 1), "white")])
def test_text_is_readable_on_its_colour(colour, expected):
    assert text_colour(np.array(colour)) == expected
