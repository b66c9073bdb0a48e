"""The record of a series of scans."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.calibration import Calibration
from clustem.errors import InputError
from clustem.scan import Scan
from clustem.tables import size_text, table_text


@dataclass(frozen=True, eq=False)
class Frame:
    """One scan of a series, opened when it is needed.

    Attributes
    ----------
    name : str
    open : callable, optional
        Returns the Scan; None for a frame that is a gap.
    problem : str
        Why it is a gap, empty if it is none.
    time_s : float
        Seconds on any clock, NaN if the source does not say.
    """

    name: str
    open: Callable[[], Scan] | None = None
    problem: str = ""
    time_s: float = float("nan")


@dataclass(frozen=True, eq=False, repr=False)
class Series:
    """Scans of the same area, one after the other: ``data[time, scan_y, scan_x, k_y, k_x]``, read only as needed.

    Made by :func:`clustem.open_series`. ``series[t]`` is the scan of frame t, opened anew every time.

    Attributes
    ----------
    name : str
    frames : tuple of Frame
        In order of time; those that are missing or broken stay as gaps.
    shape : tuple of int
        (time, scan_y, scan_x, k_y, k_x), gaps counted.
    dtype : numpy.dtype
        Of the first frame.
    calibration : Calibration
        Of the detector and the scan step, common to all frames. The beam centre belongs to each frame.
    times_s : (time,) float64
        Seconds since the first frame; NaN everywhere if neither the source nor the caller knows them.
    warnings : tuple of str
        One sentence for every gap, and for calibrations that do not agree.
    """

    name: str
    frames: tuple[Frame, ...]
    shape: tuple[int, int, int, int, int]
    dtype: np.dtype[Any]
    calibration: Calibration = field(default_factory=Calibration)
    times_s: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    warnings: tuple[str, ...] = ()

    @property
    def present(self) -> NDArray[np.bool_]:
        """(time,) bool, False at gaps."""
        return np.array([frame.open is not None for frame in self.frames])

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, time: int) -> Scan:
        """Return the scan of a frame, with the common calibration.

        Raises
        ------
        IndexError
            If there is no such frame.
        InputError
            If it is a gap, or cannot be opened any more.
        """
        frame = self.frames[time]
        if frame.open is None:
            raise InputError(f"{self.name}: frame {time} ({frame.name}) is a gap: {frame.problem}")
        scan = frame.open()
        if scan.shape != self.shape[1:]:
            raise InputError(f"{frame.name}: expected shape {self.shape[1:]} as the others, got {scan.shape}")
        return scan.with_calibration(self.calibration)

    def __repr__(self) -> str:
        known = self.times_s[np.isfinite(self.times_s)]
        gaps = int((~self.present).sum())
        size = int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize
        return table_text(
            f"Series {self.name}",
            [
                (
                    "frames",
                    f"{len(self.frames)}" + (f", {gaps} of them gaps" if gaps else ""),
                ),
                ("scan", f"{self.shape[1]}×{self.shape[2]} of {self.shape[3]}×{self.shape[4]} patterns"),
                ("type", f"{self.dtype}, {size_text(size)}"),
                ("time", f"{known[-1]:g} s" if known.size else "not known"),
                *self.calibration.to_dict().items(),
                *(("warning", text) for text in self.warnings),
            ],
        )
