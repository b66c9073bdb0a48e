"""The rows of a scan that are still open: they are divided together, and settled from the top."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.calibration import Calibration
from clustem.computing import at_once
from clustem.errors import InputError
from clustem.segmentation import Domains, NoiseAwareParameters
from clustem.segmentation.features import BinnedRows, FeatureMaker, Features, features_of_rows
from clustem.segmentation.noise_aware import domains_of
from clustem.solving import small_products
from clustem.streaming.arrival import Preparation, scan_of
from clustem.streaming.division import divide_rows
from clustem.streaming.found import Found
from clustem.streaming.identities import Identities
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
        self.window = BinnedRows(shape[0] if self.small else min(most, shape[0]), shape[1], self.survey)
        self.settled = 0
        self._left: _Piece | None = None

    def add(self, rows: NDArray[Any], found: Found) -> None:
        """Add rows (n, scan_x, k_y, k_x), and settle others whenever the window is full."""
        moves = self.preparation.moves(rows)
        start = 0
        while start < len(rows):
            stop = min(len(rows), start + self.new - self.window.stop % self.new)
            self.window.add(rows[start:stop], moves[start:stop])
            start = stop
            last = self.window.stop == self.shape[0]
            if not self.small and (last or self.window.stop % self.new == 0):
                self.divide(found, self.window.stop - (0 if last else _BELOW))

    @small_products()
    def look(self, rows: NDArray[Any] | None, found: Found) -> None:
        """Divide the open rows, and more rows below them, without settling any."""
        if rows is not None:
            self.window.add(rows, self.preparation.moves(rows))
        piece = at_once(partial(self.settle, found), partial(self._piece, self.settled))
        piece.divide(found, found.identities.copy(), self.parameters)
        if rows is not None:
            self.window.forget(len(rows))

    @small_products()
    def divide(self, found: Found, stop: int) -> None:
        """Divide the open rows, of which those before scan row `stop` will not change any more.

        That is done while the features of the next ones are computed, or by :meth:`settle`.
        """
        stop = max(stop, self.settled)
        self._left = at_once(partial(self.settle, found), partial(self._piece, stop))
        self.settled = stop
        self.window.drop(max(0, stop - _ABOVE - self.window.first))

    def settle(self, found: Found) -> None:
        """Do what :meth:`divide` has left to do."""
        if self._left is not None:
            self._left.settle(found, self.parameters)
            self._left = None

    def whole(self) -> Domains:
        """Return the domains of the rows, of which none is settled, as of a whole scan."""
        features = self._features()
        if features is None:
            raise InputError(
                "rows: not one electron was counted on the pixels that are compared, those outside of the direct beam; "
                "check detector_mask and the calibration's centre_px"
            )
        alive = self.window.alive[: self.window.count]
        return replace(domains_of(features, alive, self.survey, self.parameters), calibration=self.survey.calibration)

    def _features(self) -> Features | None:
        """Return the features of the rows that are held, None if nothing was counted in them."""
        moves = self.window.moves[: self.window.count].astype(float)
        maker = FeatureMaker(replace(self.survey, descan_px=moves), self.window.binning, self.mask)
        features = features_of_rows(self.window, maker)
        return features if features.electrons.any() else None

    def _piece(self, stop: int) -> _Piece:
        """Return the open rows, to be settled before scan row `stop`."""
        alive = self.window.alive[: self.window.count].copy()
        return _Piece(self._features(), alive, self.window.first, self.settled, stop)


@dataclass(frozen=True, eq=False)
class _Piece:
    """Rows of a scan that are divided together.

    Attributes
    ----------
    features : Features or None
        None if there is nothing in the rows.
    alive : (rows, scan_x) bool
    first, settled, stop : int
        The first of the rows, the first that is not settled before, and the first that is not settled after.
    """

    features: Features | None
    alive: NDArray[np.bool_]
    first: int
    settled: int
    stop: int

    def settle(self, found: Found, parameters: NoiseAwareParameters) -> None:
        """Divide the rows, and settle those before `stop`."""
        kept = self.divide(found, found.identities, parameters)
        found.shown = found.identities.copy()
        found.identities.forget(kept)
        found.identities.touch(found.domains[max(self.settled - 1, self.first) : self.stop].astype(np.int64))

    @small_products()
    def divide(self, found: Found, identities: Identities, parameters: NoiseAwareParameters) -> int:
        """Divide the rows; domains from the number that is returned on are neither in settled rows nor near them."""
        above = found.domains[self.first : self.settled].astype(np.int64)
        division = divide_rows(self.features, self.alive, above, identities, parameters, max(0, self.stop - self.first))
        found.write(division, identities, self.first, self.settled - self.first)
        return division.kept


def rows_in_group(width: int, positions: int = GROUP) -> int:
    """Return how many rows of a width hold so many positions."""
    return max(FEWEST, -(-positions // width))
