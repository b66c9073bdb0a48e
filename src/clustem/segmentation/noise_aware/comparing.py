"""Regions that touch, compared along their boundary in the window where they touch most."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from clustem.computing import in_threads
from clustem.segmentation.features import Features, WindowFeatures
from clustem.segmentation.noise_aware._boundary_kernels import THIN, compare_pairs, take_tails_off
from clustem.segmentation.noise_aware._region_kernels import View, region_means
from clustem.segmentation.noise_aware.constants import SEGMENTATION
from clustem.segmentation.noise_aware.contacts import Contacts
from clustem.segmentation.noise_aware.in_common import in_common
from clustem.segmentation.noise_aware.measured import Measured, WindowRegions

Array = NDArray[np.float64]
_DIRECTIONS = np.array([(0, 1), (1, 0), (1, 1), (1, -1)]) / np.sqrt([1, 1, 2, 2])[:, None]


@dataclass(frozen=True, eq=False)
class Comparisons:
    """What is known of pairs of regions, (m,) each.

    Attributes
    ----------
    kind : 0 … 3 strips along the boundary, ever wider; 4 cores; 5 whole regions; −1 nothing
    similarity, error
        Noise-corrected cosine of both means, and its standard error.
    energy
        Of the signal of both means together, in noise variances of a position.
    difference, spread, chance
        Energy of the difference of both means, its standard error if it is as large as allowed, and that which it has
        if they do not differ.
    allowed
        Energy of a difference that is a gradient: many times what changes inside of both regions over two positions in
        the same direction, or typically in the window, bounded by a few times what changes at the boundary inside.
    shared
        What the reflections and the lattices of both have in common; NaN where that was not asked.
    """

    kind: NDArray[np.int64]
    similarity: Array
    error: Array
    energy: Array
    difference: Array
    spread: Array
    chance: Array
    allowed: Array
    shared: Array

    @classmethod
    def empty(cls, size: int) -> Comparisons:
        """Return comparisons of so many pairs of which nothing is known."""
        return cls(np.full(size, -1, np.int64), *(np.full(size, np.nan) for _ in fields(cls)[1:]))

    def put(self, where: NDArray[np.int64], found: Comparisons) -> None:
        """Write comparisons to some places."""
        for item in fields(self):
            getattr(self, item.name)[where] = getattr(found, item.name)

    def take(self, where: NDArray[np.int64]) -> Comparisons:
        """Return those at some places."""
        return Comparisons(*(getattr(self, item.name)[where] for item in fields(self)))


def compare_contacts(
    features: Features,
    labels: NDArray[np.int64],
    contacts: Contacts,
    *,
    everything: bool = False,
    before: Measured | None = None,
) -> Comparisons:
    """Return how pairs of regions 0 … of labels (scan_y, scan_x), −1 = none, compare.

    What crystals have in common is asked where the rest does not decide, or of all with `everything`. What was
    measured `before` is used where it holds, and kept up.
    """
    found = Comparisons.empty(len(contacts.pairs))
    order = np.argsort(contacts.windows, kind="stable")
    numbers, starts = np.unique(contacts.windows[order], return_index=True)
    groups = np.split(order, starts[1:]) if starts.size else []
    measured = Measured(int(labels.max(initial=-1)) + 1) if before is None else before

    def work(first: int, last: int) -> None:
        for n in range(first, last):
            here, number = groups[n], int(numbers[n])
            window = features.windows[number]
            view, regions = measured.regions(number, window, labels)
            found.put(here, _compare(window, view, regions, contacts.pairs[here], everything))

    in_threads(work, len(groups), longest=1)
    return found


def decided(found: Comparisons, similarity: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which pairs are one for want of a difference, and which are one crystal whose pattern changes."""
    nothing = found.difference <= SEGMENTATION.chance * found.chance
    step = (found.difference - SEGMENTATION.errors * found.spread) / np.maximum(found.allowed, 1e-300)
    alike = np.where(np.isnan(found.shared), found.similarity, found.shared)
    needed = similarity * (1 + np.clip(step, 0, 1))
    needed = np.where(found.kind == THIN, SEGMENTATION.thin * needed, needed)
    known = found.kind >= 0
    return known & nothing, known & (step <= 1) & (alike - SEGMENTATION.doubt * found.error > needed)


def _compare(
    features: WindowFeatures, view: View, regions: WindowRegions, pairs: NDArray[np.int64], everything: bool
) -> Comparisons:
    own, size = np.searchsorted(regions.numbers, pairs), features.values.shape[2]
    means, numbers, change = np.zeros((len(own), 2, size)), np.zeros((len(own), 8)), np.zeros((len(own), 2, 4))
    compare_pairs(view, own, SEGMENTATION.least, SEGMENTATION.pairs, SEGMENTATION.precise, means, numbers, change)
    kind, variance, energy, apart = numbers[:, 0].astype(np.int64), numbers[:, 1:3], numbers[:, 3:5], numbers[:, 5]
    both = np.maximum(energy.sum(axis=1), 1e-9)
    noise = variance.sum(axis=1)
    _take_tails_off(apart, both, means, noise, own, view, regions)
    chance = np.sqrt(2 * size) * noise
    faintest = SEGMENTATION.tails * float(regions.energy.max(initial=0.0)) / SEGMENTATION.chance
    least = np.maximum(energy, np.maximum(np.sqrt(2 * size) * variance, 1e-9))
    scale = np.sqrt(least.prod(axis=1))
    similarity = np.einsum("md,md->m", means[:, 0], means[:, 1]) / scale
    error = np.sqrt(variance.prod(axis=1) * size + variance[:, 0] * least[:, 1] + variance[:, 1] * least[:, 0]) / scale
    gradients = _within(_gradients(regions, own, numbers[:, 6:8], both), change)
    fainter, brighter = np.sort(regions.energy[own], axis=1).T
    gradients[fainter * SEGMENTATION.fades < brighter] = 0.0
    allowed = SEGMENTATION.negligible * both + gradients
    found = Comparisons(
        kind,
        similarity,
        error,
        both,
        apart,
        chance + 2 * np.sqrt(allowed * noise),
        np.maximum(chance, faintest),
        allowed,
        np.full(len(own), np.nan),
    )
    found.similarity[kind < 0], found.error[kind < 0] = np.nan, np.nan
    _ask_what_is_shared(features, found, means, variance, everything)
    return found


def _ask_what_is_shared(
    features: WindowFeatures, found: Comparisons, means: Array, variance: Array, everything: bool
) -> None:
    """Fill what reflections and lattices have in common where it is asked."""
    nothing = found.difference <= SEGMENTATION.chance * found.chance
    smooth = found.difference - SEGMENTATION.errors * found.spread <= found.allowed
    asked = (found.kind >= 0) & (found.similarity > 0) & ~nothing
    if not everything:
        asked &= smooth & (found.similarity - found.error < SEGMENTATION.same)
    where = np.flatnonzero(asked)
    if where.size:
        found.shared[where] = in_common(means[where], variance[where], features.basis)


def _gradients(regions: WindowRegions, pairs: NDArray[np.int64], steps: Array, energy: Array) -> Array:
    """Return the energy of a difference (m,) that is a gradient, from how patterns change inside of regions 0 ….

    What counts is what changes beyond noise, in the direction across the boundary and the region that changes more.
    """
    direction = np.abs(steps @ _DIRECTIONS.T).argmax(axis=1)
    change, error, number = np.moveaxis(regions.change, 2, 0)
    beyond = np.where(number >= SEGMENTATION.pairs, change - SEGMENTATION.errors * error, -np.inf)
    largest = beyond[pairs, direction[:, None]].max(axis=1)
    typical = _typical(regions.energy, regions.sizes, beyond) * energy
    return SEGMENTATION.steeper * np.where(np.isneginf(largest), typical, np.maximum(largest, 0))


def _within(gradients: Array, change: Array) -> Array:
    """Return gradients (m,) within an error of what changes (m, 2, 4) inside of both regions, as far as that is known.

    First what changes clear of the boundary, at least, then what changes from the first shell on, at most: the probe
    may mix there. The columns are energy and standard error, of the one region and the other.
    """
    low, high = (
        SEGMENTATION.same_distance * np.fmax(*(change[:, n, ::2] + sign * change[:, n, 1::2]).T)
        for n, sign in ((0, -1), (1, 1))
    )
    bounded = np.where(np.isnan(high), gradients, np.minimum(gradients, np.fmax(high, 0)))
    return np.asarray(np.fmax(bounded, np.fmax(low, 0)))


def _take_tails_off(
    apart: Array,
    both: Array,
    means: Array,
    noise: Array,
    pairs: NDArray[np.int64],
    view: View,
    regions: WindowRegions,
) -> None:
    """Take off the difference and the energy of faint pairs (m,) what much brighter regions of the window scatter.

    The tails of the probe reach over several positions, so that vacuum beside a crystal shows it faintly. Several parts
    of one crystal have one direction, and noise in others.
    """
    bright = np.argsort(-regions.energy, kind="stable")[: SEGMENTATION.bright]
    limit = np.maximum(regions.energy[pairs].max(axis=1) * SEGMENTATION.fades, 1e-9)
    brighter = (regions.energy[bright][None] > limit[:, None]).sum(axis=1)
    numbers, span = np.unique(brighter, return_inverse=True)
    if not numbers[-1]:
        return
    tails = np.zeros((int(numbers[-1]), means.shape[2]))
    region_means(view, bright[: len(tails)], tails)
    among = np.arange(len(tails)) < numbers[numbers > 0, None]
    axes, lengths, _ = np.linalg.svd((tails * among[..., None]).swapaxes(1, 2), full_matrices=False)
    take_tails_off(means, noise, axes, lengths**2, span - int(numbers[0] == 0), limit, apart, both)


def _typical(whole: Array, sizes: NDArray[np.int64], change: Array) -> float:
    """Return by how much of its energy a region typically changes: what three quarters of the signal do not exceed."""
    most = change.max(axis=1)
    usable = ~np.isneginf(most) & (whole > 0)
    if not usable.any():
        return SEGMENTATION.most_typical
    relative, weight = most[usable] / (2 * whole[usable]), sizes[usable] * whole[usable]
    order = np.argsort(relative, kind="stable")
    total = np.cumsum(weight[order])
    value = float(relative[order][np.searchsorted(total, SEGMENTATION.typical * total[-1])])
    return min(max(value, 0.0), SEGMENTATION.most_typical)
