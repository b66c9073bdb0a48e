"""Where chains are looked for, and the patterns that other frames tell."""

from __future__ import annotations

import numpy as np
import pytest

import clustem
from clustem.series.frames import MeasuredFrame, measure_labels
from clustem.series.linking import link
from clustem.series.observed import Comparisons, Observed
from clustem.series.refining import Candidates, Prospect, prospects, refine_frame
from clustem.surveying import survey

from .scenes import crystal, disk, draw
from .test_linking import still

CHAIN = {4: 0, 5: 1, 8: 0}


@pytest.mark.parametrize(
    ("time", "index"), [(1, None), (2, -1), (3, -1), (4, 0), (5, 1), (6, -1), (7, -1), (8, 0), (10, -1), (11, None)]
)
def test_a_chain_is_looked_for_in_its_gaps_and_two_frames_beyond(time: int, index: int | None) -> None:
    expected = [] if index is None else [Prospect(0, index)]
    assert prospects((CHAIN,), time, 20, set()) == expected


def test_events_and_the_ends_of_the_series_are_bounds() -> None:
    assert prospects((CHAIN,), 3, 20, {(0, "split")}) == []
    assert prospects((CHAIN,), 9, 20, {(0, "merge")}) == []
    assert prospects((CHAIN,), 3, 20, {(0, "merge")}) == [Prospect(0, -1)]
    assert prospects(({0: 0, 5: 0},), 8, 20, set()) == []


def frames() -> list[MeasuredFrame]:
    """A particle that turns by 10° per frame; it was not found in the middle one, which has a tenth of the dose."""
    result = []
    for t in range(3):
        where = disk(11, 11, 3.5)
        scan = clustem.open_scan(draw([(where, crystal(1, 10.0 * t))], electrons=200 if t == 1 else 2000, seed=t))
        labels = np.where(where & (t != 1), 1, 0).astype(np.int32)
        result.append(measure_labels(scan, survey(scan), labels, np.ones(int(labels.max()))))
    return result


def test_a_particle_that_was_missed_is_found_by_its_turned_pattern() -> None:
    measured = frames()
    observed = [Observed(frame.labels, frame.polar()) if frame.number else None for frame in measured]
    links = link(list(observed), still(3))
    assert links.chains == ({0: 0, 2: 0},)
    observed[1] = None
    make = Candidates(links.chains, Comparisons(list(observed), still(3)), lambda t: measured[t])
    candidates = make.make(1, prospects(links.chains, 1, 2, set()))
    assert not candidates[0].seen
    inner = np.hypot(*np.indices((32, 32)) - 15.5) > 5
    assert np.corrcoef(candidates[0].template[inner], crystal(1, 10)[inner])[0, 1] > 0.9
    scan = clustem.open_scan(draw([(disk(11, 11, 3.5), crystal(1, 10.0))], electrons=200, seed=1))
    refined = refine_frame(scan, measured[1], candidates)
    assert refined.candidates.tolist() == [0]
    assert ((refined.measured.labels > 0) == disk(11, 11, 3.5)).mean() > 0.97
    assert np.isnan(refined.measured.confidence).all()
