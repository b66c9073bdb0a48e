from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from clustem.crystallography.misfit import explained, misfit, misfit_of_nothing, model_error, probabilities, shares
from clustem.crystallography.pattern import Pattern
from clustem.crystallography.refining import Beam, Fit, refine_kinematic
from clustem.crystallography.structure_factors import structure_factors

from .examples import WAVELENGTH, crystal, peaks_of, rotation, spots


@pytest.fixture(scope="module")
def pattern() -> Pattern:
    return Pattern.of(peaks_of([spots(crystal("Au"), rotation(0))]), 1)


@pytest.fixture(scope="module")
def fit(pattern: Pattern) -> Fit:
    return refine_kinematic(pattern, structure_factors(crystal("Au"), max_g=1.8), rotation(0), beam=Beam(WAVELENGTH))


def test_a_true_orientation_has_little_misfit(pattern: Pattern, fit: Fit) -> None:
    assert misfit(pattern, fit) < 0.2 * misfit_of_nothing(pattern)
    assert explained(pattern, fit) > 0.95
    assert model_error(pattern, [fit]) == pytest.approx(0.15)


def test_missing_spots_moved_peaks_and_strain_cost(pattern: Pattern, fit: Fit) -> None:
    base = misfit(pattern, fit)
    assert misfit(pattern, replace(fit, missing=np.append(fit.missing, fit.expected.max()))) > base + 2
    assert misfit(pattern, replace(fit, spots=fit.spots + 0.01)) > base + 10
    # strained spots that stay where the peaks are: only the strain itself costs
    strain = np.array([0.03, 0.0, 0.0])
    moved = fit.spots.copy()
    moved[:, 0] /= 1 - 0.03
    assert misfit(pattern, replace(fit, strain=strain, spots=moved)) == pytest.approx(base + 4 / 3, abs=0.2)


def test_faint_missing_spots_cost_nothing(pattern: Pattern, fit: Fit) -> None:
    faint = replace(fit, missing=np.append(fit.missing, 1e-6 * fit.expected.max()))
    assert misfit(pattern, faint) == pytest.approx(misfit(pattern, fit))


def test_scales_do_not_matter(pattern: Pattern, fit: Fit) -> None:
    brighter = replace(fit, expected=7 * fit.expected, missing=7 * fit.missing)
    assert misfit(pattern, brighter) == pytest.approx(misfit(pattern, fit), rel=1e-6)


def test_probabilities_add_up_and_follow_the_misfit() -> None:
    share = probabilities(np.array([10.0, 12.0, 40.0]), 20)
    assert share.sum() == pytest.approx(1)
    assert share[0] > share[1] > share[2]
    assert share[1] / share[0] == pytest.approx(np.exp(-1))
    np.testing.assert_allclose(probabilities(np.array([3.0, 3.0]), 20), 0.5)


def test_differences_count_less_where_nothing_fits_well() -> None:
    """40 for 10 peaks is four times what noise makes, so that a difference of 8 counts as one of 2."""
    share = probabilities(np.array([40.0, 48.0]), 10)
    assert share[1] / share[0] == pytest.approx(np.exp(-1))


def test_two_crystals_share_a_pattern() -> None:
    gold = structure_factors(crystal("Au"), max_g=1.8)
    (g1, i1), (g2, i2) = spots(crystal("Au"), rotation(0)), spots(crystal("Au"), rotation(1))
    both = Pattern.of(peaks_of([(np.concatenate([g1, g2]), np.concatenate([i1, 0.25 * i2]))]), 1)
    fits = [refine_kinematic(both, gold, rotation(seed), beam=Beam(WAVELENGTH)) for seed in (0, 1, 7)]
    part = shares(both, fits)
    assert part[0] > part[1] > 0.15
    assert part[2] < 0.1
    assert part.sum() <= 1 + 1e-9
