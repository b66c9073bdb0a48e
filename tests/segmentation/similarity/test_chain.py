import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from clustem.segmentation.similarity._corrected_kernels import centre_features, corrected_products, gather_pattern
from clustem.segmentation.similarity._kernels import blur_pattern
from clustem.segmentation.similarity.chain import Chain

SHAPE = (12, 11)


def chain_of(sigma=0.8, binning=1, covariance=(0.0, 0.0, 0.0, 0.0), bad=True, weights=True, seed=0):
    generator = np.random.default_rng(seed)
    good = generator.random(SHAPE) > (0.1 if bad else -1)
    size = tuple(n // binning for n in SHAPE)
    mask = generator.random(size) > 0.25
    weight = generator.uniform(0.5, 2, size) if weights else np.ones(size)
    return Chain(good, mask, np.where(mask, weight, 0), sigma, binning, covariance)


def features_of(pattern, chain, move, offset=0.0):
    """Features (n,) of a pattern by the compiled loops."""
    gathered, blurred = np.empty(chain.mask.shape, np.float32), np.empty(chain.mask.shape, np.float32)
    scratch = np.empty((2, chain.plan[1].size * chain.plan[2].size), np.float32)
    features = np.empty(chain.mask.size, np.float32)
    gather_pattern(pattern, chain.good, chain.mask, chain.binning, move, offset, gathered)
    blur_pattern(gathered, *chain.plan, 0, chain.mask.shape[0], scratch, blurred)
    centre_features(blurred.ravel(), chain.tables(move)[1][0], chain.weight.ravel(), features)
    return features


def neighbour_covariance(covariance):
    """Relative covariance of all raw pixels (k, k)."""
    y, x = (index.ravel() for index in np.indices(SHAPE))
    matrix = np.eye(y.size)
    for (dy, dx), value in zip(((0, 1), (1, -1), (1, 0), (1, 1)), covariance, strict=True):
        near = (y[:, None] + dy == y) & (x[:, None] + dx == x)
        matrix += value * (near + near.T)
    return matrix


MOVES = [(0, 0, 0, 0), (-1, 2, 0, 0), (0, 0, 0.25, 0.5), (1, -2, 0.75, 0)]


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("covariance", [(0.0, 0.0, 0.0, 0.0), (0.2, 0.05, 0.1, -0.03)])
@pytest.mark.parametrize(("sigma", "binning"), [(0.0, 1), (0.8, 1), (2.0, 1), (0.7, 2), (0.0, 3)])
def test_the_template_is_the_noise_of_the_features(sigma, binning, covariance, move):
    """The chain is linear, so its matrix is what it makes of single pixels; noise energy is the trace with it."""
    chain = chain_of(sigma, binning, covariance)
    move = np.array(move, float)
    matrix = np.stack([features_of(pixel.reshape(SHAPE), chain, move) for pixel in np.eye(np.prod(SHAPE))], axis=1)
    energy = matrix.T.astype(float) @ matrix.astype(float)
    template, maps = chain.tables(move)
    expected = (energy * neighbour_covariance(covariance)).sum(axis=1).reshape(SHAPE)
    assert template.sum() == pytest.approx(expected.sum(), rel=1e-5)
    if not any(covariance):
        np.testing.assert_allclose(template, expected, atol=1e-5 * expected.max())
    assert maps.shape == (5, chain.mask.size)


def test_features_without_extras_are_blurred_patterns_about_their_mean():
    chain = Chain(np.ones(SHAPE, bool), np.ones(SHAPE, bool), np.ones(SHAPE), 1.0, 1, (0.0,) * 4)
    pattern = np.random.default_rng(1).poisson(5, SHAPE).astype(np.uint16)
    blurred = gaussian_filter(pattern.astype(float), 1.0)
    found = features_of(pattern, chain, np.zeros(4), offset=3.0)
    np.testing.assert_allclose(found, (blurred - blurred.mean()).ravel(), atol=1e-5)


def test_a_constant_pattern_has_no_features():
    """Whatever the mask, the bad pixels and the movement: blurred pixels are averages of used ones."""
    for move in MOVES:
        found = features_of(np.full(SHAPE, 7.0), chain_of(0.8), np.array(move, float))
        np.testing.assert_allclose(found, 0, atol=1e-5)


def test_pixels_that_are_not_used_change_nothing():
    chain = chain_of(1.0)
    pattern = np.random.default_rng(2).poisson(5, SHAPE).astype(float)
    changed = np.where(chain.good & chain.mask, pattern, 1e4)
    np.testing.assert_array_equal(features_of(changed, chain, np.zeros(4)), features_of(pattern, chain, np.zeros(4)))


def test_a_moved_pattern_is_interpolated_periodically():
    everything = np.ones(SHAPE, bool)
    pattern = np.random.default_rng(3).poisson(5, SHAPE).astype(np.uint16)
    moved = np.empty(SHAPE, np.float32)
    gather_pattern(pattern, everything, everything, 1, np.array([1, -2, 0.25, 0.5]), 0.0, moved)
    rows = 0.75 * np.roll(pattern, -1, 0) + 0.25 * np.roll(pattern, -2, 0)
    np.testing.assert_allclose(moved, 0.5 * np.roll(rows, 2, 1) + 0.5 * np.roll(rows, 1, 1), rtol=1e-6)
    assert moved.sum() == pytest.approx(pattern.sum())


def test_kernel_compiled_and_as_plain_python():
    """Plain Python has no fast mathematics, so sums differ in their last digits."""
    chain = chain_of(0.7)
    patterns = np.random.default_rng(4).poisson(3, (3, 3, *SHAPE)).astype(np.uint16)
    moves = np.array(MOVES[:2], float)
    templates, maps = (np.stack(tables) for tables in zip(*map(chain.tables, moves), strict=True))
    places = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1]])
    noise = np.array([1.5, 0.5, 0.2, 1.1, chain.spread, chain.middle])
    results = []
    for kernel in (corrected_products, corrected_products.py_func):
        single, pairs = np.zeros((4, 3, 3))[:, :2], np.zeros((6, 4, 3, 3))[:, :, :2]  # parts, as in a pass
        for columns in ((0, 2), (2, 3)):
            kernel(
                patterns,
                places,
                moves,
                templates,
                maps.astype(np.float32),
                chain.good,
                chain.mask,
                1,
                chain.weight.ravel().astype(np.float32),
                *chain.plan,
                noise,
                *columns,
                single,
                pairs,
            )
        results.append((single, pairs))
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-5)
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-4, atol=1e-3)
    features = np.array(
        [[features_of(patterns[y, x], chain, moves[places[y, x]], 0.5) for x in range(3)] for y in range(3)]
    )
    np.testing.assert_allclose(results[0][0][0], (features[:2] ** 2).sum(-1), rtol=1e-5)
    np.testing.assert_allclose(results[0][1][0, 2], (features[:2] * features[1:]).sum(-1), rtol=1e-4, atol=1e-3)
