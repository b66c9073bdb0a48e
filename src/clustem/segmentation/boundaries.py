"""Boundaries between regions: a jump between two crystals, or a gradient inside of one."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, find_objects

from clustem.segmentation.features import Features

_REACHES = (2.5, 3.5, 4.5, 6.5, 9.5, np.inf)  # positions from the boundary; the first that is precise enough counts
_NEAREST = (0.5, 1.0)  # positions left out at the boundary, of narrow and of wide strips
_PRECISE = 0.08  # standard error of a similarity that is good enough
_NEGLIGIBLE = 0.3  # χ² per electron: between different crystals it is 5 and more, within one grain 0.05 to 0.3
_LEAST = 6  # positions of a region that takes part
_CONTACT = 3  # positions that touch the other region
_STRIP = 4  # positions of a strip


@dataclass(frozen=True)
class Comparison:
    """Corrected similarity of two sums of patterns.

    Attributes
    ----------
    similarity, error : float
    most : float
        χ² between the two mean patterns, per electron, plus one standard error: how much they differ at most.
    """

    similarity: float
    error: float
    most: float = np.inf


def compare_sums(
    a: NDArray[np.float64], b: NDArray[np.float64], dose_a: float, dose_b: float, variance: NDArray[np.float64]
) -> Comparison:
    """Return the noise-corrected cosine of two sums (D,) of weighted contrasts, and its standard error.

    dose_a, dose_b are their noise energies relative to one pattern of mean dose, whose noise has the variance (D,).
    A signal below one standard error is taken to be one, so that faint sums are never found to be alike.
    """
    spread = float((variance**2).sum())
    energies = []
    for vector, dose in ((a, dose_a), (b, dose_b)):
        noisy = float((variance * vector**2).sum())
        error = np.sqrt(2 * dose**2 * spread + 4 * dose * max(noisy - dose * spread, 0.0))
        energies.append(max(float(vector @ vector) - dose * float(variance.sum()), float(error), 1e-12))
    scatter = dose_b * float((variance * a**2).sum()) + dose_a * float((variance * b**2).sum())
    scatter = max(scatter - dose_a * dose_b * spread, dose_a * dose_b * spread)
    scale = float(np.sqrt(energies[0] * energies[1]))
    return Comparison(float(a @ b) / scale, float(np.sqrt(scatter)) / scale)


class Strips:
    """Similarity of neighbouring regions close to their common boundary."""

    def __init__(self, features: Features, labels: NDArray[np.int64]) -> None:
        self.features, self.variance = features, features.noise_variance
        self.labels = labels.copy()
        self.boxes = find_objects(self.labels + 1)

    def compare(self, a: int, b: int) -> Comparison | None:
        """Return the similarity of strips on both sides, as narrow as noise allows; None if they are too small."""
        found = None
        for reach in _REACHES:
            window = self._window(a, b, reach)
            here = self.labels[window]
            mine, other = here == a, here == b
            nearest = _NEAREST[0] if reach == _REACHES[0] else _NEAREST[1]
            from_b, from_a = distance_transform_edt(~other), distance_transform_edt(~mine)
            sides = mine & (from_b > nearest) & (from_b <= reach), other & (from_a > nearest) & (from_a <= reach)
            if min(int(side.sum()) for side in sides) < _STRIP:
                continue
            found = self._compare(window, sides)
            if found.error < _PRECISE:
                break
        return found

    def _compare(self, window: tuple[slice, slice], sides: tuple[NDArray[np.bool_], NDArray[np.bool_]]) -> Comparison:
        values, noise = self.features.values[window], self.features.noise[window]
        sums = [values[side].sum(axis=0, dtype=np.float64) for side in sides]
        doses = [float(noise[side].sum()) for side in sides]
        counts = [int(side.sum()) for side in sides]
        weight = self.features.basis.weight
        found = compare_sums(sums[0][:-1] * weight, sums[1][:-1] * weight, doses[0], doses[1], self.variance)
        spread = doses[0] / counts[0] ** 2 + doses[1] / counts[1] ** 2
        step = sums[0] / counts[0] - sums[1] / counts[1]
        energy, electrons = float(step[:-1] @ step[:-1]), (sums[0][-1] / counts[0] + sums[1][-1] / counts[1]) / 2
        least = energy - weight.size * spread + np.sqrt(2 * weight.size * spread**2 + 4 * spread * energy)
        return Comparison(found.similarity, found.error, max(float(least), 0.0) / max(electrons, 1e-12))

    def _window(self, a: int, b: int, reach: float) -> tuple[slice, slice]:
        """Return the part of the scan that both strips lie in."""
        span = []
        grow = int(min(reach, max(self.labels.shape))) + 2
        for axis in (0, 1):
            one, two = self.boxes[a][axis], self.boxes[b][axis]
            if np.isinf(reach):
                span.append(slice(min(one.start, two.start), max(one.stop, two.stop)))
            else:
                low = max(0, one.start - grow, two.start - grow)
                span.append(slice(low, min(one.stop + grow, two.stop + grow, self.labels.shape[axis])))
        return span[0], span[1]

    def join(self, a: int, b: int) -> None:
        """Give the positions of b to a."""
        window = self.boxes[b]
        self.labels[window][self.labels[window] == b] = a
        self.boxes[a] = tuple(
            slice(min(one.start, two.start), max(one.stop, two.stop))
            for one, two in zip(self.boxes[a], self.boxes[b], strict=True)
        )


def join_gradients(
    features: Features, labels: NDArray[np.int64], similarity: float
) -> tuple[NDArray[np.int64], list[tuple[int, int, float]]]:
    """Join regions 0 … between whose sides nothing jumps: the most similar first, while above `similarity`.

    Returns labels (scan_y, scan_x), −1 where they were −1, and the joined pairs with the similarity across their
    boundary, less its standard error.
    """
    strips = Strips(features, labels)
    neighbours: dict[int, set[int]] = {}
    queue: list[tuple[float, int, int]] = []
    current: dict[tuple[int, int], float] = {}

    def consider(a: int, b: int) -> None:
        pair = _ordered(a, b)
        current[pair] = _bound(strips, pair)
        neighbours.setdefault(a, set()).add(b)
        neighbours.setdefault(b, set()).add(a)
        heapq.heappush(queue, (-current[pair], *pair))

    for pair in touching(labels):
        consider(*pair)
    joined = []
    while queue:
        negative, a, b = heapq.heappop(queue)
        if current.get((a, b)) != -negative:
            continue
        if not -negative > similarity:
            break
        joined.append((a, b, -negative))
        strips.join(a, b)
        around = (neighbours[a] | neighbours.pop(b)) - {a, b}
        for c in sorted(around):
            current.pop(_ordered(b, c), None)
            neighbours[c].discard(b)
        current.pop((a, b))
        neighbours[a] = set()
        for c in sorted(around):
            consider(a, c)
    return strips.labels, joined


def _ordered(a: int, b: int) -> tuple[int, int]:
    return min(a, b), max(a, b)


def _bound(strips: Strips, pair: tuple[int, int]) -> float:
    found = strips.compare(*pair)
    if found is None:
        return -np.inf
    return 1.0 - found.most if found.most < _NEGLIGIBLE else found.similarity - found.error


def touching(labels: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return the pairs of regions, of at least 6 positions each, of which 3 positions touch the other."""
    sizes = np.bincount(labels[labels >= 0], minlength=1)
    size = int(labels.max(initial=0)) + 1
    index = np.arange(labels.size).reshape(labels.shape)
    seen = []
    for here, there in _shifted(labels, index):
        seen += [here, there]
    everything = np.unique(np.concatenate(seen), axis=0) if seen else np.empty((0, 3), np.int64)
    keys, contacts = np.unique(everything[:, 0] * size + everything[:, 1], return_counts=True)
    found = set()
    for key in keys[contacts >= _CONTACT].tolist():
        a, b = divmod(key, size)
        if min(sizes[a], sizes[b]) >= _LEAST:
            found.add(_ordered(a, b))
    return sorted(found)


def _shifted(labels: NDArray[np.int64], index: NDArray[np.int64]) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return for every direction rows of (region, other region, position), seen from both sides."""
    rows = []
    for one, two in (
        (np.s_[:, :-1], np.s_[:, 1:]),
        (np.s_[:-1], np.s_[1:]),
        (np.s_[:-1, :-1], np.s_[1:, 1:]),
        (np.s_[:-1, 1:], np.s_[1:, :-1]),
    ):
        a, b = labels[one], labels[two]
        differ = (a != b) & (a >= 0) & (b >= 0)
        rows.append(
            (
                np.column_stack([a[differ], b[differ], index[one][differ]]),
                np.column_stack([b[differ], a[differ], index[two][differ]]),
            )
        )
    return rows
