"""The compiled loops of matching and refinement against a few lines of NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import expm

from clustem.crystallography import _agreement_kernels as agreements
from clustem.crystallography import _dynamical_kernels as dynamical
from clustem.crystallography import _geometry_kernels as geometry
from clustem.crystallography import _matching_kernels as matching
from clustem.crystallography import _refining_kernels as refining
from clustem.crystallography.rotations import from_rotation_vector, misorientation_deg

from .examples import WAVELENGTH, crystal, rotation

BOTH = [True, False]


def plain(kernel: object, compiled: bool) -> object:
    return kernel if compiled else kernel.py_func  # type: ignore[attr-defined]


@pytest.mark.parametrize("compiled", BOTH)
def test_peaks_spread_around_their_shell(compiled: bool) -> None:
    rows = np.empty((2, 144), np.float32)
    spread = plain(matching.spread_peaks, compiled)
    spread(np.array([0.5]), np.array([np.pi / 2]), np.array([2.0]), np.array([0.5, 0.52]), 0.06, rows)  # type: ignore[operator]
    bins = 2 * np.pi * 0.5 / 72
    away = np.minimum(abs(np.arange(72) - 18), 72 - abs(np.arange(72) - 18)) * bins
    expected = 2 * np.exp(-0.5 * (away / 0.06) ** 2)
    expected[away > 0.2] = rows[0, :72][away > 0.2]
    np.testing.assert_allclose(rows[0, :72], expected, atol=1e-5)
    np.testing.assert_array_equal(rows[:, :72], rows[:, 72:])
    assert rows[1, 18] == pytest.approx(2 * np.exp(-0.5 * (0.02 / 0.06) ** 2), rel=1e-5)


@pytest.mark.parametrize("compiled", BOTH)
@pytest.mark.parametrize("turns", [72, 71])
def test_zones_are_correlated_at_all_azimuths_and_mirrored(compiled: bool, turns: int) -> None:
    """At every second azimuth if their number is even, and then next to the best: rows are smooth."""
    random = np.random.default_rng(turns)
    away = 2 * np.pi / turns * (np.arange(turns) - random.uniform(0, turns, (3, 4, 1)))
    rows = np.tile((np.cos(away / 2) ** 60).sum(axis=1), 2).astype(np.float32)
    shell, column = random.integers(0, 3, 5).astype(np.int32), random.integers(0, turns, 5).astype(np.int32)
    weight = random.random(5).astype(np.float32)
    parts, first = np.empty(rows.size, np.float32), np.array([0, 3, 5])
    plain(matching.split_azimuths, compiled)(rows, parts)  # type: ignore[operator]
    highest, correlate = np.empty((2, 2), np.float32), plain(matching.correlate_zones, compiled)
    correlate(parts, first, shell, column, weight, turns, highest)  # type: ignore[operator]
    scores, angles, chosen = np.empty((3, 2), np.float32), np.empty((3, 2), np.int64), np.array([0, 1, 3])
    find = plain(matching.find_azimuths, compiled)
    find(rows, parts, first, shell, column, weight, 6, chosen, scores, angles)  # type: ignore[operator]
    for z, spots in enumerate((slice(0, 3), slice(3, 5))):
        for mirror, sign in enumerate((1, -1)):
            each = zip(shell[spots], column[spots], weight[spots], strict=True)
            total = sum(w * np.roll(rows[s, :turns], -sign * c) for s, c, w in each)
            assert highest[z, mirror] == pytest.approx(total[:: 2 - turns % 2].max(), rel=1e-5)
            for row in np.flatnonzero(chosen == 2 * z + mirror):
                assert angles[row, 0] == np.argmax(total)
                np.testing.assert_allclose(scores[row], total[angles[row]], rtol=1e-5)
                gap = abs(angles[row, 1] - angles[row, 0])
                assert min(gap, turns - gap) >= 6


@pytest.mark.parametrize("compiled", BOTH)
def test_numbers_are_compared_by_their_bits(compiled: bool) -> None:
    values = np.array([0.5, 3.0, 1e-30, 0.0, 2.5, 3.0], np.float32)
    bits = values.view(np.int32)
    largest, place = plain(matching._largest, compiled), plain(matching._place, compiled)
    assert largest(bits, 0, 6) == bits[1]  # type: ignore[operator]
    assert largest(bits, 2, 5) == bits[4]  # type: ignore[operator]
    assert largest(bits, 3, 3) == 0  # type: ignore[operator]
    assert place(bits, bits[1], 2, 6) == 5  # type: ignore[operator]
    assert place(bits, bits[1], 2, 5) == -1  # type: ignore[operator]


@pytest.mark.parametrize("compiled", BOTH)
def test_equivalent_orientations_are_chosen_once(compiled: bool) -> None:
    cubic = crystal("Au").rotations
    near = from_rotation_vector([0, 0, np.deg2rad(2)])
    matrices = np.stack([np.eye(3), cubic[5], near, from_rotation_vector([0, 0, np.deg2rad(20)])])
    chosen = np.empty(4, np.int64)
    choose = plain(matching.choose_distinct, compiled)
    number = choose(matrices, cubic, 1 + 2 * np.cos(np.deg2rad(5)), chosen)  # type: ignore[operator]
    assert chosen[:number].tolist() == [0, 3]


@pytest.mark.parametrize("compiled", BOTH)
def test_the_largest_trace_is_that_of_the_smallest_angle(compiled: bool) -> None:
    cubic, turned = crystal("Au").rotations, from_rotation_vector([0.1, -0.2, 0.3])
    trace = plain(matching.largest_trace, compiled)(cubic[7], cubic[7] @ turned @ cubic[3], cubic)  # type: ignore[operator]
    angle = np.arccos((trace - 1) / 2)
    assert np.rad2deg(angle) == pytest.approx(float(misorientation_deg(np.eye(3), turned, cubic)))


@pytest.mark.parametrize("compiled", BOTH)
def test_the_relrod_is_a_squared_sinc(compiled: bool) -> None:
    relrod = plain(refining.relrod, compiled)
    for s in (0.0, 0.01, -0.03):
        assert relrod(s, 40.0, 0.0)[0] == pytest.approx(np.sinc(s * 40) ** 2)  # type: ignore[operator]
    swing = np.mean(np.sinc(40 * (0.01 + 0.02 * np.cos(np.linspace(0, np.pi, 20001)))) ** 2)
    assert relrod(0.01, 40.0, 0.02)[0] == pytest.approx(swing, rel=0.02)  # type: ignore[operator]


@pytest.mark.parametrize("swing", [0.0, 0.02])
def test_the_slopes_of_the_relrod_are_its_derivatives(swing: float) -> None:
    for s in (1e-6, 0.011, -0.03):
        _, along, thicker = refining.relrod(s, 40.0, swing)
        high, low = refining.relrod(s + 1e-6, 40.0, swing)[0], refining.relrod(s - 1e-6, 40.0, swing)[0]
        assert along == pytest.approx((high - low) / 2e-6, rel=1e-4, abs=1e-3)
        high, low = (refining.relrod(s, 40.0 * np.exp(step), swing)[0] for step in (1e-5, -1e-5))
        assert thicker == pytest.approx((high - low) / 2e-5, rel=1e-4, abs=1e-6)


def of_peaks(number: int) -> tuple[np.ndarray, ...]:
    """Return partners, visibility, amplitudes, trust, floor and a place for expected intensities."""
    partner = np.arange(number) % 5 - 1
    amplitude, trust = np.array([2.0, 1.0, 0.7, 0.4]), np.array([1.0, 0.9, 1.0, 0.5])
    return partner, np.arange(number) != 5, amplitude, trust, 0.2, np.zeros(4)


@pytest.mark.parametrize("compiled", BOTH)
def test_the_agreement_is_a_correlation(compiled: bool) -> None:
    intensity = np.random.default_rng(3).random(10)
    partner, visible, amplitude, trust, floor, expected = of_peaks(10)
    value = plain(agreements.agreement, compiled)(intensity, partner, visible, amplitude, trust, floor, expected)  # type: ignore[operator]
    sums = np.array([intensity[partner == q].sum() for q in range(4)])
    product = float((amplitude * trust) @ np.sqrt(sums))
    over = max(0.0, intensity[0] - (floor * sums.sum() / product) ** 2)
    assert value == pytest.approx(product / np.sqrt((amplitude**2).sum() * (sums.sum() + over)))
    np.testing.assert_allclose(expected, sums)


@pytest.mark.parametrize("compiled", BOTH)
def test_the_slopes_of_the_agreement_are_its_derivatives(compiled: bool) -> None:
    random = np.random.default_rng(4)
    intensity, change = random.random(10) + 0.2, random.normal(size=(10, 3))
    peaks, gradient, curvature = of_peaks(10), np.zeros(3), np.zeros((3, 3))
    slopes = plain(agreements.agreement_with_slopes, compiled)
    slopes(intensity, change, *peaks, gradient, curvature)  # type: ignore[operator]
    for a in range(3):
        high, low = (agreements.agreement(intensity + step * change[:, a], *peaks) for step in (1e-6, -1e-6))
        assert gradient[a] == pytest.approx((high - low) / 2e-6, rel=0.02, abs=6e-3)
    np.testing.assert_allclose(curvature, curvature.T)
    assert (np.linalg.eigvalsh(curvature) > 0).all()


@pytest.mark.parametrize("compiled", BOTH)
def test_the_spread_follows_the_curvature(compiled: bool) -> None:
    covariance, curvature = np.zeros((2, 2)), np.diag([4.0, 16.0, 1.0])
    spread = plain(agreements.spread_of_tilt, compiled)
    spread(0.8, 10, curvature, covariance)  # type: ignore[operator]
    np.testing.assert_allclose(covariance, np.diag([1 / 4, 1 / 16]) * (0.36 / 8))
    spread(0.8, 10, np.zeros((3, 3)), covariance)  # type: ignore[operator]
    assert np.isinf(np.diag(covariance)).all()


@pytest.mark.parametrize("compiled", BOTH)
def test_the_plane_is_fitted_exactly(compiled: bool) -> None:
    spots = np.random.default_rng(1).normal(size=(8, 2))
    strain = np.array([[0.01, 0.004], [0.004, -0.006]])
    turn = 1e-3
    peaks = spots + turn * spots[:, ::-1] * [-1, 1] - spots @ strain
    found = np.zeros(4)
    fit = plain(geometry.fit_plane, compiled)
    fit(spots, 8, np.arange(8), np.ones(8), peaks, np.full(8, 1e6), 0.0, found)  # type: ignore[operator]
    np.testing.assert_allclose(found, [turn, 0.01, -0.006, 0.004], atol=1e-9)


@pytest.mark.parametrize("compiled", BOTH)
def test_tilts_and_turns_are_rotations(compiled: bool) -> None:
    start = rotation(2)
    tilt, turn = plain(geometry.tilted, compiled), plain(geometry.turn_about_beam, compiled)
    np.testing.assert_allclose(
        tilt(start, 0.02, -0.03),  # type: ignore[operator]
        from_rotation_vector([0.02, -0.03, 0]) @ start,
        atol=1e-12,
    )
    np.testing.assert_allclose(turn(start, 0.4), from_rotation_vector([0, 0, 0.4]) @ start, atol=1e-12)  # type: ignore[operator]
    np.testing.assert_array_equal(tilt(start, 0.0, 0.0), start)  # type: ignore[operator]


def test_spots_outside_the_detector_or_near_the_beam_are_not_seen() -> None:
    mask = np.ones((11, 11), bool)
    mask[0] = False
    arguments = (np.eye(2) * 10, np.array([5.0, 5.0]), mask, 0.1)
    assert geometry.seen(0.3, 0.0, *arguments)
    assert not geometry.seen(0.6, 0.0, *arguments)
    assert not geometry.seen(0.0, -0.5, *arguments)  # row 0 is masked
    assert not geometry.seen(0.05, 0.05, *arguments)


@pytest.mark.parametrize("compiled", BOTH)
def test_two_beams_scatter_into_each_other_as_the_formula_says(compiled: bool) -> None:
    """Intensity of the diffracted beam: (ξ_eff/ξ)² sin²(π t / ξ_eff), with 1/ξ = λ|U|, 1/ξ_eff² = 1/ξ² + s²."""
    strength, error, step = 0.15, 0.004, 0.5
    xi = 1 / (WAVELENGTH * strength)
    coupling = 1j * np.pi * step * WAVELENGTH * strength
    slice_matrix = np.array([[np.cosh(coupling), np.sinh(coupling)], [np.sinh(coupling), np.cosh(coupling)]])
    intensity = np.zeros((1, 200, 2), np.float32)
    run = plain(dynamical.propagate, compiled)
    run(slice_matrix.astype(np.complex64), np.array([[0, error]]), step, intensity)  # type: ignore[operator]
    t = step * np.arange(1, 201)
    effective = 1 / np.sqrt(xi**-2 + error**2)
    np.testing.assert_allclose(intensity[0, :, 1], (effective / xi * np.sin(np.pi * t / effective)) ** 2, atol=2e-3)
    np.testing.assert_allclose(intensity[0].sum(axis=1), 1, atol=1e-4)


@pytest.mark.parametrize("compiled", BOTH)
def test_the_slopes_of_dynamical_intensities_are_their_derivatives(compiled: bool) -> None:
    random = np.random.default_rng(5)
    hermitian = random.normal(size=(6, 6)) + 1j * random.normal(size=(6, 6))
    slice_matrix = expm(0.02j * (hermitian + hermitian.conj().T)).astype(np.complex64)
    error, slopes = 0.02 * random.normal(size=6), random.normal(size=(6, 2))
    error[0], slopes[0] = 0.0, 0.0
    intensity, change = np.zeros((10, 6), np.float32), np.zeros((10, 2, 6), np.float32)
    run = plain(dynamical.propagate_with_slopes, compiled)
    run(slice_matrix, error, slopes, 2.0, intensity, change)  # type: ignore[operator]
    several = np.zeros((5, 10, 6), np.float32)
    step = 2e-3 * np.array([[1, 0], [-1, 0], [0, 1], [0, -1], [0, 0]])
    dynamical.propagate(slice_matrix, error + step @ slopes.T, 2.0, several)
    np.testing.assert_allclose(intensity, several[4], atol=1e-6)
    for a in range(2):
        np.testing.assert_allclose(change[:, a], (several[2 * a] - several[2 * a + 1]) / 4e-3, rtol=0.02, atol=2e-3)


@pytest.mark.parametrize("compiled", BOTH)
def test_excitation_errors_have_the_sign_of_the_conventions(compiled: bool) -> None:
    error, slopes = np.empty(2), np.empty((2, 2))
    excite = plain(dynamical.excite, compiled)
    g = np.array([[1.0, 0, 0], [0.6, 0, 0.8]])
    excite(g, np.eye(3), WAVELENGTH, error, slopes)  # type: ignore[operator]
    np.testing.assert_allclose(error, [-WAVELENGTH / 2, -(0.8 + WAVELENGTH / 2)], rtol=1e-12)
    turned, unused = np.empty(2), np.empty((2, 2))
    for a in range(2):
        excite(g, from_rotation_vector(1e-6 * np.eye(3)[a]), WAVELENGTH, turned, unused)  # type: ignore[operator]
        np.testing.assert_allclose((turned - error) / 1e-6, slopes[:, a], atol=1e-5)


@pytest.mark.parametrize("compiled", BOTH)
def test_the_best_thickness_is_the_one_that_agrees(compiled: bool) -> None:
    intensity = np.array([[1, 0.1, 0.1], [0.5, 0.4, 0.1], [0.1, 0.2, 0.7]], np.float32)
    peaks = np.array([-1, 0, 1]), np.array([False, True, True]), np.array([2.0, 1.0]), np.ones(2), 0.01, np.zeros(2)
    best = np.zeros(2)
    plain(dynamical.best_thickness, compiled)(intensity, 0, peaks, best)  # type: ignore[operator]
    assert best[1] == 1
    assert best[0] == pytest.approx(1, abs=1e-6)
    plain(dynamical.best_thickness, compiled)(intensity, 2, peaks, best)  # type: ignore[operator]
    assert best[1] == 2


@pytest.mark.parametrize("compiled", BOTH)
def test_the_strongest_spots_near_the_sphere_are_expected(compiled: bool) -> None:
    random = np.random.default_rng(6)
    g, strength, frame = random.normal(size=(30, 3)), random.random(30), rotation(3)
    spot, column = np.empty((1, 4), np.int64), np.empty((1, 4), np.int32)
    weight, number = np.empty((1, 4), np.float32), np.empty(1, np.int64)
    expect = plain(matching.expect_spots, compiled)
    expect(frame[None], g, strength, WAVELENGTH, 0.3, 0.6, 90, spot, column, weight, number)  # type: ignore[operator]
    turned = g @ frame.T
    error = turned[:, 2] + WAVELENGTH * (g**2).sum(axis=1) / 2
    bright = np.where(abs(error) < 0.6, strength * np.exp(-0.5 * (error / 0.3) ** 2), 0)
    best = np.argsort(-bright)[:4]
    assert number[0] == 4
    assert spot[0].tolist() == best.tolist()
    np.testing.assert_allclose(weight[0], bright[best] / np.linalg.norm(bright[best]), rtol=1e-6)
    azimuth = np.rad2deg(np.arctan2(turned[best, 1], turned[best, 0])) / 4
    np.testing.assert_array_equal(column[0], np.rint(azimuth) % 90)


@pytest.mark.parametrize("compiled", BOTH)
def test_beams_are_strong_near_the_sphere_and_out_of_reach_elsewhere(compiled: bool) -> None:
    random = np.random.default_rng(3)
    g, intensity, matrix = random.normal(size=(40, 3)), random.random(40), rotation(4)
    length = np.linalg.norm(g, axis=1)
    found = plain(geometry.strengths, compiled)(g, length, intensity, matrix, WAVELENGTH, (0.5, 2.0, 0.01))  # type: ignore[operator]
    error = np.abs((g @ matrix.T)[:, 2] + 0.5 * WAVELENGTH * length**2)
    inside = (error < 0.5) & (length < 2.0)
    np.testing.assert_allclose(found, np.where(inside, np.sqrt(intensity) / (error + 0.01), -1.0))
    assert 0 < inside.sum() < 40


@pytest.mark.parametrize("compiled", BOTH)
def test_beams_interact_by_the_difference_of_their_indices(compiled: bool) -> None:
    coefficients = np.arange(27, dtype=complex).reshape(3, 3, 3) + 1j
    hkl, interaction = np.array([[0, 0, 0], [1, 0, -1], [2, 0, 0]]), np.full((3, 3), np.nan + 0j)
    plain(dynamical.interact, compiled)(hkl, coefficients, interaction)  # type: ignore[operator]
    middle, along, back = coefficients[1, 1, 1], coefficients[2, 1, 0], coefficients[0, 1, 2]
    np.testing.assert_array_equal(
        interaction, [[middle, back, 0], [along, middle, coefficients[0, 1, 0]], [0, coefficients[2, 1, 2], middle]]
    )


@pytest.mark.parametrize("compiled", BOTH)
def test_a_peak_is_that_of_its_brightest_beam(compiled: bool) -> None:
    intensity, partner = np.array([0.2, 0.5, 0.1, 9.0]), np.array([0, 0, 2, -1])
    hkl, flat = np.arange(12).reshape(4, 3), np.arange(8.0).reshape(4, 2)
    expected, peak_hkl, peak_flat = np.empty(3), np.empty((3, 3), np.int64), np.empty((3, 2))
    plain(geometry.collect, compiled)(intensity, partner, hkl, flat, expected, peak_hkl, peak_flat)  # type: ignore[operator]
    np.testing.assert_allclose(expected, [0.7, 0, 0.1])
    np.testing.assert_array_equal(peak_hkl, [hkl[1], [0, 0, 0], hkl[2]])
    np.testing.assert_array_equal(peak_flat, [flat[1], [np.nan, np.nan], flat[2]])
