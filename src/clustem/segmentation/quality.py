"""How sure every position is of its domain, and how sharp the boundaries of domains are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clustem.segmentation.boundaries import Strips, touching
from clustem.segmentation.features import Features


@dataclass(frozen=True, eq=False)
class Quality:
    """How sure every position is, and the weakest boundary of every domain.

    Attributes
    ----------
    positions : (scan_y, scan_x) float32
        Probability, 0 … 1, that a position belongs to its domain and not to another within two positions, by χ² of the
        mixture that its pattern is; NaN where it belongs to none.
    boundary_similarity : (K,) float64
        Largest noise-corrected similarity across a boundary of the domain with another; NaN if it has none that is long
        enough.
    boundary_neighbour : (K,) int32
        The domain on the other side there, 0 = none.
    """

    positions: NDArray[np.float32]
    boundary_similarity: NDArray[np.float64]
    boundary_neighbour: NDArray[np.int32]


def weakest_boundaries(features: Features, labels: NDArray[np.int32]) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Return the largest similarity (K,) across a boundary of every domain 1 … K, and the domain on its other side."""
    regions = labels.astype(np.int64) - 1
    number = int(regions.max(initial=-1)) + 1
    similarity, neighbour = np.full(number, np.nan), np.zeros(number, np.int32)
    strips = Strips(features, regions)
    for pair in touching(regions):
        found = strips.compare(*pair)
        if found is None:
            continue
        for one, other in (pair, pair[::-1]):
            if not similarity[one] >= found.similarity:
                similarity[one], neighbour[one] = found.similarity, other + 1
    return similarity, neighbour
