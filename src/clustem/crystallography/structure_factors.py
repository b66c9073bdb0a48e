"""Kinematic electron structure factors of a crystal."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.crystallography.crystals import Crystal
from clustem.errors import InputError
from clustem.tables import table_text

Array = NDArray[np.float64]

_ABSENT = 1e-6  # |F|² below this share of the largest counts as none
_DIGITS = 9  # of fractional coordinates, to which places of one atom are the same


@dataclass(frozen=True, eq=False, repr=False)
class Reflections:
    """Reflections of a crystal, made by :func:`structure_factors`, by rising |g|.

    Attributes
    ----------
    hkl : (N, 3) int64
        Miller indices.
    g : (N, 3) float64
        Reciprocal lattice vectors in 1/Å, Cartesian crystal frame.
    amplitude : (N,) complex128
        Structure factor of the cell in Å, for electrons, without the relativistic factor.
    """

    hkl: NDArray[np.int64]
    g: NDArray[np.float64]
    amplitude: NDArray[np.complex128]

    @cached_property
    def length(self) -> NDArray[np.float64]:
        """(N,) |g| = 1/d in 1/Å."""
        return np.asarray(np.linalg.norm(self.g, axis=1), np.float64)

    @cached_property
    def intensity(self) -> NDArray[np.float64]:
        """(N,) |F|² in Å²."""
        return np.abs(self.amplitude) ** 2

    def __len__(self) -> int:
        return len(self.hkl)

    def __repr__(self) -> str:
        reach = f"{self.length.max():.3g} 1/Å" if len(self.hkl) else None
        return table_text("Reflections", [("number", len(self.hkl)), ("largest |g|", reach)])


def structure_factors(crystal: Crystal, *, max_g: float = 1.5, debye_waller: bool = True) -> Reflections:
    """Compute the structure factors of all reflections that are not absent.

    Parameters
    ----------
    crystal : Crystal
    max_g : float
        Largest |g| in 1/Å.
    debye_waller : bool
        Whether the mean square displacements of the sites damp their scattering.

    Returns
    -------
    Reflections

    Raises
    ------
    InputError
        If `max_g` is not positive, or so small that there is no reflection.

    Notes
    -----
    F(hkl) = Σ f(|g|/2) exp(2πi (hx + ky + lz)) over the atoms of the cell, with the electron scattering factors f of
    neutral atoms of the International Tables C, table 4.3.2.2, without the relativistic factor, which is common to all.

    Examples
    --------
    >>> from clustem.crystallography import Crystal, Site, structure_factors
    >>> gold = Crystal("Au", (4.0782, 4.0782, 4.0782, 90, 90, 90), "F m -3 m", (Site("Au", (0, 0, 0)),))
    >>> len(structure_factors(gold, max_g=0.5))  # 8 of the kind 111 and 6 of the kind 200
    14
    """
    if not np.isfinite(max_g) or max_g <= 0:
        raise InputError(f"max_g: expected a positive length in 1/Å, got {max_g!r}")
    most = np.floor(max_g * np.linalg.norm(crystal.direct, axis=0)).astype(int)
    ranges = [np.arange(-n, n + 1) for n in most]
    hkl = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, 3)
    g = hkl @ crystal.reciprocal.T
    length = np.linalg.norm(g, axis=1)
    near = (length > 0) & (length <= max_g)
    hkl, g, length = hkl[near], g[near], length[near]
    amplitude = _amplitudes(crystal if debye_waller else at_rest(crystal), most, near, length)
    intensity = np.abs(amplitude) ** 2
    if len(hkl) == 0 or not intensity.max() > 0:
        raise InputError(f"max_g: {crystal.name} has no reflection up to {max_g:g} 1/Å; a larger one is needed")
    present = intensity > _ABSENT * intensity.max()
    order = np.lexsort((*hkl[present].T[::-1], np.round(length[present], 9)))
    return Reflections(hkl[present][order], g[present][order], amplitude[present][order])


def _amplitudes(crystal: Crystal, most: NDArray[np.int64], near: NDArray[np.bool_], length: Array) -> NDArray[Any]:
    """Return the structure factors of those of all indices from -most to most that are near; `length` is their |g|."""
    structure = crystal.to_structure()
    square = (length / 2) ** 2
    amplitude = np.zeros(len(length), np.complex128)
    for site in structure.sites:
        position, number = _images(site.fract.tolist(), structure.cell.images)
        x, y, z = (
            np.exp(2j * np.pi * np.outer(np.arange(-n, n + 1), u)) for n, u in zip(most, position.T, strict=True)
        )
        phases = np.empty((len(x), len(y), len(z)), np.complex128)
        for h in range(most[0], len(x)):
            phases[h] = (y * (x[h] * number)) @ z.T
        phases[: most[0]] = phases[: most[0] : -1, ::-1, ::-1].conj()  # Friedel's law
        damping = site.occ * np.exp(-8 * np.pi**2 * site.u_iso * square)
        amplitude += damping * _scattering_factor(site.element, square) * phases.ravel()[near]
    return amplitude


def _images(position: list[float], operations: Any) -> tuple[Array, NDArray[np.int64]]:
    """Return the places (n, 3) of an atom in the cell, and how many operations lead to each of them."""
    turns = np.array([np.eye(3), *(operation.mat.tolist() for operation in operations)])
    shifts = np.array([np.zeros(3), *(operation.vec.tolist() for operation in operations)])
    places = np.round((turns @ position + shifts) % 1.0, _DIGITS) % 1.0
    unique, number = np.unique(places, axis=0, return_counts=True)
    return unique, number


def _scattering_factor(element: Any, square: Array) -> Array:
    """Return the scattering factor in Å of a neutral atom, at squares (N,) of sin θ / λ."""
    factor: Array = sum(a * np.exp(-b * square) for a, b in zip(element.c4322.a, element.c4322.b, strict=True))
    return factor


def at_rest(crystal: Crystal) -> Crystal:
    """Return the crystal without displacements of its atoms."""
    return replace(crystal, sites=tuple(replace(site, u_iso=0.0) for site in crystal.sites))
