"""How badly an orientation explains a pattern, and what that makes it worth among others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from clustem.crystallography import _misfit_kernels as kernels
from clustem.crystallography.pattern import Pattern
from clustem.crystallography.refining import Fit

Array = NDArray[np.float64]

_AS_MUCH = 0.9  # candidates that have a spot for so much of what the best one has, show how good the model is
_STRAIN = 0.015  # strains are expected to be about as large


def misfit(pattern: Pattern, fit: Fit, model_error: float = kernels.LEAST_MODEL_ERROR) -> float:
    """Twice the negative logarithm of the likelihood of the peaks, up to a constant; 0 is perfect.

    Amplitudes have the errors of the counts, which are independent, and a share of themselves and of the faintest that
    is found, which many peaks have in common, so that they are evidence of a third. Spots that are expected brighter
    than the faintest but have no peak count too, and so do the distances of peaks from their spots, and strains. All
    but the strains may be far off now and then (Student's t).
    """
    model, floor, counting = np.sqrt(fit.expected), float(np.sqrt(pattern.floor)), _counting(pattern)
    scale = float(kernels.best_scale(pattern.amplitude, model, counting, floor, model_error))
    missing = scale * np.sqrt(fit.missing)
    amplitudes = kernels.disagreement(pattern.amplitude, scale * model, missing, counting, floor, model_error)
    places = kernels.robust_sum(_offsets(pattern, fit) / kernels.DEPENDENT)
    return float(amplitudes + places + ((fit.strain / _STRAIN) ** 2).sum() / kernels.DEPENDENT)


def model_error(pattern: Pattern, fits: Sequence[Fit]) -> float:
    """Return the relative error of computed amplitudes, from the fit that agrees best of those that explain the most.

    It is small for thin and even crystals, and large for thick, bent or precessed ones, where intensities say less.
    """
    if not fits:
        return kernels.LEAST_MODEL_ERROR
    placed = np.array([pattern.amplitude[fit.expected > 0].sum() for fit in fits])
    most = [fit for fit, amplitude in zip(fits, placed, strict=True) if amplitude >= _AS_MUCH * placed.max()]
    least = min(float(kernels.relative_error(pattern.amplitude, np.sqrt(fit.expected))) for fit in most)
    return min(max(least, kernels.LEAST_MODEL_ERROR), kernels.LARGEST_MODEL_ERROR)


def misfit_of_nothing(pattern: Pattern) -> float:
    """Return the misfit of a crystal that scatters nothing."""
    nothing, floor = np.zeros(len(pattern.g)), float(np.sqrt(pattern.floor))
    counting = _counting(pattern)
    error = kernels.LEAST_MODEL_ERROR
    return float(kernels.disagreement(pattern.amplitude, nothing, np.zeros(0), counting, floor, error))


def _counting(pattern: Pattern) -> Array:
    """Return the variance (n,) of amplitudes from that of the counts."""
    variance: Array = pattern.intensity_error**2 / (4 * np.maximum(pattern.intensity, 1e-30))
    return variance


def _offsets(pattern: Pattern, fit: Fit) -> Array:
    """Return the squared distances of paired peaks from where they are expected, in units of their variance."""
    paired = fit.hkl.any(axis=1)
    xx, yy, xy = fit.strain
    strained = fit.spots[paired] @ (np.eye(2) - np.array([[xx, xy], [xy, yy]]))
    squares: Array = ((pattern.g[paired] - strained) ** 2).sum(axis=1) * pattern.precision[paired]
    return squares


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
