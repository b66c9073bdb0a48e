from clustem.reporting.indices import direction_indices, indices_formula, indices_text

from .answers import GOLD


def test_bars_stand_over_negative_indices():
    assert indices_text((1, -1, 2)) == "[11\N{COMBINING MACRON}2]"
    assert indices_formula((0, -2, 4), "") == r"$0\bar{2}4$"
    assert indices_formula((0, -12, 4)) == r"$[0\ \bar{12}\ 4]$"


def test_cubic_directions_have_three_indices():
    assert direction_indices((1, -1, 2), GOLD) == (1, -1, 2)
