"""Rotations of a crystal: misorientation under its symmetry, quaternions and Euler angles."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

HALF_TURN = np.diag([-1.0, -1.0, 1.0])  # about the beam
MIRROR_PARTNER = np.diag([-1.0, 1.0, -1.0])  # half a turn about y: the pattern of every crystal with its mirror image


def misorientation_deg(first: ArrayLike, second: ArrayLike, rotations: ArrayLike) -> Array:
    """Smallest angle in degrees between orientations (..., 3, 3) of a crystal with the given symmetry (n, 3, 3).

    Examples
    --------
    >>> quarter_turn = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    >>> float(misorientation_deg(np.eye(3), quarter_turn, [np.eye(3), quarter_turn]))
    0.0
    """
    relative = np.swapaxes(np.asarray(second, np.float64), -1, -2) @ np.asarray(first, np.float64)
    trace = np.einsum("...ij,nji->...n", relative, np.asarray(rotations, np.float64)).max(axis=-1)
    angle: Array = np.rad2deg(np.arccos(np.clip((trace - 1) / 2, -1, 1)))
    return angle


def from_rotation_vector(vector: ArrayLike) -> Array:
    """Return the matrices (..., 3, 3) of rotations about `vector` (..., 3) by its length in radians."""
    v = np.asarray(vector, np.float64)
    angle = np.linalg.norm(v, axis=-1)[..., None, None]
    zero = np.zeros(v.shape[:-1])
    cross = np.stack(
        [
            np.stack([zero, -v[..., 2], v[..., 1]], -1),
            np.stack([v[..., 2], zero, -v[..., 0]], -1),
            np.stack([-v[..., 1], v[..., 0], zero], -1),
        ],
        -2,
    )
    first = np.sinc(angle / np.pi)
    second = 0.5 * np.sinc(angle / (2 * np.pi)) ** 2
    out: Array = np.eye(3) + first * cross + second * (cross @ cross)
    return out


def to_quaternion(matrix: ArrayLike) -> Array:
    """Return the passive quaternions (..., 4), scalar first and not negative, whose matrix is the transposed one.

    These are the lab-to-crystal rotations that orix stores, for matrices (..., 3, 3) from crystal to sample.
    """
    m = np.swapaxes(np.asarray(matrix, np.float64), -1, -2)
    diagonal = np.diagonal(m, axis1=-2, axis2=-1)
    trace = diagonal.sum(axis=-1)
    squares = np.stack([1 + trace, *(1 + 2 * diagonal[..., i] - trace for i in range(3))], axis=-1)
    size = 0.5 * np.sqrt(np.clip(squares, 0, None))
    wx, wy, wz = (m[..., k, j] - m[..., j, k] for j, k in ((1, 2), (2, 0), (0, 1)))
    xy, xz, yz = (m[..., j, k] + m[..., k, j] for j, k in ((0, 1), (0, 2), (1, 2)))
    four = np.stack(
        [
            np.stack([4 * size[..., 0] ** 2, wx, wy, wz], -1),
            np.stack([wx, 4 * size[..., 1] ** 2, xy, xz], -1),
            np.stack([wy, xy, 4 * size[..., 2] ** 2, yz], -1),
            np.stack([wz, xz, yz, 4 * size[..., 3] ** 2], -1),
        ],
        axis=-2,
    )
    best = np.argmax(size, axis=-1)[..., None, None]
    row = np.take_along_axis(four, best, axis=-2)[..., 0, :]
    row = row / np.linalg.norm(row, axis=-1, keepdims=True)
    positive: Array = np.where(row[..., :1] < 0, -row, row)
    return positive


def from_quaternion(quaternion: ArrayLike) -> Array:
    """Return the matrices (..., 3, 3) from crystal to sample of unit quaternions (..., 4), passive, scalar first."""
    w, x, y, z = np.moveaxis(np.asarray(quaternion, np.float64), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)],
        [2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)],
        [2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def to_euler_deg(matrix: ArrayLike) -> Array:
    """Return the Bunge angles (φ1, Φ, φ2), (..., 3) in degrees, of matrices (..., 3, 3) from crystal to sample.

    The passive rotation from sample to crystal is Z(φ2) X(Φ) Z(φ1); φ1 and φ2 are 0 to 360, Φ 0 to 180. At Φ = 0 or
    180 only φ1 is used.
    """
    g = np.swapaxes(np.asarray(matrix, np.float64), -1, -2)
    middle = np.arccos(np.clip(g[..., 2, 2], -1, 1))
    special = np.hypot(g[..., 2, 0], g[..., 2, 1]) < 1e-9
    first = np.where(special, np.arctan2(g[..., 0, 1], g[..., 0, 0]), np.arctan2(g[..., 2, 0], -g[..., 2, 1]))
    last = np.where(special, 0.0, np.arctan2(g[..., 0, 2], g[..., 1, 2]))
    turns: Array = np.rad2deg(np.stack([first, middle, last], axis=-1))
    turns[..., ::2] %= 360
    turns[turns > 360 - 1e-7] = 0.0  # a rounding error below 0
    return turns
