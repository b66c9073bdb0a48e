"""Overlapping disks on a smooth background, fitted together."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_array, hstack

from clustem.crystallography._peak_kernels import COLUMNS, disk_columns
from clustem.crystallography.background import Background
from clustem.crystallography.probe import OVERSAMPLING, Probe

_SLOPE = 0.4  # standard deviation of the slopes and the dome inside a disk, in units of its mean height
_MISFIT = 0.05  # of the height: how well a template with slopes and dome is expected to describe a disk
_NODE_SPACING = 3.0  # probe radii between the nodes of the background
_LEAST_SPACING = 4.0  # px
_STIFFNESS = 0.1  # weight of the background's second differences, in units of a pixel's
_STILL = 2e-3  # px: the fit ends when no peak moves more
_LONGEST_STEP = 0.4  # px in one round
_SHAPES = [0, 3, 4, 5]  # columns that are linear in what is fitted
_FAINTEST = 1e-9


@dataclass(frozen=True, eq=False)
class DiskFit:
    """Peaks fitted to one pattern.

    Attributes
    ----------
    positions : (n, 2) float64
        (k_y, k_x) px.
    shapes : (n, 4) float64
        Integrated intensity; slope along y, slope along x and dome inside the disk, each times the intensity.
    errors : (n, 3) float64
        Standard errors of k_y, k_x and intensity, with everything fitted at once.
    model, background : (k_y, k_x) float64
    """

    positions: NDArray[np.float64]
    shapes: NDArray[np.float64]
    errors: NDArray[np.float64]
    model: NDArray[np.float64]
    background: NDArray[np.float64]

    @property
    def intensities(self) -> NDArray[np.float64]:
        """(n,) integrated intensities."""
        return self.shapes[:, 0]


@dataclass(frozen=True, eq=False)
class DiskFitter:
    """What the fits to patterns of one detector share.

    Attributes
    ----------
    probe : Probe
    use : (k_y, k_x) bool
        Pixels that count.
    """

    probe: Probe
    use: NDArray[np.bool_]
    ground: Background = field(init=False)
    dome: float = field(init=False)

    def __post_init__(self) -> None:
        spacing = max(_LEAST_SPACING, _NODE_SPACING * self.probe.radius)
        object.__setattr__(self, "ground", Background.over(self.shape, spacing))
        object.__setattr__(self, "dome", _mean_square_radius(self.probe))

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the detector."""
        return self.use.shape[0], self.use.shape[1]

    def fit(
        self,
        pattern: NDArray[np.float64],
        variance: NDArray[np.float64],
        positions: NDArray[np.float64],
        intensities: NDArray[np.float64],
        *,
        rounds: int = 15,
    ) -> DiskFit:
        """Fit peaks near given positions, and the background, to a pattern at once.

        Every peak is the template times 1 + slopes + dome, polynomials over the disk, because intensity varies
        inside a disk: with the excitation error, and dynamically. Its edge tells where it is. The least squares are
        weighted by the counting noise and by how well a disk is described at all; positions by Gauss-Newton steps.
        """
        kept = np.flatnonzero(self.use.ravel())
        basis, data, noise = self.ground.basis[kept], pattern.ravel()[kept], variance.ravel()[kept]
        heights = np.full(basis.shape[1], np.quantile(data, 0.1))
        positions = positions.astype(np.float64)
        shapes = np.zeros((len(positions), 4))
        shapes[:, 0] = np.maximum(intensities, _FAINTEST)
        for turn in range(rounds + 1):
            columns = self.columns(positions, shapes)
            disks = columns[kept]
            model = disks @ _coefficients(shapes)
            weight = 1 / (noise + (_MISFIT * np.maximum(model, 0)) ** 2)
            design = csr_array(hstack([disks, basis]))
            misses = data - model - basis @ heights
            normal, pull = self._normal_equations(design, weight, misses, shapes, heights)
            factor = cho_factor(normal)
            if turn == rounds:
                break
            step = cho_solve(factor, pull)
            heights = heights + step[COLUMNS * len(shapes) :]
            change = step[: COLUMNS * len(shapes)].reshape(-1, COLUMNS)
            shapes = shapes + change[:, _SHAPES]
            shapes[:, 0] = np.maximum(shapes[:, 0], _FAINTEST)
            moves = np.clip(change[:, 1:3], -_LONGEST_STEP, _LONGEST_STEP)
            positions = positions + moves
            if np.abs(moves).max(initial=0) < _STILL:
                rounds = turn + 1
        spread = np.diag(cho_solve(factor, np.eye(len(normal))))[: COLUMNS * len(shapes)].reshape(-1, COLUMNS)
        ground = (self.ground.basis @ heights).reshape(self.shape)
        whole = (columns @ _coefficients(shapes)).reshape(self.shape) + ground
        return DiskFit(positions, shapes, np.sqrt(spread[:, [1, 2, 0]]), whole, ground)

    def columns(self, positions: NDArray[np.float64], shapes: NDArray[np.float64]) -> csr_array:
        """Return what each coefficient of each peak adds to each pixel, sparse (pixels, 6 n)."""
        number, reach = len(positions), int(np.ceil(self.probe.half))
        pixels = np.empty((number, (2 * reach + 1) ** 2, 2), np.int64)
        values = np.empty((*pixels.shape[:2], COLUMNS))
        disk_columns(
            self.probe.tables, OVERSAMPLING, self.probe.radius, self.dome, positions, shapes, reach, pixels, values
        )
        inside = ((pixels >= 0) & (pixels < self.shape)).all(axis=-1) & (values[..., 0] != 0)
        peak, place = np.nonzero(inside)
        rows = pixels[peak, place] @ [self.shape[1], 1]
        entries = (
            values[peak, place].ravel(),
            (np.repeat(rows, COLUMNS), (peak[:, None] * COLUMNS + range(COLUMNS)).ravel()),
        )
        return csr_array(entries, shape=(self.use.size, COLUMNS * number))

    def _normal_equations(
        self,
        design: csr_array,
        weight: NDArray[np.float64],
        misses: NDArray[np.float64],
        shapes: NDArray[np.float64],
        heights: NDArray[np.float64],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return matrix and right-hand side of the step, with what is known before: moderate shapes, a smooth ground."""
        weighted = csr_array(design.multiply(weight[:, None]))
        normal = (design.T @ weighted).toarray()
        pull = weighted.T @ misses
        disks = COLUMNS * len(shapes)
        known = np.zeros((len(shapes), COLUMNS))
        known[:, 3:] = 1 / (_SLOPE * shapes[:, :1]) ** 2
        pull[:disks] -= (known * np.pad(shapes[:, 1:], ((0, 0), (3, 0)))).ravel()
        bend = self.ground.stiffness * (_STIFFNESS * np.median(weight))
        normal[disks:, disks:] += bend
        pull[disks:] -= bend @ heights
        diagonal = np.einsum("ii->i", normal)
        diagonal[:disks] += known.ravel()
        diagonal += 1e-9 * diagonal + 1e-12 * diagonal.mean()
        return normal, pull


def _coefficients(shapes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the coefficients (6 n,) of the columns of :meth:`DiskFitter.columns`; those of moves are 0."""
    every = np.zeros((len(shapes), COLUMNS))
    every[:, _SHAPES] = shapes
    return every.ravel()


def _mean_square_radius(probe: Probe) -> float:
    """Return the mean of (distance / radius)² over the probe, so that the dome does not change the intensity."""
    steps = (np.arange(len(probe.image)) / OVERSAMPLING - probe.half) / probe.radius
    return float((probe.image * (steps[:, None] ** 2 + steps**2)).sum() / probe.image.sum())
