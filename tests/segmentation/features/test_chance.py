import numpy as np
import pytest

from clustem.computing import execution
from clustem.segmentation.features.chance import chance, forget_chance, prepare_chance
from clustem.segmentation.features.filters import SpotFilter
from clustem.segmentation.features.shared_directions import shared_values

from .patterns import DETECTOR, USE

SPOT = SpotFilter(USE, 1.0)


def reached(noise, tiles):
    filtered = SPOT.apply(noise)
    return np.abs(shared_values(filtered @ filtered.T, tiles)).max()


def test_chance_is_what_noise_reaches():
    tiles = (7, 8)
    found = chance(SPOT, tiles)
    assert found == chance(SpotFilter(USE.copy(), 1.0), tiles), "the same every time"
    noise = np.random.default_rng(1).standard_normal((56, *DETECTOR))
    assert reached(noise, tiles) == pytest.approx(found, rel=0.3)
    assert reached(3 * noise, tiles) == pytest.approx(9 * found, rel=0.3)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_same_whatever_was_prepared_in_any_number_of_threads(threads):
    grids = {(3, 4), (12, 13), (13, 12), (14, 15)}
    forget_chance()
    expected = [chance(SPOT, tiles) for tiles in sorted(grids)]
    forget_chance()
    with execution(threads=threads):
        prepare_chance(SPOT, grids)
    assert [chance(SPOT, tiles) for tiles in sorted(grids)] == expected


def test_a_tile_without_neighbours_shares_nothing():
    assert chance(SPOT, (1, 1)) == pytest.approx(0, abs=1e-9)
