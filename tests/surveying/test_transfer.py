import numpy as np
import pytest

from clustem.surveying._noise_kernels import pair_moments
from clustem.surveying.transfer import pair_places, transfer_of

STEPS = ((0, 1), (1, -1), (1, 0), (1, 1), (0, 2), (2, 0))


def moments_of(pairs, group, groups):
    """The definition, pixel by pixel."""
    height, width = group.shape
    found = np.zeros((len(pairs), groups, 8))
    for n, (a, b) in enumerate(pairs.astype(float)):
        for y, x in np.argwhere(group >= 0):
            line = found[n, group[y, x]]
            line[0] += a[y, x] + b[y, x]
            line[1] += (a - b)[y, x] ** 2
            for k, (dy, dx) in enumerate(STEPS):
                if y + dy < height and 0 <= x + dx < width and group[y + dy, x + dx] >= 0:
                    line[2 + k] += (a - b)[y, x] * (a - b)[y + dy, x + dx]
    return found


@pytest.mark.parametrize("shape", [(7, 6), (2, 5), (5, 2)])
def test_kernel_compiled_and_as_plain_python(shape):
    generator = np.random.default_rng(0)
    pairs = generator.poisson(3, (3, 2, *shape)).astype(np.uint16)
    group = generator.integers(-1, 3, shape)
    expected = moments_of(pairs, group, 3)
    for kernel in (pair_moments, pair_moments.py_func):
        found = np.full((3, 3, 8), np.nan)
        kernel(pairs, group, 0, 2, found)
        kernel(pairs, group, 2, 3, found)
        np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("shape", [(1, 2, 8, 8), (7, 9, 8, 8), (300, 311, 64, 64), (50, 40, 256, 256), (4, 1, 8, 8)])
def test_pairs_are_neighbours_in_a_row_spread_evenly(shape):
    places = pair_places(shape)
    rows, columns = places // shape[1], places % shape[1]
    assert (columns < shape[1] - 1).all()
    assert np.unique(places).size == places.size <= 1024
    available = shape[0] * (shape[1] - 1)
    assert places.size >= min(available, 40)
    if available:
        assert (rows[0], columns[0]) == (0, 0)
        assert rows[-1] == shape[0] - 1
        assert np.diff(rows).max(initial=0) <= max(1, shape[0] // 20)


def test_groups_hold_every_used_pixel_once():
    mean = np.random.default_rng(0).random((20, 20)) + 1
    use = np.ones((20, 20), bool)
    use[3, 4] = False
    pairs = np.random.default_rng(1).poisson(np.broadcast_to(mean * 50, (9, 2, 20, 20)))
    found = transfer_of(pairs, mean * 50, use, 100)
    assert found.pixels.sum() == 399
    np.testing.assert_allclose(found.means @ found.pixels, pairs[..., use].mean(axis=1).sum(-1))
