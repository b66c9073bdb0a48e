"""Misorientation inside domains, from an orientation at every position."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clustem.errors import InputError

Array = NDArray[np.float64]

_HALF = ((0, 1), (1, 0), (1, 1), (1, -1))  # neighbours after a position; the others come before it


def kernel_average_misorientation(rotation: ArrayLike, labels: ArrayLike) -> Array:
    """Return the mean misorientation of every position to its eight neighbours in the same domain, in degrees (KAM).

    Parameters
    ----------
    rotation : (scan_y, scan_x, 3, 3)
        Crystal → sample, NaN where there is none. All of one domain are near each other: they are compared as they
        are, without symmetry.
    labels : (scan_y, scan_x) integer array
        0 = unassigned.

    Returns
    -------
    (scan_y, scan_x) float64
        NaN where there is no orientation, or none beside it in the same domain.

    Raises
    ------
    InputError
        If the shapes do not fit.

    Notes
    -----
    The misorientation across a boundary does not count. Errors of the orientations do: without any bending, the
    mean is 2.3 times the standard error about one axis, if that is the same about all three.

    Examples
    --------
    >>> from clustem.crystallography.rotations import from_rotation_vector
    >>> bent = from_rotation_vector(np.deg2rad([[[0, 0, 0], [0, 0, 1], [0, 0, 3]]]))
    >>> kernel_average_misorientation(bent, np.ones((1, 3), int)).round(6).tolist()
    [[1.0, 1.5, 2.0]]
    """
    turned, inside = _checked(rotation, labels)
    known = _known(turned)
    total, number = np.zeros(inside.shape), np.zeros(inside.shape)
    for dy, dx in _HALF:
        here, there = _views(inside.shape, dy, dx)
        both = known[here] & known[there] & (inside[here] == inside[there]) & (inside[here] > 0)
        angle = np.where(both, _angle(turned[here], turned[there]), 0.0)
        for place in (here, there):
            total[place] += angle
            number[place] += both
    mean: Array = np.divide(total, number, out=np.full(inside.shape, np.nan), where=number > 0)
    return mean


def grain_reference_orientation_deviation(rotation: ArrayLike, labels: ArrayLike) -> Array:
    """Return the misorientation of every position to the mean orientation of its domain, in degrees (GROD).

    Parameters and errors are those of :func:`clustem.kernel_average_misorientation`. The mean is the rotation nearest
    to all of the domain in the least squares of their matrices.

    Returns
    -------
    (scan_y, scan_x) float64
        NaN where there is no orientation or no domain.

    Examples
    --------
    >>> from clustem.crystallography.rotations import from_rotation_vector
    >>> bent = from_rotation_vector(np.deg2rad([[[0, 0, -1], [0, 0, 0], [0, 0, 1]]]))
    >>> grain_reference_orientation_deviation(bent, np.ones((1, 3), int)).round(6).tolist()
    [[1.0, 0.0, 1.0]]
    """
    turned, inside = _checked(rotation, labels)
    known = _known(turned) & (inside > 0)
    sums = np.zeros((int(inside.max(initial=0)) + 1, 3, 3))
    np.add.at(sums, inside[known], turned[known])
    left, _, right = np.linalg.svd(sums)
    proper = np.ones((len(sums), 3))
    proper[:, 2] = np.linalg.det(left @ right)
    mean = (left * proper[:, None, :]) @ right
    out = np.full(inside.shape, np.nan)
    out[known] = _angle(turned[known], mean[inside[known]])
    return out


def _checked(rotation: ArrayLike, labels: ArrayLike) -> tuple[Array, NDArray[np.int64]]:
    turned, inside = np.asarray(rotation, np.float64), np.asarray(labels)
    if inside.ndim != 2 or not np.issubdtype(inside.dtype, np.integer):
        raise InputError(f"labels: expected integers (scan_y, scan_x), got {inside.dtype} of shape {inside.shape}")
    if turned.shape != (*inside.shape, 3, 3):
        raise InputError(f"rotation: expected the shape {(*inside.shape, 3, 3)} of the labels, got {turned.shape}")
    return turned, inside.astype(np.int64)


def _known(rotation: Array) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(rotation).all(axis=(-2, -1)), np.bool_)


def _views(shape: tuple[int, ...], dy: int, dx: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return where positions are that have a neighbour at (dy, dx), and where those neighbours are."""
    here = slice(0, shape[0] - dy), slice(max(0, -dx), shape[1] - max(0, dx))
    there = slice(dy, shape[0]), slice(max(0, dx), shape[1] + min(0, dx))
    return here, there


def _angle(first: Array, second: Array) -> Array:
    """Return the angles in degrees between rotations (..., 3, 3), precise also where they are small."""
    distance = np.sqrt(((first - second) ** 2).sum(axis=(-2, -1)))  # 2 √2 sin(angle / 2)
    angle: Array = np.rad2deg(2 * np.arcsin(np.clip(distance / np.sqrt(8), 0, 1)))
    return angle
