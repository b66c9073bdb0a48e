import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from clustem.segmentation import Domains, LabelsParameters, contours


def area(line):
    """Signed area by the shoelace formula, positive if it runs clockwise on the screen (y down)."""
    y, x = line.T
    return 0.5 * float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]))


def test_one_position_by_hand():
    lines = contours(np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]]))
    assert list(lines) == [1]
    (line,) = lines[1]
    assert {tuple(point) for point in line.tolist()} == {(0.5, 1), (1, 0.5), (1.5, 1), (1, 1.5)}
    assert area(line) == pytest.approx(0.5)
    top = line.tolist().index([0.5, 1]) if line[0].tolist() != [0.5, 1] else 0
    assert line[top + 1].tolist() == [1, 1.5], "from the top to the right: clockwise"


def test_a_domain_that_fills_the_scan_is_closed_outside_of_it():
    (line,) = contours(np.ones((3, 4), int))[1]
    assert line[:, 0].min() == -0.5
    assert line[:, 0].max() == 2.5
    assert line[:, 1].min() == -0.5
    assert line[:, 1].max() == 3.5
    assert area(line) == pytest.approx(12 - 4 / 8), "all positions but for the cut corners"


def test_a_hole_runs_the_other_way():
    labels = np.ones((5, 5), np.int32)
    labels[2, 2] = 2
    lines = contours(labels)
    areas = sorted(area(line) for line in lines[1])
    assert areas == pytest.approx([-(1 + 0.5) + 1, 25 - 0.5])
    assert [area(line) for line in lines[2]] == pytest.approx([0.5])


def test_positions_that_touch_at_a_corner_have_one_outline():
    (line,) = contours(np.eye(3, dtype=int))[1]
    assert area(line) == pytest.approx(3 - 8 / 8 + 4 / 8), "eight convex corners, four concave ones"


def test_parts_are_lines_of_their_own_and_missing_labels_are_left_out():
    labels = np.zeros((5, 6), int)
    labels[0, 0] = labels[4, 5] = 3
    labels[2, 2:4] = 1
    lines = contours(labels)
    assert {label: len(found) for label, found in lines.items()} == {1: 1, 3: 2}
    assert contours(np.zeros((3, 3), int)) == {}


def test_domains_and_their_labels_give_the_same():
    labels = np.array([[1, 1, 2], [0, 2, 2]], np.int32)
    domains = Domains(labels=labels, method="labels", parameters=LabelsParameters())
    for label, found in contours(labels).items():
        for line, other in zip(found, contours(domains)[label], strict=True):
            assert np.array_equal(line, other)


@settings(max_examples=30, deadline=None)
@given(arrays(np.int32, st.tuples(st.integers(1, 7), st.integers(1, 7)), elements=st.integers(0, 2)))
def test_lines_are_closed_and_enclose_the_domain(labels):
    lines = contours(labels)
    assert set(lines) == set(np.unique(labels[labels > 0]).tolist())
    for label, found in lines.items():
        for line in found:
            assert line.dtype == np.float64
            assert line.ndim == 2
            assert line.shape[1] == 2
            assert np.array_equal(line[0], line[-1])
            assert len(line) >= 5
            steps = np.abs(np.diff(line, axis=0))
            assert np.isin(steps, [0, 0.5, 1]).all()
            assert np.array_equal(np.sort(line % 1, axis=1), np.tile([0, 0.5], (len(line), 1)))
        # each crossing lies halfway between a position inside and one outside
        mask = np.pad(labels == label, 1)
        boundary = (mask[1:] != mask[:-1]).sum() + (mask[:, 1:] != mask[:, :-1]).sum()
        assert sum(len(line) - 1 for line in found) == boundary
        # marching squares cut an eighth off every convex corner and add it at every concave one, of which two face
        # each other where positions of the domain touch at a corner
        two_by_two = mask[1:, 1:].astype(int) + mask[:-1, 1:] + mask[1:, :-1] + mask[:-1, :-1]
        diagonal = (two_by_two == 2) & (mask[1:, 1:] == mask[:-1, :-1])
        corners = (two_by_two == 1).sum() - 2 * diagonal.sum() - (two_by_two == 3).sum()
        assert sum(map(area, found)) == pytest.approx(mask.sum() - corners / 8)
