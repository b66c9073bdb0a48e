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
_STRAIN = 0.015  # strains are expected to be about as large
_ROUNDS = 5


def misfit(pattern: Pattern, fit: Fit) -> float:
    """Twice the negative logarithm of the likelihood of the peaks, up to a constant; 0 is perfect.

    Amplitudes have the errors of the counts, a share of themselves, and a share of the faintest that is found. Spots
    that are expected brighter than that but have no peak count too, and so do the distances of peaks from their spots,
    and strains. All but the strains may be far off now and then (Student's t).
    """
    measured, model, floor = pattern.amplitude, np.sqrt(fit.expected), np.sqrt(pattern.floor)
    missing = np.sqrt(fit.missing)
    counting = pattern.intensity_error**2 / (4 * np.maximum(pattern.intensity, 1e-30))
    scale = (measured @ model) / max(float(model @ model), 1e-30)
    for _ in range(_ROUNDS):
        variance = _variance(measured, scale * model, floor) + counting
        weight = 1 / (variance + (measured - scale * model) ** 2 / _FREEDOM)
        scale = (weight * measured) @ model / max(float((weight * model) @ model), 1e-30)
    variance = _variance(measured, scale * model, floor) + counting
    over = np.maximum(0.0, scale * missing - floor)
    squares = [(measured - scale * model) ** 2 / variance, over**2 / _variance(0.0, scale * missing, floor)]
    return _robust(np.concatenate([*squares, _offsets(pattern, fit)])) + float(((fit.strain / _STRAIN) ** 2).sum())


def misfit_of_nothing(pattern: Pattern) -> float:
    """Return the misfit of a crystal that scatters nothing."""
    counting = pattern.intensity_error**2 / (4 * np.maximum(pattern.intensity, 1e-30))
    variance = _variance(pattern.amplitude, np.zeros(len(pattern.g)), np.sqrt(pattern.floor)) + counting
    return _robust(pattern.intensity / variance)


def _robust(squares: Array) -> float:
    return float(_FREEDOM * np.log1p(squares / _FREEDOM).sum())


def _offsets(pattern: Pattern, fit: Fit) -> Array:
    """Return the squared distances of paired peaks from where they are expected, in units of their variance."""
    paired = fit.hkl.any(axis=1)
    xx, yy, xy = fit.strain
    strained = fit.spots[paired] @ (np.eye(2) - np.array([[xx, xy], [xy, yy]]))
    squares: Array = ((pattern.g[paired] - strained) ** 2).sum(axis=1) * pattern.precision[paired]
    return squares


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
    scale = (pattern.amplitude @ model) / max(float(model @ model), 1e-30)
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
    return np.asarray(part / max(part.sum(), pattern.amplitude.sum(), 1e-30), np.float64)


def _lonely(fits: list[Fit], index: int) -> Array:
    row = np.zeros(len(fits))
    row[index] = np.sqrt(fits[index].missing.sum())
    return row
