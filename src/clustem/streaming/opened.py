"""The rows of a scan that are still open: they are divided together, and settled from the top."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.calibration import Calibration
from clustem.errors import InputError
from clustem.segmentation import Domains, NoiseAwareParameters
from clustem.segmentation.noise_aware import domains_of
from clustem.segmentation.shared_directions import Past
from clustem.solving import small_products
from clustem.streaming.arrival import Preparation, scan_of
from clustem.streaming.division import divide_rows
from clustem.streaming.found import Found
from clustem.streaming.identities import Identities
from clustem.streaming.window import Window
from clustem.surveying import survey

GROUP = 2048  # positions, at least, in rows whose beam is followed and that are binned together
FEWEST = 4  # rows in such groups, at least
_SMALL = 2048  # positions of a scan that is looked at as a whole in the end
_NEW = 8192  # positions, about, that are divided at once
_LEAST_NEW, _MOST_NEW = 16, 64  # rows that are divided at once
_ABOVE = 16  # settled rows that are looked at with new ones
_BELOW = 16  # rows that must follow before a row is settled


class OpenRows:
    """Rows that may still change, with some settled ones above them.

    Attributes
    ----------
    settled : int
        Scan rows that do not change any more.
    """

    def __init__(
        self,
        first: NDArray[Any],
        shape: tuple[int, int, int, int],
        parameters: NoiseAwareParameters,
        detector_mask: NDArray[np.bool_] | None,
        calibration: Calibration,
    ) -> None:
        self.survey = survey(scan_of(first, calibration))
        self.preparation = Preparation(first, self.survey)
        self.shape, self.parameters, self.mask = shape, parameters, detector_mask
        self.small = shape[0] * shape[1] <= _SMALL
        self.new = int(np.clip(_NEW // shape[1], _LEAST_NEW, _MOST_NEW))
        most = _ABOVE + _BELOW + self.new + rows_in_group(shape[1])
        self.window = Window(shape[0] if self.small else min(most, shape[0]), shape[1], self.survey)
        self.settled = 0
        self.past: Past | None = None

    def add(self, rows: NDArray[Any], found: Found) -> None:
        """Add rows (n, scan_x, k_y, k_x), and settle others whenever the window is full."""
        mended, moves = self.preparation.mended(rows), self.preparation.moves(rows)
        start = 0
        while start < len(rows):
            stop = min(len(rows), start + self.new - self.window.stop % self.new)
            self.window.add(mended[start:stop], moves[start:stop])
            start = stop
            last = self.window.stop == self.shape[0]
            if not self.small and (last or self.window.stop % self.new == 0):
                self.divide(found, self.window.stop - (0 if last else _BELOW))

    def look(self, rows: NDArray[Any] | None, found: Found) -> None:
        """Divide the open rows, and more rows below them, without settling any."""
        if rows is not None:
            self.window.add(self.preparation.mended(rows), self.preparation.moves(rows))
        self._divide(found, found.identities.copy(), self.settled)
        if rows is not None:
            self.window.forget(len(rows))

    def divide(self, found: Found, stop: int) -> None:
        """Divide the open rows and settle those before scan row `stop`, if there are any."""
        stop = max(stop, self.settled)
        kept = self._divide(found, found.identities, stop)
        found.shown = found.identities.copy()
        found.identities.forget(kept)
        found.identities.touch(found.domains[max(self.settled - 1, self.window.first) : stop].astype(np.int64))
        self.settled = stop
        self.window.drop(max(0, stop - _ABOVE - self.window.first))

    def whole(self) -> Domains:
        """Return the domains of the rows, of which none is settled, as of a whole scan."""
        features = self.window.whole_features(self.mask)
        if features is None:
            raise InputError(
                "rows: not one electron was counted on the pixels that are compared, those outside of the direct beam; "
                "check detector_mask and the calibration's centre_px"
            )
        alive = self.window.alive[: self.window.count]
        return replace(domains_of(features, alive, self.survey, self.parameters), calibration=self.survey.calibration)

    @small_products()
    def _divide(self, found: Found, identities: Identities, stop: int) -> int:
        first, above = self.window.first, self.settled - self.window.first
        features, past = self.window.features(self.mask, self.past, stop - self.settled)
        division = divide_rows(
            features,
            self.window.alive[: self.window.count],
            found.domains[first : self.settled].astype(np.int64),
            identities,
            self.parameters,
            max(0, stop - first),
        )
        found.write(division, identities, first, above)
        if stop > self.settled:
            self.past = past
        return division.kept


def rows_in_group(width: int, positions: int = GROUP) -> int:
    """Return how many rows of a width hold so many positions."""
    return max(FEWEST, -(-positions // width))
