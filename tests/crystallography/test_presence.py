from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from clustem import match_orientations
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
    assert absence(pattern, fit, scale=0.0) == ""


def test_a_crystal_that_explains_nothing_is_not(pattern: Pattern, fit: Fit) -> None:
    nothing = replace(fit, expected=np.zeros(len(pattern.g)), hkl=np.zeros_like(fit.hkl))
    assert "explains the peaks" in absence(pattern, nothing, scale=0.0)


def test_faint_peaks_that_no_model_has_do_not_matter(pattern: Pattern, fit: Fit) -> None:
    """With many electrons there are more of them than of others."""
    number, faint = len(pattern.g), 6 * len(pattern.g)
    generator = np.random.default_rng(0)
    many = replace(
        pattern,
        g=np.concatenate([pattern.g, generator.uniform(-1.5, 1.5, (faint, 2))]),
        g_error=np.concatenate([pattern.g_error, np.full(faint, 0.002)]),
        intensity=np.concatenate([pattern.intensity, np.full(faint, 0.5 * pattern.intensity.min())]),
        intensity_error=np.concatenate([pattern.intensity_error, np.full(faint, 0.01 * pattern.intensity.min())]),
        rows=np.arange(number + faint),
    )
    found = replace(
        fit,
        expected=np.concatenate([fit.expected, np.zeros(faint)]),
        hkl=np.concatenate([fit.hkl, np.zeros((faint, 3), np.int64)]),
        spots=np.concatenate([fit.spots, np.full((faint, 2), np.nan)]),
    )
    assert absence(many, found, scale=0.0) == ""


def strained(pattern: Pattern, fit: Fit, xx: float, yy: float, xy: float) -> tuple[Pattern, Fit]:
    """Return the pattern of the same crystal under a strain, and its fit."""
    shrink = np.eye(2) - np.array([[xx, xy], [xy, yy]])
    return replace(pattern, g=pattern.g @ shrink), replace(fit, strain=np.array([xx, yy, xy]))


def test_large_strains_are_those_of_another_crystal_unless_all_domains_share_them(pattern: Pattern, fit: Fit) -> None:
    larger = strained(pattern, fit, 0.035, 0.035, 0.0)
    assert "strain" in absence(*larger, scale=0.0)
    assert absence(*larger, scale=0.015) == ""
    assert "strain" in absence(*strained(pattern, fit, 0.0, 0.0, 0.03), scale=0.0)


def test_lengths_that_are_off_are_doubtful_where_few_domains_have_a_crystal(pattern: Pattern, fit: Fit) -> None:
    for dilatation, there in ((0.012, True), (-0.018, False)):
        off = strained(pattern, fit, dilatation, dilatation, 0.0)
        assert absence(*off, scale=0.0) == ""
        assert (absence(*off, scale=0.0, doubtful=True) == "") == there
    assert [borne_out(found, 13) for found in (0, 6, 7, 13)] == [False, False, True, True]
    assert borne_out(0, 0)


def test_a_row_of_spots_is_not_enough(pattern: Pattern, fit: Fit) -> None:
    x, y = pattern.g[np.argmax(pattern.amplitude)]
    beside = np.abs(x * pattern.g[:, 1] - y * pattern.g[:, 0]) > 0.1 * np.hypot(x, y)
    some = np.append(np.flatnonzero(~beside), np.argmax(np.where(beside, pattern.amplitude, 0)))
    part, said, beside = pattern.only(some), fit.only(some), beside[some]
    row = replace(said, expected=np.where(beside, 0.0, said.expected), missing=np.zeros(0))
    assert "row" in absence(part, row, scale=0.0)
    assert absence(part, row, scale=0.0, row=True) == ""
    assert absence(part, replace(said, missing=np.zeros(0)), scale=0.0) == ""


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
