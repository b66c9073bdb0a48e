from __future__ import annotations

import numpy as np
import pytest

from clustem.crystallography.directions import family_of, low_index_direction

from .examples import crystal


@pytest.mark.parametrize("indices", [(1, 0, 0), (1, 1, 0), (1, -1, 2), (0, 1, 3), (3, 2, -1), (1, 1, 4)])
@pytest.mark.parametrize("name", ["Au", "Ti", "Mn"])
def test_exact_directions_are_found(indices: tuple[int, int, int], name: str) -> None:
    of = crystal(name)
    found, angle = low_index_direction(of.direct @ np.array(indices), of)
    assert found == indices
    assert angle == pytest.approx(0, abs=1e-5)


def test_low_indices_win_where_they_are_near() -> None:
    gold = crystal("Au")
    tilt = np.deg2rad(2)
    found, angle = low_index_direction([np.sin(tilt), 0, np.cos(tilt)], gold)
    assert found == (0, 0, 1)
    assert angle == pytest.approx(2)


def test_families_stand_for_all_equal_directions() -> None:
    assert {family_of(indices, crystal("Au")) for indices in [(1, 2, 1), (-1, -1, 2), (2, 1, -1)]} == {(2, 1, 1)}
    assert family_of((0, 0, -1), crystal("TiO2")) == (0, 0, 1)
    assert family_of((0, 0, -1), crystal("TiO2")) != family_of((1, 0, 0), crystal("TiO2"))
    assert family_of((-1, -1, 0), crystal("Ti")) == family_of((1, 0, 0), crystal("Ti"))
