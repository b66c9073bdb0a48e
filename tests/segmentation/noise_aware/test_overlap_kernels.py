import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from clustem.segmentation.noise_aware._overlap_kernels import mean_inside, regions_around
from tests.segmentation.noise_aware.views import both, random_scene, view_of

SPAN = np.array([2, 12, 3, 14])
INSIDE = slice(2, 12), slice(3, 14)


@pytest.mark.parametrize("kernel", both(regions_around))
@pytest.mark.parametrize("seed", range(3))
def test_regions_within_reach(kernel, seed):
    values, noise, labels = random_scene(seed, regions=14)
    boxes, here = view_of(values, noise, labels).boxes, labels[INSIDE]
    for region in range(14):
        mine = here == region
        near = binary_dilation(mine, np.ones((3, 3), bool), iterations=2) & ~mine if mine.any() else mine
        expected = np.unique(here[near & (here >= 0)])
        assert kernel(labels, SPAN, boxes[region], region, 2).tolist() == expected.tolist()


@pytest.mark.parametrize("kernel", both(regions_around))
def test_any_number_of_regions(kernel):
    labels = np.arange(49).reshape(7, 7)
    found = kernel(labels, np.array([0, 7, 0, 7]), np.array([3, 3, 3, 3]), 24, 2)
    assert found.tolist() == [k for k in labels[1:6, 1:6].ravel() if k != 24]


@pytest.mark.parametrize("kernel", both(mean_inside))
@pytest.mark.parametrize("seed", range(3))
def test_means_in_a_window(kernel, seed):
    values, noise, labels = random_scene(seed)
    boxes, where = view_of(values, noise, labels).boxes, np.random.default_rng(seed).random(labels.shape) < 0.7
    for region in range(4):
        mean = np.full(3, 7.0)
        count, variance = kernel(values[INSIDE], noise[INSIDE], where, labels, SPAN, boxes[region], region, mean)
        mine = (labels[INSIDE] == region) & where[INSIDE]
        assert count == mine.sum()
        if count:
            np.testing.assert_allclose(mean, values[INSIDE][mine].mean(0, dtype=float), atol=1e-6)
            assert variance == pytest.approx(noise[INSIDE][mine].sum() / count**2, rel=1e-5)
        else:
            assert (mean.tolist(), variance) == ([0, 0, 0], 0)
