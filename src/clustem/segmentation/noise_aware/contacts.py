"""Which regions touch, and in which window most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clustem.segmentation.noise_aware._region_kernels import neighbour_keys


@dataclass(frozen=True, eq=False)
class Contacts:
    """Pairs (m, 2) of regions that touch, the lower first, and the windows (m,) in which they touch most."""

    pairs: NDArray[np.int64]
    windows: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Touching:
    """How often regions touch.

    Attributes
    ----------
    keys : (n,) int64
        (lower region · regions + higher region) · windows + window of neighbours, rising.
    counts : (n,) int64
        Of pairs of neighbours.
    regions, windows : int
        How many there are.
    """

    keys: NDArray[np.int64]
    counts: NDArray[np.int64]
    regions: int
    windows: int

    @classmethod
    def of(cls, labels: NDArray[np.int64], owner: NDArray[np.int64]) -> Touching:
        """Return that of regions 0 … of labels (scan_y, scan_x), −1 = none, in windows that own positions."""
        regions, windows = int(labels.max(initial=-1)) + 1, int(owner.max(initial=0)) + 1
        keys = np.empty(neighbour_keys(labels, owner, regions, windows, np.empty(0, np.int64)), np.int64)
        neighbour_keys(labels, owner, regions, windows, keys)
        return cls(*np.unique(keys, return_counts=True), regions, windows)

    def joined(self, table: NDArray[np.int64]) -> Touching:
        """Return that of the same regions after each became the one that a table (regions,) says."""
        pair, window = np.divmod(self.keys, self.windows)
        low, high = np.divmod(pair, max(1, self.regions))
        one, two = table[low], table[high]
        same = (one == low) & (two == high)
        moved = ~same & (one != two)
        pair = np.minimum(one, two)[moved] * self.regions + np.maximum(one, two)[moved]
        keys = np.concatenate([self.keys[same], pair * self.windows + window[moved]])
        order = np.argsort(keys, kind="stable")
        keys, counts = keys[order], np.concatenate([self.counts[same], self.counts[moved]])[order]
        start = _starts(keys)
        return Touching(keys[start], _summed(counts, start), self.regions, self.windows)

    def contacts(self, least: int) -> Contacts:
        """Return the pairs that have so many pairs of neighbours at least."""
        pair, window = np.divmod(self.keys, self.windows)
        start = _starts(pair)
        number = np.cumsum(np.bincount(start, minlength=pair.size)[: pair.size]) - 1
        most = np.maximum.reduceat(self.counts, start) if start.size else self.counts
        best = np.flatnonzero(self.counts == most[number])
        best = best[_starts(pair[best])]
        best = best[_summed(self.counts, start) >= least]
        return Contacts(np.column_stack(np.divmod(pair[best], max(1, self.regions))), window[best])


def _starts(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where runs of equal values (n,) start."""
    return np.flatnonzero(np.append(True, values[1:] != values[:-1])[: values.size])


def _summed(counts: NDArray[np.int64], start: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return sums of counts (n,) over runs."""
    return np.add.reduceat(counts, start) if start.size else counts
