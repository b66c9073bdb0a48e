import numpy as np
import pytest

from clustem.formats import open_scan
from clustem.segmentation import NoiseAwareParameters, adjusted_rand_index
from clustem.segmentation.features import measure_features
from clustem.segmentation.noise_aware import partition
from clustem.segmentation.noise_aware.background import Scattering
from clustem.segmentation.noise_aware.partition import Settled, divide, in_order, pieces_of
from clustem.surveying import survey
from tests.segmentation.scenes import crystal, features_of, halves, quarters

SHAPE = (20, 24)
PARAMETERS = NoiseAwareParameters()
EVERYWHERE = np.ones(SHAPE, bool)


def noisy(labels, *, strength=30.0, seed=0):
    """Features of noise 1 around one vector for each label."""
    kinds = strength * np.eye(int(labels.max()) + 1, 6)
    values = kinds[labels] + np.random.default_rng(seed).normal(size=(*labels.shape, 6))
    return features_of(values)


def settled(labels, *apart):
    number = int(labels.max()) + 1
    known = np.zeros((number, number), bool)
    for a, b in apart:
        known[a, b] = known[b, a] = True
    return Settled(labels, known, Scattering.nothing())


@pytest.mark.parametrize("refinement", [1, 2])
@pytest.mark.parametrize(("angle", "regions"), [(0, 1), (30, 2)])
def test_parts_of_a_crystal_that_touch_after_a_refinement_are_one(monkeypatch, angle, regions, refinement):
    """A refinement divides a scan into halves; those of two crystals stay two."""
    labels = halves((12, 20))
    expected = 500 * np.array([crystal(0), crystal(angle)])[labels]
    scan = open_scan(np.random.default_rng(0).poisson(expected).astype(np.uint16))
    features, calls = measure_features(scan, survey(scan)), []

    def refined(features, found, **options):
        calls.append(options["rounds"])
        return labels.copy() if len(calls) == refinement else found

    monkeypatch.setattr(partition, "refine_labels", refined)
    found = divide(features, np.ones(labels.shape, bool), PARAMETERS)
    assert len(calls) == 2
    assert len(np.unique(found.labels)) == regions


def test_regions_of_a_scan():
    truth = quarters(SHAPE)
    found = divide(noisy(truth), EVERYWHERE, PARAMETERS)
    assert adjusted_rand_index(truth, found.labels) == 1
    assert np.array_equal(np.unique(found.labels), np.arange(4))
    assert found.background is None
    assert np.array_equal(found.domains, found.labels)


@pytest.mark.parametrize("strength", [0.0, 0.5, 5.0, 50.0])
def test_one_kind_is_one_region_whatever_the_noise(strength):
    found = [
        divide(noisy(np.zeros(SHAPE, int), strength=strength, seed=seed), EVERYWHERE, PARAMETERS) for seed in range(8)
    ]
    assert [np.unique(regions.labels).size for regions in found] == [1] * 8


@pytest.mark.parametrize("turn", [lambda a: a.swapaxes(0, 1), lambda a: a[::-1], lambda a: a[:, ::-1]])
def test_the_direction_of_the_scan_does_not_matter(turn):
    truth = np.zeros(SHAPE, np.int64)
    truth[5:, 9:], truth[14:, :15], truth[:8, 18:] = 1, 2, 3
    features = noisy(truth, strength=8)
    turned = features_of(turn(features.windows[0].values))
    first = divide(features, EVERYWHERE, PARAMETERS).labels
    other = divide(turned, turn(EVERYWHERE), PARAMETERS).labels
    assert adjusted_rand_index(turn(first), other) == 1
    assert adjusted_rand_index(truth, first) > 0.99


def test_the_axes_of_contrasts_do_not_matter():
    truth = quarters(SHAPE)
    values = noisy(truth, strength=8).windows[0].values
    found = [divide(features_of(v), EVERYWHERE, PARAMETERS).labels for v in (values, values[..., ::-1])]
    assert adjusted_rand_index(*found) == 1


def test_positions_out_of_use_are_in_no_region():
    usable = EVERYWHERE.copy()
    usable[:, 11:13] = False
    usable[3, 3] = False
    found = divide(noisy(halves(SHAPE)), usable, PARAMETERS)
    assert np.array_equal(found.labels >= 0, usable)
    assert adjusted_rand_index(halves(SHAPE)[usable], found.labels[usable]) == 1


def test_regions_are_not_smaller_than_asked_for():
    truth = np.zeros(SHAPE, np.int64)
    truth[8:12, 8:12] = 1
    assert np.unique(divide(noisy(truth), EVERYWHERE, PARAMETERS).labels).size == 2
    larger = NoiseAwareParameters(min_size=17)
    assert np.unique(divide(noisy(truth), EVERYWHERE, larger).labels).size == 1


def test_settled_rows_stay_together_and_the_rest_joins_them():
    """Three rows that are two regions go on below, with the same labels for the same columns."""
    truth = halves(SHAPE)
    found = divide(noisy(truth), EVERYWHERE, PARAMETERS, settled(truth[:3].copy(), (0, 1)))
    assert adjusted_rand_index(truth, found.labels) == 1


def test_settled_regions_stay_two_if_they_are_known_to_be():
    """One kind everywhere; of the first rows it is known, or not, that their halves are two."""
    one, given = np.zeros(SHAPE, int), halves((4, SHAPE[1]))
    joined = divide(noisy(one), EVERYWHERE, PARAMETERS, settled(given))
    assert np.unique(joined.labels).size == 1
    apart = divide(noisy(one), EVERYWHERE, PARAMETERS, settled(given, (0, 1))).labels
    assert len(set(apart[:4][given == 0]) & set(apart[:4][given == 1])) == 0
    assert adjusted_rand_index(given, apart[:4]) == 1


def test_a_settled_region_is_not_divided():
    """Settled rows hold one region on two kinds of patterns."""
    found = divide(noisy(halves(SHAPE)), EVERYWHERE, PARAMETERS, settled(np.zeros((3, SHAPE[1]), np.int64)))
    assert np.unique(found.labels[:3]).size == 1


def test_labels_in_order():
    assert in_order(np.array([[7, -1], [3, 7]])).tolist() == [[1, -1], [0, 1]]
    assert in_order(np.array([[5, 5]])).tolist() == [[0, 0]]
    assert in_order(np.array([[-1, -1]])).tolist() == [[-1, -1]]


PIECES = np.array([[0, 0, 0, 1, 0], [0, 0, 0, 1, 1], [0, 1, 1, 1, 1], [1, 1, 1, 1, -1], [1, 1, 0, 0, 0]])


def test_pieces_become_regions_if_they_are_large_enough():
    """Region 0 is in three pieces: seven, one, and three positions."""
    found = pieces_of(PIECES, 3)
    assert np.unique(found).tolist() == [-1, 0, 1, 2]
    assert found[0, 0] == found[0, 4], "too small to be one"
    assert found[4, 2] not in (found[0, 0], found[4, 0])
    assert np.array_equal(found < 0, PIECES < 0)
    assert np.array_equal(pieces_of(PIECES, 4), PIECES)


def test_the_background_and_settled_pieces_stay_one():
    assert np.array_equal(pieces_of(PIECES, 1, 0), PIECES)
    found = pieces_of(PIECES, 1, None, 1)
    assert found[0, 0] == found[0, 4], "both are in settled rows"
    assert found[4, 2] != found[0, 0]
    assert len(np.unique(pieces_of(PIECES, 1))) == 5
