"""Where particles are in a frame: outlines drawn anew, faint ones found, nothing found where nothing is."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

import clustem
from clustem.series.evidence import Candidate, find_particles, rotated
from clustem.series.frames import MeasuredFrame, is_crystal, is_undivided, measure_labels, without_domains
from clustem.surveying import survey

from .scenes import MIDDLE, SCAN, crystal, disk, draw, parts

CENTRE = np.array([MIDDLE, MIDDLE])
WHERE = disk(11, 12, 4)


def measured(counts: NDArray[np.uint16], labels: NDArray[np.int32] | None = None) -> tuple[clustem.Scan, MeasuredFrame]:
    scan = clustem.open_scan(counts)
    given = np.zeros(SCAN, np.int32) if labels is None else labels
    return scan, measure_labels(scan, survey(scan), given, np.ones(int(given.max())))


def expected(electrons: float, seed: int = 1) -> Candidate:
    beam, ring = parts()
    template = electrons * (0.55 * beam + 0.05 * ring + 0.4 * crystal(seed))
    return Candidate(disk(11, 13, 4), False, template, 0.0)


def test_patterns_turn_and_move() -> None:
    pattern = crystal(1)
    assert np.corrcoef(rotated(pattern, 20, CENTRE, CENTRE).ravel(), crystal(1, 20).ravel())[0, 1] > 0.97
    moved = rotated(pattern, 0, CENTRE, CENTRE + np.array([2, -1]))
    np.testing.assert_allclose(moved[4:-4, 4:-4], np.roll(pattern, (2, -1), (0, 1))[4:-4, 4:-4], atol=1e-9)


def test_a_faint_particle_is_found_where_it_is_expected() -> None:
    scan, frame = measured(draw([(WHERE, crystal(1))], electrons=150, seed=0))
    found = find_particles(scan, frame, [expected(150)]) == 1
    assert (found & WHERE).sum() > 0.85 * WHERE.sum()
    assert (found & ~WHERE).sum() < 0.1 * WHERE.sum()


@pytest.mark.parametrize("electrons", [150, 2000])
def test_liquid_and_other_crystals_are_not_taken_for_it(electrons: float) -> None:
    for particles in ([], [(WHERE, crystal(5))]):
        scan, frame = measured(draw(particles, electrons=electrons, seed=0))
        found = find_particles(scan, frame, [expected(electrons)])
        assert (found > 0).sum() < 0.15 * WHERE.sum()


def test_outlines_of_a_seen_particle_are_drawn_anew() -> None:
    rough = np.where(disk(11, 12, 3), 1, 0).astype(np.int32)
    scan, frame = measured(draw([(WHERE, crystal(1))], electrons=2000, seed=0), rough)
    seen = Candidate(rough > 0, True, frame.patterns[0].astype(float), float(frame.positions[0]))
    found = find_particles(scan, frame, [seen]) == 1
    assert (found != WHERE).mean() < 0.02


def test_without_background_outlines_stay() -> None:
    labels = np.ones(SCAN, np.int32)
    labels[:, 12:] = 2
    scan, frame = measured(draw([(labels == 1, crystal(1)), (labels == 2, crystal(2))], electrons=500, seed=0), labels)
    seen = [Candidate(labels == k + 1, True, frame.patterns[k].astype(float), 1.0) for k in range(2)]
    np.testing.assert_array_equal(find_particles(scan, frame, seen), labels)


def test_crystals_are_told_from_liquid() -> None:
    labels = np.where(WHERE, 1, 0).astype(np.int32)
    labels[:3] = 2
    _, frame = measured(draw([(WHERE, crystal(1))], electrons=2000, seed=0), labels)
    assert is_crystal(frame).tolist() == [True, False]
    assert frame.positions.tolist() == [WHERE.sum(), 3 * SCAN[1]]


def test_an_undivided_frame_becomes_background() -> None:
    _, frame = measured(draw([], electrons=500, seed=0), np.ones(SCAN, np.int32))
    assert is_undivided(frame)
    empty = without_domains(frame)
    assert (empty.number, empty.labels.max()) == (0, 0)
    np.testing.assert_array_equal(empty.background, frame.patterns[0])
