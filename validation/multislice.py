"""Simulated scans as of `simulated.py`, scattered by multislice: dynamical scattering, real scattering factors.

    python -m pip install abtem
    python validation/multislice.py film film.h5 --shape 40 40 64 64 [--seed 0] [--dose 2000] [--background 5]

Kinds are those of `simulated.py` in which every grain has one thickness and is not bent (film, many, unequal, wedge,
phases, weak, twins, holes): each grain is one run of abTEM (Madsen & Susi, Open Research Europe 1, 24, 2021), of a
second or two. The probe stands in the middle of a slab of the grain's crystal, cut out of it in its orientation; the
pattern is summed over the pixels of the detector. Positions at boundaries are mixed as in `simulated.py`. Scored with

    python validation/segmentation.py film.h5 --dose 200 2000
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from simulated import make_of, prepare, write_hdf5
from simulated_crystals import Array, Crystal, Optics
from simulated_kinds import KINDS
from simulated_patterns import Film, Grain, Image

WIDTH = 50.0
"""Å, of the slab: several times the probe, which has a radius of 6 Å at 2.5 mrad and 200 kV."""
SAMPLING = 0.16
"""Å, of the wave: two thirds of 1/(2 · 0.16 Å) is beyond the corners of the detector."""
SLICE = 2.0
"""Å, thickness of a slice."""
MOST_SETTINGS = 3
"""Thicknesses and tilts of a grain, at most: each is a run."""


def slab(crystal: Crystal, rotation: Array, thickness: float) -> tuple[Array, Array]:
    """Return the atoms (n, 3) in Å of a slab in a cell of WIDTH × WIDTH × thickness, and the cell (3,)."""
    cell = np.array([WIDTH, WIDTH, thickness])
    reach = int(np.ceil(np.linalg.norm(cell) / 2 / np.linalg.norm(crystal.axes, axis=1).min())) * 2
    index = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 3, indexing="ij"), axis=-1).reshape(-1, 1, 3)
    atoms: Array = ((index + crystal.atoms) @ crystal.axes).reshape(-1, 3) @ rotation.T + cell / 2
    return atoms[((atoms >= 0) & (atoms < cell)).all(axis=1)], cell


def scattered(crystal: Crystal, rotation: Array, optics: Optics, thickness: float) -> Image:
    """Return the pattern (k_y, k_x) of a probe in the middle of a slab, of sum 1 but for what misses the detector."""
    import abtem
    import ase

    positions, cell = slab(crystal, rotation, thickness)
    atoms = ase.Atoms([crystal.name] * len(positions), positions=positions, cell=cell, pbc=True)
    potential = abtem.Potential(atoms, sampling=SAMPLING, slice_thickness=SLICE)
    probe = abtem.Probe(energy=1e3 * optics.energy_keV, semiangle_cutoff=optics.semiangle_mrad)
    probe.grid.match(potential)
    wave = probe.multislice(potential, scan=abtem.CustomScan([(WIDTH / 2, WIDTH / 2)])).compute()
    amplitude = np.fft.fft2(np.asarray(wave.array).reshape(probe.gpts))
    intensity = np.abs(amplitude) ** 2
    along_x, along_y = (np.fft.fftfreq(n, WIDTH / n) / optics.inv_angstrom_per_px for n in intensity.shape)
    pattern = np.zeros(optics.detector)
    row, column = (
        np.rint(k + middle).astype(int) for k, middle in zip((along_y, along_x), optics.centre_px, strict=True)
    )
    on_y, on_x = ((k >= 0) & (k < size) for k, size in zip((row, column), optics.detector, strict=True))
    np.add.at(pattern, np.ix_(row[on_y], column[on_x]), intensity.T[np.ix_(on_y, on_x)])
    return np.asarray(pattern / intensity.sum(), np.float32)


@dataclass(frozen=True, eq=False)
class Multislice:
    """Scattering by abTEM; patterns are kept, as they are asked for several times."""

    known: dict[tuple[bytes, float], Image] = field(default_factory=dict)

    def patterns(self, grain: Grain, optics: Optics, thickness: Array, tilt: Array) -> Image:
        """Return the patterns (n, k_y, k_x) of a grain."""
        if tilt.any() or len(thickness) > MOST_SETTINGS:
            raise ValueError("grains that bend or vary in thickness are not simulated by multislice")
        return np.stack([self._pattern(grain, optics, float(each)) for each in thickness])

    def direct(self, grain: Grain, optics: Optics, thickness: Array, tilt: Array) -> Array:
        """Return what is left in the direct beam, (n,)."""
        disk = optics.distance_px() <= optics.disk_px + 1
        return np.asarray(self.patterns(grain, optics, thickness, tilt)[:, disk].sum(axis=1), float)

    def _pattern(self, grain: Grain, optics: Optics, thickness: float) -> Image:
        key = grain.rotation.tobytes(), thickness
        if key not in self.known:
            self.known[key] = scattered(grain.crystal, grain.rotation, optics, thickness)
        return self.known[key]


def main() -> None:
    """Make what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("out", type=Path, help="a file with the ending .h5")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dose", type=float, help="mean electrons per pattern")
    parser.add_argument("--background", type=float, default=0.0, help="as in simulated.py")
    parser.add_argument("--shape", type=int, nargs=4, help="scan_y scan_x k_y k_x")
    asked = vars(parser.parse_args())
    kind, out = asked.pop("kind"), asked.pop("out")
    exposure = prepare(kind, **asked)
    if not isinstance(exposure.source, Film):
        parser.error(f"{kind} is no film of crystals")
    source = replace(exposure.source, scattering=Multislice())
    write_hdf5(out, make_of(replace(exposure, source=source), kind), seed=asked["seed"], background=asked["background"])


if __name__ == "__main__":
    main()
