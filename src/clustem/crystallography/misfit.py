"""How badly an orientation explains a pattern, and what that makes it worth among others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from clustem.crystallography.pattern import Pattern
from clustem.crystallography.refining import Fit

Array = NDArray[np.float64]

_MODEL_ERROR = 0.15  # relative error of a computed amplitude: thickness variation, bending, neighbours in the average
_FLOOR_ERROR = 0.3  # error of any amplitude in units of the faintest that is found: weak peaks may be of other origin
_FREEDOM = 4.0  # of Student's t: single peaks may be far off
_TEMPERATURE = 3.0  # peaks are not independent evidence; calibrated on simulated films, see docs/orientation.md
_ROUNDS = 5


def misfit(pattern: Pattern, fit: Fit) -> float:
    """Twice the negative logarithm of the likelihood of the amplitudes, up to a constant; 0 is perfect.

    Errors are those of the counts, a share of the amplitude, and a share of the faintest amplitude that is found; their
    distribution is Student's t. Spots that are expected brighter than that but have no peak count too.
    """
    measured, model, floor = pattern.amplitude, np.sqrt(fit.expected), np.sqrt(pattern.floor)
    missing = np.sqrt(fit.missing)
    counting = pattern.intensity_error**2 / (4 * np.maximum(pattern.intensity, 1e-30))
    scale = (measured @ model) / max(model @ model, 1e-30)
    for _ in range(_ROUNDS):
        variance = _variance(measured, scale * model, floor) + counting
        weight = 1 / (variance + (measured - scale * model) ** 2 / _FREEDOM)
        scale = (weight * measured) @ model / max((weight * model) @ model, 1e-30)
    variance = _variance(measured, scale * model, floor) + counting
    over = np.maximum(0.0, scale * missing - floor)
    squares = np.concatenate([(measured - scale * model) ** 2 / variance, over**2 / _variance(0.0, scale * missing, floor)])
    return float(_FREEDOM * np.log1p(squares / _FREEDOM).sum())


def _variance(measured: Array | float, model: Array, floor: float) -> Array:
    larger: Array = np.maximum(measured, model)
    return (_FLOOR_ERROR * floor) ** 2 + (_MODEL_ERROR * larger) ** 2 + 1e-30


def probabilities(misfits: Array) -> Array:
    """Return the shares (n,), adding up to 1, of alternatives with misfits (n,)."""
    weight = np.exp(-0.5 * (misfits - misfits.min()) / _TEMPERATURE)
    return np.asarray(weight / weight.sum(), np.float64)


def explained(pattern: Pattern, fit: Fit) -> float:
    """Return the share of the measured amplitude that lies at peaks where the fit expects a visible one."""
    if not pattern.amplitude.sum() > 0:
        return 0.0
    model = np.sqrt(fit.expected)
    scale = (pattern.amplitude @ model) / max(model @ model, 1e-30)
    hit = np.minimum(scale * model, pattern.amplitude)
    return float(hit.sum() / pattern.amplitude.sum())


def shares(pattern: Pattern, fits: list[Fit]) -> Array:
    """Return how much of the pattern each of several fits makes together with the others, (n,), the sum at most 1.

    Non-negative least squares of the measured amplitudes; spots that are expected but missing are rows of zeros.
    """
    rows = [np.concatenate([np.sqrt(fit.expected), _lonely(fits, i)]) for i, fit in enumerate(fits)]
    target = np.concatenate([pattern.amplitude, np.zeros(len(fits))])
    weight, _ = nnls(np.stack(rows, axis=1), target)
    part = np.array([w * np.sqrt(fit.expected).sum() for w, fit in zip(weight, fits, strict=True)])
    return part / max(part.sum(), pattern.amplitude.sum(), 1e-30)


def _lonely(fits: list[Fit], index: int) -> Array:
    row = np.zeros(len(fits))
    row[index] = np.sqrt(fits[index].missing.sum())
    return row
