"""The record of a segmentation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.calibration import Calibration
from clustem.segmentation.mixtures import Mixture
from clustem.segmentation.parameters import LabelsParameters, NoiseAwareParameters, PublishedParameters
from clustem.segmentation.tree import MergeTree
from clustem.tables import table_text


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
