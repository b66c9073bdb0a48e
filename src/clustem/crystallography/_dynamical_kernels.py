"""Compiled loops of dynamical diffraction: arrays and scalars in, arrays filled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.compiling import compiled

Array = NDArray[Any]


@compiled()
def excite(g: Array, matrix: Array, wavelength: float, error: Array) -> None:
    """Fill error (N,) with the distances of g (N, 3), turned by matrix (3, 3), from the Ewald sphere."""
    for j in range(g.shape[0]):
        z = matrix[2, 0] * g[j, 0] + matrix[2, 1] * g[j, 1] + matrix[2, 2] * g[j, 2]
        square = g[j, 0] * g[j, 0] + g[j, 1] * g[j, 1] + g[j, 2] * g[j, 2]
        error[j] = -(z + 0.5 * wavelength * square)


@compiled()
def propagate(slice_matrix: Array, error: Array, slice_thickness: float, intensity: Array) -> None:
    """Fill intensity (slices, N) of all beams below every slice; beam 0 is the incident one.

    slice_matrix (N, N) complex64 is the effect of one slice on the beams; between, they propagate in half slices with
    their excitation errors (N,).
    """
    wave = np.zeros(error.size, np.complex64)
    wave[0] = 1.0
    half = np.exp(1j * np.pi * slice_thickness * error).astype(np.complex64)
    whole = half * half
    wave *= half
    for n in range(intensity.shape[0]):
        wave = np.dot(slice_matrix, wave)
        for j in range(error.size):
            intensity[n, j] = wave[j].real ** 2 + wave[j].imag ** 2
        wave *= whole


@compiled()
def best_thickness(
    intensity: Array,
    partner: Array,
    visible: Array,
    amplitude: Array,
    trust: Array,
    floor: float,
    first: int,
    expected: Array,
    best: Array,
) -> None:
    """Fill best (2,) with the largest agreement of intensity (slices, N) from slice `first` on, and its slice.

    Each beam belongs to its partner among the peaks, −1 = none; those without count against the slice as far as they
    exceed what an amplitude of `floor` would be. amplitude and trust (n,) are those of the peaks; expected (n,) is
    filled for the best slice.
    """
    measured = 0.0
    for q in range(amplitude.size):
        measured += amplitude[q] * amplitude[q]
    best[0], best[1] = -1.0, first
    for n in range(first, intensity.shape[0] + 1):
        row = intensity[n if n < intensity.shape[0] else int(best[1])]  # at last the best once more, for `expected`
        expected[:] = 0.0
        for j in range(1, row.size):
            if partner[j] >= 0:
                expected[partner[j]] += row[j]
        product, model = 0.0, 0.0
        for q in range(amplitude.size):
            product += amplitude[q] * trust[q] * np.sqrt(expected[q])
            model += expected[q]
        faint = (floor * model / product) ** 2 if product > 0.0 else 0.0
        for j in range(1, row.size):
            if partner[j] < 0 and visible[j]:
                model += max(0.0, row[j] - faint)
        value = product / np.sqrt(measured * model) if model > 0.0 and measured > 0.0 else 0.0
        if value > best[0]:
            best[0], best[1] = value, n
