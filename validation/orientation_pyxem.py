"""Orientations by pyxem, in an environment of its own (pyxem 0.21).

    python validation/orientation_pyxem.py PEAKS.npz OUT.npz

PEAKS.npz is what `orientation.py --peaks` writes: here the averaged patterns in it are matched. OUT.npz holds
`rotation` (K, 3, 3), crystal to sample (x right, y down, z along the beam), and `seconds`. The crystal is face-centred
gold. The options are those of pyxem's examples: templates of one degree, patterns to the power of one half, all
templates kept.
"""

from __future__ import annotations

import sys
import time

import hyperspy.api as hs
import numpy as np
from diffpy.structure import Atom, Lattice, Structure
from diffsims.generators.simulation_generator import SimulationGenerator
from orix.crystal_map import Phase
from orix.sampling import get_sample_reduced_fundamental

FACE_CENTRED = [(0, 0, 0), (0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0)]
REACH = 1.6  # 1/Å


def main(source: str, target: str) -> None:
    """Match every pattern, and write the best orientation of each."""
    data = np.load(source)
    atoms = [Atom("Au", place) for place in FACE_CENTRED]
    phase = Phase("gold", space_group=225, structure=Structure(atoms, Lattice(4.0782, 4.0782, 4.0782, 90, 90, 90)))
    grid = get_sample_reduced_fundamental(resolution=1, point_group=phase.point_group)
    generator = SimulationGenerator(accelerating_voltage=float(data["energy_keV"]), precession_angle=0)
    simulation = generator.calculate_diffraction2d(
        phase, rotation=grid, reciprocal_radius=REACH, max_excitation_error=0.05, with_direct_beam=False
    )
    start = time.process_time()
    signal = hs.signals.Signal2D(data["patterns"])
    signal.set_signal_type("electron_diffraction")
    signal.beam_energy = float(data["energy_keV"])
    signal.calibration(scale=float(data["inv_angstrom_per_px"]), center=None, units="k_A^-1")
    polar = signal.get_azimuthal_integral2d(npt=120, npt_azim=360, radial_range=(0.15, REACH))
    found = (polar**0.5).get_orientation(simulation, n_best=1, frac_keep=1)
    # its orientations belong to a pattern turned by 180° about y
    turned = np.swapaxes(found.to_rotation().to_matrix().reshape(-1, 3, 3), 1, 2)
    rotation = np.array([[-1], [1], [-1]]) * turned
    np.savez(target, rotation=rotation, seconds=time.process_time() - start)


if __name__ == "__main__":
    main(*sys.argv[1:3])
