"""One domain while its positions are measured: rows of the scan come in, rows of the maps go out."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clustem.calibration import Calibration
from clustem.crystallography._geometry_kernels import tilted, turn_about_beam
from clustem.crystallography.local_disks import LocalDisks
from clustem.crystallography.local_strains import deformations, fit_gradients, strains
from clustem.crystallography.local_tilts import LocalTilts

Array = NDArray[np.float64]

_RADII = (0.0, 1.0, 1.5, 2.0, 2.5, 3.0)  # positions, around one, that may be averaged
_TILT_ERROR = np.deg2rad(0.3)  # standard error that is aimed at by averaging
_STRAIN_ERROR = 0.003
_LARGEST_TILT_ERROR = np.deg2rad(1.0)  # above, nothing is said
_LARGEST_STRAIN_ERROR = 0.01


@dataclass(frozen=True, eq=False)
class Measured:
    """What was found at m positions of a row: `columns` (m,) of the scan; NaN where nothing.

    `rotation` (m, 3, 3); `errors` (m, 2) of the rotation about the beam and of the tilt, in radians; `strain` and
    `strain_errors` (m, 4) are e_xx, e_yy, e_xy, ω; `score` (m,); `together` (m,) how many patterns were averaged.
    """

    columns: NDArray[np.int64]
    rotation: Array
    errors: Array
    strain: Array
    strain_errors: Array
    score: Array
    together: NDArray[np.int64]


@dataclass(eq=False)
class LocalDomain:
    """A domain with its disks, and the sums of the rows that are still needed.

    Attributes
    ----------
    disks : LocalDisks
    tilts : LocalTilts, optional
        None without an orientation.
    rotation : (3, 3) float64
        Of the domain; NaN without one.
    deformation : (2, 2) float64
        Of the domain against the reference; NaN without one.
    turning : bool
        Whether the rotation about the beam against the reference means something.
    centre : (2,) float64
        Of the beam in the average.
    left : int
        First column of the scan that the domain has.
    """

    disks: LocalDisks
    tilts: LocalTilts | None
    rotation: Array
    deformation: Array
    turning: bool
    centre: Array
    calibration: Calibration
    left: int
    radius: float = field(init=False)
    rows: dict[int, tuple[Array, NDArray[np.bool_]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.radius = next((radius for radius in _RADII if self._enough(_number(radius))), _RADII[-1])

    def add(self, y: int, inside: NDArray[np.bool_], patterns: Array, offsets: Array) -> None:
        """Take in row y: `inside` (w,) from column `left` on, and there the patterns and offsets of the beam."""
        pulls = np.zeros((len(inside), len(self.disks.known)))
        shifts = np.zeros((len(inside), 2))
        pulls[inside], shifts[inside] = self.disks.pulls(patterns), offsets
        self.rows[y] = np.concatenate([pulls, shifts], axis=1), inside

    def finish(self, y: int) -> Measured:
        """Return what there is at row y, which needs the rows around it; forget those that no later row needs."""
        inside = self.rows[y][1]
        total, number = np.zeros_like(self.rows[y][0]), np.zeros(len(inside), np.int64)
        reach = int(self.radius)
        for step in range(-reach, reach + 1):
            if y + step in self.rows:
                half = int(np.sqrt(self.radius**2 - step**2))
                values, there = self.rows[y + step]
                total += _boxes(values, half)
                number += np.rint(_boxes(there[:, None].astype(np.float64), half)[:, 0]).astype(np.int64)
        self.rows.pop(y - reach, None)
        columns = np.flatnonzero(inside)
        mean = total[columns] / number[columns, None]
        return self._measure(columns + self.left, mean[:, :-2], mean[:, -2:], number[columns])

    def _measure(
        self, columns: NDArray[np.int64], pulls: Array, offsets: Array, together: NDArray[np.int64]
    ) -> Measured:
        number = len(columns)
        out = Measured(
            columns,
            np.full((number, 3, 3), np.nan),
            np.full((number, 2), np.nan),
            np.full((number, 4), np.nan),
            np.full((number, 4), np.nan),
            np.full(number, np.nan),
            together,
        )
        for size in np.unique(together).tolist():
            self._fill(out, np.flatnonzero(together == size), pulls, offsets, size)
        return out

    def _fill(self, out: Measured, which: NDArray[np.intp], pulls: Array, offsets: Array, size: int) -> None:
        """Fill in those positions `which` that so many patterns were averaged for."""
        intensities, moves, spread, wander = self.disks.solved(pulls[which], size)
        places = self.disks.places - self.centre
        gradients, covariances = fit_gradients(
            places, intensities, self.disks.intensities, moves, wander, offsets[which]
        )
        against, errors = deformations(gradients, covariances, self.calibration)
        small = errors[:, :3].max(axis=1) < _LARGEST_STRAIN_ERROR
        strain = strains(against @ self.deformation)
        out.strain[which] = np.where(small[:, None], strain, np.nan)
        out.strain_errors[which] = np.where(np.isfinite(out.strain[which]), errors, np.nan)
        if not self.turning:
            out.strain[which, 3] = out.strain_errors[which, 3] = np.nan
        if self.tilts is None:
            return
        tilts, covariance, score = self.tilts.fit(intensities, spread)
        out.score[which] = score
        error = np.sqrt(np.trace(covariance, axis1=1, axis2=2) / 2)
        turns = strains(against)[:, 3]
        known = (error < _LARGEST_TILT_ERROR) & (errors[:, 3] < _LARGEST_TILT_ERROR)
        for n in np.flatnonzero(known).tolist():
            out.rotation[which[n]] = turn_about_beam(tilted(self.rotation, tilts[n, 0], tilts[n, 1]), turns[n])
        out.errors[which[known]] = np.stack([errors[known, 3], error[known]], axis=-1)

    def _enough(self, together: int) -> bool:
        """Return whether the mean of so many patterns tells tilt and strain well, by the counting noise alone."""
        intensities, _, spread, wander = self.disks.solved(np.zeros((1, len(self.disks.known))), together)
        still = np.zeros((1, len(self.disks.rows), 2))
        gradients = fit_gradients(
            self.disks.places - self.centre, intensities, self.disks.intensities, still, wander, np.zeros((1, 2))
        )
        errors = deformations(*gradients, self.calibration)[1]
        if errors[0, :3].max() > _STRAIN_ERROR:
            return False
        if self.tilts is None:
            return True
        middle = len(self.tilts.expected) // 2
        covariance = self.tilts.fit(self.tilts.expected[middle : middle + 1] ** 2 * self._brightness(), spread)[1]
        return bool(np.trace(covariance[0]) / 2 < _TILT_ERROR**2)

    def _brightness(self) -> float:
        """Return measured over expected intensity of the average."""
        assert self.tilts is not None
        middle = self.tilts.expected[len(self.tilts.expected) // 2]
        return float((np.sqrt(self.tilts.measured) @ middle / max(float(middle @ middle), 1e-300)) ** 2)


def _number(radius: float) -> int:
    """Return how many positions lie within a radius."""
    steps = np.arange(-int(radius), int(radius) + 1)
    return int((steps[:, None] ** 2 + steps**2 <= radius**2).sum())


def _boxes(values: Array, half: int) -> Array:
    """Return the sums (w, c) of values (w, c) over so many places to either side."""
    width = len(values)
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    at = np.arange(width)
    return np.asarray(sums[np.minimum(at + half + 1, width)] - sums[np.maximum(at - half, 0)])
