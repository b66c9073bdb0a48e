"""The deformation that takes reflections where they should be to where they are, robustly fitted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_FREEDOM = 4.0  # of Student's t, which residuals are taken to follow: disks far from the Ewald sphere mislead
_INFORMATION_LOST = (_FREEDOM + 4) / (_FREEDOM + 2)  # variance in units of what the weights alone would make it
_PRIOR_RESIDUALS = 6.0  # how many residuals of the size of their standard errors the given errors are worth
_ROUNDS = 50
_CONVERGED = 1e-10
_LEAST_REFLECTIONS = 3
_LEAST_SPREAD = 0.05  # smallest over largest extent of the reflections used; below, they lie on a line


@dataclass(frozen=True, eq=False)
class PlaneFit:
    """Fit of :func:`fit_plane`.

    Attributes
    ----------
    matrix : (2, 2) float64
        A in g = A g0, in (x, y) order; F⁻ᵀ of the deformation gradient F in the plane.
    covariance : (4, 4) float64
        Of (A_xx, A_xy, A_yx, A_yy).
    residuals : (n, 2) float64
        Measured minus fitted, (x, y).
    weights : (n,) float64
        0 … 1, what the robust fit left to each reflection.
    scale : float
        Size of the residuals over their standard errors.
    """

    matrix: NDArray[np.float64]
    covariance: NDArray[np.float64]
    residuals: NDArray[np.float64]
    weights: NDArray[np.float64]
    scale: float


def fit_plane(
    expected: NDArray[np.float64],
    measured: NDArray[np.float64],
    errors: NDArray[np.float64],
    *,
    tilt: float,
    offset: float,
) -> PlaneFit | None:
    """Fit g = A g0 + t g0_z + c, or return None for fewer than three reflections or all on a line.

    Parameters
    ----------
    expected : (n, 3) float64
        g0 in the sample frame, (x, y, z).
    measured : (n, 2) float64
        (x, y).
    errors : (n,) float64
        Standard error of a component.
    tilt : float
        Standard deviation of t, which holds the error of the orientation about axes in the plane, in radians, and
        the shear out of the plane. Reflections off the zero Laue zone move by it; it is fitted, so that it does not
        spoil A.
    offset : float
        Standard deviation of the beam centre c.

    Notes
    -----
    Weights are those of Student's t with 4 degrees of freedom, iterated to convergence. The covariance is the
    inverse Fisher information of that distribution in two dimensions, at the size of the residuals, which is estimated
    together with six residuals as large as the given errors, because few reflections say little about it.
    """
    number = len(expected)
    if number < _LEAST_REFLECTIONS:
        return None
    design = np.column_stack([expected, np.ones(number)])
    known = np.diag([0.0, 0.0, tilt**-2, offset**-2])
    robust: NDArray[np.float64] = np.ones(number)
    scale, solution = 1.0, np.zeros((4, 2), np.float64)
    for _ in range(_ROUNDS):
        weight = robust / errors**2
        normal = design.T @ (weight[:, None] * design) + known * scale**2
        if _lie_on_a_line(expected, weight):
            return None
        previous = solution
        solution = np.asarray(np.linalg.solve(normal, design.T @ (weight[:, None] * measured)))
        residuals = measured - design @ solution
        squares = (residuals**2).sum(axis=1) / errors**2
        left = max(2.0 * number - 4, 0.0)
        scale = float(np.sqrt(((robust * squares).sum() + _PRIOR_RESIDUALS) / (left + _PRIOR_RESIDUALS)))
        robust = (_FREEDOM + 2) / (_FREEDOM + squares / scale**2)
        if np.abs(solution - previous).max() < _CONVERGED:
            break
    single = scale**2 * _INFORMATION_LOST * np.linalg.inv(normal)[:2, :2]
    matrix: NDArray[np.float64] = solution[:2].T
    return PlaneFit(matrix, np.kron(np.eye(2), single), residuals, robust * _FREEDOM / (_FREEDOM + 2), scale)


def _lie_on_a_line(expected: NDArray[np.float64], weight: NDArray[np.float64]) -> bool:
    flat = expected[:, :2] * np.sqrt(weight / weight.max())[:, None]
    small, large = np.linalg.svd(flat, compute_uv=False)[[-1, 0]]
    return bool(small < _LEAST_SPREAD * large)


def left_polar(deformation: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Return V and the angle ω of R in F = V R, for F (2, 2) in (x, y) order; ω in radians, from x towards y.

    Examples
    --------
    >>> stretch, turn = left_polar(np.array([[0.0, -1.01], [1.0, 0.0]]))
    >>> stretch.round(6).tolist(), round(turn, 6)
    ([[1.01, 0.0], [0.0, 1.0]], 1.570796)
    """
    left, stretches, right = np.linalg.svd(deformation)
    rotation = left @ right
    return left @ np.diag(stretches) @ left.T, float(np.arctan2(rotation[1, 0], rotation[0, 0]))


def components(deformation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (e_xx, e_yy, e_xy, ω) of F (2, 2): e = V − 1, ω in radians."""
    stretch, turn = left_polar(deformation)
    return np.array([stretch[0, 0] - 1, stretch[1, 1] - 1, stretch[0, 1], turn])


def component_errors(
    matrix: NDArray[np.float64], covariance: NDArray[np.float64], reference: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the standard errors of (e_xx, e_yy, e_xy, ω) of F = A⁻ᵀ `reference`, from the covariance (4, 4) of A."""
    step = 1e-6
    slopes = np.empty((4, 4))
    for entry in range(4):
        move = np.zeros(4)
        move[entry] = step
        high, low = (components(np.linalg.inv(matrix + sign * move.reshape(2, 2)).T @ reference) for sign in (1, -1))
        slopes[:, entry] = (high - low) / (2 * step)
    errors: NDArray[np.float64] = np.sqrt(np.einsum("ij,jk,ik->i", slopes, covariance, slopes))
    return errors
