"""Compiled loops that lay the spots of a crystal over the peaks of a pattern: arrays and scalars in, arrays filled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.compiling import compiled
from clustem.solving import factorise_positive, solve_positive

Array = NDArray[Any]


@compiled()
def project(
    g: Array, matrix: Array, wavelength: float, reach: float, precession: float, near: Array, flat: Array
) -> int:
    """Fill near with the reflections g (N, 3) closer to the Ewald sphere than reach, and flat (N, 2) with their x, y.

    reach grows by precession · |g|. Returns their number.
    """
    number = 0
    for j in range(g.shape[0]):
        x = matrix[0, 0] * g[j, 0] + matrix[0, 1] * g[j, 1] + matrix[0, 2] * g[j, 2]
        y = matrix[1, 0] * g[j, 0] + matrix[1, 1] * g[j, 1] + matrix[1, 2] * g[j, 2]
        z = matrix[2, 0] * g[j, 0] + matrix[2, 1] * g[j, 1] + matrix[2, 2] * g[j, 2]
        square = x * x + y * y + z * z
        if abs(z + 0.5 * wavelength * square) < reach + precession * np.sqrt(square):
            near[number] = j
            flat[number, 0], flat[number, 1] = x, y
            number += 1
    return number


@compiled()
def strengths(
    g: Array, length: Array, intensity: Array, matrix: Array, wavelength: float, limits: tuple[float, float, float]
) -> Array:
    """Return how strong reflections g (N, 3) are in an orientation, −1 for those that are out of reach.

    limits: the largest distance from the Ewald sphere, the largest length, and what is added to the distance so that
    reflections on the sphere do not count without limit.
    """
    reach, longest, damping = limits
    strong = np.full(g.shape[0], -1.0)
    for j in range(g.shape[0]):
        if length[j] < longest:
            along = matrix[2, 0] * g[j, 0] + matrix[2, 1] * g[j, 1] + matrix[2, 2] * g[j, 2]
            error = abs(along + 0.5 * wavelength * length[j] * length[j])
            if error < reach:
                strong[j] = np.sqrt(intensity[j]) / (error + damping)
    return strong


@compiled()
def seen(x: float, y: float, to_detector: Array, centre: Array, mask: Array, blocked: float) -> bool:
    """Return whether (x, y) in 1/Å falls on a used pixel of mask (k_y, k_x), more than blocked from the beam."""
    if x * x + y * y < blocked * blocked:
        return False
    row = int(np.floor(centre[0] + to_detector[0, 0] * y + to_detector[0, 1] * x + 0.5))
    column = int(np.floor(centre[1] + to_detector[1, 0] * y + to_detector[1, 1] * x + 0.5))
    return bool(0 <= row < mask.shape[0] and 0 <= column < mask.shape[1] and mask[row, column])


@compiled()
def pair(flat: Array, number: int, strain: Array, peaks: Array, radius: float, partner: Array) -> None:
    """Fill partner with the nearest of the peaks (n, 2) within radius of every strained spot of flat, −1 = none."""
    for j in range(number):
        x = flat[j, 0] * (1.0 - strain[0]) - flat[j, 1] * strain[2]
        y = flat[j, 1] * (1.0 - strain[1]) - flat[j, 0] * strain[2]
        partner[j] = -1
        least = radius * radius
        for q in range(peaks.shape[0]):
            distance = (x - peaks[q, 0]) ** 2 + (y - peaks[q, 1]) ** 2
            if distance < least:
                least = distance
                partner[j] = q


@compiled()
def judge(
    flat: Array,
    number: int,
    partner: Array,
    strain: Array,
    peaks: Array,
    width: float,
    to_detector: Array,
    centre: Array,
    mask: Array,
    blocked: float,
    visible: Array,
    trust: Array,
) -> None:
    """Fill visible for every spot, and trust (n,) of every peak from its distance to the nearest of its spots."""
    trust[:] = 0.0
    for i in range(number):
        x = flat[i, 0] * (1.0 - strain[0]) - flat[i, 1] * strain[2]
        y = flat[i, 1] * (1.0 - strain[1]) - flat[i, 0] * strain[2]
        visible[i] = seen(x, y, to_detector, centre, mask, blocked)
        q = partner[i]
        if q >= 0:
            square = (x - peaks[q, 0]) ** 2 + (y - peaks[q, 1]) ** 2
            trust[q] = max(trust[q], np.exp(-2.0 * square / (width * width)))


@compiled()
def fit_plane(
    flat: Array,
    number: int,
    partner: Array,
    weight: Array,
    peaks: Array,
    precision: Array,
    stiffness: float,
    found: Array,
) -> None:
    """Fill found (4,) with the turn and the strains xx, yy, xy that bring spots flat to their peaks (n, 2).

    A spot at p is expected at p + turn × p − strain · p. Each pair counts weight (of the spot) times precision (of the
    peak, 1/σ²); stiffness holds the strains back as if each had been seen to be 0 with that precision.
    """
    normal, right = np.zeros((4, 4)), np.zeros(4)
    row = np.zeros((2, 4))
    for k in range(1, 4):
        normal[k, k] = stiffness
    normal[0, 0] = 1e-9
    for j in range(number):
        q = partner[j]
        if q < 0:
            continue
        x, y = flat[j, 0], flat[j, 1]
        row[0, 0], row[0, 1], row[0, 2], row[0, 3] = -y, -x, 0.0, -y
        row[1, 0], row[1, 1], row[1, 2], row[1, 3] = x, 0.0, -y, -x
        for c in range(2):
            rest = peaks[q, c] - flat[j, c]
            for a in range(4):
                right[a] += weight[j] * precision[q] * row[c, a] * rest
                for b in range(4):
                    normal[a, b] += weight[j] * precision[q] * row[c, a] * row[c, b]
    factorise_positive(normal)
    solve_positive(normal, right)
    found[:] = right


@compiled()
def collect(
    intensity: Array, partner: Array, hkl: Array, flat: Array, expected: Array, peak_hkl: Array, peak_flat: Array
) -> None:
    """Fill expected (n,) with the intensity of all beams of each peak, and say which of them is the brightest one.

    intensity (N,), hkl (N, 3) and flat (N, 2) are those of the beams, partner (N,) their peaks, −1 = none. peak_hkl
    (n, 3) is 0 0 0 and peak_flat (n, 2) NaN where there is no beam.
    """
    brightest = np.zeros(expected.size)
    expected[:], peak_hkl[:], peak_flat[:] = 0.0, 0, np.nan
    for j in range(partner.size):
        q = partner[j]
        if q >= 0:
            expected[q] += intensity[j]
            if intensity[j] > brightest[q]:
                brightest[q], peak_hkl[q], peak_flat[q] = intensity[j], hkl[j], flat[j]


@compiled()
def turn_about_beam(matrix: Array, angle: float) -> Array:
    """Return the matrix (3, 3) turned about z."""
    out = matrix.copy()
    c, s = np.cos(angle), np.sin(angle)
    for b in range(3):
        out[0, b] = c * matrix[0, b] - s * matrix[1, b]
        out[1, b] = s * matrix[0, b] + c * matrix[1, b]
    return out


@compiled()
def tilted(matrix: Array, about_x: float, about_y: float) -> Array:
    """Return the matrix (3, 3), turned about the sample's x and y by small angles in radians."""
    out = np.empty((3, 3))
    angle = np.sqrt(about_x * about_x + about_y * about_y)
    if angle < 1e-12:
        out[:] = matrix
        return out
    u, v = about_x / angle, about_y / angle
    c, s = np.cos(angle), np.sin(angle)
    turn = np.empty((3, 3))
    turn[0, 0], turn[0, 1], turn[0, 2] = c + u * u * (1 - c), u * v * (1 - c), v * s
    turn[1, 0], turn[1, 1], turn[1, 2] = u * v * (1 - c), c + v * v * (1 - c), -u * s
    turn[2, 0], turn[2, 1], turn[2, 2] = -v * s, u * s, c
    for a in range(3):
        for b in range(3):
            out[a, b] = turn[a, 0] * matrix[0, b] + turn[a, 1] * matrix[1, b] + turn[a, 2] * matrix[2, b]
    return out
