"""Noise without a model: from what neighbouring positions of a window do not share."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from clustem.segmentation.features.basis import Basis
from clustem.segmentation.features.constants import FEATURES
from clustem.surveying import Survey

_ROUNDS = 10
_DRAWN, _SEED = 4000, 20260103
_AROUND = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0))


def noise_fits(survey: Survey) -> bool:
    """Return whether the noise of a scan follows its model: it grows with the mean, pixel by pixel.

    Patterns whose contrast was stretched, or that were compressed or averaged, have noise that hardly depends on the
    mean, or that neighbouring pixels share.
    """
    shared = max((abs(value) for value in survey.noise.covariance), default=0.0)
    return survey.noise.gain > 0 and shared < FEATURES.most_shared


def whitened(values: NDArray[np.float32], basis: Basis) -> tuple[NDArray[np.float32], NDArray[np.float32], Basis]:
    """Return contrasts (h, w, D) of even noise, its variance (h, w) at every position, and their basis.

    How noise is shared between contrasts is told by the more alike half of all pairs of neighbours, which lie inside of
    regions, widened by what taking the lower half of normal noise leaves out. How large it is at a position is half of
    the second smallest squared distance to its eight neighbours, over what that is for even noise.
    """
    size = values.shape[2]
    steps = np.concatenate([np.diff(values, axis=axis).reshape(-1, size) for axis in (0, 1)]).astype(np.float64)
    steps /= np.sqrt(2)
    steps = steps[steps.any(axis=1)]  # dead positions are exactly alike, and tell nothing
    if len(steps) < 2 * size:
        return values, np.ones(values.shape[:2], np.float32), basis
    covariance = steps.T @ steps / len(steps)
    left_out = float(chi2.cdf(chi2.median(size), size + 2)) / 0.5
    for _ in range(_ROUNDS):
        covariance += np.eye(size) * max(1e-9 * float(np.trace(covariance)) / size, 1e-300)
        apart = np.einsum("ij,ij->i", steps @ np.linalg.inv(covariance), steps)
        alike = steps[apart <= np.median(apart)]
        covariance = alike.T @ alike / len(alike) / left_out
    covariance += np.eye(size) * max(1e-9 * float(np.trace(covariance)) / size, 1e-300)
    factor = np.linalg.cholesky(np.linalg.inv(covariance))
    matrix = basis.matrix.copy()
    matrix[:, :-2] = matrix[:, :-2] @ factor
    inverse = np.linalg.inv(factor)
    even = values @ factor.astype(np.float32)
    return (
        even,
        _distances(even),
        replace(
            basis,
            matrix=matrix,
            back=(basis.back @ inverse.T).astype(np.float32),
            whole=inverse @ basis.whole @ inverse.T,
            radial=inverse @ basis.radial @ inverse.T,
        ),
    )


def _distances(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return half of the second smallest squared distance (h, w) to the neighbours, per contrast (h, w, D)."""
    height, width, size = values.shape
    apart = np.full((height, width, len(_AROUND)), np.inf, np.float32)
    for k, (dy, dx) in enumerate(_AROUND):
        here = slice(max(0, -dy), height - max(0, dy)), slice(max(0, -dx), width - max(0, dx))
        there = slice(max(0, dy), height - max(0, -dy)), slice(max(0, dx), width - max(0, -dx))
        apart[here][..., k] = ((values[here] - values[there]) ** 2).sum(axis=2) / (2 * size)
    second, neighbours = np.sort(apart, axis=2)[..., 1], np.isfinite(apart).sum(axis=2)
    usual = np.ones(len(_AROUND) + 1)
    usual[2:] = [_second_smallest(size, number) for number in range(2, len(_AROUND) + 1)]
    return np.where(neighbours > 1, np.maximum(second / usual[neighbours], 1e-6), 1.0).astype(np.float32)


@lru_cache(maxsize=1024)
def _second_smallest(size: int, neighbours: int) -> float:
    """Return half of the second smallest squared distance to so many neighbours, for noise of variance 1."""
    noise = np.random.default_rng(_SEED).standard_normal((_DRAWN, 1 + neighbours, size), np.float32)
    apart = ((noise[:, 1:] - noise[:, :1]) ** 2).sum(axis=2) / (2 * size)
    return float(np.sort(apart, axis=1)[:, 1].mean(dtype=np.float64))
