"""The record of tracks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from clustem.calibration import Calibration
from clustem.series.drift import Drift
from clustem.series.linking import Event
from clustem.series.orientations import TrackOrientations
from clustem.tables import table_text

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class Tracks:
    """Domains followed through a series, made by :func:`clustem.track`.

    Attributes
    ----------
    name : str
        Of the series.
    labels : (time, scan_y, scan_x) int32
        The identity of every position, 0 = none; the same particle has the same number in all frames, from 1 on in
        order of birth. 0 everywhere at gaps.
    appearances : Appearances
        What was measured of every track in every frame.
    events : tuple of Event
        What happens to tracks: appear, vanish, split, merge; by frame. Parents and children are identities.
    drift : Drift
    images : (time, scan_y, scan_x) float32
        What was seen of the sample: the annular dark field, or the sum of each pattern where no direct beam was found;
        NaN at gaps.
    patterns : (K, k_y, k_x) float32
        Mean pattern of every track, less offset, over all its frames in its own rotating frame: turned back, about the
        beam, to how it stood when it was first seen. The beam is at `centre_px`.
    centre_px : (2,) float64
    times_s : (time,) float64
        NaN where not known.
    present : (time,) bool
        False at gaps.
    calibration : Calibration
    fingerprint : str
        SHA-256 of what tells its frames from others.
    orientations : TrackOrientations, optional
        Of every appearance, if crystals were given.
    warnings : tuple of str
    """

    name: str
    labels: NDArray[np.int32]
    appearances: Appearances
    events: tuple[Event, ...]
    drift: Drift
    images: NDArray[np.float32]
    patterns: NDArray[np.float32]
    centre_px: NDArray[np.float64]
    times_s: NDArray[np.float64]
    present: NDArray[np.bool_]
    calibration: Calibration
    fingerprint: str = ""
    orientations: TrackOrientations | None = None
    warnings: tuple[str, ...] = ()

    @property
    def number(self) -> int:
        """Number of tracks."""
        return int(self.appearances.track.max(initial=0))

    @cached_property
    def frames(self) -> pd.DataFrame:
        """One row per track and frame, see :func:`clustem.series.tabulating.frame_table`."""
        from clustem.series.tabulating import frame_table

        return frame_table(self)

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per track, see :func:`clustem.series.tabulating.track_table`."""
        from clustem.series.tabulating import track_table

        return track_table(self)

    @cached_property
    def event_table(self) -> pd.DataFrame:
        """One row per event, see :func:`clustem.series.tabulating.event_table`."""
        from clustem.series.tabulating import event_table

        return event_table(self)

    @cached_property
    def drift_table(self) -> pd.DataFrame:
        """One row per frame, see :func:`clustem.series.tabulating.drift_table`."""
        from clustem.series.tabulating import drift_table

        return drift_table(self)

    def to_graphml(self) -> str:
        """Return the lineage as GraphML: a node per track, an edge from every parent to every child of an event."""
        from clustem.series.tabulating import lineage_graphml

        return lineage_graphml(self)

    def __repr__(self) -> str:
        kinds = [event.kind for event in self.events]
        gaps = int((~self.present).sum())
        return table_text(
            f"Tracks of {self.name}",
            [
                ("tracks", self.number),
                ("frames", f"{len(self.labels)}" + (f", {gaps} of them gaps" if gaps else "")),
                ("events", ", ".join(f"{kinds.count(kind)} {kind}" for kind in ("appear", "vanish", "split", "merge"))),
                (
                    "drift",
                    f"{np.nan_to_num(np.hypot(*self.drift.displacement.T)).max(initial=0.0):.2f} positions at most",
                ),
                *(("warning", text) for text in self.warnings),
            ],
        )


@dataclass(frozen=True, eq=False)
class Appearances:
    """One entry per track and frame, by frame and identity.

    Attributes
    ----------
    track, frame : (N,) int64
    positions : (N,) int64
    centroid : (N, 2) float64
        (y, x) in scan positions of the frame.
    cut : (N,) bool
        Whether the edge of the scan cuts the domain.
    electrons, snr, confidence : (N,) float64
        Sum of all values of the domain, signal-to-noise ratio of its mean pattern, confidence of the segmentation
        (NaN where it did not find the domain by itself).
    similarity : (N,) float64
        Noise-corrected, of its pattern to the mean of the track's others in their own rotating frame; NaN without any.
    similarity_before, turn_deg : (N,) float64
        Similarity to the appearance before it, and by how much the pattern turned in its plane since; NaN at birth.
    scan_electrons : (time,) float64
        Mean sum of a pattern, of every frame; NaN at gaps.
    """

    track: NDArray[np.int64]
    frame: NDArray[np.int64]
    positions: NDArray[np.int64]
    centroid: NDArray[np.float64]
    cut: NDArray[np.bool_]
    electrons: NDArray[np.float64]
    snr: NDArray[np.float64]
    confidence: NDArray[np.float64]
    similarity: NDArray[np.float64]
    similarity_before: NDArray[np.float64]
    turn_deg: NDArray[np.float64]
    scan_electrons: NDArray[np.float64]
