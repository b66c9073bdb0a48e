import numpy as np
import pytest

from clustem.averaging.signal import scatter_snr, thinned_snr


def thinned_reliability(counts, generator, draws):
    """Mean covariance and variance of two halves, drawn at random, over all draws; the SNR from them."""
    covariance, variance = 0.0, 0.0
    for _ in range(draws):
        half = generator.binomial(counts, 0.5)
        other = counts - half
        covariance += ((half - half.mean()) * (other - other.mean())).sum()
        variance += (((half - half.mean()) ** 2).sum() + ((other - other.mean()) ** 2).sum()) / 2
    reliability = covariance / variance
    return np.sqrt(2 * reliability / (1 - reliability))


@pytest.mark.parametrize("mean", [0.2, 3.0, 40.0])
def test_against_halves_that_are_really_drawn(mean):
    generator = np.random.default_rng(0)
    counts = generator.poisson(generator.gamma(1, mean, 3000))
    total, squares = (np.array([float((counts**p).sum())]) for p in (1, 2))
    snr = thinned_snr(total, squares, total, counts.size)
    assert snr[0] == pytest.approx(thinned_reliability(counts, generator, 200), rel=0.03)


def test_by_hand():
    # x = (0, 2, 4): energy 8, noise 6 · 2/3 = 4, SNR² = 1
    assert thinned_snr(np.array([6.0]), np.array([20.0]), np.array([6.0]), 3)[0] == pytest.approx(1)


def test_nothing_and_no_signal():
    snr = thinned_snr(np.array([0.0, 9.0]), np.array([0.0, 9.0]), np.array([0.0, 9.0]), 9)
    assert np.isnan(snr[0])
    assert snr[1] == 0, "equal everywhere: no signal"


def test_scatter_by_hand():
    mean = np.array([[[1.0, 3.0]], [[1.0, 3.0]], [[1.0, 1.0]], [[1.0, 3.0]]], np.float32)
    variance = np.array([[[0.5, 0.5]], [[4.0, 4.0]], [[1.0, 1.0]], [[np.nan, np.nan]]], np.float32)
    positions = np.array([4, 2, 4, 1])
    single, domain = scatter_snr(mean, variance, positions, np.ones((1, 2), bool))
    # signal: 2 - 1/4 = 1.75 over a noise of 1; 2 - 8/2 < 0; none; unknown
    np.testing.assert_allclose(single, [np.sqrt(1.75), 0, 0, np.nan])
    np.testing.assert_allclose(domain, [2 * np.sqrt(1.75), 0, 0, np.nan])


def test_scatter_only_in_use():
    mean = np.array([[[1.0, 3.0, 99.0]]], np.float32)
    variance = np.array([[[0.5, 0.5, 77.0]]], np.float32)
    single, _ = scatter_snr(mean, variance, np.array([4]), np.array([[True, True, False]]))
    assert single[0] == pytest.approx(np.sqrt(1.75))


def test_scatter_agrees_with_thinning_on_counts():
    generator = np.random.default_rng(0)
    expected = generator.gamma(1, 3.0, (40, 40))
    counts = generator.poisson(expected, (400, 40, 40))
    single, domain = scatter_snr(
        counts.mean(0)[None].astype(np.float32),
        counts.var(0, ddof=1)[None].astype(np.float32),
        np.array([400]),
        np.ones((40, 40), bool),
    )
    truth = np.sqrt(((expected - expected.mean()) ** 2).sum() / expected.sum())
    assert single[0] == pytest.approx(truth, rel=0.02)
    assert domain[0] == pytest.approx(20 * truth, rel=0.02)
