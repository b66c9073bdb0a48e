"""Confidence: two halves of the data with independent noise, and whether they tell the same."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from clustem.scratch import scratch_array
from clustem.segmentation.boundaries import NEGLIGIBLE, RegionSum, difference_but_for_fading, touching
from clustem.segmentation.features import Features, pieces

_SEED = 20260101
_RETURNS = 0.3  # overlap from which a region counts as found again
_SURE = 5.0  # standard errors by which two regions differ in the other half
_BEYOND = 2.0  # times a negligible difference: both halves have the same directions, so chance may look alike in them


@dataclass(frozen=True, eq=False)
class Confidence:
    """How sure a partition is.

    Attributes
    ----------
    domains : (K,) float64
        Overlap (intersection over union) of each domain with the one that is found in its place in either half of the
        data, the mean of both: 1 = the same, 0 = not found again.
    distinct : bool
        Whether neighbours have more in common than chance makes, at least two regions, the background among them, are
        found again, and any two that are found in one half differ in the other.
    boundary : float
        Share of the positions that touch another domain.
    """

    domains: NDArray[np.float64]
    distinct: bool
    boundary: float


def split_noise(features: Features) -> tuple[Features, Features]:
    """Return two sets of features of the same scan with independent noise, each of twice the variance.

    Noise of the variance that is there already is added to one and subtracted from the other: for Gaussian noise, which
    sums over a hundred pixels have, that is what binomial thinning is for counts (Neufeld et al., JMLR 25, 2024).
    """
    generator = np.random.default_rng(_SEED)
    size = features.values.shape[2]
    factor = np.linalg.cholesky(features.basis.covariance).astype(np.float32)
    halves = [scratch_array(features.values.shape, np.float32) for _ in range(2)]
    values, one, other = (array.reshape(-1, size) for array in (features.values, *halves))
    for piece in pieces(len(values)):
        noise = generator.standard_normal(values[piece].shape, np.float32) @ factor.T
        noise *= np.sqrt(features.noise.ravel()[piece]).astype(np.float32)[:, None]
        np.add(values[piece], noise, out=one[piece])
        np.subtract(values[piece], noise, out=other[piece])
    twice = 2 * features.noise
    return replace(features, values=halves[0], noise=twice), replace(features, values=halves[1], noise=twice)


def judge(labels: NDArray[np.int32], found: list[NDArray[np.int32]], halves: tuple[Features, Features]) -> Confidence:
    """Return the confidence in labels (scan_y, scan_x), given those found in both halves of the data."""
    overlaps = np.mean([_overlap(labels, other) for other in found], axis=0)
    rest = np.mean([_shared((labels == 0), (other == 0)) for other in found])
    returning = int((overlaps >= _RETURNS).sum()) + int(rest >= _RETURNS) >= 2
    structured = halves[0].basis.structured and returning
    distinct = structured and any(_differ(found[n], halves[1 - n]) for n in (0, 1))
    edge = np.zeros(labels.shape, bool)
    edge[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    edge[:-1] |= labels[:-1] != labels[1:]
    return Confidence(overlaps, distinct, float(edge.mean()))


def _overlap(labels: NDArray[np.int32], other: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return the largest intersection over union of every domain with one of the other partition, (K,)."""
    number, columns = int(labels.max(initial=0)), int(other.max(initial=0)) + 1
    both = np.bincount(labels.ravel().astype(np.int64) * columns + other.ravel(), minlength=(number + 1) * columns)
    keys = np.flatnonzero(both)
    rows, cols, shared = keys // columns, keys % columns, both[keys]
    sizes, others = np.bincount(labels.ravel(), minlength=number + 1), np.bincount(other.ravel(), minlength=columns)
    ratio = np.where(cols > 0, shared / (sizes[rows] + others[cols] - shared), 0.0)
    best = np.zeros(number + 1)
    np.maximum.at(best, rows, ratio)
    return best[1:]


def _shared(one: NDArray[np.bool_], two: NDArray[np.bool_]) -> float:
    """Return intersection over union, 0 for two empty ones."""
    return float((one & two).sum()) / max(1, int((one | two).sum()))


def _differ(labels: NDArray[np.int32], features: Features) -> bool:
    """Return whether any two neighbouring domains, or one and the rest, differ in features they were not found in."""
    regions = labels.astype(np.int64)  # the background is region 0
    for a, b in touching(regions):
        one, two = (RegionSum.of(features.values, features.noise, regions == k) for k in (a, b))
        found = difference_but_for_fading(one, two, features.basis)
        if found.energy > max(_SURE * found.chance, _BEYOND * NEGLIGIBLE):
            return True
    return False
