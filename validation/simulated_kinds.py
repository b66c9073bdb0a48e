"""The kinds of simulated scans: what the specimen is in each, made from a seed for any number of positions."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from simulated_bands import Bands
from simulated_crystals import CRYSTALS, Array, Crystal, Optics, random_rotations, twin_rotations
from simulated_maps import bending, grains, holes, lamellae, particles
from simulated_patterns import Film, Grain, Source

Random = np.random.Generator
Shape = tuple[int, int]
Labels = NDArray[np.int32]

ACROSS = 12
"""Positions over which grains are bent by the angle that a kind names."""


class Kind(NamedTuple):
    """What makes the specimen; positions, pixels, electrons per pattern and recordings if nothing else is asked for."""

    build: Callable[[Shape, Optics, Random], Source]
    shape: tuple[int, int, int, int] = (64, 64, 64, 64)
    dose: float = 2000.0
    recordings: tuple[str, ...] = ()
    energy_keV: float = 200.0


def _number(shape: Shape, area: float) -> int:
    return max(1, round(shape[0] * shape[1] / area))


def _film(
    grain: Labels,
    optics: Optics,
    random: Random,
    *,
    crystals: tuple[str, ...] = ("Au",),
    thickness_nm: tuple[float, float] = (4.0, 4.0),
    amorphous: float = 0.05,
    bend_deg: float = 0.0,
) -> Film:
    """Return a film of crystals, each of its own orientation and thickness, bent by up to so much along some direction.

    A grain without number is a hole: nothing but the beam.
    """
    number = int(grain.max())
    kinds = [CRYSTALS[crystals[k]] for k in random.integers(0, len(crystals), number)]
    axes = random.uniform(0, 2 * np.pi, number)
    curvature = np.deg2rad(bend_deg) / ACROSS * random.uniform(0.4, 1, number)
    return Film(
        grain=grain,
        grains=tuple(map(Grain, kinds, random_rotations(number, random), axes)),
        thickness=10 * np.concatenate([[0.0], random.uniform(*thickness_nm, number)])[grain],
        tilt=bending(grain, axes, curvature) if bend_deg else np.zeros(grain.shape),
        amorphous=np.where(grain > 0, amorphous, 0.0),
        optics=optics,
    )


def film(shape: Shape, optics: Optics, random: Random) -> Film:
    """A gold film, 4 nm thick, of about 100 positions per grain."""
    return _film(grains(shape, _number(shape, 100), random), optics, random)


def many(shape: Shape, optics: Optics, random: Random) -> Film:
    """Many grains of gold, about 60 positions each, half of them thin and weak, on amorphous carbon."""
    grain = grains(shape, _number(shape, 62), random)
    made = _film(grain, optics, random, thickness_nm=(3.0, 6.0), amorphous=0.25)
    weak = np.concatenate([[False], random.random(len(made.grains)) < 0.5])[grain]
    return _with_thickness(made, np.where(weak, made.thickness / 3, made.thickness))


def unequal(shape: Shape, optics: Optics, random: Random) -> Film:
    """A gold film whose grains have very unequal sizes."""
    return _film(grains(shape, _number(shape, 50), random, unequal=True), optics, random)


def wedge(shape: Shape, optics: Optics, random: Random) -> Film:
    """Gold grains of 1.2 to 6 nm on amorphous carbon: weak ones beside strong ones."""
    grain = grains(shape, _number(shape, 100), random)
    return _film(grain, optics, random, thickness_nm=(1.2, 6.0), amorphous=0.1)


def phases(shape: Shape, optics: Optics, random: Random) -> Film:
    """Nickel (fcc), iron (bcc) and titanium (hcp), 5 nm."""
    grain = grains(shape, _number(shape, 100), random)
    return _film(grain, optics, random, crystals=("Ni", "Fe", "Ti"), thickness_nm=(5.0, 5.0))


def weak(shape: Shape, optics: Optics, random: Random) -> Film:
    """Aluminium, 4 nm, with amorphous carbon: a few electrons in a hundred are in reflections."""
    grain = grains(shape, _number(shape, 100), random)
    return _film(grain, optics, random, crystals=("Al",), amorphous=0.05)


def bent(shape: Shape, optics: Optics, random: Random) -> Film:
    """Gold, 4 nm, bent by up to 3° over 12 positions."""
    return _film(grains(shape, _number(shape, 130), random), optics, random, bend_deg=3.0)


def thick(shape: Shape, optics: Optics, random: Random) -> Film:
    """Gold, 20 nm, bent by up to 1.5° over 12 positions: bend contours run through the grains."""
    grain = grains(shape, _number(shape, 130), random)
    return _film(grain, optics, random, thickness_nm=(18.0, 22.0), bend_deg=1.5)


def twins(shape: Shape, optics: Optics, random: Random) -> Film:
    """Gold, 5 nm, near ⟨110⟩, cut into lamellae by Σ3 twin planes on edge: neighbours share a row of reflections."""
    whole = grains(shape, _number(shape, 300), random)
    number = int(whole.max())
    one, other, angles = twin_rotations(number, random)
    grain = (whole + number * lamellae(whole, angles, random)).astype(np.int32)
    made = tuple(Grain(CRYSTALS["Au"], rotation) for rotation in np.concatenate([one, other]))
    flat = np.zeros(shape)
    return Film(grain, made, flat + 50.0, flat, flat + 0.05, optics)


def liquid(shape: Shape, optics: Optics, random: Random) -> Film:
    """Gold particles, radius 3 to 7 positions of half a nanometre, thinner towards their edges, in a liquid."""
    grain, depth = particles(shape, random, radius=(3.0, 7.0))
    made = _film(grain, optics, random)
    made = _with_thickness(made, 5.0 * depth)
    return Film(made.grain, made.grains, made.thickness, made.tilt, np.full(shape, 0.3), optics)


def with_holes(shape: Shape, optics: Optics, random: Random) -> Film:
    """A gold film with holes, in which there is nothing but the beam."""
    grain = grains(shape, _number(shape, 100), random)
    grain = np.where(holes(shape, random), 0, grain)
    _, whole = np.unique(np.append(grain, 0), return_inverse=True)
    return _film(whole[:-1].reshape(shape).astype(np.int32), optics, random)


def mosaic(shape: Shape, optics: Optics, random: Random) -> Film:
    """One gold crystal, 4 nm, with a gradient of 2.5° along the scan and a mosaic of some hundredths of a degree."""
    made = _film(np.ones(shape, np.int32), optics, random)
    tilt = np.deg2rad(2.5) * np.linspace(-0.5, 0.5, shape[1]) + np.zeros(shape)
    blocks = np.deg2rad(0.05) * random.normal(size=_number(shape, 40) + 1)[grains(shape, _number(shape, 40), random)]
    grain = made.grains[0]
    along_x = Grain(grain.crystal, grain.rotation, 0.0)
    return Film(made.grain, (along_x,), made.thickness, tilt + blocks, made.amorphous, optics)


def single(shape: Shape, optics: Optics, random: Random) -> Film:
    """One gold crystal, 4 nm."""
    return _film(np.ones(shape, np.int32), optics, random)


def noise(shape: Shape, optics: Optics, random: Random) -> Film:
    """Nothing but amorphous carbon: one pattern everywhere."""
    made = _film(np.zeros(shape, np.int32), optics, random)
    return Film(made.grain, made.grains, made.thickness, made.tilt, np.full(shape, 0.3), optics)


def kikuchi(shape: Shape, optics: Optics, random: Random) -> Bands:
    """Kikuchi bands of nickel on a strong background, normalised to 8 bits: no direct beam, no counts of electrons."""
    grain = grains(shape, _number(shape, 60), random)
    number = int(grain.max())
    return Bands(
        grain=grain,
        crystal=CRYSTALS["Ni"],
        rotations=random_rotations(number, random),
        contrast=random.uniform(0.08, 0.16, number),
        optics=optics,
    )


def _with_thickness(made: Film, thickness: Array) -> Film:
    return Film(made.grain, made.grains, thickness, made.tilt, made.amorphous, made.optics)


KINDS: dict[str, Kind] = {
    "film": Kind(film),
    "many": Kind(many, (112, 112, 64, 64), 5000.0),
    "unequal": Kind(unequal),
    "wedge": Kind(wedge),
    "phases": Kind(phases),
    "weak": Kind(weak),
    "bent": Kind(bent),
    "thick": Kind(thick),
    "twins": Kind(twins),
    "liquid": Kind(liquid),
    "holes": Kind(with_holes),
    "mosaic": Kind(mosaic),
    "single": Kind(single, (32, 32, 64, 64)),
    "noise": Kind(noise, (32, 32, 64, 64)),
    "stop": Kind(many, (80, 80, 64, 64), 10000.0, ("descan", "drifting current", "beam stop", "hot and dead pixels")),
    "camera": Kind(film, recordings=("gain and offset",)),
    "eight_bit": Kind(film, recordings=("stretched to 8 bit",)),
    "kikuchi": Kind(kikuchi, (40, 40, 60, 60), 200000.0, ("normalised to 8 bit",), 20.0),
}
"""By name; `stop` is `many` and `camera` and `eight_bit` are `film`, recorded otherwise."""


def crystals_of(source: Source) -> tuple[list[Crystal], Array]:
    """Return crystal and rotation (n, 3, 3) of every grain, grain 1 first."""
    if isinstance(source, Bands):
        return [source.crystal] * len(source.rotations), source.rotations
    assert isinstance(source, Film)
    rotations = [grain.rotation for grain in source.grains]
    return [grain.crystal for grain in source.grains], np.array(rotations).reshape(-1, 3, 3)
