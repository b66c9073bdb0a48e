"""The benchmark: simulated scans of many kinds, divided by `clustem` and by other methods, and scored.

    python validation/benchmark.py                          everything, under 30 minutes on two cores
    python validation/benchmark.py --quick                  smaller scans, two conditions: about three minutes
    python validation/benchmark.py --write FOLDER           only write the scans, for other programs
    python validation/benchmark.py --labels FOLDER …        score the label images that another program made of these

Printed, as Markdown: adjusted Rand index inside domains / over all positions, a line for each scan. The scans are those
of `simulated_kinds.py` under the conditions below, the methods those of `rivals.py`; nothing is read but the scans that
are made here. A label image is called as its scan (`film-64x64-500-0-seed0`), with the ending .npy, .tif or .tiff; 0 =
unassigned. The name of its folder is the name of the method. scikit-learn is needed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tifffile
from benchmark_tables import all_tables, draw_all, write_page
from numpy.typing import NDArray
from rivals import NAMES, RIVALS, TOLD, told
from rows import Job, Row, add_rows, read_rows
from scores import Truth, best, score
from simulated import Scene, make, write_hdf5
from simulated_kinds import KINDS

import clustem


class Condition(NamedTuple):
    """Dose in multiples of that of the kind, and background in multiples of what is scattered out of the beam."""

    times: float
    background: float


CONDITIONS = (Condition(0.25, 0.0), Condition(1.0, 0.0), Condition(1.0, 5.0), Condition(4.0, 20.0))
QUICK_CONDITIONS = CONDITIONS[1:3]
QUICK_POSITIONS = 40
"""Positions of a quick scan in each direction, at most."""


@dataclass(frozen=True)
class Case:
    """One scan of the benchmark."""

    kind: str
    dose: float
    background: float
    seed: int
    shape: tuple[int, int, int, int]

    @property
    def name(self) -> str:
        """What its files are called."""
        return f"{self.kind}-{self.shape[0]}x{self.shape[1]}-{self.dose:g}-{self.background:g}-seed{self.seed}"

    def job(self, method: str) -> Job:
        """Return what is noted with the scores of a method."""
        return Job(self.kind, self.name, self.dose, self.seed, method, f"{self.background:g}")

    def scene(self) -> Scene:
        """Make the scan."""
        return make(self.kind, seed=self.seed, dose=self.dose, background=self.background, shape=self.shape)


def cases(kinds: Iterable[str], conditions: Iterable[Condition], seeds: int, most: int | None) -> list[Case]:
    """Return the scans of kinds under conditions, of at most so many positions in each direction."""
    found = []
    for kind in kinds:
        height, width, *detector = KINDS[kind].shape
        shape = (min(height, most or height), min(width, most or width), detector[0], detector[1])
        for times, background in conditions:
            found += [Case(kind, times * KINDS[kind].dose, background, seed, shape) for seed in range(seeds)]
    return found


def scored(job: Job, candidates: Iterable[tuple[NDArray[Any], str]], truth: Truth) -> Iterator[Row]:
    """Yield the best scores of label images, each score by itself; nothing if there are none."""
    found = [(score(labels, truth), int(labels.max()), setting) for labels, setting in candidates]
    if found:
        _, domains, setting = max(found, key=lambda entry: entry[0].inside)
        inside, everywhere, f1 = (round(value, 4) for value in best(scores for scores, *_ in found))
        yield Row(*job, inside, everywhere, f1, domains, setting)


def solve(case: Case, methods: list[str]) -> list[Row]:
    """Make a scan, and score what methods give for it."""
    warnings.simplefilter("ignore")  # of methods that fail or do not converge, which their scores show
    scene = case.scene()
    truth, regions, kinds = Truth.from_labels(scene.labels), len(np.unique(scene.labels)), kinds_in(scene)
    rows: list[Row] = []
    with clustem.execution(threads=1):
        for method in methods:
            if method == TOLD:
                candidates = told(scene.counts, scene.labels)
            else:
                candidates = RIVALS[method](scene.counts, regions, kinds)
            rows += scored(case.job(method), candidates, truth)
    return rows


def kinds_in(scene: Scene) -> int:
    """Return how many kinds of patterns a scene has, that around grains included."""
    return len(np.unique(scene.grain)) + int((scene.labels == 0).any())


def compute(tasks: list[tuple[Case, list[str]]], workers: int) -> Iterator[list[Row]]:
    """Yield the rows of each task as it is done, on so many processes; the largest scans first."""
    os.environ |= {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    tasks = sorted(tasks, key=lambda task: -task[0].shape[0])
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        futures = [pool.submit(solve, *task) for task in tasks]
        for number, future in enumerate(as_completed(futures), 1):
            print(f"\r{number} of {len(tasks)}", end="", file=sys.stderr, flush=True)
            yield future.result()
    print(file=sys.stderr)


def read_labels(path: Path, shape: tuple[int, int]) -> NDArray[np.int64]:
    """Return a label image that another program made."""
    labels = np.load(path) if path.suffix == ".npy" else np.asarray(tifffile.imread(path))
    if labels.shape != shape or not (np.issubdtype(labels.dtype, np.integer) or (labels == np.round(labels)).all()):
        raise SystemExit(f"{path}: expected whole numbers of shape {shape}, got {labels.dtype} of shape {labels.shape}")
    if labels.min() < 0:
        raise SystemExit(f"{path}: expected 0 for what is unassigned and positive labels, got {labels.min()}")
    return labels.astype(np.int64)


def score_folder(folder: Path, wanted: list[Case]) -> Iterator[Row]:
    """Yield the scores of the label images in a folder, under its name."""
    for case in wanted:
        for path in (folder / f"{case.name}{ending}" for ending in (".npy", ".tif", ".tiff")):
            if path.exists():
                truth = Truth.from_labels(case.scene().labels)
                labels = read_labels(path, (case.shape[0], case.shape[1]))
                yield from scored(case.job(folder.name), [(labels, "")], truth)


def kept(scores: Path, again: list[str]) -> list[Row]:
    """Return the rows of a file, from which those of some methods are thrown away."""
    rows = [row for row in read_rows(scores) if row.method not in again]
    if again and scores.exists():
        scores.unlink()
        add_rows(scores, rows)
    return rows


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    result = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = result.add_argument
    add("--methods", nargs="*", choices=NAMES, default=list(NAMES), help="all if not given; without a name, none")
    add("--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="all of them if not given")
    add("--quick", action="store_true", help=f"at most {QUICK_POSITIONS} positions across, two conditions")
    add("--seeds", type=int, default=1, help="scans of each kind under each condition")
    add("--workers", type=int, default=2, help="processes")
    add("--scores", type=Path, help="CSV file: what it holds is not computed again, what is computed is added")
    add("--again", nargs="+", choices=NAMES, default=[], help="methods whose scores in that file are thrown away first")
    add("--page", type=Path, help="write the table into this page, between its marks")
    add("--plot", type=Path, help="draw the scores to this path with .png and .svg")
    add("--write", type=Path, metavar="FOLDER", help="write the scans as HDF5 files, and do nothing else")
    add("--labels", type=Path, nargs="+", default=[], metavar="FOLDER", help="label images of other programs")
    return result


def main() -> None:
    """Do what the command line asks for."""
    arguments = parser().parse_args()
    conditions = QUICK_CONDITIONS if arguments.quick else CONDITIONS
    wanted = cases(arguments.kinds, conditions, arguments.seeds, QUICK_POSITIONS if arguments.quick else None)
    if arguments.write:
        arguments.write.mkdir(parents=True, exist_ok=True)
        for case in wanted:
            write_hdf5(arguments.write / f"{case.name}.h5", case.scene(), seed=case.seed, background=case.background)
        return
    rows = kept(arguments.scores, arguments.again) if arguments.scores else []
    done = {row.job for row in rows}
    missing = [(case, [name for name in arguments.methods if case.job(name) not in done]) for case in wanted]
    tasks = [(case, names) for case, names in missing if names]
    for new in compute(tasks, arguments.workers) if tasks else ():
        rows += new
        if arguments.scores:
            add_rows(arguments.scores, new)
    names = {case.name for case in wanted}
    rows = [row for row in rows if row.frame in names]
    rows += [row for folder in arguments.labels for row in score_folder(folder, wanted)]
    print(all_tables(rows), end="")
    if arguments.page:
        write_page(rows, arguments.page)
    if arguments.plot:
        draw_all(rows, arguments.plot)


if __name__ == "__main__":
    main()
