import numpy as np
import pytest
from matplotlib.figure import Figure

from clustem.crystallography import Crystal, Site
from clustem.reporting.colours import UNASSIGNED
from clustem.reporting.orientation_colours import (
    NOT_ORIENTED,
    direction_colours,
    draw_key,
    orientation_colours,
    standard_axes,
)

from .answers import GOLD, orientations_by_hand

SITE = (Site("Au", (0.1, 0.2, 0.3)),)
CRYSTALS = [
    GOLD,
    Crystal("m-3", (4, 4, 4, 90, 90, 90), "P a -3", SITE),
    Crystal("6/mmm", (3, 3, 5, 90, 90, 120), "P 63/m m c", SITE),
    Crystal("6/m", (3, 3, 5, 90, 90, 120), "P 63/m", SITE),
    Crystal("-3m1", (3, 3, 5, 90, 90, 120), "P -3 m 1", SITE),
    Crystal("-31m", (3, 3, 5, 90, 90, 120), "P -3 1 m", SITE),
    Crystal("rhombohedral", (4, 4, 4, 80, 80, 80), "R -3 m:R", SITE),
    Crystal("-3", (3, 3, 5, 90, 90, 120), "P -3", SITE),
    Crystal("4/mmm", (3, 3, 5, 90, 90, 90), "P 4/m m m", SITE),
    Crystal("4/m", (3, 3, 5, 90, 90, 90), "P 4/m", SITE),
    Crystal("mmm", (3, 4, 5, 90, 90, 90), "P n m a", SITE),
    Crystal("2/m", (3, 4, 5, 90, 105, 90), "P 1 2/m 1", SITE),
    Crystal("-1", (3, 4, 5, 85, 105, 95), "P -1", SITE),
]


@pytest.mark.parametrize("crystal", CRYSTALS, ids=lambda crystal: crystal.name)
def test_directions_that_symmetry_makes_equal_have_one_colour(crystal):
    directions = np.random.default_rng(1).normal(size=(40, 3))
    colours = direction_colours(directions, crystal)
    assert np.ptp(colours, axis=0).min() > 0.3
    for rotation in crystal.rotations:
        for sign in (1, -1):
            np.testing.assert_allclose(direction_colours(sign * directions @ rotation.T, crystal), colours, atol=1e-9)
    axes = standard_axes(crystal)
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(axes) == pytest.approx(1)


def test_corners_of_the_cubic_key_are_red_green_and_blue():
    np.testing.assert_allclose(direction_colours([[0, 0, 1], [1, 1, 0], [1, -1, 1]], GOLD), np.eye(3), atol=0.01)


@pytest.mark.parametrize(
    ("crystal", "names"),
    [
        (GOLD, ["$[001]$", "$[101]$", "$[111]$"]),
        (CRYSTALS[2], ["$[0001]$", r"$[10\bar{1}0]$", r"$[2\bar{1}\bar{1}0]$"]),
        (CRYSTALS[11], ["$[010]$", "$[100]$", r"$[\bar{1}00]$"]),
        (CRYSTALS[12], ["$[001]$"]),
    ],
    ids=["cubic", "hexagonal", "monoclinic", "triclinic"],
)
def test_keys_name_their_corners_and_the_main_axis(crystal, names):
    axes = Figure().add_subplot()
    draw_key(axes, crystal)
    shown = sorted(text.get_text() for text in axes.texts)
    if crystal.name == "-1":
        assert len(shown) == 1
    else:
        assert shown == sorted(names)


def test_orientations_have_the_colour_of_their_direction_and_grey_without():
    found = orientations_by_hand(3)
    colours = orientation_colours(found, (0, 0, 1))
    np.testing.assert_allclose(colours[0, :3], UNASSIGNED)
    np.testing.assert_allclose(colours[[1, 3], :3], [[1, 0, 0], [1, 0, 0]], atol=1e-6)  # both have [001] along the beam
    np.testing.assert_allclose(colours[2, :3], direction_colours([[2, 2, -1]], GOLD)[0], atol=1e-6)
    np.testing.assert_allclose(
        orientation_colours(orientations_by_hand(2, none=True), (1, 0, 0))[1:, :3], [NOT_ORIENTED] * 2
    )
