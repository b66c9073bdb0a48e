"""Compiled loops over what regions of a scan scatter: arrays and scalars in, arrays filled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.compiling import compiled
from clustem.segmentation.noise_aware._region_kernels import in_core

Array = NDArray[Any]


@compiled()
def sum_electrons(labels: Array, electrons: Array, sums: Array, members: Array, cores: bool) -> None:
    """Add electrons (scan_y, scan_x) and positions of regions 0 … of labels to sums and members (K,); of their cores.

    Without `cores`, of all of them.
    """
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            k = labels[y, x]
            if k >= 0 and (not cores or in_core(labels, y, x)):
                sums[k] += electrons[y, x]
                members[k] += 1


@compiled()
def best_windows(labels: Array, spans: Array, best: Array) -> None:
    """Fill best (K,) with the first of the windows that hold most of regions 0 … of labels (scan_y, scan_x).

    Windows have spans (n, 4): first and following row, first and following column. −1 is of what has no position.
    """
    most, counts = np.zeros(best.size, np.int64), np.zeros(best.size, np.int64)
    best[:] = -1
    for n in range(spans.shape[0]):
        top, bottom, left, right = spans[n]
        for y in range(top, bottom):
            for x in range(left, right):
                k = labels[y, x]
                if k >= 0:
                    counts[k] += 1
                    if counts[k] > most[k]:
                        most[k], best[k] = counts[k], n
        for y in range(top, bottom):
            for x in range(left, right):
                if labels[y, x] >= 0:
                    counts[labels[y, x]] = 0


@compiled()
def sum_values(
    values: Array,
    noise: Array,
    labels: Array,
    place: Array,
    first: int,
    span: Array,
    start: Array,
    found: tuple[Array, Array, Array],
) -> None:
    """Sum values (h, w, D), noise (h, w) and positions of a window over regions, in what is the window's own.

    labels (scan_y, scan_x) are regions of the scan, of which span (4,) is the window's own, and start (2,) where the
    window starts. place (K,) says where a region is, from `first` on, in what is found: sums (k, D), doses (k,) and
    counts (k,). Other places are not in it.
    """
    sums, doses, counts = found
    for y in range(span[0], span[1]):
        for x in range(span[2], span[3]):
            k = place[labels[y, x]] - first if labels[y, x] >= 0 else -1
            if 0 <= k < counts.size:
                u, v = y - start[0], x - start[1]
                counts[k] += 1.0
                doses[k] += noise[u, v]
                for d in range(values.shape[2]):
                    sums[k, d] += values[u, v, d]


@compiled()
def energies_of(means: Array, form: Array, energies: Array) -> None:
    """Fill energies (k,) with mean · form (D, D) · mean, of means (k, D)."""
    size = form.shape[0]
    turned = np.empty(size)
    for k in range(means.shape[0]):
        turned[:] = 0.0
        for d in range(size):
            for e in range(size):
                turned[e] += means[k, d] * form[d, e]
        total = 0.0
        for e in range(size):
            total += turned[e] * means[k, e]
        energies[k] = total
