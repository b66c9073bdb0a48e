"""Patterns that may be rotated: known angles, similarity behind the noise, rings."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from clustem.series.polar import (
    PolarPatterns,
    anisotropy,
    compare_rotated,
    means_of_others,
    polar_patterns,
    similarity_at,
    similarity_error,
)

from .scenes import DETECTOR, MIDDLE, Array, crystal, parts

RANDOM = np.random.default_rng(4)
ALL = np.ones((DETECTOR, DETECTOR), bool)


def polar(*patterns: Array, electrons: float = 0, mask: NDArray[np.bool_] = ALL) -> PolarPatterns:
    """Without noise if no electrons are given."""
    stack = np.stack(patterns)
    counts = RANDOM.poisson(stack * electrons).astype(float) if electrons else stack
    variance = counts if electrons else np.zeros(stack.shape)
    centre = np.array([MIDDLE, MIDDLE])
    return polar_patterns(counts.astype(np.float32), variance, centre_px=centre, mask=mask, inner_px=3.0)


@pytest.mark.parametrize("turn", [-40.0, -7.5, 0.0, 3.0, 25.0])
def test_a_known_rotation_is_found(turn: float) -> None:
    similarity, angle = compare_rotated(polar(crystal(1)), polar(crystal(1, turn)))
    assert similarity[0, 0] > 0.97
    assert angle[0, 0] == pytest.approx(turn, abs=0.7)


def test_other_crystals_are_not_alike() -> None:
    similarity, _ = compare_rotated(polar(crystal(1)), polar(crystal(2), crystal(3)))
    assert similarity.max() < 0.6


def test_noise_does_not_change_the_similarity() -> None:
    first, second = polar(*[crystal(1)] * 40, electrons=300), polar(crystal(1, 10), electrons=1e5)
    values = np.array([similarity_at(first, i, second, 0, 10.0) for i in range(len(first))])
    assert np.nanmean(values) == pytest.approx(1, abs=0.05)
    raw = np.nanmean(values * np.sqrt(1 - first.noise.sum(axis=1) / first.energy.sum(axis=1)))
    assert raw < 0.95


@pytest.mark.parametrize("electrons", [200, 1000])
def test_the_standard_error_is_the_spread_of_draws(electrons: float) -> None:
    first, second = (polar(*[crystal(1, turn)] * 60, electrons=electrons) for turn in (0, 8))
    values = np.array([similarity_at(first, i, second, i, 0.0) for i in range(60)])
    errors = np.array([similarity_error(first, i, second, i) for i in range(60)])
    assert np.nanmedian(errors) == pytest.approx(np.nanstd(values), rel=0.3)


def test_pairs_that_are_not_asked_for_and_patterns_without_signal_are_nan() -> None:
    flat = np.full((DETECTOR, DETECTOR), 1 / DETECTOR**2)
    first = polar(crystal(1), flat, electrons=2000)
    similarity, angle = compare_rotated(first, first, pairs=np.array([[True, False], [False, True]]))
    np.testing.assert_array_equal(np.isnan(similarity), [[False, True], [True, True]])
    assert np.isfinite(angle).all()


def test_rings_are_not_anisotropic_and_crystals_are() -> None:
    found = anisotropy(polar(parts()[1], crystal(1), 0.7 * parts()[1] + 0.3 * crystal(2), electrons=5000))
    assert found[0] < 0.2
    assert found[1] > 0.6
    assert found[0] + 0.05 < found[2] < found[1]
    assert anisotropy(polar(np.zeros((DETECTOR, DETECTOR)))).tolist() == [0]


def test_masked_pixels_do_not_count() -> None:
    mask = ALL.copy()
    mask[:, 20:24] = False
    bright = crystal(1)
    bright[~mask] = 1
    similarity, angle = compare_rotated(polar(bright, mask=mask), polar(crystal(1), mask=mask))
    assert similarity[0, 0] > 0.9
    assert abs(angle[0, 0]) < 0.5


def test_the_mean_in_the_rotating_frame_is_the_pattern_itself() -> None:
    turns = [0.0, 12.0, 30.0]
    patterns = [polar(scale * crystal(1, turn)) for scale, turn in zip((1, 2, 5), turns, strict=True)]
    *_, mean = means_of_others(patterns, turns)
    assert similarity_at(mean, 0, patterns[2], 0, 30.0) > 0.98
    assert similarity_at(mean, 0, patterns[2], 0, 0.0) < 0.8


def test_patterns_are_chosen_by_index() -> None:
    both = polar(crystal(1), crystal(2))
    np.testing.assert_array_equal(both.only([1]).values[0], both.values[1])
    assert (len(both), len(both.only([1]))) == (2, 1)
