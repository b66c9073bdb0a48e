"""A segmentation of a scan that grows with its rows, with bounded work and memory per row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clustem.calibration import Calibration
from clustem.errors import InputError
from clustem.segmentation import Domains, NoiseAwareParameters, Quality
from clustem.segmentation.domains import number_by_size
from clustem.streaming.arrival import checked_rows, checked_shape
from clustem.streaming.found import Found
from clustem.streaming.opened import OpenRows, rows_in_group
from clustem.surveying import load_mask
from clustem.tables import table_text

_FIRST = 4096  # positions that noise, beam and bad pixels are measured on, at least


class StreamingSegmenter:
    """Segment a scan while it is being recorded: rows go in as they arrive, domains of all of them come out.

    Parameters
    ----------
    shape : (scan_y, scan_x, k_y, k_x)
        Of the whole scan.
    similarity, min_size
        As of :func:`clustem.segment` with its method "noise-aware".
    detector_mask : (k_y, k_x) bool or image file, optional
        True = use; compared are only these pixels. Without it, those from twice the radius of the direct beam on.
    calibration : Calibration, optional
        Goes into the result; its centre is where the direct beam is looked for.

    Raises
    ------
    InputError
        If the shape or an option is out of range, or a mask does not fit.

    Notes
    -----
    What is computed is that of ``method="noise-aware"``, on a window of rows that moves down the scan. The first 4096
    positions tell noise, beam and bad pixels. New rows are divided 16 to 64 at a time, and settled when 16 more have
    arrived; 16 settled ones are looked at together with new ones, and regions go on from them or make two of them one.
    Neither the work per row nor the memory grows with the rows seen, but for 33 bytes per position and some hundred
    per domain. How many rows are given at once changes nothing. A scan of at most 2048 positions ends as if it had
    been segmented as a whole. Looking at the labels between divisions costs about one or two of them.

    Examples
    --------
    >>> import numpy as np
    >>> import clustem
    >>> scan = np.asarray(clustem.open_scan("clustem:film_au"))
    >>> segmenter = clustem.StreamingSegmenter(scan.shape)
    >>> for row in scan[:20]:
    ...     _ = segmenter.update(row)
    >>> segmenter.labels.shape
    (20, 40)
    >>> segmenter.update(scan[20:]).finish().number
    17
    """

    def __init__(
        self,
        shape: tuple[int, int, int, int],
        *,
        similarity: float = 0.2,
        min_size: int = 5,
        detector_mask: ArrayLike | str | Path | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        self._shape = checked_shape(shape)
        self._parameters = NoiseAwareParameters(similarity=similarity, min_size=min_size)
        detector = self._shape[2:]
        self._mask = None if detector_mask is None else load_mask(detector_mask, detector, name="detector_mask")
        self._calibration = calibration or Calibration()
        self._rows, self._looked, self._held = 0, 0, 0
        self._waiting: list[NDArray[Any]] = []
        self._opened: OpenRows | None = None
        self._found = Found(self._shape[:2])
        self._result: Domains | None = None

    @property
    def rows_seen(self) -> int:
        """Number of scan rows that have arrived."""
        return self._rows

    @property
    def labels(self) -> NDArray[np.int32]:
        """(rows seen, scan_x) int32: 0 = unassigned or background; domains 1 … in the order of their first position.

        After :meth:`finish` they are numbered by falling size.
        """
        if self._result is not None:
            return self._result.labels.copy()
        self._look()
        return self._found.labels(self._rows)

    @property
    def number(self) -> int:
        """Number of domains in the rows seen."""
        return int(self.labels.max(initial=0))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What may make the result wrong, as far as it is known."""
        if self._result is not None:
            return self._result.warnings
        return () if self._opened is None else self._opened.survey.warnings

    def update(self, rows: ArrayLike) -> StreamingSegmenter:
        """Take the next rows of the scan.

        Parameters
        ----------
        rows : (n, scan_x, k_y, k_x), or (scan_x, k_y, k_x) for one row

        Returns
        -------
        StreamingSegmenter
            Itself.

        Raises
        ------
        InputError
            If the shape does not fit, there are more rows than the scan has, a value is not finite, or all patterns so
            far are empty. Nothing has changed then.
        """
        if self._result is not None:
            raise InputError("rows: the segmentation is finished; make a new StreamingSegmenter for another scan")
        values = checked_rows(rows, self._shape, self._rows)
        start = 0
        while start < len(values):
            piece = values[start : start + self._group - self._held]
            start += len(piece)
            held = self._held + len(piece)
            if held < self._group and self._rows + len(piece) < self._shape[0]:
                self._waiting.append(piece.copy())
            else:
                self._open(np.concatenate([*self._waiting, piece]) if self._waiting else piece)
                self._waiting, held = [], 0
            self._held, self._rows = held, self._rows + len(piece)
        return self

    def domains(self) -> Domains:
        """Return the domains of the rows seen so far, numbered by falling size."""
        if self._result is not None:
            return self._result
        if not self._rows:
            raise InputError("rows: none have arrived yet; give them to update first")
        self._look()
        return self._record()

    def finish(self) -> Domains:
        """Settle the last rows and return the domains; no rows can follow.

        Notes
        -----
        The background, and the order of the domains by size, are only known now; this takes the time of one look at the
        positions, and of one or two windows.

        Raises
        ------
        InputError
            If no row has arrived, or not one electron was counted on the pixels that are compared.
        """
        if self._result is not None:
            return self._result
        if not self._rows:
            raise InputError("rows: none have arrived yet; give them to update first")
        if self._waiting:
            self._open(np.concatenate(self._waiting))
            self._waiting, self._held = [], 0
        opened = self._opened
        if opened is not None and opened.small:
            self._result = opened.whole()
        elif opened is not None:
            if opened.settled < self._rows:
                opened.divide(self._found, self._rows)
            opened.settle(self._found)
            self._looked = self._rows
            self._result = self._record()
        return self.domains()

    @property
    def _group(self) -> int:
        """Rows that are taken together: more of them before noise and beam are known."""
        return rows_in_group(self._shape[1], _FIRST) if self._opened is None else rows_in_group(self._shape[1])

    def _open(self, rows: NDArray[Any]) -> None:
        """Bring rows into the window."""
        opened = self._opened or self._opened_with(rows)
        opened.add(rows, self._found)
        self._opened = opened

    def _opened_with(self, rows: NDArray[Any]) -> OpenRows:
        return OpenRows(rows, self._shape, self._parameters, self._mask, self._calibration)

    def _look(self) -> None:
        """See to it that all rows that have arrived are divided."""
        if self._looked == self._rows:
            return
        waiting = np.concatenate(self._waiting) if self._waiting else None
        if self._opened is not None:
            self._opened.look(waiting, self._found)
        elif waiting is not None:
            self._opened_with(waiting).look(waiting, self._found)
        self._looked = self._rows

    def _record(self) -> Domains:
        labels = self._found.labels(self._rows)
        numbered = number_by_size(labels.astype(np.int64), labels > 0, self._parameters.min_size)
        table = np.zeros(int(labels.max(initial=0)) + 1, np.int32)
        table[labels.ravel()] = numbered.ravel()
        number = int(numbered.max(initial=0))
        return Domains(
            labels=numbered,
            method="noise-aware",
            parameters=self._parameters,
            mixture=self._found.mixture(self._rows, table),
            quality=Quality(
                np.where(numbered > 0, self._found.sure[: self._rows], np.nan).astype(np.float32),
                np.full(number, np.nan),
                np.zeros(number, np.int32),
            ),
            reason=f"{number} domains, found while the rows of the scan arrived",
            calibration=self._calibration,
            warnings=self.warnings,
        )

    def __repr__(self) -> str:
        return table_text(
            "StreamingSegmenter",
            [
                ("scan", "×".join(map(str, self._shape))),
                ("rows seen", self._rows),
                ("settled", self._opened.settled if self._opened is not None else 0),
                *(("warning", text) for text in self.warnings),
            ],
        )
