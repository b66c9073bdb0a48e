"""Orientations and phases on simulated scenes whose grains are known.

    python validation/orientation.py SCENE.h5 … --crystal Au.cif [--crystal …] [--doses 20000 1000] [--seeds 5]

For each scene and dose, over the domains with at least 20 positions that have no neighbour in another one: how many are
within 2° of the truth, the median, how often the truth is within 2° of a candidate, how many of the wrong and of the
right ones are called ambiguous, how many phases are right, and patterns per second of processor time. The true labels
are averaged, or with `--domains segmented` those that `clustem.run` finds, which then does everything; a domain has the
grain that most of it is of. The last lines pool everything. Each scene holds `rotation`, crystal to sample, for each
`grain`, and `kind`, the name of its crystal; see `scenes.py` for the rest. `--peaks FOLDER` writes averages and
peaks of the first seed of each scene and dose, for `orientation_py4dstem.py` and `orientation_pyxem.py`.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

import clustem
from clustem.crystallography.rotations import misorientation_deg

LEAST_POSITIONS = 20
CLOSE_DEG = 2.0


@dataclass
class Score:
    """What is known of each scored domain."""

    error: list[float] = field(default_factory=list)
    nearest: list[float] = field(default_factory=list)
    ambiguous: list[bool] = field(default_factory=list)
    phase: list[bool] = field(default_factory=list)
    seconds: float = 0.0
    patterns: int = 0

    def add(self, other: Score) -> None:
        """Take in the domains of another score."""
        for name in ("error", "nearest", "ambiguous", "phase"):
            getattr(self, name).extend(getattr(other, name))
        self.seconds += other.seconds
        self.patterns += other.patterns

    def line(self, title: str) -> str:
        """Return a row of the table."""
        error, flagged = np.array(self.error), np.array(self.ambiguous)
        right = error < CLOSE_DEG
        wrong = f"{flagged[~right].mean():.0%} of {(~right).sum()}" if (~right).any() else "none wrong"
        return (
            f"{title:<28} n {error.size:4d}  within 2° {right.mean():6.1%}  median {np.median(error):.2f}°  candidates "
            f"{np.mean(np.array(self.nearest) < CLOSE_DEG):6.1%}  flagged: wrong {wrong}, right "
            f"{flagged[right].mean():.0%}  phase {np.mean(self.phase):.0%}  {self.patterns / self.seconds:.1f}/s"
        )


def scored_domains(labels: NDArray[Any], truth: dict[str, Any]) -> list[tuple[int, int]]:
    """Return (label, grain) of the domains with enough positions inside of true ones."""
    true = truth["labels"]
    inside = np.any([_inside(true == k) for k in np.unique(true[true > 0])], axis=0)
    chosen = []
    for label in range(1, int(labels.max(initial=0)) + 1):
        where = (labels == label) & inside
        if where.sum() >= LEAST_POSITIONS:
            chosen.append((label, int(truth["grain"][np.bincount(true[where]).argmax()])))
    return chosen


def _inside(domain: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.asarray(binary_erosion(np.pad(domain, 2, mode="edge"))[2:-2, 2:-2])


def read(path: Path) -> tuple[NDArray[Any], dict[str, Any]]:
    """Return the counts and the truth of a scene."""
    with h5py.File(path) as file:
        group = file["frame000"]
        truth = {name: group[name][()] for name in group if name != "counts"} | dict(group.attrs) | dict(file.attrs)
        return group["counts"][()], truth


def calibration_of(truth: dict[str, Any]) -> clustem.Calibration:
    """Return the calibration of a scene."""
    names = ("inv_angstrom_per_px", "energy_keV", "semiangle_mrad", "scan_step_nm")
    return clustem.Calibration.from_dict({name: float(truth[name]) for name in names})


def find(counts: NDArray[Any], truth: dict[str, Any]) -> tuple[clustem.Averages, clustem.Peaks]:
    """Return the averages of the true domains, and their peaks."""
    scan = clustem.open_scan(counts, calibration=calibration_of(truth))
    averages = clustem.average(scan, truth["labels"])
    return averages, clustem.find_peaks(averages)


def run(counts: NDArray[Any], truth: dict[str, Any], crystals: list[clustem.Crystal]) -> Score:
    """Run the main job on the scan, and compare with the truth."""
    start = time.process_time()
    results = clustem.run(counts, crystal=crystals, calibration=calibration_of(truth))
    if results.orientations is None:
        return Score()
    seconds = time.process_time() - start
    return compared(results.orientations, results.domains.labels, truth, seconds)


def score(peaks: clustem.Peaks, truth: dict[str, Any], crystals: list[clustem.Crystal]) -> Score:
    """Match the peaks and compare with the truth."""
    start = time.process_time()
    found = clustem.match_orientations(peaks, crystals)
    return compared(found, truth["labels"], truth, time.process_time() - start)


def compared(found: clustem.Orientations, labels: NDArray[Any], truth: dict[str, Any], seconds: float) -> Score:
    """Compare orientations of labels with the truth."""
    out = Score(seconds=seconds, patterns=found.number)
    kinds = json.loads(truth["kind"])
    for label, grain in scored_domains(labels, truth):
        kind = kinds[grain]
        symmetry = found.crystal_of(kind).rotations
        matrix = found.rotation[label - 1]
        right = found.phase[label - 1] == kind
        out.phase.append(bool(right))
        out.error.append(float(misorientation_deg(matrix, truth["rotation"][grain], symmetry)) if right else 180.0)
        rows = found.candidates[(found.candidates["label"] == label) & (found.candidates["phase"] == kind)]
        turns = [_matrix(q) for q in rows[["q0", "q1", "q2", "q3"]].to_numpy()]
        errors = [float(misorientation_deg(turn, truth["rotation"][grain], symmetry)) for turn in turns]
        out.nearest.append(min(errors, default=180.0))
        out.ambiguous.append(bool(found.ambiguous[label - 1]))
    return out


def _matrix(quaternion: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the matrix from crystal to sample of a passive quaternion."""
    w, v = quaternion[0], quaternion[1:]
    cross = np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])
    return np.asarray(((w * w - v @ v) * np.eye(3) + 2 * np.outer(v, v) + 2 * w * cross).T)


def write_peaks(path: Path, averages: clustem.Averages, peaks: clustem.Peaks, truth: dict[str, Any]) -> None:
    """Write averages and peaks of the scored domains, and the true rotations, for other programs."""
    chosen = scored_domains(truth["labels"], truth)
    columns: dict[str, Any] = {name: peaks.table[name].to_numpy() for name in ("label", "g_x", "g_y", "intensity")}
    labels = [label for label, _ in chosen]
    rotation = truth["rotation"][[grain for _, grain in chosen]]
    columns |= {name: float(truth[name]) for name in ("energy_keV", "inv_angstrom_per_px")}
    patterns = averages.patterns[np.array(labels) - 1]
    np.savez(path, labels=labels, rotation=rotation, patterns=patterns, **columns)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenes", nargs="+", type=Path)
    parser.add_argument("--crystal", action="append", required=True)
    parser.add_argument("--doses", nargs="+", type=float, default=[20000.0, 1000.0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0, help="of the draws of counts")
    parser.add_argument("--peaks", type=Path)
    parser.add_argument("--domains", choices=("truth", "segmented"), default="truth")
    options = parser.parse_args()
    crystals = [clustem.read_crystal(path) for path in options.crystal]
    pooled = {dose: Score() for dose in options.doses}
    for path in options.scenes:
        stored, truth = read(path)
        full = stored.sum(axis=(2, 3), dtype=np.int64).mean()
        for dose in options.doses:
            total = Score()
            for seed in range(options.first_seed, options.first_seed + options.seeds):
                counts = np.random.default_rng(seed).binomial(stored, min(1.0, dose / full)).astype(np.uint16)
                if options.domains == "segmented":
                    total.add(run(counts, truth, crystals))
                    continue
                averages, peaks = find(counts, truth)
                if options.peaks and seed == options.first_seed:
                    write_peaks(options.peaks / f"{path.stem}_{dose:.0f}.npz", averages, peaks, truth)
                total.add(score(peaks, truth, crystals))
            print(total.line(f"{path.stem} {dose:.0f}"), flush=True)
            pooled[dose].add(total)
    for dose, total in pooled.items():
        print(total.line(f"all {dose:.0f}"))


if __name__ == "__main__":
    main()
