"""Vacuum, liquid and support: the region that scatters least, and without Bragg spots."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clustem.computing import in_threads
from clustem.segmentation.features import Features, WindowFeatures
from clustem.segmentation.noise_aware._background_kernels import best_windows, energies_of, sum_electrons, sum_values
from clustem.segmentation.noise_aware.constants import BACKGROUND, SEGMENTATION


@dataclass(frozen=True, eq=False)
class Background:
    """The region 0 … that holds no crystal, and how often the share of another (K,) counts against its own.

    At the thin rim of a particle the background has the largest share, and the crystal is there nevertheless.
    """

    region: int
    favour: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scattering:
    """What regions of a scan (K,) scatter.

    Attributes
    ----------
    electrons : (K,) float64
        Outside of the direct beam, per position.
    reflections : (K,) float64
        Amplitude of what stands out of the smooth scattering, in standard deviations of the noise of a position.
    anisotropy : (K,) float64
        Share of the energy of that which a mean over rings about the beam leaves.
    positions : (K,) int64
    """

    electrons: NDArray[np.float64]
    reflections: NDArray[np.float64]
    anisotropy: NDArray[np.float64]
    positions: NDArray[np.int64]

    @classmethod
    def nothing(cls) -> Scattering:
        """Return that of no region."""
        return cls(np.empty(0), np.empty(0), np.empty(0), np.empty(0, np.int64))

    def with_others(self, other: Scattering) -> Scattering:
        """Return these regions and then others."""
        return Scattering(
            np.append(self.electrons, other.electrons),
            np.append(self.reflections, other.reflections),
            np.append(self.anisotropy, other.anisotropy),
            np.append(self.positions, other.positions),
        )

    def empty(self) -> int | None:
        """Return the index of the region that holds no crystal, or None."""
        if self.electrons.size < 2:
            return None
        faintest = int(self.reflections.argmin())
        others = np.arange(self.electrons.size) != faintest
        typical, bright = (float(np.median(x[others])) for x in (self.electrons, self.reflections))
        least = BACKGROUND.round * float(np.median(self.anisotropy[others]))
        round_enough = self.anisotropy[faintest] < min(least, BACKGROUND.flat)
        share = self.reflections[faintest] / max(bright, 1e-300)
        faint = self.electrons[faintest] < BACKGROUND.faint * typical
        empty = share < (BACKGROUND.weak if faint else BACKGROUND.empty)
        empty |= self.electrons[faintest] < BACKGROUND.weak * typical
        return faintest if empty or (round_enough and faint) else None

    def as_empty(self, empty: int) -> NDArray[np.bool_]:
        """Return which regions (K,) scatter hardly more than the one without a crystal.

        Each is compared with the one that holds the middle position of all others, by their reflections.
        """
        found: NDArray[np.bool_] = np.arange(self.electrons.size) == empty
        more = self.electrons - self.electrons[empty]
        while (~found).sum() > 1:
            rest = np.flatnonzero(~found)
            usual = self._middle_of_others(rest)
            faint = more[rest] <= BACKGROUND.weak * more[usual]
            also = rest[faint & (self.reflections[rest] < BACKGROUND.weak * self.reflections[usual])]
            if not also.size:
                break
            found[also] = True
        return found

    def _middle_of_others(self, regions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return for each of some regions which of the others holds the middle one of their positions."""
        order = regions[np.argsort(self.reflections[regions], kind="stable")]
        own, rank = self.positions[regions], np.empty(self.electrons.size, np.int64)
        rank[order] = np.arange(order.size)
        place, total = rank[regions], np.cumsum(self.positions[order])
        middle = (total[-1] - own) / 2
        before, after = np.searchsorted(total, middle), np.searchsorted(total, middle + own)
        after = np.clip(np.where(after == place, after + 1, after), 0, order.size - 1)
        return np.asarray(order[np.where(before < place, before, after)])


def find_background(
    features: Features, labels: NDArray[np.int64], others: Scattering | None = None
) -> Background | None:
    """Return the region 0 … of labels (scan_y, scan_x) that holds no crystal, and what it counts, or None.

    At least as often as the reflections of another region show there does its share count against that of this one.
    """
    found = measure_scattering(features, labels)
    region = _empty_of(found, others)
    if region is None:
        return None
    regions, scattering = found
    times = np.ones(int(labels.max()) + 1)
    own = float(scattering.reflections[regions == region][0])
    times[regions] = scattering.reflections / max(own, 1e-12)
    shown = np.maximum(_favour(features, labels, region), np.clip(times, 1.0, BACKGROUND.shown))
    beyond = np.full(times.size, np.inf)
    beyond[regions] = scattering.reflections / BACKGROUND.noise
    return Background(region, np.clip(shown, 1.0, np.maximum(beyond, 1.0)))


def empty_region(features: Features, labels: NDArray[np.int64], others: Scattering | None = None) -> int | None:
    """Return the region 0 … of labels (scan_y, scan_x) that holds no crystal, or None.

    It is the one with the faintest reflections: they are hardly there, or it also scatters clearly less than the others
    and its mean pattern depends only on the distance from the centre. Other amorphous regions are domains like
    crystals. `others` are regions of the same scan that are not among the labels.
    """
    return _empty_of(measure_scattering(features, labels), others)


def join_empty(
    features: Features, labels: NDArray[np.int64], others: Scattering | None = None, settled_rows: int = 0
) -> NDArray[np.int64]:
    """Return labels in which all regions that hold no crystal are one; those in the first `settled_rows` stay.

    The tails of the probe show crystals in vacuum around them, so that it comes in several parts.
    """
    regions, scattering = measure_scattering(features, labels)
    empty = _empty_of((regions, scattering), others)
    if empty is None:
        return labels
    known = scattering if others is None else scattering.with_others(others)
    also = regions[known.as_empty(int(np.flatnonzero(regions == empty)[0]))[: regions.size]]
    also = also[~np.isin(also, labels[:settled_rows])]
    return np.where(np.isin(labels, also), empty, labels)


def _empty_of(found: tuple[NDArray[np.int64], Scattering], others: Scattering | None) -> int | None:
    """Return which of some regions holds no crystal, given what they and others scatter."""
    regions, known = found if others is None else (found[0], found[1].with_others(others))
    empty = known.empty()
    return None if empty is None or empty >= regions.size else int(regions[empty])


def _favour(features: Features, labels: NDArray[np.int64], region: int) -> NDArray[np.float64]:
    """Return how often a crystal (K,), at its whole share, scatters as much as the background at its own, in cores."""
    mean = np.zeros(int(labels.max()) + 1)
    for cores in (False, True):
        sums, members = _electrons(features, labels, mean.size, cores=cores)
        enough = members >= BACKGROUND.least_core
        mean = np.where(enough | (mean == 0), sums / np.maximum(members, 1), mean)
    under = float(mean[region])
    times: NDArray[np.float64] = np.clip((mean - under) / max(under, 1e-12), 1.0, BACKGROUND.most_favour)
    return times


def _electrons(
    features: Features, labels: NDArray[np.int64], number: int, *, cores: bool
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the electrons of regions 0 … or of their cores, and the positions (K,) that have them."""
    sums, members = np.zeros(number), np.zeros(number, np.int64)
    sum_electrons(labels, features.electrons, sums, members, cores)
    return sums, members


def measure_scattering(features: Features, labels: NDArray[np.int64]) -> tuple[NDArray[np.int64], Scattering]:
    """Return the regions of at least six positions, and what they scatter; equally much where nothing is counted."""
    labels, number = np.ascontiguousarray(labels), int(labels.max(initial=-1)) + 1
    sums, sizes = _electrons(features, labels, number, cores=False)
    regions = np.flatnonzero(sizes >= BACKGROUND.least)
    reflections, anisotropy = _reflections(features, labels, regions, number)
    counted = all(window.counted for window in features.windows)
    electrons = sums[regions] / sizes[regions] if counted else np.ones(regions.size)
    return regions, Scattering(electrons, reflections, anisotropy, sizes[regions])


def _reflections(
    features: Features, labels: NDArray[np.int64], regions: NDArray[np.int64], number: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return amplitude and anisotropy of some of the regions 0 …, each in the window that holds most of it."""
    spans = np.array([[s for part in w.window.own for s in (part.start, part.stop)] for w in features.windows])
    best, place = np.empty(number, np.int64), np.full(number, -1)
    best_windows(labels, spans, best)
    order = np.argsort(best[regions], kind="stable")
    place[regions[order]] = np.arange(regions.size)
    edges = np.searchsorted(best[regions][order], np.arange(len(features.windows) + 1)).tolist()
    amplitude, anisotropy = np.zeros(regions.size), np.zeros(regions.size)

    def work(first: int, last: int) -> None:
        for n in range(first, last):
            here = slice(edges[n], edges[n + 1])
            if here.stop > here.start:
                found = _measured(features.windows[n], labels, place, here, spans[n])
                amplitude[order[here]], anisotropy[order[here]] = found

    in_threads(work, len(features.windows), longest=1)
    return amplitude, anisotropy


def _measured(
    window: WindowFeatures,
    labels: NDArray[np.int64],
    place: NDArray[np.int64],
    here: slice,
    span: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the amplitude of mean patterns without noise (k,), and how much of its energy a mean over rings leaves.

    They are those of the filtered patterns, in which smooth scattering is nothing, whatever its strength. An amplitude
    is as large as noise may hide, at least: a few positions do not show that there is nothing.
    """
    number, size = here.stop - here.start, window.values.shape[2]
    means, dose, count = np.zeros((number, size)), np.zeros(number), np.zeros(number)
    start = np.array([part.start for part in window.window.around])
    sum_values(window.values, window.noise, labels, place, here.start, span, start, (means, dose, count))
    means /= count[:, None]
    dose /= count**2
    whole, radial = window.basis.whole, window.basis.radial
    energy, even = np.empty(number), np.empty(number)
    energies_of(means, whole, energy)
    energies_of(means, radial, even)
    left = energy - even - dose * float(np.trace(whole) - np.trace(radial))
    sure = SEGMENTATION.errors * np.sqrt(2 * size) * dose
    amplitude = np.sqrt(np.maximum((means**2).sum(axis=1) - size * dose, sure))
    return amplitude, left / np.maximum(energy, 1e-300)
