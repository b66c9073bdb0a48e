"""Vacuum, liquid and support: the region that scatters least, and without Bragg spots."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects

from clustem.segmentation.features import Features, sum_where

_ROUND = 0.35  # of the median anisotropy of the other regions
_FLAT = 0.45  # anisotropy that it never exceeds
_FAINT = 0.6  # of the median scattering of the other regions
_EMPTY = 0.1  # of that median: there is nothing, whatever its few electrons look like
_LEAST = 6  # positions of a region that is looked at


@dataclass(frozen=True, eq=False)
class Scattering:
    """What regions of a scan scatter outside of the direct beam, in electrons, and how far that is from round (K,)."""

    electrons: NDArray[np.float64]
    anisotropy: NDArray[np.float64]

    def with_others(self, other: Scattering) -> Scattering:
        """Return these regions and then others."""
        return Scattering(np.append(self.electrons, other.electrons), np.append(self.anisotropy, other.anisotropy))

    def empty(self) -> int | None:
        """Return the index of the region that holds no crystal, or None."""
        if self.electrons.size < 2:
            return None
        faintest = int(self.electrons.argmin())
        others = np.arange(self.electrons.size) != faintest
        typical = float(np.median(self.electrons[others]))
        round_enough = self.anisotropy[faintest] < min(_ROUND * float(np.median(self.anisotropy[others])), _FLAT)
        empty = self.electrons[faintest] < _EMPTY * typical
        faint = round_enough and self.electrons[faintest] < _FAINT * typical
        return faintest if empty or faint else None


def find_background(features: Features, labels: NDArray[np.int64], others: Scattering | None = None) -> int | None:
    """Return the region 0 … of labels (scan_y, scan_x) that holds no crystal, or None.

    It is the one that scatters least outside of the direct beam, clearly less than the others, and whose mean pattern
    depends only on the distance from the centre: its anisotropy is clearly lower than that of the others, or it
    scatters almost nothing. Other amorphous regions are domains like crystals. `others` are regions of the same scan
    that are not among the labels.
    """
    regions, found = measure_scattering(features, labels)
    known = found if others is None else found.with_others(others)
    empty = known.empty()
    return None if empty is None or empty >= regions.size else int(regions[empty])


def measure_scattering(features: Features, labels: NDArray[np.int64]) -> tuple[NDArray[np.int64], Scattering]:
    """Return the regions of at least six positions, and what they scatter."""
    regions, sizes = np.unique(labels[labels >= 0], return_counts=True)
    regions = regions[sizes >= _LEAST]
    boxes = find_objects(labels + 1)
    electrons, anisotropy, rings = np.zeros(regions.size), np.zeros(regions.size), _Rings(features)
    for n, k in enumerate(regions.tolist()):
        where = labels[boxes[k]] == k
        values = features.values[boxes[k]]
        electrons[n] = float(values[..., -1][where].mean(dtype=np.float64))
        mean = sum_where(values, where) / int(where.sum())
        anisotropy[n] = rings.anisotropy(mean, features.noise[boxes[k]][where])
    return regions, Scattering(electrons, anisotropy)


class _Rings:
    """The energy that a radial mean leaves of mean patterns."""

    def __init__(self, features: Features) -> None:
        used = np.flatnonzero(features.basis.back[-1] > 0)
        self.back = features.basis.back[:, used]
        y, x = np.unravel_index(used, features.cells)
        self.ring = np.rint(np.hypot(y - features.centre[0], x - features.centre[1])).astype(int)
        self.pixels = np.maximum(np.bincount(self.ring), 1)
        share = self.back[-1]
        self.weight = 1 / np.maximum(share, 1e-3 * share.max())
        self.noise = float((self.back[:-1] ** 2 * self.weight).sum())

    def anisotropy(self, mean: NDArray[np.float64], doses: NDArray[np.float64]) -> float:
        """Return what is left of the energy of the mean pattern, without noise, over its whole energy.

        It is that of positions with the mean values (D + 1,) and relative noise (n,).
        """
        pattern = mean @ self.back
        radial = (np.bincount(self.ring, pattern) / self.pixels)[self.ring]
        noise = self.noise * float(doses.sum()) / doses.size**2
        whole = float((self.weight * pattern**2).sum())
        return float((self.weight * (pattern - radial) ** 2).sum() - noise) / max(whole, 1e-300)
