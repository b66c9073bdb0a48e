"""Orientations painted on the scan: those of domains or, where there are any, of positions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clustem.crystallography.orientations import Orientations
from clustem.crystallography.position_maps import PositionMaps
from clustem.errors import InputError

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class OrientedMap:
    """Orientation of every scan position. All arrays begin with (scan_y, scan_x).

    Attributes
    ----------
    labels : int64
        Domain; 0 = none.
    phase : int64
        Number of the crystal, 1 … n in the order of `Orientations.crystals`; 0 where there is no orientation.
    rotation : (scan_y, scan_x, 3, 3) float64
        Crystal → sample; NaN where there is none.
    tilt_error_deg : float64
        Standard error of the tilt; of positions with that of their domain.
    score : float64
        Correlation of measured and expected amplitudes.
    averaged : int64
        How many patterns an orientation of the position's own is from; 0 where it is that of the domain.
    """

    labels: NDArray[np.int64]
    phase: NDArray[np.int64]
    rotation: Array
    tilt_error_deg: Array
    score: Array
    averaged: NDArray[np.int64]

    @property
    def known(self) -> NDArray[np.bool_]:
        """(scan_y, scan_x) whether there is an orientation."""
        return self.phase > 0

    def of_domains(self, values: ArrayLike, nothing: float) -> Array:
        """Return values (K,) of domains at each position (scan_y, scan_x); `nothing` outside of domains."""
        return np.append(nothing, np.asarray(values, np.float64))[self.labels]


def oriented_map(orientations: Orientations, labels: ArrayLike, positions: PositionMaps | None) -> OrientedMap:
    """Return the orientation of each position: its own where it was measured, elsewhere that of its domain.

    Raises
    ------
    InputError
        If labels or positions do not fit.
    """
    array = _checked(orientations, labels)
    domain = array - 1  # −1 takes the last entry, which stands for no domain
    phase = np.append(phase_numbers(orientations), 0)[domain]
    rotation = np.concatenate([orientations.rotation, np.full((1, 3, 3), np.nan)])[domain]
    error = np.append(orientations.angle_error_out_of_plane_deg, np.nan)[domain]
    score, averaged = np.append(orientations.score, np.nan)[domain], np.zeros(array.shape, np.int64)
    if positions is not None:
        if positions.averaged.shape != array.shape:
            raise InputError(
                f"positions: expected maps of shape {array.shape} as labels, got {positions.averaged.shape}"
            )
        own = positions.oriented & (phase > 0)
        rotation[own], score[own] = positions.rotation[own], positions.score[own]
        error[own] = np.hypot(error[own], positions.angle_error_out_of_plane_deg[own])
        averaged[own] = positions.averaged[own]
    return OrientedMap(array, phase, rotation, error, score, averaged)


def phase_numbers(orientations: Orientations) -> NDArray[np.int64]:
    """Return the number of each domain's crystal, 1 … n in the order of `crystals`; 0 where there is none."""
    number = {crystal.name: i for i, crystal in enumerate(orientations.crystals, 1)}
    numbers = np.array([number.get(name, 0) for name in orientations.phase.tolist()], np.int64)
    return np.where(orientations.found, numbers, 0)


def _checked(orientations: Orientations, labels: ArrayLike) -> NDArray[np.int64]:
    array = np.asarray(labels)
    if array.ndim != 2 or not np.issubdtype(array.dtype, np.integer):
        raise InputError(f"labels: expected integers (scan_y, scan_x), got {array.dtype} of shape {array.shape}")
    if array.size and (array.min() < 0 or array.max() > orientations.number):
        raise InputError(f"labels: expected 0 to {orientations.number}, got {array.min()} to {array.max()}")
    return array.astype(np.int64)
