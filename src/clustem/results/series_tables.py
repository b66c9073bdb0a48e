"""Results of a series as files of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from clustem.results.series_record import SeriesResults
from clustem.results.series_storage import save_series
from clustem.results.storage import FILE_NAME
from clustem.series import Tracks


def write_series_tables(results: SeriesResults, folder: Path) -> None:
    """Write the files of a series into an existing folder.

    `results.h5`; `tracks.csv`, one row per track; `track_frames.csv`, one per track and frame; `events.csv`;
    `drift.csv`, one row per frame; `labels.tif`; `lineage.graphml`.
    """
    tracks = results.tracks
    save_series(results, folder / FILE_NAME)
    tables = {
        "tracks": tracks.table,
        "track_frames": tracks.frames,
        "events": tracks.event_table,
        "drift": tracks.drift_table,
    }
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False, float_format="%.6g", lineterminator="\n")
    (folder / "lineage.graphml").write_text(tracks.to_graphml(), encoding="utf-8", newline="\n")
    _write_labels(tracks, folder / "labels.tif")


def _write_labels(tracks: Tracks, path: Path) -> None:
    """Write the identities of all frames as a stack in time for ImageJ, 0 = none, with scale and frame interval."""
    from tifffile import imwrite

    kind = np.uint16 if tracks.number < 2**16 else np.float32  # what ImageJ knows
    step = tracks.calibration.scan_step_yx_nm
    metadata: dict[str, Any] = {"axes": "TYX", "unit": "pixel" if step is None else "nm"}
    intervals = np.diff(tracks.times_s)
    if intervals.size and np.isfinite(intervals).all():
        metadata["finterval"] = float(np.median(intervals))
    resolution = (1.0, 1.0) if step is None else (1 / step[1], 1 / step[0])
    imwrite(path, tracks.labels.astype(kind), imagej=True, resolution=resolution, metadata=metadata)
