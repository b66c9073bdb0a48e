"""Results of a series as files of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from clustem.averaging import Averages
from clustem.results.exports import write_emd_cube
from clustem.results.series_record import SeriesResults
from clustem.results.series_storage import save_series
from clustem.results.storage import FILE_NAME
from clustem.series import Tracks


def write_series_tables(results: SeriesResults, folder: Path) -> None:
    """Write the files of a series into an existing folder.

    `results.h5`; `tracks.csv`, one row per track; `track_frames.csv`, one per track and frame; `events.csv`;
    `drift.csv`, one row per frame; `labels.tif`; `lineage.graphml`; and if there are tracks `averages.emd.h5`, the mean
    pattern of each in its own rotating frame.
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
    if tracks.number:
        write_emd_cube(_averages(tracks), folder / "averages.emd.h5")


def _averages(tracks: Tracks) -> Averages:
    """Return the mean patterns of the tracks as averages; what is not known of them, as their variance, is NaN."""
    found, number = tracks.appearances, tracks.number
    unknown = np.full(number, np.nan)
    return Averages(
        patterns=tracks.patterns,
        variance=np.full(tracks.patterns.shape, np.nan, np.float32),
        electrons=np.bincount(found.track, found.electrons, number + 1)[1:].astype(np.float64),
        positions=np.bincount(found.track, found.positions, number + 1)[1:].astype(np.int64),
        snr_single=unknown,
        snr_domain=unknown,
        chi_squared=unknown,
        examples=tracks.patterns,
        example_positions=np.zeros((number, 2), np.int64),
        centre_px=tracks.centre_px,
        margin_px=0.0,
        bytes_in=tracks.patterns.nbytes,
        bytes_out=tracks.patterns.nbytes,
        calibration=tracks.calibration,
    )


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
