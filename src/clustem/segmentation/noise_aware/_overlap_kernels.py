"""Compiled loops over a region and those around it: arrays and scalars in, arrays filled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.compiling import compiled

Array = NDArray[Any]


@compiled()
def regions_around(labels: Array, span: Array, box: Array, region: int, reach: int) -> Array:
    """Return the regions of labels (scan_y, scan_x), rising, that are at most so far from one with a box (4,).

    Only rows span[0] … span[1] and columns span[2] … span[3] are looked at, and the last ones of the box are in it.
    """
    found, number = np.empty(8, np.int64), 0
    for y in range(max(box[0], span[0]), min(box[1] + 1, span[1])):
        for x in range(max(box[2], span[2]), min(box[3] + 1, span[3])):
            if labels[y, x] != region:
                continue
            for u in range(max(span[0], y - reach), min(span[1], y + reach + 1)):
                for v in range(max(span[2], x - reach), min(span[3], x + reach + 1)):
                    k = labels[u, v]
                    if k < 0 or k == region or (found[:number] == k).any():
                        continue
                    if number == found.size:
                        found = np.append(found, found)
                    found[number] = k
                    number += 1
    return np.sort(found[:number])


@compiled()
def mean_inside(
    values: Array, noise: Array, where: Array, labels: Array, span: Array, box: Array, region: int, mean: Array
) -> tuple[int, float]:
    """Fill mean (D,) with that of a region of labels (scan_y, scan_x) in a window; return its positions and variance.

    The window has values (h, w, D) and noise (h, w), and span (4,) is where it is in the scan: first and following row,
    first and following column. The region has a box (4,) and is looked at where (scan_y, scan_x) that is said.
    """
    count, dose = 0, 0.0
    mean[:] = 0.0
    for y in range(max(box[0], span[0]), min(box[1] + 1, span[1])):
        for x in range(max(box[2], span[2]), min(box[3] + 1, span[3])):
            if labels[y, x] == region and where[y, x]:
                count += 1
                dose += noise[y - span[0], x - span[2]]
                for d in range(mean.size):
                    mean[d] += values[y - span[0], x - span[2], d]
    if count:
        mean /= count
    return count, dose / max(count, 1) ** 2
