"""Score strain against the truth of simulated films of one crystal.

    python validation/strain.py SCENE.h5 … --crystal Au.cif --dose 20000 1000 --seeds 5

A scene holds, in `frame000`, `counts`, `labels`, `grain` (of each label), `rotation` and `strain` (of each grain, in
the sample frame), and the attributes of the calibration, see `scenes.py`. Printed, as Markdown: the root mean square
error of each component, how many domains have no strain, and how often the truth lies within the standard error; over
domains with at least 20 interior positions and 7 reflections near the Ewald sphere. `--domains truth` averages over the
true domains, `segmented` over what `clustem.segment` finds; `--orientation truth` takes the true orientations,
`matched` those of `clustem.match_orientations`.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from scenes import read_scene, thin
from scipy.ndimage import binary_erosion

import clustem
from clustem.crystallography import Crystal, structure_factors

FEWEST_POSITIONS = 20
FEWEST_REFLECTIONS = 7
NEAR = 0.035  # 1/Å from the Ewald sphere
COMPONENTS = ("e_xx", "e_yy", "e_xy")


@dataclass(frozen=True, eq=False)
class Truth:
    """Labels, the grain of each label, rotation and strain of each grain, and the calibration."""

    labels: NDArray[np.int32]
    grain: NDArray[np.int64]
    rotation: NDArray[np.float64]
    strain: NDArray[np.float64]
    calibration: clustem.Calibration


@dataclass(frozen=True, eq=False)
class TrueOrientations:
    """True orientations of domains, in the form that `fit_strain` takes."""

    rotation: NDArray[np.float64]
    phase: list[str]
    crystals: tuple[Crystal, ...]
    angle_error_out_of_plane_deg: NDArray[np.float64]


def read_truth(path: Path) -> Truth:
    """Return the truth of a scene."""
    with h5py.File(path) as file:
        group = file["frame000"]
        attributes = dict(file.attrs) | dict(group.attrs)
        centre = np.broadcast_to(attributes["centre_px"], 2)
        calibration = clustem.Calibration(
            inv_angstrom_per_px=float(attributes["inv_angstrom_per_px"]),
            energy_keV=float(attributes["energy_keV"]),
            semiangle_mrad=float(attributes["semiangle_mrad"]),
            scan_step_nm=float(attributes["scan_step_nm"]),
            centre_px=(float(centre[0]), float(centre[1])),
        )
        labels, grain, rotation, strain = (group[name][()] for name in ("labels", "grain", "rotation", "strain"))
    return Truth(labels, grain, rotation, strain, calibration)


def grains_of(labels: NDArray[Any], truth: Truth) -> dict[int, int]:
    """Return the grain of every found label that covers enough positions inside of true domains."""
    inside = np.zeros(truth.labels.shape, bool)
    for label in np.unique(truth.labels[truth.labels > 0]):
        padded = np.pad(truth.labels == label, 2, mode="edge")
        inside |= binary_erosion(padded)[2:-2, 2:-2]
    pairs = {}
    for label in range(1, int(labels.max(initial=0)) + 1):
        where = (labels == label) & inside
        if where.sum() >= FEWEST_POSITIONS:
            pairs[label] = int(truth.grain[np.bincount(truth.labels[where]).argmax()])
    return pairs


def reflections_near(truth: Truth, grain: int, crystal: Crystal) -> int:
    """Return how many reflections of a grain lie near the Ewald sphere."""
    g = structure_factors(crystal, max_g=1.6).g @ truth.rotation[grain].T
    excitation = g[:, 2] + (truth.calibration.wavelength_angstrom or 0.0) * (g**2).sum(axis=1) / 2
    return int((np.abs(excitation) < NEAR).sum())


def orientations(
    peaks: clustem.Peaks, grains: dict[int, int], truth: Truth, crystal: Crystal, kind: str
) -> clustem.Orientations | TrueOrientations:
    """Return true or matched orientations of the domains."""
    if kind == "matched":
        return clustem.match_orientations(peaks, [crystal])
    rotation = np.full((peaks.number, 3, 3), np.nan)
    for label, grain in grains.items():
        rotation[label - 1] = truth.rotation[grain]
    phase = [crystal.name if label in grains else "" for label in range(1, peaks.number + 1)]
    return TrueOrientations(rotation, phase, (crystal,), np.zeros(peaks.number))


def score(path: Path, dose: float, seed: int, crystal: Crystal, options: argparse.Namespace) -> NDArray[np.float64]:
    """Return error and standard error (n, 2, 3) of every domain that counts, NaN where there is no strain."""
    truth, scene = read_truth(path), thin(read_scene(path, "frame000"), dose, seed)
    if scene is None:
        return np.zeros((0, 2, 3))
    scan = clustem.open_scan(scene.counts, calibration=truth.calibration)
    survey = clustem.survey(scan)
    labels = truth.labels if options.domains == "truth" else clustem.segment(scan, survey=survey).labels
    peaks = clustem.find_peaks(clustem.average(scan, labels, survey=survey))
    grains = grains_of(labels, truth)
    found = clustem.fit_strain(peaks, orientations(peaks, grains, truth, crystal, options.orientation))
    rows = []
    for label, grain in grains.items():
        if reflections_near(truth, grain, crystal) >= FEWEST_REFLECTIONS:
            e = truth.strain[grain]
            known = (e[0, 0], e[1, 1], e[0, 1])
            values = [getattr(found, name)[label - 1] for name in COMPONENTS]
            errors = [getattr(found, f"{name}_error")[label - 1] for name in COMPONENTS]
            rows.append((np.subtract(values, known), errors))
    return np.array(rows).reshape(-1, 2, 3)


def line(name: str, dose: float, scores: NDArray[np.float64]) -> str:
    """Return a row of the table."""
    measured = scores[np.isfinite(scores[:, 0, 0])]
    rmse = np.sqrt((measured[:, 0] ** 2).mean(axis=0)) if len(measured) else np.full(3, np.nan)
    within = (np.abs(measured[:, 0]) < measured[:, 1]).mean() if len(measured) else np.nan
    cells = [name, f"{dose:g}", str(len(scores)), *(f"{value:.3%}" for value in rmse)]
    return "| " + " | ".join([*cells, str(len(scores) - len(measured)), f"{within:.0%}"]) + " |"


def main() -> None:
    """Read the arguments, score every scene, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenes", type=Path, nargs="+")
    parser.add_argument("--crystal", type=Path, required=True, help="CIF file")
    parser.add_argument("--dose", type=float, nargs="+", default=[20000.0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--domains", choices=("truth", "segmented"), default="segmented")
    parser.add_argument("--orientation", choices=("truth", "matched"), default="matched")
    options = parser.parse_args()
    crystal = clustem.read_crystal(options.crystal)
    print("| scene | electrons | domains | e_xx | e_yy | e_xy | none | within 1σ |\n|---|---|---|---|---|---|---|---|")
    everything = []
    for path in options.scenes:
        for dose in options.dose:
            parts = [score(path, dose, seed, crystal, options) for seed in range(options.seeds)]
            everything.append(np.concatenate(parts))
            print(line(path.stem, dose, everything[-1]), flush=True)
    print(line("all", np.nan, np.concatenate(everything)).replace("nan |", "|", 1))


if __name__ == "__main__":
    main()
