"""Score method="published" against the truth of simulated scans, at several doses.

    python validation/scenes.py SCENE.h5 ... --dose 200 2000 20000 --seeds 3

A scene holds, in the group `frame000`, `counts` (scan_y, scan_x, k_y, k_x) and `labels` (scan_y, scan_x), the true
domains, 0 = vacuum. The stored counts are thinned binomially to each dose (mean electrons per pattern), which leaves
Poisson counts Poisson. Printed, as a Markdown table: the adjusted Rand index over the positions whose four neighbours
are in the same true domain, over all positions, and the number of domains found; means over the seeds. Unassigned
positions count as one more domain. True domains of at least five positions are counted.

defaults: clustem.run(counts). masked: clustem.run(counts, detector_mask="outside-beam", smooth_sigma=1), the threshold
chosen by the program. best threshold: the same similarities, cut at the threshold with the highest index inside
domains; only someone who knows the truth can choose it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import generate_binary_structure, maximum_filter, minimum_filter

import clustem

MIN_SIZE = 5
"""Positions of the smallest true domain that is counted, as of the smallest one that is found."""
Score = tuple[float, float, int, float]
"""Index inside domains, index of all positions, domains, threshold."""


def load_scene(path: Path, frame: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the stored counts and the true labels."""
    with h5py.File(path) as file:
        return file[frame]["counts"][()], file[frame]["labels"][()]


def thin(counts: NDArray[Any], dose: float, seed: int) -> NDArray[Any]:
    """Return counts with `dose` electrons per pattern on average; the stored ones if they hold hardly more."""
    stored = counts.sum(axis=(2, 3), dtype=np.int64).mean()
    if dose >= 0.98 * stored:
        return counts
    return np.random.default_rng(seed).binomial(counts, dose / stored).astype(np.uint16)


def inside_domains(truth: NDArray[Any]) -> NDArray[np.bool_]:
    """Return the positions whose four neighbours are in the same true domain."""
    cross = generate_binary_structure(2, 1)
    same: NDArray[np.bool_] = maximum_filter(truth, footprint=cross) == minimum_filter(truth, footprint=cross)
    return same


def score(labels: NDArray[Any], truth: NDArray[Any], threshold: float) -> Score:
    """Return the scores of one partition."""
    inside = inside_domains(truth)
    return (
        clustem.adjusted_rand_index(labels[inside], truth[inside]),
        clustem.adjusted_rand_index(labels, truth),
        int(labels.max(initial=0)),
        threshold,
    )


def score_methods(counts: NDArray[Any], truth: NDArray[Any]) -> list[Score]:
    """Return the scores of: defaults, masked and blurred, the same with the best threshold."""
    scores = []
    settings: tuple[dict[str, Any], ...] = ({}, {"detector_mask": "outside-beam", "smooth_sigma": 1.0})
    for options in settings:
        domains = clustem.run(counts, **options).domains
        scores.append(score(domains.labels, truth, float(getattr(domains.parameters, "threshold", np.nan))))
    if domains.tree is None:
        raise SystemExit("the published method should have a tree")
    thresholds = domains.tree.counts()[0]
    return [*scores, max(score(domains.tree.cut(similarity=t), truth, float(t)) for t in thresholds)]


def cell(scores: list[Score]) -> str:
    """Return the means over the seeds as text."""
    inside, everywhere, domains, threshold = np.mean(scores, axis=0)
    return f"{inside:.3f} / {everywhere:.3f} / {domains:.0f} ({threshold:.3f})"


def main() -> None:
    """Read the arguments and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenes", type=Path, nargs="+", help="HDF5 files with counts and labels")
    parser.add_argument("--dose", type=float, nargs="+", default=[200, 2000, 20000], help="electrons per pattern")
    parser.add_argument("--seeds", type=int, default=3, help="how many thinned scans per scene and dose")
    parser.add_argument("--frame", default="frame000", help="group inside the files")
    arguments = parser.parse_args()
    print("Adjusted Rand index inside domains / of all positions / domains found (threshold), means of", end=" ")
    print(f"{arguments.seeds} seeds\n")
    print("| scene | true domains | electrons per pattern | defaults | masked, blur 1 px | masked, best threshold |")
    print("| --- | --- | --- | --- | --- | --- |", flush=True)
    for path in arguments.scenes:
        counts, truth = load_scene(path, arguments.frame)
        number = int((np.bincount(truth.ravel())[1:] >= MIN_SIZE).sum())
        for dose in arguments.dose:
            runs = [score_methods(thin(counts, dose, seed), truth) for seed in range(arguments.seeds)]
            cells = [cell([scores[method] for scores in runs]) for method in range(3)]
            print(f"| {path.stem} | {number} | {dose:g} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
