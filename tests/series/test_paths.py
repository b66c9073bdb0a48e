"""The likeliest way, against trying all of them."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest

from clustem.series.paths import likely_path


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_best_of_all_ways(seed: int) -> None:
    random = np.random.default_rng(seed)
    sizes = random.integers(1, 4, random.integers(1, 5)).tolist()
    costs = [random.exponential(2, n) for n in sizes]
    steps = [random.exponential(2, (n, m)) for n, m in pairwise(sizes)]
    ways = list(product(*(range(n) for n in sizes)))
    whole = np.array(
        [
            sum(cost[k] for cost, k in zip(costs, way, strict=True))
            + sum(step[a, b] for step, a, b in zip(steps, way, way[1:], strict=False))
            for way in ways
        ]
    )
    path, probabilities = likely_path(costs, steps)
    assert tuple(path) == ways[int(whole.argmin())]
    weight = np.exp(-whole) / np.exp(-whole).sum()
    for place, found in enumerate(probabilities):
        expected = [weight[[way[place] == k for way in ways]].sum() for k in range(sizes[place])]
        np.testing.assert_allclose(found, expected)


def test_what_one_place_is_unsure_of_the_others_decide() -> None:
    costs = [np.array([0.1, 3.0]), np.array([0.8, 0.6]), np.array([0.1, 3.0])]
    steps = [np.array([[0.0, 5.0], [5.0, 0.0]])] * 2
    path, probabilities = likely_path(costs, steps)
    assert path == [0, 0, 0]
    assert probabilities[1][0] > 0.98
