import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustem.segmentation.features.shared_directions import (
    around,
    pairs_of,
    root_of,
    shared_directions,
    shared_values,
)

SIZE = 40
GRIDS = st.tuples(st.integers(1, 6), st.integers(1, 6))


def adjacency(tiles):
    """Which of the tiles (t_y, t_x) touch which, also at corners."""
    y, x = (index.ravel() for index in np.indices(tiles))
    apart = np.maximum(abs(y[:, None] - y), abs(x[:, None] - x))
    return (apart == 1).astype(float)


def planted(*vectors, tiles=(8, 10), strength=1.0, seed=0):
    """Contrasts of tiles: an amount of every vector that is the same in the four tiles of a square, and noise 1."""
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(tiles[0] * tiles[1], SIZE))
    for vector in vectors:
        amounts = generator.normal(size=(tiles[0] // 2, tiles[1] // 2)) * strength
        values += np.outer(np.kron(amounts, np.ones((2, 2))).ravel(), vector)
    return values


def chance_of(tiles):
    """What noise of variance 1 reaches, of one draw."""
    noise = np.random.default_rng(99).normal(size=(tiles[0] * tiles[1], SIZE))
    return float(np.abs(shared_values(noise @ noise.T, tiles)).max())


def test_neighbours_of_a_tile_are_up_to_eight():
    assert pairs_of((1, 1)) == 0
    assert pairs_of((1, 2)) == 2
    assert pairs_of((2, 2)) == 12
    assert pairs_of((3, 3)) == 40, "8 of the middle, 5 of each edge, 3 of each corner"


@given(GRIDS, st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_what_is_around_is_the_sum_over_all_that_touch(tiles, seed):
    values = np.random.default_rng(seed).normal(size=(tiles[0] * tiles[1], 3))
    touching = adjacency(tiles)
    np.testing.assert_allclose(around(values, tiles), touching @ values, atol=1e-12)
    assert pairs_of(tiles) == touching.sum()


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_a_root_has_the_products_it_is_of(number, dimensions, seed):
    """Also of more vectors than dimensions, and of vectors that are nothing."""
    vectors = np.random.default_rng(seed).normal(size=(number, dimensions))
    vectors[::4] = 0
    root = root_of(vectors @ vectors.T)
    assert root.shape == (number, min(np.count_nonzero(vectors[:, 0]), dimensions))
    np.testing.assert_allclose(root @ root.T, vectors @ vectors.T, atol=1e-5)


@given(GRIDS, st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_values_are_those_of_the_covariance_of_all_pixels(tiles, seed):
    values = np.random.default_rng(seed).normal(size=(tiles[0] * tiles[1], 50))
    dense = np.linalg.eigvalsh(values.T @ adjacency(tiles) @ values)
    found = shared_values(values @ values.T, tiles)
    assert (np.diff(found) >= 0).all()
    expected = dense[np.argsort(-np.abs(dense))][: len(found)]
    np.testing.assert_allclose(found, np.sort(expected), atol=1e-8 * max(1, np.abs(dense).max()))


def test_planted_directions_are_found_and_no_others():
    one, other = np.eye(SIZE)[[2, 7]]
    tiles = (8, 10)
    contrast = planted(one, other, strength=5)
    found = shared_directions(contrast, tiles, chance=1.3 * chance_of(tiles), most=20)
    assert len(found.directions) == 2
    inside = found.directions[:, [2, 7]]
    np.testing.assert_allclose(inside @ inside.T, np.eye(2), atol=0.1)
    between = found.directions @ contrast.T @ adjacency(tiles) @ contrast @ found.directions.T
    np.testing.assert_allclose(between, np.diag(found.values[:2]), atol=1e-9 * found.values[0])
    assert found.pairs == pairs_of(tiles)


@given(st.integers(1, 5), st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_directions_are_orthonormal_and_diagonal(number, seed):
    vectors = np.random.default_rng(seed).normal(size=(number, SIZE))
    contrast = planted(*vectors, strength=3, seed=seed)
    found = shared_directions(contrast, (8, 10), chance=None, most=30)
    size = len(found.directions)
    np.testing.assert_allclose(found.directions @ found.directions.T, np.eye(size), atol=1e-9)
    between = found.directions @ contrast.T @ adjacency((8, 10)) @ contrast @ found.directions.T
    np.testing.assert_allclose(between, np.diag(found.values[:size]), atol=1e-9 * found.values[0])
    assert (np.diff(found.values) <= 0).all()
    strongest = np.abs(found.directions).argmax(axis=1)
    assert (found.directions[np.arange(size), strongest] > 0).all(), "their sign is no matter of luck"


@pytest.mark.parametrize("seed", range(5))
def test_chance_keeps_noise_out(seed):
    tiles = (8, 10)
    found = shared_directions(planted(seed=seed), tiles, chance=1.3 * chance_of(tiles), most=20)
    assert len(found.directions) == 1, "one is always kept"


@pytest.mark.parametrize("seed", range(5))
def test_without_a_chance_it_is_taken_from_what_is_negative(seed):
    strong = np.eye(SIZE)[4]
    found = shared_directions(planted(strong, strength=6, seed=seed), (8, 10), chance=None, most=20)
    assert 1 <= len(found.directions) <= 5
    assert found.values[0] > 3 * -found.values[-1]
    assert abs(found.directions[0] @ strong) > 0.97


def test_no_more_than_wanted():
    contrast = planted(*np.eye(SIZE)[:5], strength=8)
    assert len(shared_directions(contrast, (8, 10), chance=0.0, most=3).directions) == 3


@pytest.mark.parametrize("chance", [None, 0.0, 5.0])
def test_tiles_that_are_all_nothing(chance):
    found = shared_directions(np.zeros((48, 12), np.float32), (6, 8), chance=chance, most=4)
    np.testing.assert_allclose(np.linalg.norm(found.directions, axis=1), [1])
    assert not found.values.any()


def test_turning_the_scan_turns_nothing():
    contrast = planted(*np.eye(SIZE)[:2], strength=5)
    turned = contrast.reshape(8, 10, SIZE).swapaxes(0, 1).reshape(80, SIZE)
    one, two = (
        shared_directions(c, t, chance=chance_of((8, 10)), most=9) for c, t in ((contrast, (8, 10)), (turned, (10, 8)))
    )
    np.testing.assert_allclose(two.values, one.values, atol=1e-8 * one.values[0])
    np.testing.assert_allclose(two.directions[:2], one.directions[:2], atol=1e-9)
