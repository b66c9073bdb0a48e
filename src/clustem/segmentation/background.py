"""Vacuum, liquid and support: the region that scatters least, and without Bragg spots."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clustem.segmentation.features import Features

_ROUND = 0.35  # of the median anisotropy of the other regions
_FLAT = 0.45  # anisotropy that it never exceeds
_FAINT = 0.6  # of the median scattering of the other regions
_EMPTY = 0.1  # of that median: there is nothing, whatever its few electrons look like
_LEAST = 6  # positions of a region that is looked at


def find_background(features: Features, labels: NDArray[np.int64]) -> int | None:
    """Return the region 0 … of labels (scan_y, scan_x) that holds no crystal, or None.

    It is the one that scatters least outside of the direct beam, clearly less than the others, and whose mean pattern
    depends only on the distance from the centre: its anisotropy is clearly lower than that of the others, or it
    scatters almost nothing. Other amorphous regions are domains like crystals.
    """
    regions, sizes = np.unique(labels[labels >= 0], return_counts=True)
    regions = regions[sizes >= _LEAST]
    if regions.size < 2:
        return None
    scattering = np.array([float(features.values[labels == k, -1].mean(dtype=np.float64)) for k in regions])
    anisotropy = np.array([_anisotropy(features, labels == k) for k in regions])
    faintest = int(scattering.argmin())
    others = np.arange(regions.size) != faintest
    round_enough = anisotropy[faintest] < min(_ROUND * float(np.median(anisotropy[others])), _FLAT)
    typical = float(np.median(scattering[others]))
    empty = scattering[faintest] < _EMPTY * typical
    faint = round_enough and scattering[faintest] < _FAINT * typical
    return int(regions[faintest]) if empty or faint else None


def _anisotropy(features: Features, where: NDArray[np.bool_]) -> float:
    """Return the energy of the mean pattern that its radial mean leaves, without noise, over its whole energy."""
    back = features.basis.back
    used = np.flatnonzero(back[-1] > 0)
    y, x = np.unravel_index(used, features.cells)
    ring = np.rint(np.hypot(y - features.centre[0], x - features.centre[1])).astype(int)
    pattern = features.values[where].mean(axis=0, dtype=np.float64) @ back[:, used]
    radial = (np.bincount(ring, pattern) / np.maximum(np.bincount(ring), 1))[ring]
    share = back[-1, used]
    weight = 1 / np.maximum(share, 1e-3 * share.max())
    doses = features.noise[where]
    noise = float((back[:-1, used] ** 2 * weight).sum()) * float(doses.sum()) / doses.size**2
    whole = float((weight * pattern**2).sum())
    return float((weight * (pattern - radial) ** 2).sum() - noise) / max(whole, 1e-300)
