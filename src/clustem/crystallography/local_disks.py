"""What one pattern says of the disks that the average of its domain has: intensities and moves, by one linear step."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.ndimage import maximum_filter
from scipy.sparse import csr_array

from clustem.crystallography._peak_kernels import COLUMNS, disk_columns
from clustem.crystallography.counting import Counting
from clustem.crystallography.disks import DiskFit, DiskFitter
from clustem.crystallography.probe import OVERSAMPLING

Array = NDArray[np.float64]

_MOST_DISKS = 48  # the brightest of a domain
_MISFIT = 0.03  # of the height of a disk that the template may miss
_ROUNDS = 6  # of fitting the average again
_MOVED = 2.0  # px; standard deviation of a move, so that faint disks do not wander
_FITTED = 5  # coefficients of a disk: intensity, move along y and x, slope along y and x


@dataclass(frozen=True, eq=False)
class LocalDisks:
    """The disks of a domain, and the linear step from its average to any pattern in it.

    The average is fitted once: disks with slopes and domes on a background. A pattern differs from it by the intensity
    of each disk, by its move and by slopes inside of it, and by the strength of everything else. All of these change
    the pattern in proportion, as long as moves are well below a pixel, so one weighted least-squares step finds them,
    and it is the same for the mean of several patterns.

    Attributes
    ----------
    rows : (n,) int64
        Which peaks of the domain the disks are.
    places : (n, 2) float64
        (k_y, k_x).
    intensities : (n,) float64
        In the average.
    pixels : (p,) int64
        The detector pixels that are needed, as flat indices.
    expected : (p,) float64
        The average there, as fitted.
    project : (5 n + 1, p) sparse
        Weighted columns, which a pattern is multiplied by.
    normal : (5 n + 1, 5 n + 1) float64
        Their products.
    known : (5 n + 1,) float64
        Inverse variances of what is known before.
    """

    rows: NDArray[np.int64]
    places: Array
    intensities: Array
    pixels: NDArray[np.int64]
    expected: Array
    project: csr_array
    normal: Array
    known: Array
    _solvers: dict[int, tuple[tuple[Array, bool], Array]] = field(default_factory=dict)

    @classmethod
    def of(cls, fitter: DiskFitter, pattern: Array, peaks: DiskFit, positions: int, counting: Counting) -> LocalDisks:
        """Fit the average of so many positions again, from its peaks, brightest first."""
        fit = fitter.fit(pattern, counting.variance(pattern, positions), peaks, rounds=_ROUNDS)
        bright = np.sort(np.argsort(-fit.intensities, kind="stable")[:_MOST_DISKS])
        disks = fitter.disks(fit)
        chosen = np.zeros(len(fit.positions), bool)
        chosen[bright] = True
        some = fit.only(chosen)
        pixels, columns = _columns(fitter, some)
        ground = (fitter.background(fit) + disks - fitter.disks(some)).ravel()[pixels]
        variance = counting.variance(pattern, 1) + (_MISFIT * maximum_filter(disks, 3)) ** 2
        weight = 1 / variance.ravel()[pixels]
        design = csr_array(np.column_stack([columns, ground]))
        project = csr_array(design.T * weight)
        return cls(
            rows=bright,
            places=some.positions,
            intensities=some.intensities,
            pixels=pixels,
            expected=(fitter.background(fit) + disks).ravel()[pixels],
            project=project,
            normal=np.asarray((project @ design).todense()),
            known=_known(some.intensities, fitter.probe.contrast),
        )

    def pulls(self, patterns: Array) -> Array:
        """Return what patterns (m, p) at `pixels` ask for, (m, 5 n + 1); of a mean of patterns, it is the mean."""
        return np.asarray(self.project @ (patterns - self.expected).T).T

    def solved(self, pulls: Array, together: int) -> tuple[Array, Array, Array, Array]:
        """Return intensities (m, n) and moves (m, n, 2) in px, and their variances (n,), (n, 2).

        `pulls` (m, 5 n + 1) are those of means of so many patterns. The moves are those of disks as bright as in the
        average: a disk of half the intensity that moves by 1 px counts as 0.5.
        """
        factor, variances = self._solver(together)
        step = cho_solve(factor, together * pulls.T).T
        disks = step[:, :-1].reshape(len(step), -1, _FITTED)
        spread = variances[:-1].reshape(-1, _FITTED)
        return self.intensities + disks[..., 0], disks[..., 1:3], spread[:, 0], spread[:, 1:3]

    def _solver(self, together: int) -> tuple[tuple[Array, bool], Array]:
        if together not in self._solvers:
            factor = cho_factor(together * self.normal + np.diag(self.known))
            inverse = cho_solve(factor, np.eye(len(self.known)))
            self._solvers[together] = factor, np.diagonal(inverse).copy()
        return self._solvers[together]


def _columns(fitter: DiskFitter, fit: DiskFit) -> tuple[NDArray[np.int64], Array]:
    """Return the pixels (p,) around the disks, and what a unit of each coefficient of each disk adds there."""
    number, reach = len(fit.positions), int(np.ceil(fitter.probe.half))
    flat = np.full(fitter.use.size, -1, np.int64)
    flat[fitter.kept] = fitter.kept
    windows = np.empty((number, (2 * reach + 1) ** 2), np.int64)
    values = np.zeros((*windows.shape, COLUMNS))
    disk_columns(
        fitter.probe.tables,
        OVERSAMPLING,
        fitter.probe.radius,
        fitter.dome,
        fit.positions,
        fit.shapes,
        reach,
        flat.reshape(fitter.use.shape),
        windows,
        values,
    )
    shapes = fit.shapes / np.maximum(fit.intensities, 1e-30)[:, None]
    whole = values[..., [0, 3, 4, 5]] @ shapes[:, :, None]  # the disk as it is in the average, with an intensity of 1
    pixels = np.unique(windows[windows >= 0])
    columns = np.zeros((len(pixels), number, _FITTED))
    for n in range(number):
        inside = windows[n] >= 0
        at = np.searchsorted(pixels, windows[n, inside])
        columns[at, n, 0] = whole[n, inside, 0]
        columns[at, n, 1:] = values[n, inside, 1:5]
    return pixels, columns.reshape(len(pixels), -1)


def _known(intensities: Array, contrast: float) -> Array:
    """Return the inverse variances: moderate slopes, no large moves; nothing of intensities."""
    known = np.zeros((len(intensities), _FITTED))
    known[:, 1:3] = _MOVED**-2
    known[:, 3:] = 1 / (contrast * np.maximum(intensities, 1e-30))[:, None] ** 2
    return np.append(known.ravel(), 0.0)
