import numpy as np
import pytest

from clustem.computing import execution
from clustem.segmentation import adjusted_rand_index
from clustem.segmentation.domains import component_labels
from clustem.segmentation.noise_aware.fragments import grow_fragments
from tests.segmentation.scenes import features_of


def two_kinds(shape, *, jump=20.0, seed=0):
    """Contrasts of noise 1 with a jump in the middle of the columns."""
    values = np.random.default_rng(seed).normal(size=(*shape, 3))
    values[:, : shape[1] // 2, 0] += jump
    values[:, shape[1] // 2 :, 1] += jump
    return values


def grown(values, usable=None, **options):
    free = np.ones(values.shape[:2], bool) if usable is None else usable
    return grow_fragments(features_of(values, **options), free)


def test_no_fragment_holds_two_kinds():
    fragments = grown(two_kinds((16, 20)))
    left, right = np.unique(fragments.labels[:, :10]), np.unique(fragments.labels[:, 10:])
    assert not set(left) & set(right)
    assert np.array_equal(np.unique(fragments.labels), np.arange(fragments.labels.max() + 1))
    sizes = np.bincount(fragments.labels.ravel())
    assert sizes.min() > 1
    assert sizes.size < 16 * 20 / 4, "several positions each"


def test_labels_are_what_the_merges_make():
    fragments = grown(two_kinds((12, 14)))
    merges = fragments.merges
    again = component_labels((12, 14), merges[:, 0], merges[:, 1])
    assert adjusted_rand_index(again, fragments.labels) == 1
    assert len(merges) == 12 * 14 - len(np.unique(fragments.labels)), "none is made twice"


def test_fragments_do_not_cross_windows():
    shape = (8, 150)
    values = np.random.default_rng(0).normal(size=(*shape, 2)) + 20
    features, fragments = features_of(values), grown(values)
    assert len(features.windows) > 1
    for window in features.windows:
        inside = np.zeros(shape, bool)
        inside[window.window.own] = True
        assert not set(fragments.labels[inside]) & set(fragments.labels[~inside])


def test_all_that_chance_makes_is_joined_and_clear_differences_are_not():
    """Noise alone gives fewer fragments than a gradient whose steps are all clear."""
    noise = np.random.default_rng(1).normal(size=(20, 20, 3))
    steep = noise.copy()
    steep[..., 0] += 30 * np.arange(20)
    assert grown(noise).labels.max() < grown(steep).labels.max()


def test_what_is_common_to_all_patterns_does_not_matter():
    values = two_kinds((12, 14), jump=4)
    first, other = grown(values), grown(values + np.array([40.0, -70.0, 10.0]))
    assert np.array_equal(first.labels, other.labels)


def test_positions_that_are_not_free_take_no_part():
    free = np.ones((12, 15), bool)
    free[:, 7] = False
    free[2, 2] = False
    fragments = grown(np.full((12, 15, 2), 5.0), free)
    assert np.array_equal(fragments.labels >= 0, free)
    assert free.ravel()[fragments.merges].all()
    assert not set(fragments.labels[:, :7].ravel()) & set(fragments.labels[:, 8:].ravel()), "a wall between two parts"


def test_nothing_free_gives_nothing():
    fragments = grown(two_kinds((3, 4)), np.zeros((3, 4), bool))
    assert (fragments.labels == -1).all()
    assert fragments.merges.shape == (0, 2)


@pytest.mark.parametrize("shape", [(1, 1), (1, 12), (12, 1), (2, 2)])
def test_narrow_scans(shape):
    fragments = grown(two_kinds(shape))
    assert fragments.labels.shape == shape
    assert fragments.labels.min() == 0


@pytest.mark.parametrize("turn", [lambda a: a.swapaxes(0, 1), lambda a: a[::-1], lambda a: a[:, ::-1]])
def test_the_direction_of_the_scan_does_not_matter(turn):
    values = two_kinds((14, 17), jump=6)
    first, other = grown(values).labels, grown(np.ascontiguousarray(turn(values))).labels
    assert adjusted_rand_index(turn(first), other) == pytest.approx(1)


def test_the_order_and_the_axes_of_contrasts_do_not_matter():
    values = two_kinds((12, 13), jump=5)
    turned = values @ np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))[0]
    assert adjusted_rand_index(grown(values).labels, grown(values[..., ::-1]).labels) == 1
    assert adjusted_rand_index(grown(values).labels, grown(turned).labels) == 1


def test_threads_do_not_matter():
    values, results = two_kinds((80, 80)), []
    for options in ({"threads": 1}, {"threads": 2}, {"inline": True}):
        with execution(**options):
            fragments = grown(values)
        results.append(fragments.labels.tobytes() + fragments.merges.tobytes())
    assert len(set(results)) == 1
