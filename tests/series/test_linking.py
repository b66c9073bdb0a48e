"""Identity through time by hand: continuing, gaps, splits, merges."""

from __future__ import annotations

import numpy as np

from clustem.series.drift import Drift
from clustem.series.linking import Event, link
from clustem.series.observed import Observed

from .scenes import SCAN, crystal
from .test_observed import observed
from .test_polar import polar

ONE, TWO = ((6, 6, 3), crystal(1)), ((16, 15, 3), crystal(2))


def still(frames: int) -> Drift:
    return Drift(np.zeros((frames, 2)), 0.0, 0, 0)


def empty() -> Observed:
    return Observed(np.zeros(SCAN, np.int32), polar(crystal(1)).only([]))


def test_nothing_makes_no_chains() -> None:
    assert link([None, empty()], still(2)).chains == ()


def test_particles_keep_their_names_whatever_their_labels() -> None:
    links = link([observed(ONE, TWO), observed(TWO, ONE)], still(2))
    assert links.chains == ({0: 0, 1: 1}, {0: 1, 1: 0})
    assert links.events == ()


def test_a_particle_that_turns_and_drifts_stays_itself() -> None:
    frames = [observed(((6, 6 + 3 * t, 2), crystal(1, 10 * t))) for t in range(4)]
    moved = Drift(np.array([[0, 3.0 * t] for t in range(4)]), 0.0, 0, 0)
    assert link(list(frames), moved).chains == ({0: 0, 1: 0, 2: 0, 3: 0},)


def test_gaps_are_bridged_and_new_crystals_in_other_places_are_new() -> None:
    links = link([observed(ONE), None, empty(), observed(ONE, TWO)], still(4))
    assert links.chains == ({0: 0, 3: 0}, {3: 1})


def test_what_is_missed_for_too_long_is_another() -> None:
    assert len(link([observed(ONE), *[None] * 5, observed(ONE)], still(7)).chains) == 2


def test_two_become_one() -> None:
    large, small = ((10, 8, 4), crystal(1)), ((10, 15, 2.5), crystal(2))
    whole = ((10, 11, 6.5), crystal(1))
    links = link([observed(large, small)] * 2 + [observed(whole)] * 2, still(4))
    assert links.chains == ({0: 0, 1: 0, 2: 0, 3: 0}, {0: 1, 1: 1})
    assert links.events == (Event(2, "merge", (0, 1), (0,)),)


def test_one_becomes_two() -> None:
    halves = ((10, 8, 4), crystal(1)), ((10, 15, 2.5), crystal(1, 30))
    links = link([observed(((10, 11, 6.5), crystal(1)))] * 2 + [observed(*halves)] * 2, still(4))
    assert links.chains == ({0: 0, 1: 0, 2: 0, 3: 0}, {2: 1, 3: 1})
    assert links.events == (Event(2, "split", (0,), (0, 1)),)


def test_touching_particles_stay_two() -> None:
    frames = [observed(((10, 5 + t, 3), crystal(1)), ((10, 16 - t, 3), crystal(2))) for t in range(3)]
    links = link(list(frames), still(3))
    assert len(links.chains) == 2
    assert links.events == ()


def test_a_half_that_is_missed_once_did_not_merge_and_split_again() -> None:
    whole = ((10, 11, 6.5), crystal(1))
    halves = observed(((10, 8, 4), crystal(1)), ((10, 15, 2.5), crystal(1, 30)))
    links = link([observed(whole), halves, observed(whole), halves, halves], still(5))
    assert links.chains == ({0: 0, 1: 0, 2: 0, 3: 0, 4: 0}, {1: 1, 3: 1, 4: 1})
    assert links.events == (Event(1, "split", (0,), (0, 1)),)
