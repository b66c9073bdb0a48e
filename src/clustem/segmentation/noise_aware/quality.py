"""How sharp the boundaries of domains are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clustem.segmentation.features import Features, owners
from clustem.segmentation.noise_aware.comparing import compare_contacts
from clustem.segmentation.noise_aware.constants import SEGMENTATION
from clustem.segmentation.noise_aware.contacts import Touching


def weakest_boundaries(features: Features, labels: NDArray[np.int32]) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Return the largest similarity (K,) across a boundary of every domain 1 … K, and the domain on its other side."""
    regions = labels.astype(np.int64) - 1
    number = int(regions.max(initial=-1)) + 1
    similarity, neighbour = np.full(number, np.nan), np.zeros(number, np.int32)
    owner = owners(labels.shape, [window.window for window in features.windows])
    contacts = Touching.of(regions, owner).contacts(SEGMENTATION.contact)
    found = compare_contacts(features, regions, contacts)
    value = np.where(found.kind >= 0, found.similarity, np.nan)
    for n in np.argsort(np.where(np.isnan(value), -np.inf, value), kind="stable").tolist():
        if np.isnan(value[n]):
            continue
        one, other = contacts.pairs[n].tolist()
        similarity[one], neighbour[one] = value[n], other + 1
        similarity[other], neighbour[other] = value[n], one + 1
    return similarity, neighbour
