"""What has been found in the rows of a scan so far."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clustem.segmentation import Mixture
from clustem.segmentation.domains import merge_mixture
from clustem.streaming.division import Division
from clustem.streaming.identities import Identities


class Found:
    """Domains, mixtures and how sure every position (scan_y, scan_x) is; what is not settled may change.

    Attributes
    ----------
    identities : Identities
        Domains of the settled rows.
    shown : Identities
        The same, with those that are in no settled row yet.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self.identities = self.shown = Identities()
        self.domains = np.full(shape, -1, np.int32)
        self.parts, self.shares = np.zeros((*shape, 3), np.int32), np.zeros((*shape, 3), np.float32)
        self.unexplained, self.sure = np.zeros(shape, bool), np.full(shape, np.nan, np.float32)

    def write(self, division: Division, identities: Identities, first: int, settled: int) -> None:
        """Take over the rows of a window that begins at row `first`, but for those that were settled before."""
        self.shown = identities
        here = slice(first + settled, first + len(division.domains))
        self.domains[here] = division.domains[settled:]
        self.parts[here], self.shares[here] = division.mixture.labels[settled:], division.mixture.fractions[settled:]
        self.unexplained[here], self.sure[here] = division.mixture.unexplained[settled:], division.sure[settled:]

    def labels(self, rows: int) -> NDArray[np.int32]:
        """Return labels (rows, scan_x): 0 = none or background, else 1 … in the order in which domains were found."""
        return self._table(rows)[self.domains[:rows]]

    def mixture(self, rows: int, renumbered: NDArray[np.int32]) -> Mixture:
        """Return the mixture of the first rows; `renumbered` (K + 1,) takes the labels of :meth:`labels` to others."""
        table = renumbered[self._table(rows)]
        told = Mixture(self.parts[:rows], self.shares[:rows], self.unexplained[:rows])
        found = merge_mixture(told, np.append(table[-1:], table[:-1]))
        shares = np.where(found.labels > 0, found.fractions, 0).astype(np.float32)
        return Mixture(found.labels, shares, found.unexplained)

    def _table(self, rows: int) -> NDArray[np.int32]:
        """Return the label of every domain, 0 for those in no row, and 0 for −1, which comes last."""
        roots, background = self.shown.roots(), self.shown.background()
        present = np.zeros(len(self.shown) + 1, bool)
        present[self.domains[:rows]] = True
        kept = np.unique(roots[present[:-1]])
        kept = kept[kept != (-1 if background is None else background)]
        table = np.zeros(len(self.shown) + 1, np.int32)
        table[kept] = np.arange(1, kept.size + 1)
        table[:-1] = table[roots]
        return table
