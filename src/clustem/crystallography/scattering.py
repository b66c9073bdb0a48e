"""How beams scatter into each other in a crystal: the interaction of every two beams."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clustem.crystallography import _dynamical_kernels as kernels
from clustem.crystallography.crystals import Crystal
from clustem.crystallography.structure_factors import Reflections, structure_factors

_REST_KEV = 510.99895  # energy of an electron at rest
_NEGLIGIBLE = 1e-7  # of the amplitude of a beam
_ROUNDING = 1e-9  # of the largest coefficient; less is 0: powers of it would be denormal numbers, which are slow


@dataclass(frozen=True, eq=False, repr=False)
class Scattering:
    """Fourier coefficients of the scattering potential of a crystal for electrons of one energy.

    Attributes
    ----------
    coefficients : (2m + 1, 2m + 1, 2m + 1) complex128
        U(hkl) in 1/Å², at index hkl + m; 0 for the mean potential, which turns all beams alike.
    wavelength : float
        In Å.
    """

    coefficients: NDArray[np.complex128]
    wavelength: float

    @classmethod
    def of(cls, crystal: Crystal, *, max_g: float, energy_keV: float, wavelength: float) -> Scattering:
        """Compute the coefficients up to `max_g` in 1/Å: twice what the beams reach."""
        reflections: Reflections = structure_factors(crystal, max_g=max_g)
        most = int(np.abs(reflections.hkl).max())
        coefficients = np.zeros((2 * most + 1,) * 3, np.complex128)
        strength = (1 + energy_keV / _REST_KEV) / (np.pi * crystal.volume)
        coefficients[tuple((reflections.hkl + most).T)] = strength * reflections.amplitude
        for part in (coefficients.real, coefficients.imag):
            part[np.abs(part) < _ROUNDING * np.abs(coefficients).max()] = 0.0
        return cls(coefficients, wavelength)

    def slice_matrix(self, hkl: NDArray[np.int64], thickness: float) -> NDArray[np.complex64]:
        """Return the matrix (N, N) that a slice of `thickness` Å is for beams (N, 3): exp(iπ t U / K)."""
        interaction = np.empty((len(hkl), len(hkl)), np.complex128)
        kernels.interact(hkl, self.coefficients, interaction)
        generator = (1j * np.pi * thickness * self.wavelength * interaction).astype(np.complex64)
        matrix: NDArray[np.complex64] = np.eye(len(hkl), dtype=np.complex64) + generator
        term, order = generator, 1
        while np.abs(term).max() > _NEGLIGIBLE:  # slices are thin, so that the series of the exponential is short
            order += 1
            term = term @ generator / np.float32(order)
            matrix += term
        return matrix
