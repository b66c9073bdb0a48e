"""Boundaries between regions: a jump between two crystals, or a gradient inside of one."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, binary_erosion, distance_transform_edt, find_objects

from clustem.segmentation.basis import Basis
from clustem.segmentation.features import Features, sum_where, sums_of_regions
from clustem.segmentation.similarity import UNIQUE, overlap

_REACHES = (2.5, 3.5, 4.5, 6.5, 9.5, np.inf)  # positions from the boundary; the first that is precise enough counts
_NEAREST = (0.5, 1.0)  # positions left out at the boundary, of narrow and of wide strips
_PRECISE = 0.08  # standard error of a similarity that is good enough
NEGLIGIBLE = 0.05  # χ² per electron: between different crystals it is 0.2 to 15
_STEEPER = 2.0  # times the difference as far inside of both regions, which a jump exceeds
_SHARED = 0.5  # similarity that the sides of a gradient have at least: inside of bent grains 0.6 and more
_SIDE = 0.5  # of the contact of two halves of a square; regions with less meet at a corner, where all is mixed
_ERRORS = 1.5  # standard errors by which a similarity must be high enough
_SLACK = 0.02  # below `similarity`, for the sides of a boundary: inside of grains 0.6 and more, across less than 0.55
_ALIKE = 0.8  # similarity from which two patterns may be one that fades
_FADED = 8.0  # times weaker: less may be the tails of the probe
_LEAST = 6  # positions of a region that takes part
CONTACT = 3  # positions that touch the other region
_STRIP = 4  # positions of a strip
_SQUARE = np.ones((3, 3), bool)


@dataclass(frozen=True)
class Comparison:
    """Corrected similarity of two sums of patterns.

    Attributes
    ----------
    similarity, error : float
    most : float
        χ² between the two mean patterns, per electron, plus one standard error: how much they differ at most.
    within : float
        The same as far inside of each region, less one standard error, the smaller of both; 0 if that is not known.
    faded : float
        The same as `most`, beyond a factor and diffuse scattering.
    """

    similarity: float
    error: float
    most: float = np.inf
    within: float = 0.0
    faded: float = np.inf


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


@dataclass(frozen=True, eq=False)
class RegionSum:
    """Sum of the values (D + 1,) of `count` positions, whose noise energies relative to mean dose add up to `dose`."""

    total: NDArray[np.float64]
    dose: float
    count: int

    @classmethod
    def of(cls, values: NDArray[np.float32], noise: NDArray[np.float64], where: NDArray[np.bool_]) -> RegionSum:
        """Return that of the positions in `where`."""
        return cls(sum_where(values, where), float(noise[where].sum()), int(where.sum()))


@dataclass(frozen=True)
class Difference:
    """χ² per electron between two mean patterns, without noise.

    Attributes
    ----------
    energy : float
    error : float
        Its standard error.
    chance : float
        Standard error that it has if the patterns do not differ.
    """

    energy: float
    error: float
    chance: float

    @property
    def most(self) -> float:
        """Energy plus one standard error."""
        return max(self.energy + self.error, 0.0)


def difference_of(one: RegionSum, two: RegionSum) -> Difference:
    """Return how much the mean patterns of two sets of positions differ."""
    step = one.total / one.count - two.total / two.count
    return _difference(step[:-1], one.dose / one.count**2 + two.dose / two.count**2, _electrons(one, two))


def difference_but_for_fading(one: RegionSum, two: RegionSum, basis: Basis) -> Difference:
    """Return how much two mean patterns differ beyond a factor and diffuse scattering, as along thickness fringes.

    What fades to less than an eighth, or is not alike without diffuse scattering, is compared as it is.
    """
    a, b = (basis.without_diffuse @ region.total / region.count for region in (one, two))
    noise_a, noise_b = (region.dose / region.count**2 for region in (one, two))
    found = compare_sums(a, b, noise_a, noise_b, np.ones(a.size))
    energy_a, energy_b = (float(v @ v) - v.size * noise for v, noise in ((a, noise_a), (b, noise_b)))
    if found.similarity + found.error < _ALIKE or not 1 / _FADED**2 < energy_a / energy_b < _FADED**2:
        return difference_of(one, two)
    factor = (energy_b / energy_a) ** 0.25
    return _difference(a * factor - b / factor, noise_a * factor**2 + noise_b / factor**2, _electrons(one, two))


def _difference(step: NDArray[np.float64], spread: float, electrons: float) -> Difference:
    """Return what a difference (D,) whose values have the variance `spread` is, per electron."""
    energy, chance = float(step @ step) - step.size * spread, float(np.sqrt(2 * step.size)) * spread
    error = float(np.sqrt(chance**2 + 4 * spread * max(energy, 0.0)))
    return Difference(energy / electrons, error / electrons, chance / electrons)


def _electrons(one: RegionSum, two: RegionSum) -> float:
    return max(float(one.total[-1] / one.count + two.total[-1] / two.count) / 2, 1e-12)


class Strips:
    """Similarity of neighbouring regions close to their common boundary."""

    def __init__(self, features: Features, labels: NDArray[np.int64]) -> None:
        self.features, self.variance = features, features.noise_variance
        self.labels = labels.copy()
        self.boxes = find_objects(self.labels + 1)
        self.sizes = np.bincount(labels[labels >= 0], minlength=len(self.boxes))

    def compare(self, a: int, b: int, *, narrow: bool = True) -> Comparison | None:
        """Return the similarity of strips on both sides, as narrow as noise allows; None if they are too small.

        If not `narrow`, or if they meet at a corner only, that of the whole regions but for the positions at their
        boundary.
        """
        found = None
        for reach in _REACHES if narrow and self._side_by_side(a, b) else _REACHES[-1:]:
            window = self._window(a, b, reach)
            here = self.labels[window]
            mine, other = here == a, here == b
            nearest = _NEAREST[0] if reach == _REACHES[0] else _NEAREST[1]
            from_b, from_a = distance_transform_edt(~other), distance_transform_edt(~mine)
            sides = mine & (from_b > nearest) & (from_b <= reach), other & (from_a > nearest) & (from_a <= reach)
            if min(int(side.sum()) for side in sides) < _STRIP:
                continue
            deep = self._deep((mine, other), (from_b, from_a), nearest, reach)
            found = self._compare(window, sides, deep)
            if found.error < _PRECISE:
                break
        return found

    def _side_by_side(self, a: int, b: int) -> bool:
        """Return whether regions have at least half of the boundary that two halves of a square have."""
        here = self.labels[self._window(a, b, 0)]
        mine, other = here == a, here == b
        touching = min(int((binary_dilation(one) & two).sum()) for one, two in ((mine, other), (other, mine)))
        return touching > _SIDE * float(np.sqrt(2 * min(self.sizes[a], self.sizes[b])))

    def _deep(
        self,
        regions: tuple[NDArray[np.bool_], NDArray[np.bool_]],
        distances: tuple[NDArray[np.float64], NDArray[np.float64]],
        nearest: float,
        reach: float,
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return strips as wide, and as far from the first as those are from each other, away from other regions."""
        deep = []
        for region, distance in zip(regions, distances, strict=True):
            inner = binary_erosion(region, _SQUARE, border_value=1)
            deep.append(inner & (distance > reach + nearest) & (distance <= 2 * reach))
        return deep[0], deep[1]

    def _compare(
        self,
        window: tuple[slice, slice],
        sides: tuple[NDArray[np.bool_], NDArray[np.bool_]],
        deep: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    ) -> Comparison:
        values, noise = self.features.values[window], self.features.noise[window]
        one, two = (RegionSum.of(values, noise, side) for side in sides)
        weight = self.features.basis.weight
        found = compare_sums(one.total[:-1] * weight, two.total[:-1] * weight, one.dose, two.dose, self.variance)
        within = 0.0
        if min(int(side.sum()) for side in deep) >= _STRIP:
            inner = [RegionSum.of(values, noise, side) for side in deep]
            within = min(max(0.0, far.energy - far.error) for far in map(difference_of, (one, two), inner))
        across = difference_of(one, two)
        faded = difference_but_for_fading(one, two, self.features.basis)
        return Comparison(found.similarity, found.error, across.most, within, faded.most)

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
        self.sizes[a] += self.sizes[b]
        self.boxes[a] = tuple(
            slice(min(one.start, two.start), max(one.stop, two.stop))
            for one, two in zip(self.boxes[a], self.boxes[b], strict=True)
        )


def join_gradients(
    features: Features,
    labels: NDArray[np.int64],
    similarity: float,
    background: int | None = None,
    apart: Iterable[tuple[int, int]] = (),
    contact: int = CONTACT,
) -> tuple[NDArray[np.int64], list[tuple[int, int, float]]]:
    """Join regions 0 … between whose sides nothing jumps: the most similar first, while above `similarity` − 0.02.

    The thin rim of a particle hardly differs from what is around it, so that regions are compared as a whole with the
    `background`, a region without crystals. Pairs of regions that are known to be `apart` are not joined, nor are those
    of which fewer than `contact` positions touch the other.

    Returns labels (scan_y, scan_x), −1 where they were −1, and the joined pairs with the similarity across their
    boundary, less 1.5 standard errors.
    """
    strips = Strips(features, labels)
    neighbours: dict[int, set[int]] = {}
    queue: list[tuple[float, int, int]] = []
    current: dict[tuple[int, int], float] = {}
    foreign: dict[int, set[int]] = {}
    for a, b in apart:
        foreign.setdefault(a, set()).add(b)
        foreign.setdefault(b, set()).add(a)

    def consider(a: int, b: int) -> None:
        pair = _ordered(a, b)
        if b in foreign.get(a, ()):
            return
        current[pair] = _bound(strips, pair, similarity, background)
        neighbours.setdefault(a, set()).add(b)
        neighbours.setdefault(b, set()).add(a)
        heapq.heappush(queue, (-current[pair], *pair))

    for pair in touching(labels, contact):
        consider(*pair)
    joined = []
    while queue:
        negative, a, b = heapq.heappop(queue)
        if current.get((a, b)) != -negative:
            continue
        if not -negative > similarity - _SLACK:
            break
        joined.append((a, b, -negative))
        strips.join(a, b)
        background = a if background == b else background
        for c in foreign.pop(b, set()):
            foreign[c].discard(b)
            foreign[c].add(a)
            foreign.setdefault(a, set()).add(c)
        around = (neighbours[a] | neighbours.pop(b)) - {a, b}
        for c in sorted(around):
            current.pop(_ordered(b, c), None)
            neighbours[c].discard(b)
        current.pop((a, b))
        neighbours[a] = set()
        for c in sorted(around):
            consider(a, c)
    return strips.labels, joined


def join_doubtful(
    features: Features, labels: NDArray[np.int64], doubtful: list[int], similarity: float
) -> NDArray[np.int64]:
    """Join doubtful regions with the neighbour most similar across the boundary, if they could be one within the error.

    Regions are 0 … in labels (scan_y, scan_x), −1 = none; the most doubtful comes first.
    """
    strips = Strips(features, labels)
    for region in doubtful:
        found = {}
        for pair in touching(strips.labels):
            if region in pair:
                comparison = strips.compare(*pair)
                if comparison is not None:
                    found[pair] = comparison
        if not found:
            continue
        pair = max(found, key=lambda key: (found[key].similarity, -key[0], -key[1]))
        if found[pair].similarity + found[pair].error > similarity:
            a, b = pair
            strips.join(a + b - region, region)
    return strips.labels


def unlike(features: Features, labels: NDArray[np.int64]) -> set[tuple[int, int]]:
    """Return the pairs of touching regions 0 … that differ and whose mean patterns have less than half in common."""
    inside, number = labels >= 0, int(labels.max(initial=-1)) + 1
    totals = sums_of_regions(features.values, labels, number)
    doses = np.bincount(labels[inside], features.noise[inside], minlength=number)
    counts = np.bincount(labels[inside], minlength=number)
    sums = [RegionSum(*region) for region in zip(totals, doses.tolist(), counts.tolist(), strict=True)]
    weight, found = features.basis.weight, set()
    for a, b in touching(labels, 1):
        one, two = sums[a], sums[b]
        alike = compare_sums(
            one.total[:-1] * weight, two.total[:-1] * weight, one.dose, two.dose, features.noise_variance
        )
        if alike.similarity + _ERRORS * alike.error < _SHARED and difference_of(one, two).most > NEGLIGIBLE:
            found.add((a, b))
    return found


def _ordered(a: int, b: int) -> tuple[int, int]:
    return min(a, b), max(a, b)


def _bound(strips: Strips, pair: tuple[int, int], similarity: float, background: int | None) -> float:
    """Return the similarity across a boundary less 1.5 errors; above `similarity` in any case if nothing jumps."""
    found = strips.compare(*pair, narrow=background not in pair)
    if found is None:
        return -np.inf
    gradient = found.most < max(NEGLIGIBLE, _STEEPER * found.within if found.similarity > _SHARED else 0.0)
    gradient |= background not in pair and found.faded < NEGLIGIBLE
    bound = found.similarity - _ERRORS * found.error
    return max(bound, similarity + (1.0 - similarity) / (1.0 + found.most)) if gradient else bound


def touching(labels: NDArray[np.int64], contact: int = CONTACT) -> list[tuple[int, int]]:
    """Return the pairs of regions, of at least 6 positions each, of which so many positions touch the other."""
    sizes = np.bincount(labels[labels >= 0], minlength=1)
    size = int(labels.max(initial=0)) + 1
    places = np.unique(np.concatenate(_contacts(labels, size)))
    keys, contacts = np.unique(places // labels.size, return_counts=True)
    found = set()
    for key in keys[contacts >= contact].tolist():
        a, b = divmod(key, size)
        if min(sizes[a], sizes[b]) >= _LEAST:
            found.add(_ordered(a, b))
    return sorted(found)


def _contacts(labels: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    """Return (region · size + other region) · positions + position for every contact, as seen from both sides."""
    index, found = np.arange(labels.size).reshape(labels.shape), []
    for dy, dx in UNIQUE:
        one, two = overlap(dy, dx)
        a, b = labels[one], labels[two]
        differ = (a != b) & (a >= 0) & (b >= 0)
        for mine, other, place in ((a, b, index[one]), (b, a, index[two])):
            found.append((mine[differ] * size + other[differ]) * labels.size + place[differ])
    return found
