"""Orientation at every position of simulated films whose grains are bent.

    python validation/positions.py SCENE.h5 … --crystal Au.cif [--doses 20000 1000] [--seeds 1]

A scene is as for `orientation.py`, and has for each grain `curvature` in rad/Å and `bend_axis`, the angle in radians,
from x towards y, of the direction along which it bends. The true domains are measured as `clustem.run` measures them,
with `per_position`. For each scene and dose: the median angle between the tilt of a position against the middle of
its domain and the bending that was put in, how often each component of it lies within the standard error, the root
mean square error of the strain, how many positions have an answer, and how many patterns were averaged.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from orientation import calibration_of, read

import clustem
from clustem.crystallography.rotations import from_rotation_vector

LEAST_POSITIONS = 30
COMPONENTS = ("e_xx", "e_yy", "e_xy")


def bending(here: NDArray[np.bool_], grain: int, truth: dict[str, Any]) -> NDArray[np.float64]:
    """Return the rotation vectors (n, 3) in radians of positions (scan_y, scan_x) of a grain against their mean."""
    y, x = np.nonzero(here)
    angle, step = float(truth["bend_axis"][grain]), 10 * float(truth["scan_step_nm"])
    along = step * (x * np.cos(angle) + y * np.sin(angle))
    axis = np.array([np.sin(angle), -np.cos(angle), 0.0])
    return np.asarray(truth["curvature"][grain] * (along - along.mean())[:, None] * axis)


def tilt_errors(rotation: NDArray[np.float64], bent: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the two components (n, 2) in degrees by which tilts differ from the bending, less their median."""
    flat = from_rotation_vector(-bent) @ rotation
    left = flat @ flat[len(flat) // 2].T
    vectors = np.stack([left[:, 2, 1] - left[:, 1, 2], left[:, 0, 2] - left[:, 2, 0]], axis=1) / 2
    return np.asarray(np.rad2deg(vectors - np.median(vectors, axis=0)))


def score(counts: NDArray[Any], truth: dict[str, Any], crystals: list[clustem.Crystal]) -> str:
    """Measure and compare."""
    results = clustem.run(
        counts, labels=truth["labels"], crystal=crystals, calibration=calibration_of(truth), per_position=True
    )
    maps = results.position_maps
    assert maps is not None
    tilts, errors, strains = [], [], []
    for label in range(1, results.domains.number + 1):
        here = (truth["labels"] == label) & maps.oriented & maps.measured
        if here.sum() >= LEAST_POSITIONS:
            grain = int(truth["grain"][label])
            tilts.append(tilt_errors(maps.rotation[here], bending(here, grain, truth)))
            errors.append(maps.angle_error_out_of_plane_deg[here])
            true = truth["strain"][grain]
            for name, known in zip(COMPONENTS, (true[0, 0], true[1, 1], true[0, 1]), strict=True):
                strains.append(getattr(maps, name)[here] - known)
    tilt, error = np.concatenate(tilts), np.concatenate(errors)
    together = maps.averaged[maps.averaged > 0]
    covered = (error > np.abs(tilt).T).mean()
    return (
        f"tilt, median error {np.median(np.hypot(*tilt.T)):.2f}°, within its error {covered:.0%}, "
        f"strain {np.sqrt((np.concatenate(strains) ** 2).mean()):.2%}, oriented {maps.oriented.mean():.0%}, "
        f"averaged {np.median(together):.0f}, at most {together.max()}"
    )


def main() -> None:
    """Print a line for each scene and dose."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenes", nargs="+", type=Path)
    parser.add_argument("--crystal", action="append", required=True)
    parser.add_argument("--doses", nargs="+", type=float, default=[20000.0, 1000.0])
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    crystals = [clustem.read_crystal(path) for path in options.crystal]
    for path in options.scenes:
        stored, truth = read(path)
        full = stored.sum(axis=(2, 3), dtype=np.int64).mean()
        for dose in options.doses:
            for seed in range(options.seeds):
                counts = np.random.default_rng(seed).binomial(stored, min(1.0, dose / full)).astype(np.uint16)
                print(f"{path.stem} {dose:.0f}: {score(counts, truth, crystals)}", flush=True)


if __name__ == "__main__":
    main()
