"""The record of a segmentation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clustem.calibration import Calibration
from clustem.errors import InputError
from clustem.segmentation.domains.editing import check_label, divide, merge_mixture, merge_table
from clustem.segmentation.domains.tree import MergeTree
from clustem.segmentation.parameters import LabelsParameters, NoiseAwareParameters, PublishedParameters
from clustem.tables import table_text

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Mixture:
    """What every pattern is made of.

    Attributes
    ----------
    labels : (scan_y, scan_x, 3) int32
        The domains with the three largest shares, 0 = none.
    fractions : (scan_y, scan_x, 3) float32
        Their shares, falling, of sum 1 or less; 0 where there is no domain near.
    unexplained : (scan_y, scan_x) bool
        Positions that no mixture of the domains around them explains.
    """

    labels: NDArray[np.int32]
    fractions: NDArray[np.float32]
    unexplained: NDArray[np.bool_]


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


@dataclass(frozen=True, eq=False, repr=False)
class Domains:
    """Domains of a scan, made by :func:`clustem.segment`.

    Attributes
    ----------
    labels : (scan_y, scan_x) int32
        0 = unassigned, domains are 1 … K.
    method : str
        ``"noise-aware"``, ``"published"`` or ``"labels"``.
    parameters : NoiseAwareParameters, PublishedParameters or LabelsParameters
        Everything the method was given, with the threshold it used.
    similarity : (scan_y, scan_x) float64, optional
        Mean similarity of each position to its neighbours inside the scan; NaN for dead patterns.
    tree : MergeTree, optional
        The partition at every threshold.
    mixture : Mixture, optional
        What every pattern is made of; with ``"noise-aware"``.
    confidence : (K,) float64, optional
        Of each domain, 0 … 1: its overlap with what is found in its place in two halves of the data, which have
        independent noise; with ``"noise-aware"``.
    quality : Quality, optional
        How sure every position is, and the weakest boundary of every domain; with ``"noise-aware"``.
    reason : str
        How the partition was chosen.
    calibration : Calibration
    warnings : tuple of str
    """

    labels: NDArray[np.int32]
    method: str
    parameters: NoiseAwareParameters | PublishedParameters | LabelsParameters
    similarity: NDArray[np.float64] | None = None
    tree: MergeTree | None = None
    mixture: Mixture | None = None
    confidence: NDArray[np.float64] | None = None
    quality: Quality | None = None
    reason: str = ""
    calibration: Calibration = field(default_factory=Calibration)
    warnings: tuple[str, ...] = ()

    @property
    def number(self) -> int:
        """Number of domains, K."""
        return int(self.labels.max(initial=0))

    @property
    def sizes(self) -> NDArray[np.int64]:
        """(K,) number of positions of each domain."""
        return np.bincount(self.labels.ravel(), minlength=self.number + 1)[1:].astype(np.int64)

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per domain: all columns of :func:`clustem.domain_table` that need no averages.

        Examples
        --------
        >>> import numpy as np
        >>> from clustem.segmentation import LabelsParameters
        >>> labels = np.array([[1, 1, 2], [1, 2, 2]], np.int32)
        >>> table = Domains(labels, method="labels", parameters=LabelsParameters()).to_dataframe()
        >>> table["positions"].tolist(), table["at_edge"].tolist()
        ([3, 3], [True, True])
        """
        from clustem.segmentation.domains.listing import shape_table

        return shape_table(self)

    def merge(self, labels: Sequence[int]) -> Domains:
        """Return the domains with those of `labels` made one, as `reason` then says.

        It takes the lowest of the labels; those above the others move down. Its confidence is not known (NaN), its
        share in every pattern is the sum of theirs; the quality, which is that of what was found, is left out.

        Raises
        ------
        InputError
            If `labels` are not at least two different domains.
        """
        chosen = sorted({check_label("merge", label, self.number) for label in labels})
        if len(chosen) < 2:
            raise InputError(f"merge: expected at least two different domains, got {list(labels)!r}")
        table = merge_table(chosen, self.number)
        confidence = self.confidence
        if confidence is not None:
            confidence = np.delete(
                np.where(np.arange(1, self.number + 1) == chosen[0], np.nan, confidence), np.array(chosen[1:]) - 1
            )
        return replace(
            self,
            labels=table[self.labels],
            mixture=None if self.mixture is None else merge_mixture(self.mixture, table),
            confidence=confidence,
            quality=None,
            reason=self._by_hand(f"{', '.join(map(str, chosen[:-1]))} and {chosen[-1]} merged"),
        )

    def split(self, label: int) -> Domains:
        """Return the domains with one divided into its next two parts down the tree, as `reason` then says.

        The larger part keeps the label, the smaller is the last domain. Their confidence is not known (NaN), and there
        is no mixture and no quality any more, because they do not tell the parts from each other.

        Raises
        ------
        InputError
            If there is no such domain, no tree, or no two parts of at least `min_size` positions.
        """
        label = check_label("split", label, self.number)
        if self.tree is None:
            raise InputError(f"split: method '{self.method}' has no tree to go down; edit the label image instead")
        part, similarity = divide(self.labels == label, self.tree)
        confidence = self.confidence
        if confidence is not None:
            confidence = np.append(np.where(np.arange(1, self.number + 1) == label, np.nan, confidence), np.nan)
        return replace(
            self,
            labels=np.where(part, self.number + 1, self.labels).astype(np.int32),
            mixture=None,
            confidence=confidence,
            quality=None,
            reason=self._by_hand(f"{label} split at similarity {similarity:.3g}, into {label} and {self.number + 1}"),
        )

    def _by_hand(self, change: str) -> str:
        return f"{self.reason}; by hand: {change}" if self.reason else f"by hand: {change}"

    def __repr__(self) -> str:
        rows: list[tuple[str, Any]] = [
            ("domains", self.number),
            ("method", self.method),
            ("chosen", self.reason or None),
            ("unassigned", f"{(self.labels == 0).mean():.1%} of {self.labels.size} positions"),
        ]
        if self.number:
            rows.append(("positions", f"median {np.median(self.sizes):.0f}, largest {self.sizes.max()}"))
        return table_text("Domains", rows + [("warning", text) for text in self.warnings])
