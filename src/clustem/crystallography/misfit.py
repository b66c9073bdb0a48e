"""How badly an orientation explains a pattern, and what that makes it worth among others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from clustem.crystallography.pattern import Pattern
from clustem.crystallography.refining import Fit

Array = NDArray[np.float64]

_MODEL_ERRORS = (0.15, 0.6)  # least and largest relative error of a computed amplitude: thickness, bending, mixtures
_AS_MUCH = 0.9  # candidates that have a spot for so much of what the best one has, show how good the model is
_FLOOR_ERROR = 0.3  # error of any amplitude in units of the faintest that is found: weak peaks may be of other origin
_FREEDOM = 4.0  # of Student's t: single peaks may be far off
_DEPENDENT = 3.0  # times the variance of what a model is off by: unlike counts, that is alike for many peaks
_STRAIN = 0.015  # strains are expected to be about as large
_ROUNDS = 5


def misfit(pattern: Pattern, fit: Fit, model_error: float = _MODEL_ERRORS[0]) -> float:
    """Twice the negative logarithm of the likelihood of the peaks, up to a constant; 0 is perfect.

    Amplitudes have the errors of the counts, which are independent, and a share of themselves and of the faintest that
    is found, which many peaks have in common, so that they are evidence of a third. Spots that are expected brighter
    than the faintest but have no peak count too, and so do the distances of peaks from their spots, and strains. All
    but the strains may be far off now and then (Student's t).
    """
    measured, model, floor = pattern.amplitude, np.sqrt(fit.expected), np.sqrt(pattern.floor)
    missing = np.sqrt(fit.missing)
    counting = pattern.intensity_error**2 / (4 * np.maximum(pattern.intensity, 1e-30))
    scale = float(measured @ model) / max(float(model @ model), 1e-30)
    for _ in range(_ROUNDS):
        variance = _variance(measured, scale * model, floor, model_error) + counting
        weight = 1 / (variance + (measured - scale * model) ** 2 / _FREEDOM)
        scale = float((weight * measured) @ model) / max(float((weight * model) @ model), 1e-30)
    variance = _variance(measured, scale * model, floor, model_error) + counting
    over = np.maximum(0.0, scale * missing - floor) ** 2 / _variance(
        scale * missing, scale * missing, floor, model_error
    )
    squares = np.concatenate([(measured - scale * model) ** 2 / variance, over, _offsets(pattern, fit) / _DEPENDENT])
    return _robust(squares) + float(((fit.strain / _STRAIN) ** 2).sum()) / _DEPENDENT


def model_error(pattern: Pattern, fits: Sequence[Fit]) -> float:
    """Return the relative error of computed amplitudes, from the fit that agrees best of those that explain the most.

    It is small for thin and even crystals, and large for thick, bent or precessed ones, where intensities say less.
    """
    if not fits:
        return _MODEL_ERRORS[0]
    placed = np.array([pattern.amplitude[fit.expected > 0].sum() for fit in fits])
    errors = [_relative_error(pattern, fits[i]) for i in np.flatnonzero(placed >= _AS_MUCH * placed.max()).tolist()]
    return float(np.clip(min(errors), *_MODEL_ERRORS))


def _relative_error(pattern: Pattern, fit: Fit) -> float:
    """Return the median relative difference of amplitudes, as a standard deviation, of the brighter half of peaks."""
    paired = np.flatnonzero(fit.expected > 0)
    bright = paired[np.argsort(-pattern.amplitude[paired], kind="stable")[: max(4, len(paired) // 2)]]
    ratio = pattern.amplitude[bright] / np.sqrt(fit.expected[bright])
    return float(1.48 * np.median(np.abs(np.log(ratio / np.median(ratio))))) if bright.size else _MODEL_ERRORS[0]


def misfit_of_nothing(pattern: Pattern) -> float:
    """Return the misfit of a crystal that scatters nothing."""
    counting = pattern.intensity_error**2 / (4 * np.maximum(pattern.intensity, 1e-30))
    variance = (
        _variance(pattern.amplitude, np.zeros(len(pattern.g)), np.sqrt(pattern.floor), _MODEL_ERRORS[0]) + counting
    )
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


def _variance(measured: Array, model: Array, floor: float, model_error: float) -> Array:
    """Return the variance of amplitudes; where next to nothing is expected, the model cannot be off by much."""
    relative = np.where(model > 0.5 * floor, model_error, _MODEL_ERRORS[0])
    return _DEPENDENT * ((_FLOOR_ERROR * floor) ** 2 + (relative * np.maximum(measured, model)) ** 2) + 1e-30


def probabilities(misfits: Array, peaks: int) -> Array:
    """Return the shares (n,), adding up to 1, of alternatives with misfits (n,) to a number of peaks.

    The best misfit per peak says by how much the errors are larger than they are taken to be, if it is above 1 (R. T.
    Birge, Phys. Rev. 40, 207, 1932): differences count that much less.
    """
    excess = max(1.0, float(misfits.min()) / max(1, peaks))
    weight = np.exp(-0.5 * (misfits - misfits.min()) / excess)
    return np.asarray(weight / weight.sum(), np.float64)


def reached(pattern: Pattern, fit: Fit) -> Array:
    """Return the amplitude (n,) that the fit expects at every peak, at most the measured one."""
    model = np.sqrt(fit.expected)
    scale = (pattern.amplitude @ model) / max(float(model @ model), 1e-30)
    hit: Array = np.minimum(scale * model, pattern.amplitude)
    return hit


def explained(pattern: Pattern, fit: Fit) -> float:
    """Return the share of the measured amplitude that lies at peaks where the fit expects a visible one."""
    total = float(pattern.amplitude.sum())
    return float(reached(pattern, fit).sum()) / total if total > 0 else 0.0


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
