import numpy as np
import pytest
from scipy.stats import chi2

from clustem.segmentation.noise_aware._region_kernels import (
    core_positions,
    inner_changes,
    measure_regions,
    neighbour_keys,
    number_regions,
    region_boxes,
    region_means,
    sum_region,
    upper_quartile,
)
from tests.segmentation.noise_aware.views import both, core_of, random_scene, view_of

STEPS = ((0, 2), (2, 0), (2, 2), (2, -2))


@pytest.mark.parametrize("kernel", both(number_regions))
@pytest.mark.parametrize("seed", range(3))
def test_regions_are_numbered_in_order(kernel, seed):
    _, _, labels = random_scene(seed)
    labels = np.append(np.array([900, 7, 41, 8]), -1)[labels]
    local = np.empty(labels.shape, np.int32)
    regions = kernel(labels, local)
    assert regions.tolist() == np.unique(labels[labels >= 0]).tolist()
    assert np.array_equal(np.append(regions, -1)[local], labels)
    assert kernel(np.full((2, 3), -1), np.empty((2, 3), np.int32)).size == 0


@pytest.mark.parametrize("kernel", both(neighbour_keys))
@pytest.mark.parametrize("seed", range(3))
def test_every_two_neighbours_of_two_regions(kernel, seed):
    _, _, labels = random_scene(seed, (5, 6))
    owner = np.indices(labels.shape)[1] // 3
    expected = []
    for y, x in np.argwhere(labels >= 0):
        for u, v in ((y, x + 1), (y + 1, x - 1), (y + 1, x), (y + 1, x + 1)):
            if u < 5 and 0 <= v < 6 and labels[u, v] >= 0 and labels[u, v] != labels[y, x]:
                low, high = sorted((int(labels[y, x]), int(labels[u, v])))
                expected.append((low * 4 + high) * 2 + owner[y, x])
    assert kernel(labels, owner, 4, 2, np.empty(0, np.int64)) == len(expected)
    keys = np.empty(len(expected), np.int64)
    kernel(labels, owner, 4, 2, keys)
    assert sorted(keys.tolist()) == sorted(expected)


@pytest.mark.parametrize("kernel", both(region_boxes))
def test_boxes(kernel):
    labels, boxes = np.array([[-1, 0, 0], [2, 0, -1], [2, 2, 2]], np.int32), np.empty((3, 4), np.int32)
    kernel(labels, boxes)
    assert boxes[0].tolist() == [0, 1, 1, 2]
    assert boxes[2].tolist() == [1, 2, 0, 2]
    assert boxes[1, 0] > boxes[1, 1], "nothing"


@pytest.mark.parametrize("kernel", both(core_positions))
@pytest.mark.parametrize("seed", range(3))
def test_cores(kernel, seed):
    _, _, labels = random_scene(seed)
    core = np.empty(labels.shape, bool)
    kernel(labels, core)
    assert np.array_equal(core, core_of(labels))
    assert core.any()


@pytest.mark.parametrize("kernel", both(sum_region))
def test_sums_of_regions(kernel):
    values, noise, labels = random_scene(0)
    view, total = view_of(values, noise, labels), np.full(3, 7.0)
    for k in range(4):
        count, dose = kernel(view, k, total)
        assert count == (labels == k).sum()
        assert dose == pytest.approx(noise[labels == k].sum(), rel=1e-5)
        np.testing.assert_allclose(total, values[labels == k].sum(0, dtype=float), atol=1e-5)


@pytest.mark.parametrize("kernel", both(region_means))
def test_means_of_regions(kernel):
    values, noise, labels = random_scene(1)
    means = np.empty((2, 3))
    kernel(view_of(values, noise, labels), np.array([3, 0]), means)
    np.testing.assert_allclose(means, [values[labels == k].mean(0, dtype=float) for k in (3, 0)], atol=1e-6)


@pytest.mark.parametrize("kernel", both(measure_regions))
def test_only_what_is_asked_is_measured(kernel):
    values, noise, labels = random_scene(2)
    view, sizes = view_of(values, noise, labels), np.full(4, -1)
    energies, change = np.full(4, np.nan), np.full((4, 4, 3), np.nan)
    kernel(view, np.array([1, 3]), sizes, energies, change)
    expected = changes_of(values, noise, labels, view.core)
    for k in range(4):
        if k in (1, 3):
            mean, inside = values[labels == k].mean(0, dtype=float), labels == k
            assert sizes[k] == inside.sum()
            assert energies[k] == pytest.approx(mean @ mean - 3 * noise[inside].sum() / inside.sum() ** 2, rel=1e-4)
            np.testing.assert_allclose(change[k], expected[k], rtol=1e-4, atol=1e-4)
        else:
            assert sizes[k] == -1
            assert np.isnan(energies[k])
            assert np.isnan(change[k]).all()


def changes_of(values, noise, labels, core):
    """Upper quartile of squared differences two positions apart, its error and the number of pairs."""
    number, size = int(labels.max()) + 1, values.shape[2]
    result = np.zeros((number, 4, 3))
    for k in range(number):
        for j, (dy, dx) in enumerate(STEPS):
            scale, found, variances = (1, 1, 0.5, 0.5)[j], [], []
            for y, x in np.argwhere(core & (labels == k)):
                u, v = y + dy, x + dx
                if not (u < labels.shape[0] and 0 <= v < labels.shape[1] and core[u, v] and labels[u, v] == k):
                    continue
                variance = float(noise[y, x]) + float(noise[u, v])
                steps = values[y, x].astype(float) - values[u, v]
                found.append(scale * (steps @ steps - size * variance))
                variances.append(2 * size * (scale * variance) ** 2)
            if found:
                chance = np.sqrt(np.mean(variances))
                upper = np.sort(found)[int(0.75 * (len(found) - 1) + 0.5)]
                result[k, j] = upper - upper_quartile(size) * chance, chance / np.sqrt(len(found)), len(found)
    return result


@pytest.mark.parametrize("kernel", both(upper_quartile))
@pytest.mark.parametrize("size", [1, 3, 10, 100])
def test_the_upper_quartile_of_chi_squared(kernel, size):
    assert kernel(size) == pytest.approx((chi2.ppf(0.75, size) - size) / np.sqrt(2 * size), abs=0.01)


@pytest.mark.parametrize("kernel", both(inner_changes))
@pytest.mark.parametrize("seed", range(3))
def test_changes_inside_of_regions(kernel, seed):
    values, noise, labels = random_scene(seed, (14, 17), 3)
    view, change = view_of(values, noise, labels), np.full((3, 4, 3), np.nan)
    for k in range(3):
        kernel(view, k, np.empty(labels.size), change[k])
    np.testing.assert_allclose(change, changes_of(values, noise, labels, view.core), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kernel", both(inner_changes))
def test_a_ramp_changes_across_and_by_half_of_its_diagonal(kernel):
    """Three per column: six in two columns, whose square is 36."""
    values = np.tile(3 * np.arange(9, dtype=np.float32)[None, :, None], (7, 1, 1))
    change, labels, all_of_it = np.empty((4, 3)), np.zeros((7, 9), np.int32), np.ones((7, 9), bool)
    view = view_of(values, np.zeros((7, 9), np.float32), labels, core=all_of_it)
    kernel(view, 0, np.empty(labels.size), change)
    assert change[:, 0].tolist() == [36, 0, 18, 18]
    assert change[:, 2].tolist() == [7 * 7, 5 * 9, 5 * 7, 5 * 7]


def test_noise_alone_is_no_change_inside():
    values = np.random.default_rng(0).normal(size=(60, 60, 40)).astype(np.float32)
    change, view = np.empty((4, 3)), view_of(values, np.ones((60, 60), np.float32), np.zeros((60, 60), np.int32))
    inner_changes(view, 0, np.empty(3600), change)
    assert (np.abs(change[:, 0]) < 8).all(), "squared differences are 80"
