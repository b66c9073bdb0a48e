"""Compiled loops that say how badly expected amplitudes explain measured ones: arrays and scalars in, a number out.

In all of them measured (n,) are the amplitudes of the peaks, counting (n,) their variances from the counts, and model
(n,) the expected amplitudes; floor is the faintest amplitude that is found.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.compiling import compiled

Array = NDArray[Any]

LEAST_MODEL_ERROR, LARGEST_MODEL_ERROR = 0.15, 0.6
"""Relative error of a computed amplitude: thickness, bending, mixtures."""
DEPENDENT = 3.0
"""Times the variance of what a model is off by: unlike counts, that is alike for many peaks."""
_FREEDOM = 4.0  # of Student's t: single peaks may be far off
_FLOOR_ERROR = 0.3  # error of any amplitude in units of the floor: weak peaks may be of other origin
_ROUNDS = 5


@compiled()
def _variance(measured: float, model: float, floor: float, model_error: float) -> float:
    """Return the variance of an amplitude; where next to nothing is expected, the model cannot be off by much."""
    relative = model_error if model > 0.5 * floor else LEAST_MODEL_ERROR
    of_floor, of_model = _FLOOR_ERROR * floor, relative * max(measured, model)
    return DEPENDENT * (of_floor * of_floor + of_model * of_model) + 1e-30


@compiled()
def robust_sum(squares: Array) -> float:
    """Return the sum of squares (n,), in units of their variance, of which some may be far off (Student's t)."""
    total = 0.0
    for q in range(squares.size):
        total += _FREEDOM * np.log1p(squares[q] / _FREEDOM)
    return total


@compiled()
def best_scale(measured: Array, model: Array, counting: Array, floor: float, model_error: float) -> float:
    """Return the factor that brings the model to what is measured, in which single peaks far off count little."""
    product, square = 0.0, 0.0
    for q in range(measured.size):
        product += measured[q] * model[q]
        square += model[q] * model[q]
    scale = product / max(square, 1e-30)
    for _ in range(_ROUNDS):
        product, square = 0.0, 0.0
        for q in range(measured.size):
            rest = measured[q] - scale * model[q]
            variance = _variance(measured[q], scale * model[q], floor, model_error) + counting[q]
            weight = 1.0 / (variance + rest * rest / _FREEDOM)
            product += weight * measured[q] * model[q]
            square += weight * model[q] * model[q]
        scale = product / max(square, 1e-30)
    return scale


@compiled()
def disagreement(
    measured: Array, model: Array, missing: Array, counting: Array, floor: float, model_error: float
) -> float:
    """Return the robust sum of squares of peaks, and of missing (m,), the amplitudes of spots without a peak.

    The model is already on the scale of what is measured. Spots count as far as they exceed the floor.
    """
    squares = np.empty(measured.size + missing.size)
    for q in range(measured.size):
        rest = measured[q] - model[q]
        squares[q] = rest * rest / (_variance(measured[q], model[q], floor, model_error) + counting[q])
    for j in range(missing.size):
        excess = max(0.0, missing[j] - floor)
        squares[measured.size + j] = excess * excess / _variance(missing[j], missing[j], floor, model_error)
    return float(robust_sum(squares))


@compiled()
def relative_error(measured: Array, model: Array) -> float:
    """Return the median relative difference, as a standard deviation, of the brighter half of the expected peaks."""
    paired = np.flatnonzero(model > 0.0)
    if paired.size == 0:
        return LEAST_MODEL_ERROR
    bright = paired[np.argsort(-measured[paired], kind="mergesort")[: max(4, paired.size // 2)]]
    ratio = measured[bright] / model[bright]
    return float(1.48 * np.median(np.abs(np.log(ratio / np.median(ratio)))))
