import numpy as np
import pytest

from clustem.formats import open_scan
from clustem.segmentation.features import measure_features
from clustem.segmentation.noise_aware.background import Scattering, find_background, measure_scattering
from clustem.surveying import survey
from tests.segmentation.scenes import DETECTOR, counts, crystal, diffuse, scene, vacuum

LABELS = np.zeros((16, 20), np.int64)
LABELS[3:13, 3:10] = 1
LABELS[3:13, 10:17] = 2
FLAT = np.full(DETECTOR, 1 / np.prod(DETECTOR))


def features(patterns, *, labels=LABELS, electrons=10_000):
    scan = open_scan(scene(labels, patterns, electrons=electrons))
    return measure_features(scan, survey(scan))


def region(*arguments):
    """The number of the region without crystals, or None."""
    found = find_background(*arguments)
    return None if found is None else found.region


@pytest.fixture(scope="module")
def particles():
    """Two crystals in vacuum."""
    return features([vacuum(), crystal(0), crystal(25)])


def test_vacuum_around_crystals(particles):
    assert region(particles, LABELS) == 0


@pytest.mark.parametrize("electrons", [300, 10_000])
@pytest.mark.parametrize("strength", [0.4, 2.0, 8.0])
def test_vacuum_under_an_even_background(strength, electrons):
    """1, 5 and 20 times what crystals scatter into their spots."""
    scan = open_scan(counts(electrons * (np.stack([vacuum(), crystal(0), crystal(25)])[LABELS] + strength * FLAT)))
    found = find_background(measure_features(scan, survey(scan)), LABELS)
    assert found.region == 0
    assert (found.favour[1:] > 1).all(), "a crystal is there although most electrons are those of the background"


def test_a_crystal_counts_more_the_more_it_scatters(particles):
    favour = find_background(particles, LABELS).favour
    assert favour[0] == 1
    assert (favour[1:] > 5).all()
    rim = features([0.5 * vacuum() + 0.5 * diffuse(), crystal(0, scattered=0.6), crystal(25, scattered=0.6)])
    found = find_background(rim, LABELS)
    assert found is not None
    assert (found.favour[1:] < favour[1:]).all()


def test_what_regions_scatter(particles):
    regions, found = measure_scattering(particles, LABELS)
    assert regions.tolist() == [0, 1, 2]
    np.testing.assert_allclose(found.electrons, [particles.electrons[k == LABELS].mean() for k in range(3)], rtol=1e-5)
    assert found.reflections[0] < 0.05 * found.reflections[1:].min()
    np.testing.assert_allclose(found.anisotropy[1:], 1, atol=0.1)
    assert Scattering.nothing().empty() is None


def test_other_regions_of_the_scan_are_taken_into_account(particles):
    def scattering(electrons, reflections, anisotropy=0.9):
        return Scattering(np.array([electrons]), np.array([reflections]), np.array([anisotropy]), np.array([9]))

    brighter, fainter = scattering(4e3, 100.0), scattering(1.0, 0.0, 0.0)
    alone = np.where(LABELS == 0, 0, -1)
    assert region(particles, alone) is None
    assert region(particles, alone, brighter) == 0
    assert region(particles, np.where(LABELS == 0, -1, LABELS), fainter) is None, "it is somewhere else"


@pytest.mark.parametrize("order", [(1, 0, 2), (2, 1, 0)])
def test_the_number_of_the_region_does_not_matter(particles, order):
    assert region(particles, np.array(order)[LABELS]) == order[0]


def test_positions_in_no_region_are_not_looked_at(particles):
    labels = LABELS.copy()
    labels[:, :8] = -1
    assert region(particles, labels) == 0
    assert region(particles, np.where(LABELS == 0, -1, LABELS)) is None
    assert region(particles, np.full_like(LABELS, -1)) is None


def test_one_region_has_nothing_to_be_compared_with(particles):
    assert region(particles, np.zeros_like(LABELS)) is None


def test_regions_of_a_few_positions_are_not_looked_at(particles):
    labels = np.where(LABELS == 0, -1, LABELS)
    labels[0, :4] = 0
    assert region(particles, labels) is None


def test_crystals_alone_have_no_background():
    assert region(features([crystal(0), crystal(25), crystal(45)]), LABELS) is None


def test_a_thin_crystal_is_no_background():
    assert region(features([crystal(40, scattered=0.1), crystal(0), crystal(25)]), LABELS) is None


def test_tails_of_the_probe_are_as_empty_as_vacuum():
    """Vacuum, tails of two brightnesses, a thin crystal, and crystals; each against the middle of the others."""
    scattering = Scattering(
        electrons=np.array([10.0, 12.0, 14.0, 30.0, 110.0, 90.0]),
        reflections=np.array([0.1, 1.0, 9.0, 12.0, 100.0, 80.0]),
        anisotropy=np.ones(6),
        positions=np.array([50, 400, 20, 20, 80, 40]),
    )
    assert scattering.as_empty(0).tolist() == [True, True, True, False, False, False]


def test_two_regions_are_vacuum_and_a_crystal():
    two = Scattering(np.array([1.0, 1.0]), np.array([0.0, 0.1]), np.ones(2), np.array([9, 9]))
    assert two.as_empty(0).tolist() == [True, False]


@pytest.mark.parametrize("seed", range(4))
def test_the_middle_of_the_others_against_leaving_out_each(seed):
    random = np.random.default_rng(seed)
    number = 9
    scattering = Scattering(np.ones(number), random.random(number), np.ones(number), random.integers(1, 30, number))
    regions = np.arange(number)
    for k, middle in enumerate(scattering._middle_of_others(regions)):
        others = np.delete(regions, k)
        order = others[np.argsort(scattering.reflections[others])]
        total = np.cumsum(scattering.positions[order])
        assert middle == order[np.searchsorted(total, total[-1] / 2)]
