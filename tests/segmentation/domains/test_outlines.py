import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from clustem.calibration import Calibration
from clustem.errors import InputError
from clustem.segmentation import Domains, LabelsParameters, contours, polygons

SMALL_LABELS = arrays(np.int32, st.tuples(st.integers(1, 7), st.integers(1, 7)), elements=st.integers(0, 3))


def area(line):
    """Signed area by the shoelace formula, positive if it runs clockwise on the screen (y down)."""
    y, x = line.T
    return 0.5 * float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]))


def shapes(labels, **options):
    """Return the polygons of every label as a shapely MultiPolygon."""
    found = polygons(labels, **options)
    return {label: shapely.MultiPolygon([(lines[0], lines[1:]) for lines in parts]) for label, parts in found.items()}


def domains_of(labels, step=None):
    return Domains(labels, "labels", LabelsParameters(), calibration=Calibration(scan_step_nm=step))


def test_one_position_by_hand():
    labels = np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]])
    assert contours(labels)[1][0].tolist() == [[0.5, 1], [1, 1.5], [1.5, 1], [1, 0.5], [0.5, 1]]
    edges = contours(labels, smooth=False)[1][0]
    assert edges.tolist() == [[0.5, 0.5], [0.5, 1.5], [1.5, 1.5], [1.5, 0.5], [0.5, 0.5]]
    assert area(edges) == 1


@pytest.mark.parametrize("smooth", [True, False])
def test_a_domain_that_fills_the_scan_is_its_area(smooth):
    (line,) = contours(np.ones((3, 4), int), smooth=smooth)[1]
    assert line.tolist() == [[-0.5, -0.5], [-0.5, 3.5], [2.5, 3.5], [2.5, -0.5], [-0.5, -0.5]]


def test_a_hole_follows_its_outer_boundary_and_runs_the_other_way():
    labels = np.ones((5, 5), np.int32)
    labels[2, 2] = 2
    assert [area(line) for line in contours(labels)[1]] == [25, -0.5]
    assert [area(line) for line in contours(labels)[2]] == [0.5]
    assert [area(line) for line in contours(labels, smooth=False)[1]] == [25, -1]


def test_three_domains_meet_in_one_point():
    labels = np.array([[1, 1], [2, 3]])
    for smooth in (True, False):
        for lines in contours(labels, smooth=smooth).values():
            assert [0.5, 0.5] in lines[0].tolist()
    bent = np.array([[1, 1, 1], [1, 2, 2], [3, 2, 2]])
    border = contours(bent)[2][0].tolist()
    assert [0.5, 1.0] in border
    assert [1.0, 0.5] in border, "halfway between the positions of 1 and 2, around the corner of 2"


def test_positions_that_touch_at_a_corner_are_parts_that_touch():
    for smooth in (True, False):
        lines = contours(np.eye(3, dtype=int), smooth=smooth)[1]
        assert len(lines) == 3
        assert sum([0.5, 0.5] in line.tolist() for line in lines) == 2
        assert shapes(np.eye(3, dtype=int), smooth=smooth)[1].is_valid


def test_a_ring_that_closes_at_a_corner_has_a_hole():
    labels = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 0]])
    outer, hole = contours(labels, smooth=False)[1]
    assert (area(outer), area(hole)) == (8, -1)
    assert [1.5, 1.5] in outer.tolist()
    assert [1.5, 1.5] in hole.tolist()
    assert shapes(labels, smooth=False)[1].is_valid


def test_parts_and_missing_labels():
    labels = np.zeros((5, 6), int)
    labels[0, 0] = labels[4, 5] = 3
    labels[2, 2:4] = 1
    assert {label: len(found) for label, found in contours(labels).items()} == {1: 1, 3: 2}
    assert {label: len(found) for label, found in polygons(labels).items()} == {1: 1, 3: 2}
    assert contours(np.zeros((3, 3), int)) == polygons(np.zeros((3, 3), int)) == {}


def test_nm_are_positions_times_the_step():
    labels = np.array([[1, 1, 2], [0, 2, 2]], np.int32)
    for label, found in contours(labels).items():
        for line, other in zip(found, contours(domains_of(labels, (0.5, 2.0)), unit="nm")[label], strict=True):
            np.testing.assert_allclose(other, line * [0.5, 2.0])


@pytest.mark.parametrize("unit", ["nm", "furlong"])
def test_units_that_cannot_be(unit):
    with pytest.raises(InputError, match="unit: "):
        contours(domains_of(np.ones((2, 2), np.int32)), unit=unit)


@settings(max_examples=80, deadline=None)
@given(SMALL_LABELS)
def test_lines_along_edges_are_the_positions(labels):
    found = shapes(labels, smooth=False)
    assert set(found) == set(np.unique(labels[labels > 0]).tolist())
    for label, shape in found.items():
        assert shape.is_valid
        assert shape.area == (labels == label).sum()
        y, x = np.nonzero(labels == label)
        assert shapely.contains_xy(shape, y, x).all()


@settings(max_examples=80, deadline=None)
@given(SMALL_LABELS, st.booleans())
def test_all_labels_tile_the_scan(labels, smooth):
    found = list(shapes(labels + 1, smooth=smooth).values())
    height, width = labels.shape
    assert all(shape.is_valid for shape in found)
    assert sum(shape.area for shape in found) == height * width
    assert shapely.coverage_is_valid(found)
    assert shapely.union_all(found).equals(shapely.box(-0.5, -0.5, height - 0.5, width - 0.5))


@settings(max_examples=80, deadline=None)
@given(SMALL_LABELS)
def test_smooth_lines_pass_halfway_between_positions(labels):
    for label, found in contours(labels).items():
        for line in found:
            assert line.dtype == np.float64
            assert np.array_equal(line[0], line[-1])
            assert len({tuple(point) for point in line.tolist()}) == len(line) - 1 >= 3
            assert np.isin(line % 1, [0, 0.5]).all()
            assert (line % 1 == 0.5).any(axis=1).all(), "on the border between two positions, or on a corner"
        y, x = np.nonzero(labels == label)
        assert shapely.covers(shapes(labels)[label], shapely.points(y, x)).all()


@settings(max_examples=30, deadline=None)
@given(SMALL_LABELS)
def test_turned_by_ninety_degrees_they_are_the_same(labels):
    for smooth in (True, False):
        upright, turned = shapes(labels, smooth=smooth), shapes(np.rot90(labels), smooth=smooth)
        for label, shape in upright.items():
            back = shapely.transform(turned[label], lambda p: np.stack([p[:, 1], labels.shape[1] - 1 - p[:, 0]], 1))
            assert back.equals(shape)
