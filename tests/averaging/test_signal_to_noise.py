"""average: signal-to-noise ratios, χ², and whether values are counts."""

import numpy as np
import pytest

from clustem.averaging import average
from clustem.surveying import survey

from .scenes import DETECTOR, LABELS, counts_of, ramp


@pytest.mark.parametrize("moves", [False, True])
def test_one_pattern_explains_a_domain_and_not_two(moves):
    """χ²/n is 1 inside of a grain, also after moving by fractions of px, and more where two share a label."""
    counts = counts_of(path=ramp() if moves else None)
    apart = average(counts, LABELS).chi_squared
    np.testing.assert_allclose(apart[:3], 1, atol=0.15 if moves else 0.05)
    assert np.isnan(apart[3])
    together = average(counts, (LABELS > 0).astype(np.int32)).chi_squared
    assert together[0] > 1.3


def test_chi_squared_is_variance_over_noise_by_hand():
    counts = counts_of()
    gained = average(3 * counts, LABELS, survey=survey(3 * counts, gain=6.0)).chi_squared
    members = counts[LABELS == 2].astype(float)
    y, x = np.indices(DETECTOR)
    outside = np.hypot(y - 17, x - 18) > 1.5 * survey(counts).beam_radius_px
    expected = 9 * members.var(0, ddof=1)[outside].sum() / (6 * 3 * members.mean(0)[outside].sum())
    assert gained[1] == pytest.approx(expected, rel=0.02)


def thinned(patterns, mask, generator, draws=120):
    """SNR from halves that are really drawn, of the sum over patterns (n, pixels) of covariance and variance."""
    covariance, variance = 0.0, 0.0
    for pattern in patterns[:, mask]:
        for _ in range(draws):
            half = generator.binomial(pattern, 0.5)
            other = pattern - half
            covariance += np.cov(half, other)[0, 1]
            variance += (half.var(ddof=1) + other.var(ddof=1)) / 2
    reliability = covariance / variance
    return np.sqrt(2 * reliability / (1 - reliability))


def test_signal_to_noise_against_thinning(monkeypatch):
    counts = counts_of(dose=2.0)
    found_survey = survey(counts)
    found = average(counts, LABELS, survey=found_survey)
    y, x = np.indices(DETECTOR)
    centre, radius = found_survey.centre_px, found_survey.beam_radius_px
    outside = np.hypot(y - centre[0], x - centre[1]) > 1.5 * radius + 1
    generator = np.random.default_rng(0)
    for k in range(4):
        members = counts[k + 1 == LABELS].astype(np.int64)
        assert found.snr_single[k] == pytest.approx(thinned(members[:12], outside, generator, 40), rel=0.08)
        assert found.snr_domain[k] == pytest.approx(thinned(members.sum(0)[None], outside, generator), rel=0.05)
    np.testing.assert_allclose(found.snr_gain[:3], np.sqrt(found.positions[:3]), rtol=0.1)
    assert found.snr_gain[3] == pytest.approx(1)
    assert "signal-to-noise gain" in repr(found)


def test_signal_to_noise_of_moved_patterns_against_thinning():
    """Halves are drawn from the raw counts and then averaged alike; moving by fractions lowers the noise of a pixel."""
    labels = np.ones((10, 12), np.int32)
    steady = average(counts_of(labels), labels)
    counts = counts_of(labels, path=ramp())
    found = survey(counts)
    moved = average(counts, labels, survey=found)
    assert moved.margin_px > 0
    assert moved.warnings == ()
    assert moved.snr_single[0] == pytest.approx(steady.snr_single[0], rel=0.1)
    y, x = np.indices(DETECTOR)
    reach = 1.5 * found.beam_radius_px + 1 + np.hypot(*np.moveaxis(found.descan_px, -1, 0)).max()
    outside = np.hypot(y - found.centre_px[0], x - found.centre_px[1]) > reach
    generator = np.random.default_rng(0)
    covariance, variance = 0.0, 0.0
    for _ in range(12):
        half = generator.binomial(counts, 0.5).astype(np.uint16)
        a, b = (average(part, labels, survey=found).patterns[0][outside] for part in (half, counts - half))
        covariance += np.cov(a, b)[0, 1]
        variance += (a.var(ddof=1) + b.var(ddof=1)) / 2
    reliability = covariance / variance
    assert moved.snr_domain[0] == pytest.approx(np.sqrt(2 * reliability / (1 - reliability)), rel=0.07)


def test_noise_without_signal_has_a_ratio_near_zero():
    counts = np.random.default_rng(0).poisson(2.0, (8, 8, 20, 20)).astype(np.uint16)
    found = average(counts, np.ones((8, 8), int))
    assert found.snr_single[0] < 0.15
    assert found.snr_domain[0] < 0.5


@pytest.mark.parametrize(
    "change", [lambda c: 7 * c + 40, lambda c: c * np.float32(0.37)], ids=["gain and offset", "fractions"]
)
def test_values_that_are_no_counts_are_judged_by_their_scatter(change):
    counts = counts_of(dose=2.0)
    plain, scaled = average(counts, LABELS), average(change(counts), LABELS)
    assert plain.warnings == ()
    assert len(scaled.warnings) == 1
    assert "the values are not plain electron counts" in scaled.warnings[0]
    np.testing.assert_allclose(scaled.snr_single[:3], plain.snr_single[:3], rtol=0.1)
    np.testing.assert_allclose(scaled.snr_domain[:3], plain.snr_domain[:3], rtol=0.1)
    assert np.isnan(scaled.snr_single[3]), "one position has no scatter"
    np.testing.assert_allclose(scaled.electrons, [change(counts)[k == LABELS].sum() for k in (1, 2, 3, 4)])


@pytest.mark.parametrize("positions", [2, 3, 5, 10, 40])
@pytest.mark.parametrize("dose", [0.3, 10.0])
def test_small_domains_of_counts_are_counts(positions, dose):
    counts = counts_of(np.ones((10, 12), np.int32), dose=dose)
    found = average(counts, (np.arange(120) // positions + 1).reshape(10, 12))
    assert found.warnings == ()


def test_a_scan_without_a_beam():
    expected = np.where(np.arange(12) < 6, 8.0, 2.0) + np.zeros((12, 1))
    counts = np.random.default_rng(0).poisson(expected, (6, 6, 12, 12)).astype(np.uint16)
    found = average(counts, np.ones((6, 6), int))
    assert np.isnan(survey(counts).beam_radius_px)
    expected = thinned(counts.reshape(36, 12, 12), np.ones((12, 12), bool), np.random.default_rng(2), 20)
    assert found.snr_single[0] == pytest.approx(expected, rel=0.08)
