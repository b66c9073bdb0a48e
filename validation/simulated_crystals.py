"""Crystals of simulated scans: which reflections they have, and how strong these are in an orientation.

Each reflection is taken by itself, in the two-beam approximation, which is the kinematic one where a crystal is thin,
and all of them are scaled down together so that no electron is made. Multiple scattering is left out: these patterns
are for telling crystals apart, not for measuring structures.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

Array = NDArray[np.float64]

ELECTRON_REST_KEV = 510.99895
HALF_WIDTH = 0.51
"""1/Å, of the Lorentzian in |g| that stands for the scattering factors: gold's within a tenth up to 1 /Å."""
DEBYE_WALLER = 0.6
"""Å², B of the factor exp(−B g²/4)."""
WEAKEST = 1e-3
"""Structure factors per atom below this are forbidden reflections."""
FAINTEST = 1e-4
"""Reflections that never hold more than this share of the electrons are left out."""


@dataclass(frozen=True)
class Optics:
    """Detector (k_y, k_x) in pixels, and the probe; the beam is at the middle of the detector.

    The shorter side of the detector reaches `reach` 1/Å to both sides.
    """

    detector: tuple[int, int]
    reach: float = 1.6
    energy_keV: float = 200.0
    semiangle_mrad: float = 2.5

    @property
    def inv_angstrom_per_px(self) -> float:
        """Size of a pixel in 1/Å."""
        return 2 * self.reach / min(self.detector)

    @property
    def wavelength(self) -> float:
        """Wavelength in Å."""
        return 12.398419 / float(np.sqrt(self.energy_keV * (self.energy_keV + 2 * ELECTRON_REST_KEV)))

    @property
    def centre_px(self) -> tuple[float, float]:
        """Where the direct beam is."""
        return (self.detector[0] - 1) / 2, (self.detector[1] - 1) / 2

    @property
    def disk_px(self) -> float:
        """Radius of the disks in pixels."""
        return 1e-3 * self.semiangle_mrad / self.wavelength / self.inv_angstrom_per_px

    def distance_px(self) -> Array:
        """Return the distance (k_y, k_x) of every pixel from the direct beam."""
        y, x = np.indices(self.detector)
        distance: Array = np.hypot(y - self.centre_px[0], x - self.centre_px[1])
        return distance


class Reflections(NamedTuple):
    """Vectors (n, 3) in 1/Å in the crystal's frame, and one over the extinction distance (n,) in 1/Å."""

    vectors: Array
    rate: Array


@dataclass(frozen=True, eq=False)
class Crystal:
    """Rows a, b, c in Å, atoms (n, 3) in fractions, extinction distance of the strongest reflection in nm."""

    name: str
    axes: Array
    atoms: Array
    extinction_nm: float

    @cached_property
    def reflections(self) -> Reflections:
        """All allowed reflections up to 1.6 /Å."""
        index = np.stack(np.meshgrid(*[np.arange(-10, 11)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
        vectors = index @ np.linalg.inv(self.axes).T
        length = np.linalg.norm(vectors, axis=1)
        structure = np.abs(np.exp(2j * np.pi * (index @ self.atoms.T)).mean(axis=1))
        used = (length > 0) & (length < 1.6) & (structure > WEAKEST)
        vectors, length, structure = vectors[used], length[used], structure[used]
        factor = structure * np.exp(-DEBYE_WALLER * length**2 / 4) / (1 + (length / HALF_WIDTH) ** 2)
        return Reflections(vectors, factor / factor.max() / (10 * self.extinction_nm))


def _cubic(name: str, a: float, atoms: list[tuple[float, float, float]], extinction_nm: float) -> Crystal:
    return Crystal(name, a * np.eye(3), np.array(atoms), extinction_nm)


_FACES = [(0.0, 0.0, 0.0), (0.0, 0.5, 0.5), (0.5, 0.0, 0.5), (0.5, 0.5, 0.0)]
_BODY = [(0.0, 0.0, 0.0), (0.5, 0.5, 0.5)]
_TITANIUM = np.array([[2.951, 0, 0], [-2.951 / 2, 2.951 * np.sqrt(3) / 2, 0], [0, 0, 4.684]])
# extinction distances at 200 kV, rounded, as the tables of textbooks give them for perfect crystals
CRYSTALS = {
    "Au": _cubic("Au", 4.0782, _FACES, 20.0),
    "Cu": _cubic("Cu", 3.6149, _FACES, 31.0),
    "Ni": _cubic("Ni", 3.524, _FACES, 30.0),
    "Al": _cubic("Al", 4.0495, _FACES, 70.0),
    "Fe": _cubic("Fe", 2.8665, _BODY, 34.0),
    "Ti": Crystal("Ti", _TITANIUM, np.array([(1 / 3, 2 / 3, 0.25), (2 / 3, 1 / 3, 0.75)]), 40.0),
}


def random_rotations(number: int, random: np.random.Generator) -> Array:
    """Return rotations (number, 3, 3), crystal to sample, all orientations equally likely."""
    matrices: Array = Rotation.from_quat(random.normal(size=(number, 4))).as_matrix()
    return matrices


def twin_rotations(number: int, random: np.random.Generator, *, most_deg: float = 4.0) -> tuple[Array, Array, Array]:
    """Return the two orientations (number, 3, 3) of Σ3 twins on edge, and the angles of the twin planes' normals.

    The normal ⟨111⟩ lies within `most_deg` of the plane of the film, at an angle in radians from x towards y; ⟨110⟩ is
    tilted about it by up to as much from the beam. The other orientation is turned by 180° about the normal.
    """
    normal, zone = np.array([-1, 1, 1]) / np.sqrt(3), np.array([0, 1, -1]) / np.sqrt(2)
    lying = np.stack([normal, np.cross(zone, normal), zone])  # the normal along x, the zone axis along the beam
    angles = random.uniform(0, 2 * np.pi, number)
    about_x, about_y = random.uniform(-most_deg, most_deg, (2, number, 1))
    out_of_plane = Rotation.from_euler("z", angles[:, None]) * Rotation.from_euler("y", about_y, degrees=True)
    one = (out_of_plane * Rotation.from_euler("x", about_x, degrees=True)).as_matrix() @ lying
    twinned = Rotation.from_rotvec(np.pi * out_of_plane.as_matrix()[:, :, 0]).as_matrix() @ one
    return one, twinned, angles


class Spots(NamedTuple):
    """Where the reflections of a grain are on the detector, (n, 2) in px, and the electrons in each, (positions, n).

    `direct` (positions,) is the share that is left in the direct beam: all shares of a position have the sum 1.
    """

    places: Array
    shares: Array
    direct: Array


def excited(
    crystal: Crystal,
    rotation: Array,
    optics: Optics,
    *,
    thickness: Array,
    tilt: Array,
    bend_axis: float = 0.0,
) -> Spots:
    """Return the reflections of a grain at positions of given thickness in Å and tilt in radians, both (positions,).

    A tilt turns the crystal about (sin, −cos, 0) of `bend_axis`, which bends it along the direction at that angle from
    x towards y. It changes excitation errors; that spots move, by less than a tenth of a pixel, is left out.
    """
    vectors, rate = crystal.reflections
    vectors = vectors @ rotation.T
    inside = (np.abs(vectors[:, 1::-1]) / optics.inv_angstrom_per_px < np.array(optics.centre_px)).all(axis=1)
    vectors, rate = vectors[inside], rate[inside]
    along = np.cos(bend_axis) * vectors[:, 0] + np.sin(bend_axis) * vectors[:, 1]
    height = np.cos(tilt)[:, None] * vectors[:, 2] + np.sin(tilt)[:, None] * along
    excitation = -(height + optics.wavelength * (vectors**2).sum(axis=1) / 2)
    effective = np.sqrt(excitation**2 + rate**2)
    strength = (rate / effective * np.sin(np.pi * thickness[:, None] * effective)) ** 2
    seen = strength.max(axis=0, initial=0) > FAINTEST
    whole = 1 + strength[:, seen].sum(axis=1)
    places = vectors[seen, 1::-1] / optics.inv_angstrom_per_px + np.array(optics.centre_px)
    return Spots(places, strength[:, seen] / whole[:, None], 1 / whole)
