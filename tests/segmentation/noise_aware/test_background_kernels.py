import numpy as np
import pytest

from clustem.segmentation.noise_aware._background_kernels import best_windows, energies_of, sum_electrons, sum_values
from tests.segmentation.noise_aware.views import both, core_of, random_scene

SPANS = np.array([(0, 6, 0, 8), (0, 6, 8, 15), (6, 13, 0, 8), (6, 13, 8, 15)])


@pytest.mark.parametrize("kernel", both(sum_electrons))
@pytest.mark.parametrize("cores", [False, True])
def test_electrons_of_regions_and_of_cores(kernel, cores):
    _, electrons, labels = random_scene(0)
    sums, members = np.zeros(4), np.zeros(4, np.int64)
    kernel(labels, electrons, sums, members, cores)
    inside = core_of(labels) if cores else labels >= 0
    assert members.tolist() == np.bincount(labels[inside], minlength=4).tolist()
    np.testing.assert_allclose(sums, np.bincount(labels[inside], electrons[inside], minlength=4), rtol=1e-6)


@pytest.mark.parametrize("kernel", both(best_windows))
@pytest.mark.parametrize("seed", range(3))
def test_the_first_window_that_holds_most(kernel, seed):
    _, _, labels = random_scene(seed, regions=6)
    best = np.empty(7, np.int64)
    kernel(labels, SPANS, best)
    for k in range(6):
        counts = [(labels[a:b, c:d] == k).sum() for a, b, c, d in SPANS]
        assert best[k] == np.argmax(counts)
    assert best[6] == -1, "it is nowhere"


@pytest.mark.parametrize("kernel", both(sum_values))
def test_sums_over_regions_in_the_own_part_of_a_window(kernel):
    """The window starts two rows above its own part; regions 2 and 0 have places from 5 on, 1 another, 3 none."""
    values, noise, labels = random_scene(1)
    place = np.array([6, 3, 5, -1])
    found = np.zeros((2, 3)), np.zeros(2), np.zeros(2)
    kernel(values[4:], noise[4:], labels, place, 5, SPANS[3], np.array([4, 0]), found)
    own = slice(6, 13), slice(8, 15)
    for n, region in enumerate((2, 0)):
        mine = labels[own] == region
        assert found[2][n] == mine.sum()
        np.testing.assert_allclose(found[0][n], values[own][mine].sum(0, dtype=float), atol=1e-5)
        assert found[1][n] == pytest.approx(noise[own][mine].sum(), rel=1e-5)


@pytest.mark.parametrize("kernel", both(energies_of))
def test_energies(kernel):
    generator = np.random.default_rng(0)
    means, form, energies = generator.normal(size=(3, 4)), generator.normal(size=(4, 4)), np.empty(3)
    kernel(means, form, energies)
    np.testing.assert_allclose(energies, np.einsum("kd,de,ke->k", means, form, means))
