from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from clustem import match_orientations
from clustem.crystallography.misfit import misfit
from clustem.crystallography.pattern import Pattern
from clustem.crystallography.presence import absence, borne_out, common_scale
from clustem.crystallography.refining import Beam, Fit, refine_kinematic
from clustem.crystallography.structure_factors import structure_factors

from .examples import WAVELENGTH, crystal, peaks_of, rotation, spots


@pytest.fixture(scope="module")
def pattern() -> Pattern:
    return Pattern.of(peaks_of([spots(crystal("Au"), rotation(0))]), 1)


@pytest.fixture(scope="module")
def fit(pattern: Pattern) -> Fit:
    return refine_kinematic(pattern, structure_factors(crystal("Au"), max_g=1.8), rotation(0), beam=Beam(WAVELENGTH))


def test_a_crystal_that_made_the_pattern_is_there(pattern: Pattern, fit: Fit) -> None:
    assert absence(pattern, fit, misfit(pattern, fit), scale=0.0) == ""


def test_a_crystal_that_explains_nothing_is_not(pattern: Pattern, fit: Fit) -> None:
    assert "explains the peaks" in absence(pattern, fit, 1e9, scale=0.0)


def test_large_strains_are_those_of_another_crystal_unless_all_domains_share_them(pattern: Pattern, fit: Fit) -> None:
    strained = replace(fit, strain=np.array([0.035, 0.035, 0.0]))
    assert "strain" in absence(pattern, strained, 0.0, scale=0.0)
    assert absence(pattern, strained, 0.0, scale=0.015) == ""
    assert "strain" in absence(pattern, replace(fit, strain=np.array([0.0, 0.0, 0.03])), 0.0, scale=0.0)


def test_lengths_that_are_off_are_doubtful_where_few_domains_have_a_crystal(pattern: Pattern, fit: Fit) -> None:
    for dilatation, there in ((0.012, True), (-0.018, False)):
        off = replace(fit, strain=np.array([dilatation, dilatation, 0.0]))
        assert absence(pattern, off, 0.0, scale=0.0) == ""
        assert (absence(pattern, off, 0.0, scale=0.0, doubtful=True) == "") == there
    assert [borne_out(found, 13) for found in (0, 6, 7, 13)] == [False, False, True, True]
    assert borne_out(0, 0)


def test_a_row_of_spots_is_not_enough(pattern: Pattern, fit: Fit) -> None:
    x, y = pattern.g[np.argmax(pattern.amplitude)]
    beside = np.abs(x * pattern.g[:, 1] - y * pattern.g[:, 0]) > 0.1 * np.hypot(x, y)
    bright = np.argsort(-pattern.amplitude)[:5]
    keep = ~beside
    keep[bright] = True
    row = replace(fit, expected=np.where(beside, 0.0, fit.expected), hkl=np.where(keep[:, None], fit.hkl, 0))
    assert "row" in absence(pattern, row, 0.0, scale=0.0)
    assert absence(pattern, row, 0.0, scale=0.0, row=True) == ""


def test_the_scale_of_few_domains_is_not_known(fit: Fit) -> None:
    off = replace(fit, strain=np.array([0.012, 0.008, 0.0]))
    assert common_scale([off] * 3) == 0.0
    assert common_scale([off] * 4) == pytest.approx(0.01)
    assert common_scale([replace(off, strain=np.array([0.05, 0.05, 0.0]))] * 4) == pytest.approx(0.015)


@pytest.mark.parametrize(("there", "other"), [("Au", "Si"), ("Fe", "TiO2")])
def test_another_crystal_than_that_of_the_patterns_is_none(there: str, other: str) -> None:
    patterns = [spots(crystal(there), rotation(seed)) for seed in range(5)]
    found = match_orientations(peaks_of(patterns), crystal(other), dynamical=False)
    assert (found.phase == "").all()
    assert all(reason.startswith("no crystal explains") for reason in found.reason)


def test_a_scale_at_which_few_domains_fit_is_not_believed() -> None:
    """Two of seven patterns are those of iron, five others of a longer cell, that says the pixels are too small."""
    near = [spots(crystal("Fe"), rotation(seed)) for seed in range(2)]
    far = [(1.05 * g, intensity) for g, intensity in (spots(crystal("Si"), rotation(seed)) for seed in range(5))]
    found = match_orientations(peaks_of(near + far), crystal("Fe"), dynamical=False)
    assert found.phase.tolist() == ["Fe"] * 2 + [""] * 5
    np.testing.assert_allclose(found.scale[:2], 1, atol=0.002)


def test_what_scale_would_fit_some_domains_is_said() -> None:
    longer = [(1.06 * g, intensity) for g, intensity in (spots(crystal("Fe"), rotation(seed)) for seed in range(2))]
    foreign = [spots(crystal("TiO2"), rotation(seed)) for seed in range(5)]
    found = match_orientations(peaks_of(longer + foreign), crystal("Fe"), dynamical=False)
    assert (found.phase == "").all()
    assert "6.0% too long" in found.warnings[0]
    assert "fewer than half" in found.warnings[0]
