import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from clustem.segmentation.features.filters import SpotFilter

from .patterns import DETECTOR, USE, smooth, spots

SIZES = st.sampled_from([1.0, 1.5, 2.0])
SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def masks(draw):
    """Pixels (n_y, n_x) outside of a disk anywhere, and beside a dead column or none."""
    height, width = draw(st.integers(16, 24)), draw(st.integers(16, 24))
    y, x = np.indices((height, width))
    use = np.hypot(y - draw(st.integers(0, height)), x - draw(st.integers(0, width))) > draw(st.sampled_from([0, 3.5]))
    use[:, draw(st.integers(0, width - 1))] &= draw(st.booleans())
    return use


@given(masks(), SIZES, st.floats(-1e3, 1e3))
@settings(max_examples=60, deadline=None)
def test_a_constant_is_nothing(use, size, level):
    filtered = SpotFilter(use, size).apply(np.full((1, *use.shape), level))
    np.testing.assert_allclose(filtered, 0, atol=1e-9 * max(1, abs(level)))


@given(masks(), SIZES, SEEDS)
@settings(max_examples=60, deadline=None)
def test_the_filter_is_linear(use, size, seed):
    spot = SpotFilter(use, size)
    one, other = np.random.default_rng(seed).normal(size=(2, 1, *use.shape))
    np.testing.assert_allclose(spot.apply(2 * one - 3 * other), 2 * spot.apply(one) - 3 * spot.apply(other), atol=1e-12)


@given(masks(), SIZES, SEEDS)
@settings(max_examples=60, deadline=None)
def test_transposed_is_the_adjoint(use, size, seed):
    """⟨F x, d⟩ = ⟨x, Fᵀ d⟩ for every pattern and every direction."""
    spot, generator = SpotFilter(use, size), np.random.default_rng(seed)
    patterns, directions = generator.normal(size=(3, *use.shape)), generator.normal(size=(2, int(use.sum())))
    filtered = spot.apply(patterns) @ directions.T
    np.testing.assert_allclose(patterns.reshape(3, -1) @ spot.transposed(directions).T, filtered, atol=1e-10)


def test_the_whole_matrix_is_that_of_its_transpose():
    use = np.ones((6, 7), bool)
    use[2, 3] = False
    spot = SpotFilter(use, 1.0)
    matrix = spot.apply(np.eye(42).reshape(42, 6, 7))
    np.testing.assert_allclose(spot.transposed(np.eye(41)), matrix.T, atol=1e-14)
    assert not matrix[2 * 7 + 3].any(), "what is not in use counts nothing"
    np.testing.assert_allclose(matrix.sum(axis=0), 0, atol=1e-14)


def test_it_is_a_fine_blur_less_a_coarse_one():
    """A lone bright pixel far from any edge: a narrow peak in a wide hollow, of sum 0."""
    pattern = np.zeros((1, 81, 81))
    pattern[0, 40, 40] = 100
    filtered = SpotFilter(np.ones((81, 81), bool), 1.5).apply(pattern).reshape(81, 81)
    assert filtered.argmax() == 40 * 81 + 40
    fine, half = 100 / (2 * np.pi * 1.5**2), filtered[40, 40] / 2
    assert 0.8 * fine < filtered[40, 40] < fine
    assert filtered[40, 41] > half > filtered[40, 42], "half of the height lies at 1.8 px"
    assert -0.1 * fine < filtered.min() < 0
    assert filtered.sum() == pytest.approx(0, abs=0.01)


def test_the_fine_blur_is_over_the_pixels_in_use():
    spot, pattern = SpotFilter(USE, 1.0), spots(10)
    expected = gaussian_filter(pattern * USE, 1.0, mode="constant") / gaussian_filter(USE * 1.0, 1.0, mode="constant")
    np.testing.assert_allclose(spot.blurred(pattern)[USE], expected[USE], rtol=1e-9)
    assert not spot.blurred(pattern)[~USE].any()
    np.testing.assert_allclose(spot.blurred(np.full(DETECTOR, 7.0))[USE], 7, rtol=1e-12)


@given(st.floats(-20, 20), st.floats(-20, 20))
@settings(max_examples=20, deadline=None)
def test_a_slope_is_nothing_far_from_edges(down, across):
    y, x = np.indices((70, 72))
    slope = SpotFilter(np.ones((70, 72), bool), 1.0).apply((down * y + across * x)[None]).reshape(70, 72)
    np.testing.assert_allclose(slope[20:-20, 20:-20], 0, atol=1e-9)


@given(st.floats(0, 50))
@settings(max_examples=20, deadline=None)
def test_of_smooth_background_little_is_left(strength):
    """Most of it, also at the edges, where it is steep; what is left there is the same on whole rings."""
    spot = SpotFilter(USE, 1.0)
    alone, covered = spot.apply(np.stack([spots(10), spots(10) + strength * smooth()]))
    left = np.linalg.norm(covered - alone) / np.linalg.norm(alone)
    raw = strength * np.linalg.norm(smooth()[USE]) / np.linalg.norm(spots(10)[USE])
    assert left <= 0.5 * raw + 1e-12


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_patterns_keep_their_precision(kind):
    patterns = np.random.default_rng(0).poisson(3, (4, *DETECTOR)).astype(kind)
    filtered = SpotFilter(USE, 1.0).apply(patterns)
    assert filtered.dtype == kind
    assert filtered.shape == (4, USE.sum())
    np.testing.assert_allclose(filtered, SpotFilter(USE, 1.0).apply(patterns.astype(float)), atol=1e-4)
