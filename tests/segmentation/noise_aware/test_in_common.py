import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import correlate2d

from clustem.segmentation.features import Basis
from clustem.segmentation.noise_aware.in_common import in_common

EDGE = 25  # pixels along an edge of a pattern
ROW, COLUMN = np.indices((EDGE, EDGE)) - EDGE // 2
RING = np.hypot(ROW, COLUMN).astype(np.int64).ravel()


def basis_of(edge=EDGE, spot=0.6):
    """A basis of which every contrast is a pixel."""
    row, column = np.indices((edge, edge))
    size = edge * edge
    return Basis(
        matrix=np.empty((0, 0), np.float32),
        weight=np.ones(size, np.float32),
        back=np.eye(size, dtype=np.float32),
        ring=np.hypot(row - edge // 2, column - edge // 2).astype(np.int64).ravel(),
        place=np.stack([row.ravel(), column.ravel()], axis=1),
        spot=spot,
        whole=np.empty((0, 0)),
        radial=np.empty((0, 0)),
        structure=1.0,
    )


def spots(places, brightness=100.0):
    """A pattern with blurred spots at places (row, column) from the centre."""
    pattern = np.zeros((EDGE, EDGE))
    for (row, column), height in zip(places, np.broadcast_to(brightness, len(places)), strict=True):
        pattern += height * np.exp(-((ROW - row) ** 2 + (COLUMN - column) ** 2) / 0.8)
    return pattern.ravel()


def lattice(a, b, most=10):
    """Places of the reflections of a lattice."""
    places = [(h * a[0] + k * b[0], h * a[1] + k * b[1]) for h in range(-6, 7) for k in range(-6, 7)]
    return [p for p in places if 1 < np.hypot(*p) <= most]


def shared(one, two, variance=1e-9):
    return float(in_common(np.array([[one, two]]), np.full((1, 2), variance), basis_of())[0])


SQUARE = lattice((0, 4), (4, 0))
SHEARED = lattice((0, 4), (4, 2))
HEXAGON = lattice((0, 5), (4, 2))


def test_a_pattern_has_all_in_common_with_itself():
    assert shared(spots(SQUARE), spots(SQUARE)) == pytest.approx(1, abs=1e-6)
    assert shared(spots(SQUARE), 7 * spots(SQUARE)) == pytest.approx(1, abs=1e-6)


def test_nothing_is_in_common_with_a_pattern_without_crystals():
    found = in_common(
        np.array([[spots(SQUARE), np.zeros(EDGE**2)], [np.zeros(EDGE**2)] * 2]), np.zeros((2, 2)), basis_of()
    )
    assert found.tolist() == [0, 0]


def test_half_of_the_reflections_and_the_other_half_lie_on_one_lattice():
    """A crystal that bends about an axis loses the reflections of one side and gains those of the other."""
    up, down = ([p for p in HEXAGON if sign * p[0] > 0] for sign in (1, -1))
    other = [p for p in lattice((4, 1), (1, -5)) if p[0] < 0]
    assert shared(spots(up), spots(down)) > 0.3
    assert shared(spots(up), spots(other)) < 0.2


def test_two_lattices_that_share_a_row_of_reflections():
    """Both have the same reflections along a row, and as bright ones elsewhere: less than half is in common."""
    row = [p for p in SQUARE if p[0] == 0]
    one, two = (row + [p for p in places if p[0] != 0] for places in (SQUARE, SHEARED))
    bent = row + [p for p in SQUARE if p[0] > 0]
    other = row + [p for p in SQUARE if p[0] < 0]
    assert shared(spots(bent), spots(other)) > shared(spots(one), spots(two)) + 0.15


def test_a_single_reflection_has_no_lattice():
    """The shape of a spot is the same everywhere; where it lies is all that is known."""
    here, beside, there = spots([(0, 6)]), spots([(0, 7)]), spots([(6, 0)])
    assert shared(here, here) == pytest.approx(1, abs=1e-6)
    assert 0.2 < shared(here, beside) < 0.9
    assert shared(here, there) < 0.05


def evened(pattern):
    bright = np.maximum(pattern, 0) ** 0.6
    means = np.bincount(RING, bright) / np.bincount(RING)
    return bright - means[RING]


def cosine(one, two):
    return one @ two / np.sqrt((one @ one) * (two @ two))


def vectors(pattern):
    """The autocorrelation of a pattern, counted pair by pair, over those of two opposite vectors that are compared."""
    image = evened(pattern).reshape(EDGE, EDGE)
    full = correlate2d(image, image)
    row, column = np.indices(full.shape) - (EDGE - 1)
    length, most = np.hypot(row, column), 0.75 * EDGE
    once = (column > 0) | ((column == 0) & (row >= 0))
    near = (length <= 1.2) & once
    within = (length <= most) & (length > 1.2) & once
    ring = length[within].astype(int)
    less = full[within] - (np.bincount(ring, full[within]) / np.maximum(np.bincount(ring), 1))[ring]
    return less, (full[near] ** 2).sum()


@pytest.mark.parametrize("seed", range(3))
def test_against_a_plain_autocorrelation(seed):
    generator = np.random.default_rng(seed)
    one, two = (spots(generator.integers(-9, 10, (8, 2)), generator.uniform(20, 100, 8)) for _ in range(2))
    (a, own_a), (b, own_b) = vectors(one), vectors(two)
    share = min(0.5, *(2 * (v @ v) / (own + v @ v) for v, own in ((a, own_a), (b, own_b))))
    expected = (1 - share) * cosine(evened(one), evened(two)) + share * max(cosine(a, b), 0)
    assert shared(one, two) == pytest.approx(expected, abs=1e-3)


def test_noise_is_taken_off_what_is_in_common():
    """Two noisy measurements of one pattern share all of it, on average."""
    generator = np.random.default_rng(0)
    pattern = spots(SQUARE, 30.0)
    means = pattern + 3 * generator.normal(size=(100, 2, EDGE**2))
    found, plain = (in_common(means, np.full((100, 2), v), basis_of()) for v in (9.0, 1e-9))
    assert plain.mean() < 0.85
    assert abs(found.mean() - 1) < 0.6 * abs(plain.mean() - 1)


@given(seed=st.integers(0, 10**6), factor=st.floats(0.1, 50))
@settings(max_examples=20, deadline=None)
def test_the_brightness_and_the_order_of_both_do_not_matter(seed, factor):
    generator = np.random.default_rng(seed)
    one, two = (spots(generator.integers(-9, 10, (6, 2)), generator.uniform(20, 100, 6)) for _ in range(2))
    assert shared(factor * one, two) == pytest.approx(shared(one, two), abs=1e-5)
    assert shared(two, one) == pytest.approx(shared(one, two), abs=1e-5)


def test_pairs_do_not_depend_on_how_many_there_are():
    generator = np.random.default_rng(1)
    means = np.array([[spots(generator.integers(-9, 10, (6, 2))) for _ in range(2)] for _ in range(70)])
    means += generator.normal(size=means.shape)
    variances = np.full((70, 2), 1.0)
    together = in_common(means, variances, basis_of())
    apart = [in_common(means[n : n + 1], variances[n : n + 1], basis_of())[0] for n in range(70)]
    np.testing.assert_allclose(together, apart, rtol=1e-4, atol=1e-5)
    assert in_common(means[:0], variances[:0], basis_of()).shape == (0,)
