"""Orientations by py4DSTEM, in an environment of its own (py4DSTEM 0.14.18, numpy < 2).

    python validation/orientation_py4dstem.py PEAKS.npz OUT.npz

PEAKS.npz is what `orientation.py --peaks` writes. OUT.npz holds `rotation` (K, 3, 3), crystal to sample (x right, y
down, z along the beam), and `seconds`. The crystal is face-centred gold. The options are those of the published work:
steps of 1°, kernel 0.08 1/Å, intensities to the power 0.25.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import py4DSTEM
from emdfile import PointList

FACE_CENTRED = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])


def main(source: str, target: str) -> None:
    """Match every pattern, and write the best orientation of each."""
    peaks = np.load(source)
    crystal = py4DSTEM.process.diffraction.Crystal(FACE_CENTRED, 79, 4.07825)
    crystal.calculate_structure_factors(1.7)
    crystal.orientation_plan(
        angle_step_zone_axis=1.0,
        angle_step_in_plane=1.0,
        accel_voltage=1e3 * float(peaks["energy_keV"]),
        zone_axis_range=np.array([[0, 1, 1], [1, 1, 1]]),
        corr_kernel_size=0.08,
        tol_distance=0.02,
    )
    kind = np.dtype([("qx", float), ("qy", float), ("intensity", float)])
    rotation, start = [], time.process_time()
    for label in peaks["labels"]:
        rows = peaks["label"] == label
        data = np.zeros(int(rows.sum()), kind)
        # its qx goes down, its qy right: x and y are exchanged, and so z is turned round
        data["qx"], data["qy"] = peaks["g_y"][rows], peaks["g_x"][rows]
        data["intensity"] = np.maximum(peaks["intensity"][rows], 0)
        found = crystal.match_single_pattern(PointList(data), num_matches_return=1, verbose=False, plot_corr=False)
        rotation.append(np.asarray(found.matrix[0]).T[[1, 0, 2]] * np.array([[1], [1], [-1]]))
    np.savez(target, rotation=np.array(rotation), seconds=time.process_time() - start)


if __name__ == "__main__":
    main(*sys.argv[1:3])
