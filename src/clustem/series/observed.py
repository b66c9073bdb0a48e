"""The domains of one frame as they are compared with those of others: where they are, and their patterns."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clustem.series.drift import Drift
from clustem.series.polar import PolarPatterns, compare_rotated

_SLACK = 2.0  # positions that domains may lie apart, beyond their radii, to be compared
_UNKNOWN = 0.3  # similarity of patterns without signal: neither alike nor different
_PATTERN = (
    0.5  # weight of the pattern beside that of the place: a tilt of a few degrees changes the pattern, not the place
)
_FIT = 0.2  # weight of how well the outlines agree
_MOST = 0.5  # of a domain, which is then in the other
_WAITING = 0.15  # cost of every frame in between
FAR = 1e6


@dataclass(frozen=True, eq=False)
class Observed:
    """Domains 1 … K of a frame; index i belongs to label i + 1.

    Attributes
    ----------
    labels : (scan_y, scan_x) int32
    polar : PolarPatterns
    """

    labels: NDArray[np.int32]
    polar: PolarPatterns
    area: NDArray[np.float64] = field(init=False)
    centroid: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        area, centroid = measure_places(self.labels, len(self.polar))
        object.__setattr__(self, "area", area)
        object.__setattr__(self, "centroid", centroid)

    def __len__(self) -> int:
        return len(self.area)


def measure_places(labels: NDArray[np.int32], number: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return positions (K,) and centroids (K, 2) of labels 1 … K, K = `number`; NaN for one that is not there."""
    flat = labels.ravel()
    area = np.bincount(flat, minlength=number + 1)[1:].astype(float)
    places = np.indices(labels.shape).reshape(2, -1)
    sums = np.stack([np.bincount(flat, axis, minlength=number + 1)[1:] for axis in places], axis=1)
    with np.errstate(invalid="ignore"):
        return area, sums / np.where(area > 0, area, np.nan)[:, None]


@dataclass(frozen=True, eq=False)
class Comparison:
    """Domains of one frame (K) with those of a later one (L).

    Attributes
    ----------
    cost : (K, L) float64
        Of taking both for the same particle: 0 where place, outline and pattern agree; FAR for distant ones.
    first_covered, second_covered : (K, L) float64
        Share of the one domain that the other has taken in: that lies in it, after drift, or by which it is larger than
        the domains that were there.
    similarity, angle : (K, L) float64
        As of :func:`clustem.series.polar.compare_rotated`.
    """

    cost: NDArray[np.float64]
    first_covered: NDArray[np.float64]
    second_covered: NDArray[np.float64]
    similarity: NDArray[np.float64]
    angle: NDArray[np.float64]


def compare(first: Observed, second: Observed, moved: NDArray[np.float64], *, frames: int = 1) -> Comparison:
    """Compare the domains of two frames, between which the sample has moved by `moved` (2,) and `frames` went by."""
    common = _common(first, second, moved)
    radius = np.sqrt(first.area / np.pi)[:, None] + np.sqrt(second.area / np.pi)
    apart = np.hypot(*np.moveaxis(second.centroid[None] - (first.centroid + moved)[:, None], -1, 0))
    near = (common > 0) | (apart < radius + _SLACK)
    similarity, angle = compare_rotated(first.polar, second.polar, pairs=near)
    alike = np.clip(np.where(np.isnan(similarity), _UNKNOWN, similarity), 0, 1)
    areas = np.maximum(first.area, 1)[:, None], np.maximum(second.area, 1)
    smaller = np.minimum(*areas)
    outline = common / (areas[0] + areas[1] - common)
    cost = (1 - common / smaller) + _PATTERN * (1 - alike) + _FIT * (1 - outline) + _WAITING * (frames - 1)
    taken = _taken_in(common, first.area, second.area), _taken_in(common.T, second.area, first.area).T
    return Comparison(np.where(near, cost, FAR), *taken, similarity, angle)


def _taken_in(common: NDArray[np.float64], own: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return which share of domains (K,) others (L,) have taken in, with so many positions (K, L) in common.

    A drop that takes in another becomes round: less than half of it may lie where the other was. Then its size tells,
    less that of the domains most of which is in it.
    """
    size = np.maximum(own, 1)[:, None]
    inside = np.where(common >= _MOST * size, size, 0)
    before = inside.sum(axis=0) - inside
    grown = np.where((before > 0) & (common > 0), other - before, 0)
    return np.asarray(np.maximum(common, np.clip(grown, 0, size)) / size)


def _common(first: Observed, second: Observed, moved: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how many positions domains have in common (K, L), by the mean of both ways to round the drift."""
    table = np.zeros((len(first) + 1, len(second) + 1))
    for source, target, way, turned in ((first, second, moved, False), (second, first, -moved, True)):
        places = np.argwhere(source.labels > 0)
        there = np.rint(places + way).astype(int)
        inside = ((there >= 0) & (there < target.labels.shape)).all(axis=1)
        own, other = source.labels[tuple(places[inside].T)], target.labels[tuple(there[inside].T)]
        np.add.at(table, (other, own) if turned else (own, other), 0.5)
    return table[1:, 1:]


class Comparisons:
    """Comparisons of pairs of frames, made when they are needed."""

    def __init__(self, observed: list[Observed | None], drift: Drift) -> None:
        self.observed, self.drift = observed, drift
        self.known: dict[tuple[int, int], Comparison] = {}

    def between(self, first: int, second: int) -> Comparison:
        """Return the comparison of two frames that are no gaps, the first one earlier."""
        if (first, second) not in self.known:
            one, other = self.observed[first], self.observed[second]
            assert one is not None
            assert other is not None
            moved = self.drift.between(first, second)
            self.known[first, second] = compare(one, other, moved, frames=second - first)
        return self.known[first, second]
