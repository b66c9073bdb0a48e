"""Answers worked by hand, and that the loops say the same whether they are compiled or not."""

from __future__ import annotations

import numpy as np
import pytest

from clustem.crystallography import _misfit_kernels as kernels

BOTH = [pytest.param(True, id="compiled"), pytest.param(False, id="plain")]


def plain(kernel: object, compiled: bool) -> object:
    return kernel if compiled else kernel.py_func  # type: ignore[attr-defined]


@pytest.mark.parametrize("compiled", BOTH)
def test_the_sum_grows_with_the_logarithm_of_what_is_far_off(compiled: bool) -> None:
    robust = plain(kernels.robust_sum, compiled)
    assert robust(np.array([0.0, 4.0, 400.0])) == pytest.approx(4 * (np.log(2) + np.log(101)))  # type: ignore[operator]


@pytest.mark.parametrize("compiled", BOTH)
def test_the_scale_does_not_follow_a_peak_that_is_far_off(compiled: bool) -> None:
    model = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    measured = 2 * model
    scale = plain(kernels.best_scale, compiled)
    assert scale(measured, model, np.zeros(5), 0.1, 0.15) == pytest.approx(2)  # type: ignore[operator]
    measured[0] = 60.0
    least_squares = measured @ model / (model @ model)
    robust = scale(measured, model, np.zeros(5), 0.1, 0.15)  # type: ignore[operator]
    assert abs(robust - 2) < 0.3 * abs(least_squares - 2)
    assert scale(measured, np.zeros(5), np.zeros(5), 0.1, 0.15) == 0  # type: ignore[operator]


@pytest.mark.parametrize("compiled", BOTH)
def test_the_disagreement_of_single_peaks_is_that_of_the_formula(compiled: bool) -> None:
    """The variance is 3 ((0.3 floor)² + (error · larger one)²) + counting; the error 0.15 if little is expected."""
    off = plain(kernels.disagreement, compiled)
    none, floor, error = np.zeros(0), 0.5, 0.4
    variance = 3 * (0.15**2 + (0.4 * 2.0) ** 2) + 0.1
    value = off(np.array([2.0]), np.array([1.0]), none, np.array([0.1]), floor, error)  # type: ignore[operator]
    assert value == pytest.approx(4 * np.log1p(1 / variance / 4))
    variance = 3 * (0.15**2 + (0.15 * 2.0) ** 2)
    value = off(np.array([2.0]), np.array([0.2]), none, np.zeros(1), floor, error)  # type: ignore[operator]
    assert value == pytest.approx(4 * np.log1p(1.8**2 / variance / 4))
    variance = 3 * (0.15**2 + (0.4 * 0.9) ** 2)
    value = off(none, none, np.array([0.9, 0.4]), none, floor, error)  # type: ignore[operator]
    assert value == pytest.approx(4 * np.log1p(0.4**2 / variance / 4))  # what is below the floor would not be seen


@pytest.mark.parametrize("compiled", BOTH)
def test_the_relative_error_is_that_of_the_brighter_half(compiled: bool) -> None:
    relative = plain(kernels.relative_error, compiled)
    model = np.array([8.0, 7.0, 6.0, 5.0, 0.01, 0.02, 0.03, 0.0])
    measured = np.array([8.0, 7.0, 6.6, 5.5, 1.0, 2.0, 3.0, 9.0])
    middle = np.sqrt(1.1)
    expected = 1.48 * np.median(np.abs(np.log(np.array([1, 1, 1.1, 1.1]) / np.median([1, 1, 1.1, 1.1]))))
    assert relative(measured, model) == pytest.approx(expected)  # type: ignore[operator]
    assert expected == pytest.approx(1.48 * np.log(middle), rel=0.03)
    assert relative(measured, np.zeros(8)) == kernels.LEAST_MODEL_ERROR  # type: ignore[operator]
