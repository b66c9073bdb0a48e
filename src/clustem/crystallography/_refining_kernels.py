"""Compiled loops that fit an orientation to the peaks of a pattern: arrays and scalars in, arrays filled.

In all of them g (N, 3) and brightness (N,) are the reflections near the Ewald sphere and their |F|²; partner (N,) is
the peak of each, −1 = none, and visible (N,) whether one could have been found; amplitude (n,) are the peaks' and
trust (n,), 0 … 1, is how near a spot each of them lies; beam (2,) is wavelength and precession angle; expected (n,) is
filled with the intensity of all spots that fall on each peak.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.compiling import compiled
from clustem.crystallography._geometry_kernels import fit_plane, judge, pair, project, tilted, turn_about_beam

Array = NDArray[Any]
Pattern = tuple[Array, Array, Array, Array, Array, Array, Array, Array, Array, Array, Array]

_PRECESSION_STEPS = 8  # midpoints of the azimuth over which a precessed relrod is averaged
_ROUNDS = 60  # of the simplex, at most
_STILL = 1e-6  # change of the agreement that counts as none
_TILT_STEP = 0.003  # radians; over which the curvature at the optimum is taken


@compiled()
def relrod(error: float, thickness: float, swing: float) -> float:
    """Return sinc²(π s t), 1 on the Ewald sphere, averaged over s + swing · cos φ for a precessed beam."""
    if swing == 0.0:
        phase = np.pi * error * thickness
        return 1.0 if abs(phase) < 1e-6 else (np.sin(phase) / phase) ** 2
    total = 0.0
    for i in range(_PRECESSION_STEPS):
        phase = np.pi * thickness * (error + swing * np.cos(np.pi * (i + 0.5) / _PRECESSION_STEPS))
        total += 1.0 if abs(phase) < 1e-6 else (np.sin(phase) / phase) ** 2
    return total / _PRECESSION_STEPS


@compiled()
def shine(g: Array, brightness: Array, matrix: Array, thickness: float, beam: Array, intensity: Array) -> None:
    """Fill intensity (N,) with the brightness of all reflections times their relrods."""
    for j in range(g.shape[0]):
        z = matrix[2, 0] * g[j, 0] + matrix[2, 1] * g[j, 1] + matrix[2, 2] * g[j, 2]
        square = g[j, 0] * g[j, 0] + g[j, 1] * g[j, 1] + g[j, 2] * g[j, 2]
        intensity[j] = brightness[j] * relrod(z + 0.5 * beam[0] * square, thickness, beam[1] * np.sqrt(square))


@compiled()
def gather(intensity: Array, partner: Array, visible: Array, faint: float, expected: Array) -> float:
    """Fill expected (n,) from intensity (N,); return what is visible without a peak, as far as it exceeds faint."""
    expected[:] = 0.0
    lonely = 0.0
    for j in range(intensity.size):
        if partner[j] >= 0:
            expected[partner[j]] += intensity[j]
        elif visible[j]:
            lonely += max(0.0, intensity[j] - faint)
    return lonely


@compiled()
def agreement(amplitude: Array, trust: Array, expected: Array, lonely: float) -> float:
    """Return the normalised correlation, 0 … 1, of measured amplitudes (n,) with the roots of expected (n,).

    trust (n,), 0 … 1, is how well each peak lies where it is expected; lonely the intensity expected where none is.
    """
    product, measured, model = 0.0, 0.0, lonely
    for q in range(amplitude.size):
        product += amplitude[q] * trust[q] * np.sqrt(expected[q])
        measured += amplitude[q] * amplitude[q]
        model += expected[q]
    return product / np.sqrt(measured * model) if measured > 0.0 and model > 0.0 else 0.0


@compiled()
def faintest(amplitude: Array, expected: Array, floor: float) -> float:
    """Return the expected intensity that would be measured with the amplitude `floor`."""
    measured, model = 0.0, 0.0
    for q in range(amplitude.size):
        measured += amplitude[q] * np.sqrt(expected[q])
        model += expected[q]
    return (floor * model / measured) ** 2 if measured > 0.0 else 0.0


@compiled()
def value_at(point: Array, pattern: Pattern) -> float:
    """Return the agreement at point (3,) = tilts about x and y in radians and log thickness.

    The pattern is (g, brightness, partner, visible, amplitude, trust, matrix, beam, limits, intensity, expected), where
    matrix (3, 3) is the orientation, limits (3,) are the least and the largest log thickness and the intensity that is
    too faint to be seen, and intensity (N,) and expected (n,) are filled.
    """
    g, brightness, partner, visible, amplitude, trust, matrix, beam, limits, intensity, expected = pattern
    thickness = np.exp(min(max(point[2], limits[0]), limits[1]))
    shine(g, brightness, tilted(matrix, point[0], point[1]), thickness, beam, intensity)
    lonely = gather(intensity, partner, visible, limits[2], expected)
    return float(agreement(amplitude, trust, expected, lonely))


@compiled()
def descend(step: float, point: Array, pattern: Pattern) -> float:
    """Move point (3,) to the best agreement, which is returned.

    The simplex of Nelder and Mead, doi 10.1093/comjnl/7.4.308, with edges `step` and a fifth of the thickness.
    """
    limits = pattern[8]
    corners, values, trial = np.empty((4, 3)), np.empty(4), np.empty((2, 3))
    for k in range(4):
        corners[k] = point
        if k > 0:
            corners[k, k - 1] += step if k < 3 else 0.2
        values[k] = -value_at(corners[k], pattern)
    for _ in range(_ROUNDS):
        order = np.argsort(values)
        corners, values = corners[order], values[order]
        if values[3] - values[0] < _STILL:
            break
        middle = (corners[0] + corners[1] + corners[2]) / 3.0
        trial[0] = 2.0 * middle - corners[3]
        first = -value_at(trial[0], pattern)
        if values[0] <= first < values[2]:
            corners[3], values[3] = trial[0], first
            continue
        reach = 2.0 if first < values[0] else (0.5 if first < values[3] else -0.5)
        trial[1] = middle + reach * (middle - corners[3])
        second = -value_at(trial[1], pattern)
        if second < min(first, values[3]):
            corners[3], values[3] = trial[1], second
        elif first < values[3]:
            corners[3], values[3] = trial[0], first
        else:
            for k in range(1, 4):
                corners[k] = 0.5 * (corners[0] + corners[k])
                values[k] = -value_at(corners[k], pattern)
    best = int(np.argmin(values))
    point[:] = corners[best]
    point[2] = min(max(point[2], limits[0]), limits[1])
    return -float(values[best])


@compiled()
def spread_of_tilt(thickness: float, pattern: Pattern, covariance: Array) -> None:
    """Fill covariance (2, 2) of the tilts in radians² from what the fit leaves unexplained; infinite without a minimum.

    With n amplitudes of equal, unknown error the logarithm of the likelihood is −(n/2) log(1 − agreement²).
    """
    amplitude = pattern[4]
    energy, point = np.empty((3, 3)), np.zeros(3)
    point[2] = np.log(thickness)
    for a in range(3):
        for b in range(3):
            point[0], point[1] = (a - 1) * _TILT_STEP, (b - 1) * _TILT_STEP
            value = value_at(point, pattern)
            energy[a, b] = 0.5 * amplitude.size * np.log(max(1e-6, 1.0 - value * value))
    xx = energy[2, 1] - 2.0 * energy[1, 1] + energy[0, 1]
    yy = energy[1, 2] - 2.0 * energy[1, 1] + energy[1, 0]
    xy = (energy[2, 2] - energy[2, 0] - energy[0, 2] + energy[0, 0]) / 4.0
    determinant = xx * yy - xy * xy
    covariance[:] = 0.0
    covariance[0, 0] = covariance[1, 1] = np.inf
    if xx > 0.0 and yy > 0.0 and determinant > 0.0:
        scale = _TILT_STEP**2 / determinant
        covariance[0, 0], covariance[1, 1] = yy * scale, xx * scale
        covariance[0, 1] = covariance[1, 0] = -xy * scale


@compiled()
def refine(
    g: Array,
    brightness: Array,
    peaks: Array,
    amplitude: Array,
    precision: Array,
    floor: float,
    to_detector: Array,
    centre: Array,
    mask: Array,
    blocked: float,
    beam: Array,
    settings: Array,
    matrix: Array,
    state: Array,
    expected: Array,
    covariance: Array,
) -> None:
    """Fit orientation, thickness and strain in the plane to the peaks of one pattern.

    g (N, 3) and brightness (N,) are here all reflections; peaks (n, 2) x, y in 1/Å with amplitude (n,), precision (n,),
    which is 1/σ², and the amplitude `floor` that would have been seen; to_detector, centre, mask and blocked say where.
    settings: reach in excitation error, first radius of pairing, last one, stiffness of the strain, least and largest
    thickness, cycles. matrix (3, 3) and state (5,) = thickness, strain xx, yy, xy, score are read and filled; filled
    are expected (n,), and covariance (2, 2) of the tilts about x and y in radians².
    """
    reach, first_radius, last_radius = settings[0], settings[1], settings[2]
    size, cycles = g.shape[0], int(settings[6])
    near, flat, partner = np.empty(size, np.int64), np.empty((size, 2)), np.empty(size, np.int64)
    visible, intensity, found = np.empty(size, np.bool_), np.empty(size), np.zeros(4)
    trust, point, limits = np.zeros(amplitude.size), np.zeros(3), np.zeros(3)
    limits[0], limits[1] = np.log(settings[4]), np.log(settings[5])
    for cycle in range(cycles):
        share = cycle / max(1, cycles - 1)
        radius = first_radius * (1.0 - share) + last_radius * share
        for turn in range(3):  # twice fitted in the plane, and then only paired
            number = project(g, matrix, beam[0], reach, beam[1], near, flat)
            chosen, bright = g[near[:number]], brightness[near[:number]]
            pair(flat, number, state[1:4], peaks, radius, partner)
            shine(chosen, bright, matrix, state[0], beam, intensity)
            if turn < 2:
                # faint spots may be paired with what is not theirs, so they count less
                weight = np.sqrt(intensity[:number] / max(intensity[:number].max(), 1e-300)) if number else intensity
                fit_plane(flat, number, partner, weight, peaks, precision, settings[3], found)
                matrix[:] = turn_about_beam(matrix, found[0])
                state[1:4] = found[1:]
        judge(flat, number, partner, state[1:4], peaks, last_radius, to_detector, centre, mask, blocked, visible, trust)
        gather(intensity[:number], partner, visible, 0.0, expected)
        limits[2] = faintest(amplitude, expected, floor)
        point[0], point[1], point[2] = 0.0, 0.0, np.log(state[0])
        seen = intensity[:number]
        pattern = chosen, bright, partner, visible, amplitude, trust, matrix, beam, limits, seen, expected
        state[4] = descend(0.012 if cycle == 0 else 0.004, point, pattern)
        matrix[:] = tilted(matrix, point[0], point[1])
        state[0] = np.exp(point[2])
    spread_of_tilt(state[0], pattern, covariance)
