import numpy as np
import pytest

from clustem.formats import open_scan
from clustem.segmentation.background import Scattering, find_background
from clustem.segmentation.features import measure_features
from clustem.surveying import survey

from .scenes import crystal, diffuse, scene, vacuum

LABELS = np.zeros((16, 20), np.int64)
LABELS[3:13, 3:10] = 1
LABELS[3:13, 10:17] = 2


def features(patterns, *, labels=LABELS, electrons=10_000):
    scan = open_scan(scene(labels, patterns, electrons=electrons))
    return measure_features(scan, survey(scan))


@pytest.fixture(scope="module")
def particles():
    """Two crystals in vacuum."""
    return features([vacuum(), crystal(0), crystal(25)])


def test_vacuum_around_crystals(particles):
    assert find_background(particles, LABELS) == 0


def test_other_regions_of_the_scan_are_taken_into_account(particles):
    brighter, fainter = Scattering(np.array([4e3]), np.array([0.9])), Scattering(np.array([1.0]), np.array([0.1]))
    vacuum_alone = np.where(LABELS == 0, 0, -1)
    assert find_background(particles, vacuum_alone) is None
    assert find_background(particles, vacuum_alone, brighter) == 0
    assert find_background(particles, LABELS, fainter) is None, "it is somewhere else"


@pytest.mark.parametrize("order", [(1, 0, 2), (2, 1, 0)])
def test_the_number_of_the_region_does_not_matter(particles, order):
    assert find_background(particles, np.array(order)[LABELS]) == order[0]


def test_positions_in_no_region_are_not_looked_at(particles):
    labels = LABELS.copy()
    labels[:, :8] = -1
    assert find_background(particles, labels) == 0
    assert find_background(particles, np.where(LABELS == 0, -1, LABELS)) is None
    assert find_background(particles, np.full_like(LABELS, -1)) is None


def test_one_region_has_nothing_to_be_compared_with(particles):
    assert find_background(particles, np.zeros_like(LABELS)) is None


def test_regions_of_a_few_positions_are_not_looked_at(particles):
    labels = np.where(LABELS == 0, -1, LABELS)
    labels[0, :4] = 0
    assert find_background(particles, labels) is None


def test_crystals_alone_have_no_background():
    assert find_background(features([crystal(0), crystal(25), crystal(45)]), LABELS) is None


def test_a_thin_crystal_is_no_background():
    assert find_background(features([crystal(40, scattered=0.1), crystal(0), crystal(25)]), LABELS) is None


def test_what_scatters_more_than_crystals_is_no_background():
    assert find_background(features([diffuse(), crystal(0), crystal(25)]), LABELS) is None
