"""Which noise model a scan has: recognised from its values and from photon transfer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.surveying.noise import NoiseModel
from clustem.surveying.transfer import Line, noise_line, pair_places, shared_noise, transfer_of

__all__ = ["estimate_noise", "pair_places"]

_LEAST_PAIRS = 4  # that tell something
_UNIT = 0.15  # by which the gain of counts may seem to differ from 1: structure that the fit leaves
_SIGNIFICANT = 4.0  # standard errors
_SHOWN, _FEW = 8, 20_000  # pairs, and values of them, whose steps are looked at
_UNTESTED = 0.3  # relative standard error of the gain above which whole numbers are taken for counts untested


def estimate_noise(
    pairs: NDArray[Any], mean: NDArray[np.float64], use: NDArray[np.bool_], *, patterns: int, whole: bool
) -> NoiseModel:
    """Return the noise model of a scan.

    Parameters
    ----------
    pairs : (n, 2, k_y, k_x)
        Patterns of neighbouring scan positions; those without a count are left out.
    mean : (k_y, k_x) float64
        Over the `patterns` patterns of the scan.
    use : (k_y, k_x) bool
        Pixels that count.
    patterns : int
    whole : bool
        Whether all values are whole and not negative, so that they can be electron counts.

    Notes
    -----
    The variance of the differences of neighbouring patterns is set against their mean, pixels of like mean together:
    photon transfer. True differences add to it, least where it is dark, so the lower envelope counts. Whole numbers
    whose variance is their mean are counts; then the gain is exactly 1. Where a constant part is left, the darkest
    pixels say where the offset is; if no pixel is empty, offset and read noise are those of the darkest, which changes
    no variance.
    """
    live = pairs[(pairs != 0).any(axis=(2, 3)).all(axis=1)] if len(pairs) else pairs
    if len(live) < _LEAST_PAIRS or use.sum() < 2:
        return _untested(whole, "the scan has too few neighbouring positions to measure its noise")
    transfer = transfer_of(live, mean, use, patterns)
    line = noise_line(transfer, patterns)
    covariance = shared_noise(transfer, line)
    found = f"measured on {len(live)} pairs of neighbouring positions"
    if whole and math.isnan(line.dark) and line.error > _UNTESTED * abs(line.gain):
        return _untested(whole, "too few counts to measure the noise of these whole numbers")
    margin = max(_UNIT, _SIGNIFICANT * line.error) if math.isnan(line.dark) else _UNIT
    if whole and abs(line.dark_ratio - 1) < margin:
        # also where the darkest pixels alone show it, because all that is brighter may be structure
        reason = f"whole numbers whose variance is {line.dark_ratio:.3f} of their mean; {found}"
        return NoiseModel("counts", covariance=covariance, reason=reason)
    if not math.isnan(line.dark) and abs(line.dark_ratio / _step(live) - 1) < _UNIT:
        line = Line(line.dark_ratio, line.error)  # values a gain apart: counts that were rescaled or averaged
    return _with_gain(line, covariance, pairs.dtype.kind in "ui", found)


def _step(pairs: NDArray[Any]) -> float:
    """Return the smallest step between values, as far as a few show it; infinite if there is none."""
    values = np.unique(pairs[:: max(1, len(pairs) // _SHOWN)].ravel()[:_FEW].astype(float))
    return float(np.diff(values).min(initial=math.inf))


def _with_gain(line: Line, covariance: tuple[float, float, float, float], integers: bool, found: str) -> NoiseModel:
    """Return the model of a line; the darkest pixels are taken for empty, as far as the variance allows it."""
    gain = max(line.gain, 0.0)
    offset = 0.0 if math.isnan(line.dark) else line.dark
    square = max(line.constant + gain * offset, 0.0)
    what = "whole numbers" if integers else "real numbers"
    error = f" ± {line.error:.2g}" if math.isfinite(line.error) else ""
    return NoiseModel(
        "gain" if integers else "unknown",
        gain=gain,
        offset=offset,
        read_noise=math.sqrt(square),
        covariance=covariance,
        reason=f"{what} of gain {gain:.4g}{error}; {found}",
    )


def _untested(whole: bool, why: str) -> NoiseModel:
    """Return unit gain, which is right for counts and a guess for all else."""
    return NoiseModel("counts" if whole else "unknown", reason=f"{why}: {'counts' if whole else 'unit gain'} assumed")
