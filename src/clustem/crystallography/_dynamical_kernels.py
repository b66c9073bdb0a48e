"""Compiled loops of dynamical diffraction: arrays and scalars in, arrays filled.

In all of them slice_matrix (N, N) complex64 is the effect of one slice on the beams; beam 0 is the incident one.
Between the slices beams propagate with their excitation errors, the distances from the Ewald sphere.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.compiling import compiled
from clustem.crystallography._agreement_kernels import agreement, agreement_with_slopes, climbing_step
from clustem.crystallography._geometry_kernels import tilted

Array = NDArray[Any]
Peaks = tuple[Array, Array, Array, Array, float, Array]

_STILL = 3e-5  # gain of the agreement that counts as none


@compiled()
def excite(g: Array, matrix: Array, wavelength: float, error: Array, slopes: Array) -> None:
    """Fill error (N,) of g (N, 3), turned by matrix (3, 3), and its derivatives (N, 2) in tilts about x and y."""
    for j in range(g.shape[0]):
        x = matrix[0, 0] * g[j, 0] + matrix[0, 1] * g[j, 1] + matrix[0, 2] * g[j, 2]
        y = matrix[1, 0] * g[j, 0] + matrix[1, 1] * g[j, 1] + matrix[1, 2] * g[j, 2]
        z = matrix[2, 0] * g[j, 0] + matrix[2, 1] * g[j, 1] + matrix[2, 2] * g[j, 2]
        error[j] = -(z + 0.5 * wavelength * (x * x + y * y + z * z))
        slopes[j, 0], slopes[j, 1] = -y, x


@compiled()
def interact(hkl: Array, coefficients: Array, interaction: Array) -> None:
    """Fill interaction (N, N) of beams hkl (N, 3) with the coefficients of their differences, 0 where there is none.

    coefficients (2m + 1, 2m + 1, 2m + 1) are those of hkl from −m to m.
    """
    most = coefficients.shape[0] // 2
    for i in range(hkl.shape[0]):
        for j in range(hkl.shape[0]):
            a, b, c = hkl[i, 0] - hkl[j, 0], hkl[i, 1] - hkl[j, 1], hkl[i, 2] - hkl[j, 2]
            interaction[i, j] = 0.0
            if max(abs(a), abs(b), abs(c)) <= most:
                interaction[i, j] = coefficients[a + most, b + most, c + most]


@compiled()
def _as_real(matrix: Array) -> Array:
    """Return the matrix (2N, 2N) that does to rows of real and imaginary parts what matrix (N, N) does to columns.

    For the few rows here, products of real numbers take a fifth of the time of complex ones.
    """
    number = matrix.shape[0]
    out = np.empty((2 * number, 2 * number), np.float32)
    for i in range(number):
        for j in range(number):
            out[i, j] = out[number + i, number + j] = matrix[j, i].real
            out[i, number + j], out[number + i, j] = matrix[j, i].imag, -matrix[j, i].imag
    return out


@compiled()
def propagate(slice_matrix: Array, error: Array, slice_thickness: float, intensity: Array) -> None:
    """Fill intensity (T, slices, N) of all beams below every slice, for errors (T, N) of several orientations."""
    number, exchange = error.shape[1], _as_real(slice_matrix)
    phase = (2.0 * np.pi * slice_thickness * error).astype(np.float32)
    cosine, sine = np.cos(phase), np.sin(phase)
    wave = np.zeros((error.shape[0], 2 * number), np.float32)
    wave[:, 0] = 1.0  # on the Ewald sphere, whatever the orientation
    after = np.empty_like(wave)
    for n in range(intensity.shape[1]):
        np.dot(wave, exchange, after)
        for c in range(error.shape[0]):
            for j in range(number):
                real, imaginary = after[c, j], after[c, number + j]
                intensity[c, n, j] = real * real + imaginary * imaginary
                wave[c, j] = cosine[c, j] * real - sine[c, j] * imaginary
                wave[c, number + j] = cosine[c, j] * imaginary + sine[c, j] * real


@compiled()
def propagate_with_slopes(
    slice_matrix: Array, error: Array, slopes: Array, slice_thickness: float, intensity: Array, change: Array
) -> None:
    """Fill intensity (slices, N) of beams with errors (N,), and its derivatives (slices, 2, N) in two parameters.

    slopes (N, 2) are the derivatives of the errors.
    """
    number, exchange = error.size, _as_real(slice_matrix)
    phase = (2.0 * np.pi * slice_thickness * error).astype(np.float32)
    cosine, sine = np.cos(phase), np.sin(phase)
    turn = np.ascontiguousarray((2.0 * np.pi * slice_thickness * slopes.T).astype(np.float32))
    wave, after = np.zeros((3, 2 * number), np.float32), np.empty((3, 2 * number), np.float32)
    wave[0, 0] = 1.0
    for n in range(intensity.shape[0]):
        np.dot(wave, exchange, after)
        for j in range(number):
            real, imaginary = after[0, j], after[0, number + j]
            intensity[n, j] = real * real + imaginary * imaginary
            wave[0, j] = cosine[j] * real - sine[j] * imaginary
            wave[0, number + j] = cosine[j] * imaginary + sine[j] * real
        for a in range(2):
            for j in range(number):
                real, imaginary = after[a + 1, j], after[a + 1, number + j]
                change[n, a, j] = np.float32(2.0) * (after[0, j] * real + after[0, number + j] * imaginary)
                real -= turn[a, j] * after[0, number + j]
                imaginary += turn[a, j] * after[0, j]
                wave[a + 1, j] = cosine[j] * real - sine[j] * imaginary
                wave[a + 1, number + j] = cosine[j] * imaginary + sine[j] * real


@compiled()
def best_thickness(intensity: Array, first: int, peaks: Peaks, best: Array) -> None:
    """Fill best (2,) with the largest agreement of intensity (slices, N), and its slice, `first` or one after it.

    peaks: partner (N,), visible (N,), amplitude (n,), trust (n,), floor, expected (n,); see `_agreement_kernels`.
    """
    partner, visible, amplitude, trust, floor, expected = peaks
    best[0], best[1] = -1.0, first
    for n in range(first, intensity.shape[0]):
        value = agreement(intensity[n], partner, visible, amplitude, trust, floor, expected)
        if value > best[0]:
            best[0], best[1] = value, n


@compiled()
def look_around(
    slice_matrix: Array,
    g: Array,
    matrix: Array,
    tilts: Array,
    wavelength: float,
    slice_thickness: float,
    slices: tuple[int, int],
    peaks: Peaks,
    values: Array,
) -> None:
    """Fill values (T,) with the agreement of matrix (3, 3), tilted by tilts (T, 2) radians, at the best thickness.

    g (N, 3) are the beams; slices are the first one that counts, and their number.
    """
    number, best = g.shape[0], np.empty(2)
    error, slopes = np.empty((tilts.shape[0], number)), np.empty((number, 2))
    for c in range(tilts.shape[0]):
        excite(g, tilted(matrix, tilts[c, 0], tilts[c, 1]), wavelength, error[c], slopes)
    intensity = np.empty((tilts.shape[0], slices[1], number), np.float32)
    propagate(slice_matrix, error, slice_thickness, intensity)
    for c in range(tilts.shape[0]):
        best_thickness(intensity[c], slices[0], peaks, best)
        values[c] = best[0]


@compiled()
def climb(
    slice_matrix: Array,
    g: Array,
    matrix: Array,
    wavelength: float,
    slice_thickness: float,
    slices: tuple[int, int],
    rounds: int,
    longest: Array,
    peaks: Peaks,
    bright: Array,
    best: Array,
    curvature: Array,
) -> None:
    """Tilt matrix (3, 3) to the best agreement; fill best (2,) with it and its slice, bright (N,) with intensities.

    g (N, 3) are the beams; slices are the first one that counts, and their number; longest (3,) are the longest steps
    of both tilts and of the slice in one of the `rounds`. curvature (3, 3) is filled with minus that of the agreement
    in them. The method is that of Levenberg and Marquardt, doi 10.1137/0111030, but all slices are looked at in every
    round.
    """
    partner, visible, amplitude, trust, floor, expected = peaks
    number, damping = g.shape[0], 0.01
    error, slopes = np.empty(number), np.empty((number, 2))
    intensity = np.empty((slices[1], number), np.float32)
    change = np.empty((slices[1], 2, number), np.float32)
    local, gradient, step = np.empty((number, 3)), np.zeros(3), np.zeros(3)
    trial, trial_best, trial_gradient, trial_curvature = matrix.copy(), np.zeros(2), np.zeros(3), np.zeros((3, 3))
    best[0] = -1.0
    for _ in range(rounds):
        excite(g, trial, wavelength, error, slopes)
        propagate_with_slopes(slice_matrix, error, slopes, slice_thickness, intensity, change)
        best_thickness(intensity, slices[0], peaks, trial_best)
        gain = trial_best[0] - best[0]
        if gain > 0.0:
            n = int(trial_best[1])
            above, below = max(n - 1, 0), min(n + 1, slices[1] - 1)
            for j in range(number):
                bright[j] = intensity[n, j]
                local[j, 0], local[j, 1] = change[n, 0, j], change[n, 1, j]
                local[j, 2] = (intensity[below, j] - intensity[above, j]) / (below - above)
            agreement_with_slopes(
                bright, local, partner, visible, amplitude, trust, floor, expected, trial_gradient, trial_curvature
            )
            best[:], matrix[:], gradient[:], curvature[:] = trial_best, trial, trial_gradient, trial_curvature
            damping *= 0.2
            if gain < _STILL:
                break
        else:
            damping = max(0.1, 8.0 * damping)
            if damping > 1e3:
                break
        climbing_step(gradient, curvature, damping, longest, step)
        trial[:] = tilted(matrix, step[0], step[1])
