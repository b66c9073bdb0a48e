"""Vacuum, liquid and support: the region that scatters least, and without Bragg spots."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from clustem.segmentation.features.features import Features, WindowFeatures
from clustem.segmentation.noise_aware._region_kernels import core_positions
from clustem.segmentation.noise_aware.constants import BACKGROUND


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
    """

    electrons: NDArray[np.float64]
    reflections: NDArray[np.float64]
    anisotropy: NDArray[np.float64]

    @classmethod
    def nothing(cls) -> Scattering:
        """Return that of no region."""
        return cls(np.empty(0), np.empty(0), np.empty(0))

    def with_others(self, other: Scattering) -> Scattering:
        """Return these regions and then others."""
        return Scattering(
            np.append(self.electrons, other.electrons),
            np.append(self.reflections, other.reflections),
            np.append(self.anisotropy, other.anisotropy),
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
        empty |= self.electrons[faintest] < BACKGROUND.dark * typical
        return faintest if empty or (round_enough and faint) else None


def find_background(
    features: Features, labels: NDArray[np.int64], others: Scattering | None = None
) -> Background | None:
    """Return the region 0 … of labels (scan_y, scan_x) that holds no crystal, or None.

    It is the one with the faintest reflections: they are hardly there, or it also scatters clearly less than the others
    and its mean pattern depends only on the distance from the centre. Other amorphous regions are domains like
    crystals. `others` are regions of the same scan that are not among the labels.
    """
    regions, found = measure_scattering(features, labels)
    known = found if others is None else found.with_others(others)
    empty = known.empty()
    if empty is None or empty >= regions.size:
        return None
    region, times = int(regions[empty]), np.ones(int(labels.max()) + 1)
    times[regions] = found.reflections / max(float(found.reflections[empty]), 1e-12)
    shown = np.clip(times, 1.0, BACKGROUND.shown)
    return Background(region, np.maximum(_favour(features, labels, region), shown))


def _favour(features: Features, labels: NDArray[np.int64], region: int) -> NDArray[np.float64]:
    """Return how often a crystal (K,), at its whole share, scatters as much as the background at its own, in cores."""
    core = np.empty(labels.shape, bool)
    core_positions(labels, core)
    number, mean = int(labels.max()) + 1, np.zeros(int(labels.max()) + 1)
    for where in (labels >= 0, core):
        members = np.bincount(labels[where], minlength=number)
        sums = np.bincount(labels[where], features.electrons[where], minlength=number)
        enough = members >= BACKGROUND.least_core
        mean = np.where(enough | (mean == 0), sums / np.maximum(members, 1), mean)
    under = float(mean[region])
    times: NDArray[np.float64] = np.clip((mean - under) / max(under, 1e-12), 1.0, BACKGROUND.most_favour)
    return times


def measure_scattering(features: Features, labels: NDArray[np.int64]) -> tuple[NDArray[np.int64], Scattering]:
    """Return the regions of at least six positions, and what they scatter."""
    inside, number = labels >= 0, int(labels.max(initial=-1)) + 1
    sizes = np.bincount(labels[inside], minlength=number)
    electrons = np.bincount(labels[inside], features.electrons[inside], minlength=number) / np.maximum(sizes, 1)
    regions = np.flatnonzero(sizes >= BACKGROUND.least)
    reflections, anisotropy = _reflections(features, labels, number)
    return regions, Scattering(electrons[regions], reflections[regions], anisotropy[regions])


def _reflections(
    features: Features, labels: NDArray[np.int64], number: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return amplitude and anisotropy of regions 0 …, each in the window that holds most of it."""
    amplitude, anisotropy, most = np.zeros(number), np.zeros(number), np.zeros(number, np.int64)
    for window in features.windows:
        own = labels[window.window.own]
        counts = np.bincount(own[own >= 0], minlength=number)
        here = np.flatnonzero(counts > most)
        if here.size:
            amplitude[here], anisotropy[here] = _measured(window, own, here)
            most[here] = counts[here]
    return amplitude, anisotropy


def _measured(
    window: WindowFeatures, own: NDArray[np.int64], regions: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the amplitude of mean patterns without noise (K,), and how much of its energy a mean over rings leaves.

    They are those of the filtered patterns, in which smooth scattering is nothing, whatever its strength.
    """
    values, noise = window.values[window.window.inner], window.noise[window.window.inner]
    inside = own >= 0
    table = np.full(int(own.max()) + 1, -1)
    table[regions] = np.arange(regions.size)
    local = table[own[inside]]
    kept, size = local >= 0, values.shape[2]
    belongs = csr_array((np.ones(int(kept.sum())), (local[kept], np.flatnonzero(kept))), (regions.size, local.size))
    count = np.asarray(belongs.sum(axis=1)).ravel()
    means = (belongs @ values[inside]) / count[:, None]
    dose = (belongs @ noise[inside]) / count**2
    whole, radial = window.basis.whole, window.basis.radial
    energy = np.einsum("kd,de,ke->k", means, whole, means)
    left = energy - np.einsum("kd,de,ke->k", means, radial, means) - dose * float(np.trace(whole) - np.trace(radial))
    amplitude = np.sqrt(np.maximum((means**2).sum(axis=1) - size * dose, 0.0))
    return amplitude, left / np.maximum(energy, 1e-300)
