import numpy as np
import pytest

from clustem.segmentation.shared_directions import Known, between_neighbours, pairs_of, shared_directions


def test_neighbours_of_a_tile_are_up_to_eight_within_its_strip():
    assert pairs_of([(1, 2)]) == 2
    assert pairs_of([(2, 2)]) == 12
    assert pairs_of([(3, 3)]) == 40  # 8 of the middle, 5 of each edge, 3 of each corner
    assert pairs_of([(1, 2), (1, 2)]) == 4


def test_the_covariance_between_two_neighbours_by_hand():
    values = np.array([[1.0, 2.0], [3.0, 5.0]])
    np.testing.assert_allclose(between_neighbours(values, [(1, 2)]), [[6, 11], [11, 20]])
    np.testing.assert_allclose(between_neighbours(values, [(1, 1), (1, 1)]), 0)


def stripes(*vectors, seed):
    """Contrasts of 6×8 tiles: every vector (n,) in some columns, as much positive as negative, with noise."""
    generator = np.random.default_rng(seed)
    amounts = [np.repeat(generator.normal(size=4), 2) for _ in vectors]
    rows = sum(np.outer(amount, vector) for amount, vector in zip(amounts, vectors, strict=True))
    return np.tile(rows, (6, 1)) + 0.05 * generator.normal(size=(48, rows.shape[1]))


def test_directions_are_what_neighbours_share():
    one, other = np.eye(12)[2], np.eye(12)[7]
    found = shared_directions(stripes(one, other, seed=1), [(6, 8)], at_once=12, most=2)
    np.testing.assert_allclose(np.abs(found.directions) @ np.stack([one + other]).T, 1, atol=0.5)
    inside = found.directions[:, [2, 7]]
    np.testing.assert_allclose(inside @ inside.T, np.eye(2), atol=0.02)
    np.testing.assert_allclose(np.diag(found.here), found.values[:2], rtol=1e-6)
    assert found.values[1] > 10 * found.chance
    assert not found.before.any()


def test_a_past_adds_its_directions():
    """As if its tiles were there: the covariance is the sum, and chance makes as much as in both together."""
    one, other = np.eye(12)[2], np.eye(12)[7]
    first, second = stripes(one, seed=2), stripes(other, seed=3)
    past = shared_directions(first, [(6, 8)], at_once=12, most=4)
    known = Known(past.directions, past.here, past.chance)
    found = shared_directions(second, [(6, 8)], at_once=12, most=4, known=known)
    whole = shared_directions(np.concatenate([first, second]), [(6, 8), (6, 8)], at_once=12, most=4)
    np.testing.assert_allclose(found.values[:2], whole.values[:2], rtol=0.02)
    np.testing.assert_allclose(found.directions @ found.directions.T, np.eye(len(found.directions)), atol=1e-9)
    turn = found.directions[:2] @ whole.directions[:2].T
    np.testing.assert_allclose(turn @ turn.T, np.eye(2), atol=0.02)
    own = shared_directions(second, [(6, 8)], at_once=12, most=4).chance
    assert found.chance == pytest.approx(np.hypot(own, past.chance))
    np.testing.assert_allclose(np.diag(found.here + found.before)[:2], found.values[:2], rtol=1e-6)


def test_tiles_that_are_all_alike_share_nothing_but_what_is_known():
    even = np.zeros((48, 12))
    alone = shared_directions(even, [(6, 8)], at_once=12, most=4)
    assert alone.directions.shape == (1, 12)
    assert not alone.values.any()
    known = Known(np.eye(12)[2:3], np.array([[4.0]]), 0.5)
    found = shared_directions(even, [(6, 8)], at_once=12, most=4, known=known)
    np.testing.assert_allclose(np.abs(found.directions), np.eye(12)[2:3], atol=1e-12)
    np.testing.assert_allclose(found.before, [[4.0]])
    assert found.chance == 0.5
