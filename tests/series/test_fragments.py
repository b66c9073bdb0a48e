"""Pieces that a segmentation cuts off for a frame or two."""

from __future__ import annotations

import numpy as np

from clustem.series.fragments import absorb_fragments
from clustem.series.linking import Event, Links

from .scenes import crystal
from .test_observed import observed

WHOLE = observed(((10, 10, 5), crystal(1)))
BROKEN = observed(((10, 10, 5), crystal(1)), ((10, 14, 2), crystal(2)))
FAR_PIECE = observed(((10, 6, 4), crystal(1)), ((10, 18, 2), crystal(2)))
SPLIT = Event(1, "split", (0,), (0, 1))
LONG = {0: 0, 1: 0, 2: 0, 3: 0}


def test_a_short_piece_goes_back_to_its_particle() -> None:
    links, frames = absorb_fragments(Links((LONG, {1: 1}), (SPLIT,)), [WHOLE, BROKEN, WHOLE, WHOLE])
    assert links.chains == (LONG,)
    assert links.events == ()
    assert frames[1] is not None
    np.testing.assert_array_equal(frames[1].labels == 1, BROKEN.labels > 0)


def test_a_piece_that_lives_stays() -> None:
    given = Links((LONG, {1: 1, 2: 1, 3: 1}), (SPLIT,))
    links, frames = absorb_fragments(given, [WHOLE, BROKEN, BROKEN, BROKEN])
    assert links.chains == given.chains
    assert links.events == given.events
    assert frames[1] is BROKEN


def test_a_piece_that_does_not_touch_stays() -> None:
    given = Links((LONG, {1: 1}), (SPLIT,))
    assert absorb_fragments(given, [WHOLE, FAR_PIECE, WHOLE, WHOLE])[0].chains == given.chains


def test_numbers_after_a_piece_close_up() -> None:
    other = {1: 2, 2: 1, 3: 1}
    events = (SPLIT, Event(1, "split", (0,), (0, 2)))
    three = observed(((10, 10, 5), crystal(1)), ((10, 14, 2), crystal(2)), ((17, 10, 2.5), crystal(3)))
    two = observed(((10, 10, 5), crystal(1)), ((17, 10, 2.5), crystal(3)))
    links, _ = absorb_fragments(Links((LONG, {1: 1}, other), events), [WHOLE, three, two, two])
    assert links.chains == (LONG, other)
    assert links.events == (Event(1, "split", (0,), (0, 1)),)


def test_one_that_takes_over_its_parent_is_the_same_particle() -> None:
    chains = ({0: 0, 1: 0}, {1: 1, 2: 0, 3: 0})
    events = (SPLIT, Event(2, "merge", (1, 0), (1,)))
    links, _ = absorb_fragments(Links(chains, events), [WHOLE, BROKEN, WHOLE, WHOLE])
    assert links.chains == (LONG,)
    assert links.events == ()
