"""Compiled loops that fit an orientation to a pattern with kinematic intensities: arrays and scalars in, arrays filled.

In all of them g (N, 3) and brightness (N,) are the reflections near the Ewald sphere and their |F|²; beam (2,) is
wavelength and precession angle; `_agreement_kernels` says what the others are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.compiling import compiled
from clustem.crystallography._agreement_kernels import (
    agreement,
    agreement_with_slopes,
    climbing_step,
    spread_of_tilt,
)
from clustem.crystallography._geometry_kernels import fit_plane, judge, pair, project, tilted, turn_about_beam

Array = NDArray[Any]
Pattern = tuple[Array, Array, Array, Array, Array, Array, float, Array, Array]

_PRECESSION_STEPS = 8  # midpoints of the azimuth over which a precessed relrod is averaged
_STILL = 1e-5  # gain of the agreement that counts as none
_LONGEST_TILT = 0.008  # radians in one round
_LONGEST_GROWTH = 0.4  # of the logarithm of the thickness in one round


@compiled()
def squared_sinc(phase: float) -> tuple[float, float]:
    """Return (sin x / x)² and its derivative at x = phase."""
    if abs(phase) < 1e-3:
        return 1.0 - phase * phase / 3.0, -2.0 * phase / 3.0
    sine = np.sin(phase)
    ratio = sine / phase
    return ratio * ratio, 2.0 * ratio * (np.cos(phase) - ratio) / phase


@compiled()
def relrod(error: float, thickness: float, swing: float) -> tuple[float, float, float]:
    """Return sinc²(π s t), 1 on the Ewald sphere, and its derivatives in s and in log t.

    For a precessed beam they are averages over s + swing · cos φ.
    """
    scale = np.pi * thickness
    if swing == 0.0:
        value, slope = squared_sinc(scale * error)
        return value, slope * scale, slope * scale * error
    total, along, thicker = 0.0, 0.0, 0.0
    for i in range(_PRECESSION_STEPS):
        phase = scale * (error + swing * np.cos(np.pi * (i + 0.5) / _PRECESSION_STEPS))
        value, slope = squared_sinc(phase)
        total += value
        along += slope * scale
        thicker += slope * phase
    return total / _PRECESSION_STEPS, along / _PRECESSION_STEPS, thicker / _PRECESSION_STEPS


@compiled()
def shine(
    g: Array, brightness: Array, matrix: Array, thickness: float, beam: Array, intensity: Array, change: Array
) -> None:
    """Fill intensity (N,) of all reflections, and its derivatives (N, 3) in tilts about x, y and in log thickness."""
    for j in range(g.shape[0]):
        x = matrix[0, 0] * g[j, 0] + matrix[0, 1] * g[j, 1] + matrix[0, 2] * g[j, 2]
        y = matrix[1, 0] * g[j, 0] + matrix[1, 1] * g[j, 1] + matrix[1, 2] * g[j, 2]
        z = matrix[2, 0] * g[j, 0] + matrix[2, 1] * g[j, 1] + matrix[2, 2] * g[j, 2]
        square = x * x + y * y + z * z
        value, along, thicker = relrod(z + 0.5 * beam[0] * square, thickness, beam[1] * np.sqrt(square))
        intensity[j] = brightness[j] * value
        change[j, 0] = brightness[j] * along * y
        change[j, 1] = -brightness[j] * along * x
        change[j, 2] = brightness[j] * thicker


@compiled()
def look_around(tilts: Array, matrix: Array, thickness: float, pattern: Pattern) -> None:
    """Tilt matrix (3, 3) by that one of the tilts (T, 2), in radians, that agrees best with the pattern of `climb`."""
    g, brightness, partner, visible, amplitude, trust, floor, beam, expected = pattern
    intensity, change = np.empty(g.shape[0]), np.empty((g.shape[0], 3))
    best, highest = 0, -1.0
    for c in range(tilts.shape[0]):
        shine(g, brightness, tilted(matrix, tilts[c, 0], tilts[c, 1]), thickness, beam, intensity, change)
        value = agreement(intensity, partner, visible, amplitude, trust, floor, expected)
        if value > highest:
            best, highest = c, value
    matrix[:] = tilted(matrix, tilts[best, 0], tilts[best, 1])


@compiled()
def climb(rounds: int, limits: Array, matrix: Array, state: Array, pattern: Pattern, curvature: Array) -> float:
    """Tilt matrix (3, 3) and change the thickness state[0] to the best agreement, which is returned.

    The pattern is (g, brightness, partner, visible, amplitude, trust, floor, beam, expected); limits (2,) are the least
    and the largest thickness. The method is that of Levenberg and Marquardt, doi 10.1137/0111030.
    """
    g, brightness, partner, visible, amplitude, trust, floor, beam, expected = pattern
    intensity, change, gradient, step = np.empty(g.shape[0]), np.empty((g.shape[0], 3)), np.empty(3), np.empty(3)
    longest = np.array([_LONGEST_TILT, _LONGEST_TILT, _LONGEST_GROWTH])
    trial, trial_gradient, trial_curvature = matrix.copy(), np.empty(3), np.empty((3, 3))
    shine(g, brightness, matrix, state[0], beam, intensity, change)
    value = agreement_with_slopes(
        intensity, change, partner, visible, amplitude, trust, floor, expected, gradient, curvature
    )
    damping = 0.01
    for _ in range(rounds):
        climbing_step(gradient, curvature, damping, longest, step)
        trial[:] = tilted(matrix, step[0], step[1])
        thickness = min(max(state[0] * np.exp(step[2]), limits[0]), limits[1])
        shine(g, brightness, trial, thickness, beam, intensity, change)
        higher = agreement_with_slopes(
            intensity, change, partner, visible, amplitude, trust, floor, expected, trial_gradient, trial_curvature
        )
        if higher <= value:
            damping = max(0.1, 8.0 * damping)
            if damping > 1e3:
                break
            continue
        gain, value = higher - value, higher
        matrix[:], gradient[:], curvature[:] = trial, trial_gradient, trial_curvature
        state[0] = thickness
        damping *= 0.2
        if gain < _STILL:
            break
    return float(value)


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
    tilts: Array,
    matrix: Array,
    state: Array,
    covariance: Array,
) -> None:
    """Fit orientation, thickness and strain in the plane to the peaks of one pattern.

    g (N, 3) and brightness (N,) are here all reflections; peaks (n, 2) x, y in 1/Å with amplitude (n,), precision (n,),
    which is 1/σ², and the amplitude `floor` that would have been seen; to_detector, centre, mask and blocked say where.
    settings: reach in excitation error, first radius of pairing, last one, stiffness of the strain, least and largest
    thickness, cycles, rounds of each; tilts (T, 2), in radians, are looked at before climbing, because there may be
    several local optima. matrix (3, 3) and state (5,) = thickness, strain xx, yy, xy, score are read and
    filled; filled is covariance (2, 2) of the tilts about x and y in radians².
    """
    reach, first_radius, last_radius = settings[0], settings[1], settings[2]
    size, cycles, limits = g.shape[0], int(settings[6]), settings[4:6]
    near, flat, partner = np.empty(size, np.int64), np.empty((size, 2)), np.empty(size, np.int64)
    visible, intensity, found = np.empty(size, np.bool_), np.empty(size), np.zeros(4)
    change, curvature = np.empty((size, 3)), np.zeros((3, 3))
    trust, expected = np.zeros(amplitude.size), np.zeros(amplitude.size)
    for cycle in range(cycles):
        share = cycle / max(1, cycles - 1)
        radius = first_radius * (1.0 - share) + last_radius * share
        for turn in range(3):  # twice fitted in the plane, and then only paired
            number = project(g, matrix, beam[0], reach, beam[1], near, flat)
            chosen, bright = g[near[:number]], brightness[near[:number]]
            pair(flat, number, state[1:4], peaks, radius, partner)
            if turn < 2:
                shine(chosen, bright, matrix, state[0], beam, intensity, change)
                # faint spots may be paired with what is not theirs, so they count less
                weight = np.sqrt(intensity[:number] / max(intensity[:number].max(), 1e-300)) if number else intensity
                fit_plane(flat, number, partner, weight, peaks, precision, settings[3], found)
                matrix[:] = turn_about_beam(matrix, found[0])
                state[1:4] = found[1:]
        judge(flat, number, partner, state[1:4], peaks, last_radius, to_detector, centre, mask, blocked, visible, trust)
        pattern = chosen, bright, partner[:number], visible[:number], amplitude, trust, floor, beam, expected
        look_around(tilts, matrix, state[0], pattern)
        state[4] = climb(int(settings[7]), limits, matrix, state, pattern, curvature)
    spread_of_tilt(state[4], amplitude.size, curvature, covariance)
