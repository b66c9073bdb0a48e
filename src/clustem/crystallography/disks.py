"""Overlapping disks on a smooth background, fitted together."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from clustem.crystallography._peak_kernels import COLUMNS, add_disks, disk_columns, normal_equations
from clustem.crystallography.background import Background
from clustem.crystallography.equations import Equations
from clustem.crystallography.probe import OVERSAMPLING, Probe

_MISFIT = 0.03  # of the height: how well a template with slopes and dome is expected to describe a disk
_NODE_SPACING = 3.0  # probe radii between the nodes of the background
_LEAST_SPACING = 4.0  # px
_MOST_NODES = 32  # along an axis
_STIFFNESS = 0.1  # weight of the background's second differences, in units of a pixel's
_STILL = 3e-3  # px: the fit ends when no peak moves more
_LONGEST_STEP = 0.4  # px in one round
_SHAPES = [0, 3, 4, 5]  # coefficients that are linear in what is fitted
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
    heights : (nodes,) float64
        Of the background.
    """

    positions: NDArray[np.float64]
    shapes: NDArray[np.float64]
    errors: NDArray[np.float64]
    heights: NDArray[np.float64]

    @property
    def intensities(self) -> NDArray[np.float64]:
        """(n,) integrated intensities."""
        return self.shapes[:, 0]

    def only(self, kept: NDArray[np.bool_]) -> DiskFit:
        """Return the fit with some of its peaks."""
        return DiskFit(self.positions[kept], self.shapes[kept], self.errors[kept], self.heights)

    def with_more(self, positions: NDArray[np.float64], intensities: NDArray[np.float64]) -> DiskFit:
        """Return the fit with flat peaks added, as a start of the next one."""
        shapes = np.zeros((len(positions), 4))
        shapes[:, 0] = np.maximum(intensities, _FAINTEST)
        return DiskFit(
            np.vstack([self.positions, positions]),
            np.vstack([self.shapes, shapes]),
            np.vstack([self.errors, np.full((len(positions), 3), np.nan)]),
            self.heights,
        )


@dataclass(frozen=True, eq=False)
class DiskFitter:
    """Fits peaks near given positions, and the background, to patterns of one detector at once.

    Every peak is the template times 1 + slopes + dome, polynomials over the disk, because intensity varies inside a
    disk: with the excitation error, and dynamically. Its edge tells where it is. The least squares are weighted by the
    counting noise and by how well a disk is described at all; positions by Gauss-Newton steps.

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
    kept: NDArray[np.int64] = field(init=False)
    places: NDArray[np.int64] = field(init=False)
    bends: tuple[NDArray[np.intp], ...] = field(init=False)

    def __post_init__(self) -> None:
        spacing = max(_LEAST_SPACING, _NODE_SPACING * self.probe.radius, max(self.use.shape) / _MOST_NODES)
        kept = np.flatnonzero(self.use.ravel())
        places = np.full(self.use.size, -1, np.int64)
        places[kept] = np.arange(len(kept))
        ground = Background.over((self.use.shape[0], self.use.shape[1]), spacing)
        for name, value in (
            ("ground", ground),
            ("bends", np.nonzero(ground.stiffness)),
            ("dome", _mean_square_radius(self.probe)),
            ("kept", kept),
            ("places", places.reshape(self.use.shape)),
        ):
            object.__setattr__(self, name, value)

    def start(
        self, pattern: NDArray[np.float64], positions: NDArray[np.float64], intensities: NDArray[np.float64]
    ) -> DiskFit:
        """Return flat peaks on a flat background, from which to fit."""
        level = np.quantile(pattern[self.use], 0.1) if self.use.any() else 0.0
        heights = np.full(len(self.ground.stiffness), level)
        nothing = DiskFit(np.zeros((0, 2)), np.zeros((0, 4)), np.zeros((0, 3)), heights)
        return nothing.with_more(positions, intensities)

    def fit(
        self, pattern: NDArray[np.float64], variance: NDArray[np.float64], start: DiskFit, *, rounds: int = 15
    ) -> DiskFit:
        """Fit a pattern (k_y, k_x) of known variance from `start`, in so many rounds at most."""
        data, noise = pattern.ravel()[self.kept], variance.ravel()[self.kept]
        state, disks = start, COLUMNS * len(start.positions)
        for turn in range(rounds):
            equations = self._equations(data, noise, state)
            step = equations.solve()
            change = step[:disks].reshape(-1, COLUMNS)
            shapes = state.shapes + change[:, _SHAPES]
            shapes[:, 0] = np.maximum(shapes[:, 0], _FAINTEST)
            moves = np.clip(change[:, 1:3], -_LONGEST_STEP, _LONGEST_STEP)
            state = DiskFit(state.positions + moves, shapes, state.errors, state.heights + step[disks:])
            if np.abs(moves).max(initial=0) < _STILL or turn == rounds - 1:
                break
        spread = np.sqrt(equations.variances(disks)).reshape(-1, COLUMNS)
        return replace(state, errors=spread[:, [1, 2, 0]])

    def _equations(self, data: NDArray[np.float64], noise: NDArray[np.float64], state: DiskFit) -> Equations:
        """Return the equations of a Gauss-Newton step for the kept pixels."""
        nodes, shares = self.ground.nodes[self.kept], self.ground.shares[self.kept]
        pixels, values = self._columns(state.positions, state.shapes, self.places)
        model = np.zeros(len(data))
        add_disks(pixels, values, state.shapes, model)
        weight = 1 / (noise + (_MISFIT * self._heights(model)) ** 2)
        misses = data - model - (state.heights[nodes] * shares).sum(axis=1)
        equations = Equations(np.concatenate([np.repeat(state.positions[:, 0], COLUMNS), self.ground.rows]))
        normal, pull = equations.normal, equations.pull
        normal_equations(pixels, values, nodes, shares, weight, misses, equations.order, normal, pull)
        self._add_prior(equations, state, float(np.median(weight)))
        return equations

    def disks(self, fit: DiskFit, *, only: int | None = None) -> NDArray[np.float64]:
        """Return the disks of a fit (k_y, k_x), or one of them, without the background."""
        which = slice(None) if only is None else slice(only, only + 1)
        everywhere = np.arange(self.use.size, dtype=np.int64).reshape(self.use.shape)
        pixels, values = self._columns(fit.positions[which], fit.shapes[which], everywhere)
        model = np.zeros(self.use.size)
        add_disks(pixels, values, fit.shapes[which], model)
        return model.reshape(self.use.shape)

    def background(self, fit: DiskFit) -> NDArray[np.float64]:
        """Return the background of a fit, (k_y, k_x)."""
        surface: NDArray[np.float64] = (fit.heights[self.ground.nodes] * self.ground.shares).sum(axis=1)
        return surface.reshape(self.use.shape)

    def _heights(self, model: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the height of the disks at and beside every kept pixel, so that edges count as much as what they end.

        Where a disk is a little beside its place, pixels without model would otherwise outweigh all others.
        """
        image = np.zeros(self.use.size)
        image[self.kept] = model
        heights: NDArray[np.float64] = maximum_filter(image.reshape(self.use.shape), 3).ravel()[self.kept]
        return heights

    def _columns(
        self, positions: NDArray[np.float64], shapes: NDArray[np.float64], places: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        reach = int(np.ceil(self.probe.half))
        pixels = np.empty((len(positions), (2 * reach + 1) ** 2), np.int64)
        values = np.empty((*pixels.shape, COLUMNS))
        probe = self.probe
        disk_columns(
            probe.tables, OVERSAMPLING, probe.radius, self.dome, positions, shapes, reach, places, pixels, values
        )
        return pixels, values

    def _add_prior(self, equations: Equations, state: DiskFit, weight: float) -> None:
        """Add what is known before: moderate slopes and domes, a smooth background."""
        normal, pull, order = equations.normal, equations.pull, equations.order
        known = np.zeros((len(state.shapes), COLUMNS))
        known[:, 3:] = 1 / (self.probe.contrast * state.shapes[:, :1]) ** 2
        pull[order[: known.size]] -= (known * np.pad(state.shapes[:, 1:], ((0, 0), (3, 0)))).ravel()
        row, column = self.bends
        bend = self.ground.stiffness[row, column] * (_STIFFNESS * weight)
        pull[order[known.size :]] -= np.bincount(row, bend * state.heights[column], len(state.heights))
        at, by = order[known.size + row], order[known.size + column]
        lower = at >= by
        normal[at[lower], by[lower]] += bend[lower]
        diagonal = np.einsum("ii->i", normal)
        diagonal[order[: known.size]] += known.ravel()
        diagonal += 1e-9 * diagonal + 1e-12 * diagonal.mean()


def _mean_square_radius(probe: Probe) -> float:
    """Return the mean of (distance / radius)² over the probe, so that the dome does not change the intensity."""
    steps = (np.arange(len(probe.image)) / OVERSAMPLING - probe.half) / probe.radius
    return float((probe.image * (steps[:, None] ** 2 + steps**2)).sum() / probe.image.sum())
