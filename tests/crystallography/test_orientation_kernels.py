"""The compiled loops of matching and refinement against a few lines of NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from clustem.crystallography import _dynamical_kernels as dynamical
from clustem.crystallography import _geometry_kernels as geometry
from clustem.crystallography import _matching_kernels as matching
from clustem.crystallography import _refining_kernels as refining
from clustem.crystallography.rotations import from_rotation_vector

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
def test_zones_are_correlated_at_all_azimuths_and_mirrored(compiled: bool) -> None:
    random = np.random.default_rng(0)
    rows = np.tile(random.random((3, 36), np.float32), 2)
    shell, column = random.integers(0, 3, 5).astype(np.int32), random.integers(0, 36, 5).astype(np.int32)
    weight = random.random(5).astype(np.float32)
    scores, angles = np.empty((1, 2, 2), np.float32), np.empty((1, 2, 2), np.int64)
    correlate = plain(matching.correlate_zones, compiled)
    correlate(rows, np.array([0, 5]), shell, column, weight, 3, scores, angles)  # type: ignore[operator]
    for mirror, sign in enumerate((1, -1)):
        total = sum(w * np.roll(rows[s, :36], -sign * c) for s, c, w in zip(shell, column, weight, strict=True))
        assert angles[0, mirror, 0] == np.argmax(total)
        assert scores[0, mirror, 0] == pytest.approx(total.max(), rel=1e-5)
        gap = abs(angles[0, mirror, 1] - angles[0, mirror, 0])
        assert min(gap, 36 - gap) >= 3


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
def test_the_relrod_is_a_squared_sinc(compiled: bool) -> None:
    relrod = plain(refining.relrod, compiled)
    for s in (0.0, 0.01, -0.03):
        assert relrod(s, 40.0, 0.0) == pytest.approx(np.sinc(s * 40) ** 2)  # type: ignore[operator]
    swing = np.mean(np.sinc(40 * (0.01 + 0.02 * np.cos(np.linspace(0, np.pi, 20001)))) ** 2)
    assert relrod(0.01, 40.0, 0.02) == pytest.approx(swing, rel=0.02)  # type: ignore[operator]


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
    intensity = np.zeros((200, 2), np.float32)
    run = plain(dynamical.propagate, compiled)
    run(slice_matrix.astype(np.complex64), np.array([0, error], np.float32), step, intensity)  # type: ignore[operator]
    t = step * np.arange(1, 201)
    effective = 1 / np.sqrt(xi**-2 + error**2)
    np.testing.assert_allclose(intensity[:, 1], (effective / xi * np.sin(np.pi * t / effective)) ** 2, atol=2e-3)
    np.testing.assert_allclose(intensity.sum(axis=1), 1, atol=1e-4)


@pytest.mark.parametrize("compiled", BOTH)
def test_excitation_errors_have_the_sign_of_the_conventions(compiled: bool) -> None:
    error = np.empty(2)
    excite = plain(dynamical.excite, compiled)
    excite(np.array([[1.0, 0, 0], [0.6, 0, 0.8]]), np.eye(3), WAVELENGTH, error)  # type: ignore[operator]
    np.testing.assert_allclose(error, [-WAVELENGTH / 2, -(0.8 + WAVELENGTH / 2)], rtol=1e-12)


@pytest.mark.parametrize("compiled", BOTH)
def test_the_best_thickness_is_the_one_that_agrees(compiled: bool) -> None:
    intensity = np.array([[1, 0.1, 0.1], [0.5, 0.4, 0.1], [0.1, 0.2, 0.7]], np.float32)
    expected, best = np.zeros(2), np.zeros(2)
    find = plain(dynamical.best_thickness, compiled)
    find(intensity, np.array([-1, 0, 1]), np.ones(3, bool), np.array([2.0, 1.0]), np.ones(2), 0.01, 0, expected, best)  # type: ignore[operator]
    assert best[1] == 1
    assert best[0] == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(expected, [0.4, 0.1], rtol=1e-6)
