"""Compiled loops that say how well expected intensities agree with a pattern, and which way they agree better.

In all of them intensity (N,) are the expected ones of the beams; partner (N,) is the peak of each, −1 = none, and
visible (N,) whether one could have been found; amplitude (n,) are the peaks' and trust (n,), 0 … 1, is how near a beam
each of them lies; floor is the amplitude that would have been found; expected (n,) is filled with the intensity of all
beams that fall on each peak.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.compiling import compiled
from clustem.solving import factorise_positive, solve_positive

Array = NDArray[Any]

_SOFT = 1e-3  # of the mean intensity; keeps the slope of the root of an intensity finite where next to none is expected


@compiled()
def _sums(amplitude: Array, trust: Array, floor: float, expected: Array) -> tuple[float, float, float, float]:
    """Return sums over peaks (n,): measured², measured × expected and expected², and the floor² as expected.

    The floor is the amplitude of the faintest that would have been found, on the scale of the expected ones.
    """
    measured, product, model = 0.0, 0.0, 0.0
    for q in range(amplitude.size):
        measured += amplitude[q] * amplitude[q]
        product += amplitude[q] * trust[q] * np.sqrt(expected[q])
        model += expected[q]
    faint = (floor * model / product) ** 2 if product > 0.0 else 0.0
    return measured, product, model, faint


@compiled()
def agreement(
    intensity: Array, partner: Array, visible: Array, amplitude: Array, trust: Array, floor: float, expected: Array
) -> float:
    """Return the normalised correlation, 0 … 1, of the measured amplitudes with the expected ones.

    Beams without a peak count against it as far as they exceed what would have been found.
    """
    expected[:] = 0.0
    for j in range(intensity.size):
        if partner[j] >= 0:
            expected[partner[j]] += intensity[j]
    measured, product, model, faint = _sums(amplitude, trust, floor, expected)
    for j in range(intensity.size):
        if partner[j] < 0 and visible[j]:
            model += max(0.0, intensity[j] - faint)
    return product / np.sqrt(measured * model) if measured > 0.0 and model > 0.0 else 0.0


@compiled()
def agreement_with_slopes(
    intensity: Array,
    change: Array,
    partner: Array,
    visible: Array,
    amplitude: Array,
    trust: Array,
    floor: float,
    expected: Array,
    gradient: Array,
    curvature: Array,
) -> float:
    """Return the agreement; fill its gradient (3,) and minus its curvature (3, 3) in three parameters.

    change (N, 3) are the derivatives of the intensities. The curvature is that of Gauss and Newton: of the squared
    difference of the normalised amplitudes, as if the expected amplitudes were linear in the parameters.
    """
    value = float(agreement(intensity, partner, visible, amplitude, trust, floor, expected))
    rise, pull, drift = np.zeros((amplitude.size, 3)), np.zeros(3), np.zeros(3)
    for j in range(intensity.size):
        if partner[j] >= 0:
            rise[partner[j]] += change[j]
    measured, _, model, faint = _sums(amplitude, trust, floor, expected)
    soft = _SOFT * model / max(1, amplitude.size) + 1e-300
    curvature[:] = 0.0
    for q in range(amplitude.size):
        root = np.sqrt(expected[q] + soft)
        for a in range(3):
            step = 0.5 * rise[q, a] / root
            pull[a] += amplitude[q] * trust[q] * step
            drift[a] += 0.5 * rise[q, a]
            for b in range(3):
                curvature[a, b] += step * 0.5 * rise[q, b] / root
    for j in range(intensity.size):
        excess = intensity[j] - faint
        if partner[j] < 0 and visible[j] and excess > 0.0:
            model += excess
            for a in range(3):
                drift[a] += 0.5 * change[j, a]
                for b in range(3):
                    curvature[a, b] += 0.25 * change[j, a] * change[j, b] / (excess + soft)
    gradient[:] = 0.0
    if measured > 0.0 and model > 0.0:
        for a in range(3):
            gradient[a] = pull[a] / np.sqrt(measured * model) - value * drift[a] / model
            for b in range(3):
                curvature[a, b] = (curvature[a, b] - drift[a] * drift[b] / model) / model
    return value


@compiled()
def climbing_step(gradient: Array, curvature: Array, damping: float, longest: Array, step: Array) -> None:
    """Fill step (3,) with that of Levenberg and Marquardt, no longer than longest (3,) in any parameter."""
    damped = curvature.copy()
    for a in range(3):
        damped[a, a] = curvature[a, a] * (1.0 + damping) + 1e-12
    step[:] = gradient
    factorise_positive(damped)
    solve_positive(damped, step)
    factor = 1.0
    for a in range(3):
        if abs(step[a]) > longest[a]:
            factor = min(factor, longest[a] / abs(step[a]))
    step *= factor


@compiled()
def spread_of_tilt(value: float, number: int, curvature: Array, covariance: Array) -> None:
    """Fill covariance (2, 2) of the tilts, the first two parameters, from what the fit leaves unexplained.

    With n amplitudes of equal, unknown error the logarithm of the likelihood is −(n/2) log(1 − agreement²), so that its
    curvature is n · agreement / (1 − agreement²) times that of the agreement. The third parameter is free. Infinite
    where there is no curvature.
    """
    covariance[:] = 0.0
    covariance[0, 0] = covariance[1, 1] = np.inf
    free = curvature[:2, :2].copy()
    if curvature[2, 2] > 0.0:
        for a in range(2):
            for b in range(2):
                free[a, b] -= curvature[a, 2] * curvature[b, 2] / curvature[2, 2]
    determinant = free[0, 0] * free[1, 1] - free[0, 1] * free[1, 0]
    scale = number * value / max(1e-6, 1.0 - value * value)
    if free[0, 0] > 0.0 and determinant > 0.0 and scale > 0.0:
        covariance[0, 0], covariance[1, 1] = free[1, 1] / (determinant * scale), free[0, 0] / (determinant * scale)
        covariance[0, 1] = covariance[1, 0] = -free[0, 1] / (determinant * scale)
