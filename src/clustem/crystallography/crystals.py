"""Crystal structures: cell, symmetry and atoms of a candidate phase."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

import gemmi
import numpy as np
from numpy.typing import NDArray

from clustem.errors import InputError, MissingFileError
from clustem.tables import table_text

LAUE_CLASSES = ("-1", "2/m", "mmm", "4/m", "4/mmm", "-3", "-3m", "6/m", "6/mmm", "m-3", "m-3m")
_SAME = 1e-4  # two rotations whose matrices differ by less are one


@dataclass(frozen=True)
class Site:
    """An atom of the asymmetric unit.

    Parameters
    ----------
    element : str
        Symbol, for example ``"Au"``.
    position : (x, y, z)
        Fractional coordinates.
    occupancy : float
        Share of the cells in which the atom is there, 0 to 1.
    u_iso : float
        Mean square displacement in Å² (B = 8π² U); 0 = at rest.
    """

    element: str
    position: tuple[float, float, float]
    occupancy: float = 1.0
    u_iso: float = 0.0

    def __post_init__(self) -> None:
        if gemmi.Element(self.element).atomic_number == 0:
            raise InputError(f"element of a site: expected a chemical symbol such as 'Au', got {self.element!r}")
        if len(self.position) != 3 or not np.isfinite(self.position).all():
            raise InputError(f"position of a site: expected three fractional coordinates, got {self.position!r}")
        if not 0 <= self.occupancy <= 1 + 1e-6 or not np.isfinite(self.u_iso):
            raise InputError(f"site of {self.element}: expected an occupancy of 0 to 1, got {self.occupancy!r}")
        object.__setattr__(self, "position", tuple(float(number) for number in self.position))


@dataclass(frozen=True, repr=False)
class Crystal:
    """A crystal structure, read by :func:`clustem.read_crystal` or made from its parts.

    Cartesian crystal axes are e1 ∥ a and e3 ∥ c*.

    Parameters
    ----------
    name : str
        What the phase is called in results.
    cell : (a, b, c, alpha, beta, gamma)
        Lengths in Å, angles in degrees.
    space_group : str
        Hermann–Mauguin symbol, with the setting where there are several, for example ``"R -3 m:H"``.
    sites : tuple of Site
        Atoms of the asymmetric unit.

    Raises
    ------
    InputError
        If the cell is impossible, the space group is unknown or does not fit the cell, or there is no atom.

    Examples
    --------
    >>> gold = Crystal("Au", (4.0782, 4.0782, 4.0782, 90, 90, 90), "F m -3 m", (Site("Au", (0, 0, 0)),))
    >>> gold.laue_class, len(gold.rotations)
    ('m-3m', 24)
    """

    name: str
    cell: tuple[float, float, float, float, float, float]
    space_group: str
    sites: tuple[Site, ...]

    def __post_init__(self) -> None:
        if not self.name:
            raise InputError("name of a crystal: expected some text, got none")
        if len(self.cell) != 6 or not np.isfinite(self.cell).all() or min(self.cell) <= 0:
            raise InputError(f"cell of {self.name}: expected six positive numbers a, b, c, α, β, γ, got {self.cell!r}")
        if not self.volume > 0:
            raise InputError(f"cell of {self.name}: no parallelepiped has these angles: {self.cell[3:]}")
        if gemmi.find_spacegroup_by_name(self.space_group) is None:
            raise InputError(f"space group of {self.name}: {self.space_group!r} is not a known symbol")
        if not self.sites:
            raise InputError(f"crystal {self.name}: expected at least one atom, got none")
        object.__setattr__(self, "cell", tuple(float(number) for number in self.cell))
        object.__setattr__(self, "space_group", self._group.xhm())
        off = [np.abs(r @ r.T - np.eye(3)).max() for r in self._point_operations]
        if max(off) > 0.01:
            raise InputError(f"cell of {self.name}: {self.cell} does not have the symmetry of {self.space_group}")

    @property
    def volume(self) -> float:
        """Volume of the cell in Å³."""
        return float(np.linalg.det(self.direct))

    @cached_property
    def direct(self) -> NDArray[np.float64]:
        """(3, 3) columns a, b, c in Å, Cartesian."""
        a, b, c = self.cell[:3]
        ca, cb, cg = np.cos(np.deg2rad(self.cell[3:]))
        sg = np.sqrt(1 - cg**2)
        up = (ca - cb * cg) / sg
        rest = 1 - cb**2 - up**2
        return np.array([[a, b * cg, c * cb], [0, b * sg, c * up], [0, 0, c * np.sqrt(max(0.0, rest))]])

    @cached_property
    def reciprocal(self) -> NDArray[np.float64]:
        """(3, 3) columns a*, b*, c* in 1/Å, Cartesian, without 2π: g = reciprocal @ (h, k, l)."""
        return np.asarray(np.linalg.inv(self.direct).T, np.float64)

    @property
    def laue_class(self) -> str:
        """One of the eleven Laue classes, for example ``"m-3m"``."""
        return str(self._group.laue_str())

    @property
    def space_group_number(self) -> int:
        """Number of the space group, 1 to 230."""
        return int(self._group.number)

    @cached_property
    def rotations(self) -> NDArray[np.float64]:
        """(n, 3, 3) proper rotations of the Laue class, Cartesian."""
        found: list[NDArray[np.float64]] = []
        for operation in self._point_operations:
            proper = operation * np.sign(np.linalg.det(operation))
            if not any(np.abs(proper - other).max() < _SAME for other in found):
                found.append(proper)
        return np.array(found)

    @property
    def _group(self) -> Any:
        return gemmi.find_spacegroup_by_name(self.space_group)

    @property
    def _point_operations(self) -> list[NDArray[np.float64]]:
        to_fraction = np.linalg.inv(self.direct)
        integers = [np.array(op.rot) / op.DEN for op in self._group.operations().sym_ops]
        return [self.direct @ rotation @ to_fraction for rotation in integers]

    def to_structure(self) -> Any:
        """Return the crystal as a gemmi.SmallStructure, ready for structure factors."""
        structure = gemmi.SmallStructure()
        structure.name = self.name
        structure.cell = gemmi.UnitCell(*self.cell)
        structure.spacegroup = self._group
        for number, site in enumerate(self.sites, 1):
            atom = gemmi.SmallStructure.Site()
            atom.label = f"{site.element}{number}"
            atom.element = gemmi.Element(site.element)
            atom.fract = gemmi.Fractional(*site.position)
            atom.occ, atom.u_iso = site.occupancy, site.u_iso
            structure.add_site(atom)
        structure.setup_cell_images()
        # an atom on a symmetry element counts once, not once for every operation that leaves it in its place
        structure.change_occupancies_to_crystallographic()
        return structure

    def to_cif(self) -> str:
        """Return the crystal as the text of a CIF file; `read_crystal` makes the same crystal of it."""
        names = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
        lines = [f"data_{''.join(c if c.isalnum() and c.isascii() else '_' for c in self.name)}"]
        lines += [f"_cell_{name} {value!r}" for name, value in zip(names, self.cell, strict=True)]
        lines += [f"_space_group_name_H-M_alt '{self.space_group}'", "loop_"]
        columns = ("label", "type_symbol", "fract_x", "fract_y", "fract_z", "occupancy", "U_iso_or_equiv")
        lines += [f"_atom_site_{name}" for name in columns]
        for number, site in enumerate(self.sites, 1):
            values = " ".join(repr(float(value)) for value in (*site.position, site.occupancy, site.u_iso))
            lines.append(f"{site.element}{number} {site.element} {values}")
        return "\n".join(lines) + "\n"

    def __repr__(self) -> str:
        return table_text(
            f"Crystal {self.name}",
            [
                ("cell", "{:.5g} {:.5g} {:.5g} Å, {:.5g} {:.5g} {:.5g}°".format(*self.cell)),
                ("space group", f"{self.space_group} (Laue class {self.laue_class})"),
                ("sites", ", ".join(site.element for site in self.sites)),
            ],
        )


def read_crystal(path: str | Path, *, name: str | None = None) -> Crystal:
    """Read a crystal structure from a CIF file.

    Parameters
    ----------
    path : str or Path
        The file; of several structures in it the first is taken. ``"clustem:Au"`` is gold, which comes with the
        package.
    name : str, optional
        What the phase is to be called; by default the name of the file without its ending.

    Returns
    -------
    Crystal

    Raises
    ------
    MissingFileError
        If there is no such file.
    InputError
        If it is no CIF file, or has no cell, no known space group or no atom with an element.

    Notes
    -----
    Ionic labels such as O2− are taken as the neutral element, and anisotropic displacements as their isotropic
    equivalent. Sites without an element, such as vacancies, are left out.

    Examples
    --------
    >>> read_crystal("clustem:Au").cell[0]
    4.0782
    """
    if isinstance(path, str) and path.startswith("clustem:"):
        path = Path(str(files("clustem") / "data" / f"{path.removeprefix('clustem:')}.cif"))
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"crystal: there is no file {path}")
    try:
        structure = gemmi.read_small_structure(str(path))
    except (RuntimeError, ValueError, IndexError, UnicodeDecodeError) as error:
        raise InputError(f"crystal {path}: expected a CIF file, but it cannot be read: {error}") from error
    group = structure.spacegroup
    if group is None and structure.symops:
        group = gemmi.find_spacegroup_by_ops(gemmi.GroupOps([gemmi.Op(text) for text in structure.symops]))
    if group is None:
        raise InputError(f"crystal {path}: expected a known space group, got {structure.spacegroup_hm!r}")
    if not structure.cell.is_crystal():
        raise InputError(f"crystal {path}: expected the lengths and angles of a cell, found none")
    sites = tuple(_site(site, structure.cell) for site in structure.sites if site.element.atomic_number > 0)
    if not sites:
        raise InputError(f"crystal {path}: expected atoms with their elements, found none")
    return Crystal(name or path.stem, tuple(structure.cell.parameters), group.xhm(), sites)


def _site(site: Any, cell: Any) -> Site:
    displacement = float(site.u_iso)
    if displacement == 0 and site.aniso.nonzero():
        tensor = np.array(site.aniso.as_mat33().tolist())
        metric = np.array(cell.metric_tensor().as_mat33().tolist())
        lengths = np.array(cell.reciprocal().parameters[:3])
        displacement = float((tensor * metric * np.outer(lengths, lengths)).sum() / 3)
    position = (float(site.fract.x), float(site.fract.y), float(site.fract.z))
    return Site(site.element.name, position, float(site.occ), displacement)
