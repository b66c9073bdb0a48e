"""Kinematic electron structure factors of a crystal."""

from __future__ import annotations

from dataclasses import dataclass, replace

import gemmi
import numpy as np
from numpy.typing import NDArray

from clustem.crystallography.crystals import Crystal
from clustem.errors import InputError
from clustem.tables import table_text

_ABSENT = 1e-6  # |F|² below this share of the largest counts as none


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

    @property
    def length(self) -> NDArray[np.float64]:
        """(N,) |g| = 1/d in 1/Å."""
        return np.asarray(np.linalg.norm(self.g, axis=1), np.float64)

    @property
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
    structure = (crystal if debye_waller else at_rest(crystal)).to_structure()
    calculator = gemmi.StructureFactorCalculatorE(structure.cell)
    amplitude = np.array(
        [calculator.calculate_sf_from_small_structure(structure, tuple(index)) for index in hkl.tolist()]
    )
    intensity = np.abs(amplitude) ** 2
    if len(hkl) == 0 or not intensity.max() > 0:
        raise InputError(f"max_g: {crystal.name} has no reflection up to {max_g:g} 1/Å; a larger one is needed")
    present = intensity > _ABSENT * intensity.max()
    order = np.lexsort((*hkl[present].T[::-1], np.round(length[present], 9)))
    return Reflections(hkl[present][order], g[present][order], amplitude[present][order])


def at_rest(crystal: Crystal) -> Crystal:
    """Return the crystal without displacements of its atoms."""
    return replace(crystal, sites=tuple(replace(site, u_iso=0.0) for site in crystal.sites))
