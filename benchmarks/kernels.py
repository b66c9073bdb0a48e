"""The steps one by one, on scans in memory: as ratios to `data.sum(axis=(2, 3))`, and against the published loops.

    python benchmarks/kernels.py --scan 128 --detector 192

Each work is done with all cores and with one thread.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from figures import Figure, Section, number, print_section, runs
from numpy.typing import NDArray
from published_loops import seconds_per_pattern
from scipy.ndimage import gaussian_filter
from synthetic import Counts, Scene, make_noise, make_scene, move_patterns
from timing import Work, cores, medians

import clustem
from clustem.passes import Block, run_pass
from clustem.segmentation.domains import build_tree
from clustem.segmentation.published import neighbour_pairs

SUM = "`data.sum(axis=(2, 3))`"
_MIN_SIZE = 5
_DESCAN_PX = 2.0
_TIMES_FASTER, _OF_SUM = "× faster than the loops", "× the sum"


@dataclass(frozen=True)
class Times:
    """Seconds of one work with one thread and with all cores, and of the sum of the same array."""

    work: str
    one: float
    all: float
    sum: float

    @property
    def ratio(self) -> float:
        """How often the array could have been summed meanwhile."""
        return self.all / self.sum

    def cells(self, patterns: int) -> tuple[str, ...]:
        """Return a line of the table."""
        per_pattern = number(self.all / patterns * 1e6)
        return (
            self.work,
            number(self.all),
            per_pattern,
            number(self.ratio),
            number(self.one),
            number(self.one / self.all),
        )


def prefilter_everything(counts: Counts) -> None:
    """Compute the whole prefiltered scan, block by block, without keeping it."""

    def forget(_: Block) -> None:
        pass

    run_pass(clustem.published_prefilter(counts), forget, stage="prefilter")


def in_one_thread(work: Work) -> None:
    """Do a work with a single computing thread."""
    with clustem.execution(threads=1):
        work()


def time_works(counts: Counts, works: Mapping[str, Work], repeats: int) -> dict[str, Times]:
    """Time works on an array, with all cores and with one thread, in turn with the sum of the array."""
    single = {f"{name}, one thread": partial(in_one_thread, work) for name, work in works.items()}
    taken = medians({SUM: partial(counts.sum, axis=(2, 3)), **works, **single}, repeats)
    return {name: Times(name, taken[f"{name}, one thread"], taken[name], taken[SUM]) for name in works}


def time_still(scene: Scene, repeats: int) -> dict[str, Times]:
    """Time everything that does not need a moving beam."""
    counts = scene.counts
    found = clustem.survey(counts)
    works: dict[str, Work] = {
        "survey": partial(clustem.survey, counts),
        "similarity": partial(clustem.published_similarity, counts),
        "similarity, blur 1 px": partial(clustem.published_similarity, counts, smooth_sigma=1.0),
        "averages": partial(clustem.average, counts, scene.labels, survey=found),
    }
    if found.descan_px.any():
        raise SystemExit("the survey found a movement in a scan without any: the averages would be moved ones")
    return time_works(counts, works, repeats)


def time_moving(scene: Scene, repeats: int) -> dict[str, Times]:
    """Time the averages of a scan whose patterns were moved."""
    found = clustem.survey(scene.counts)
    if not found.descan_px.any():
        raise SystemExit("the survey found no movement: the scan is too small to measure centred averages on")
    work = partial(clustem.average, scene.counts, scene.labels, survey=found)
    return time_works(scene.counts, {"averages, each position centred": work}, repeats)


def time_prefilter(name: str, counts: Counts, repeats: int) -> dict[str, Times]:
    """Time the prefilter."""
    return time_works(counts, {name: partial(prefilter_everything, counts)}, repeats)


def smooth_similarities(scan: tuple[int, int], *, seed: int = 0) -> NDArray[np.float64]:
    """Return similarities (4, scan_y, scan_x) as of a scan with domains: smooth, with some noise."""
    generator = np.random.default_rng(seed)
    smooth = gaussian_filter(generator.normal(size=(4, *scan)), (0, 6, 6))
    similarities: NDArray[np.float64] = np.clip(
        0.7 + 0.1 * smooth / smooth.std() + generator.normal(0, 0.02, smooth.shape), -1, 1
    )
    return similarities


def grow_tree(edges: NDArray[np.float64]) -> None:
    """Compute the partitions of all thresholds."""
    first, second, similarity = neighbour_pairs(edges)
    _ = build_tree(similarity, first, second, np.ones(edges.shape[1:], bool), _MIN_SIZE).history


def measure(*, scan: int = 128, detector: int = 192, tree_scan: int = 512, repeats: int = 3) -> Section:
    """Time every step."""
    rows = max(16, scan // 2)
    scene, noise = make_scene((scan, scan), detector), make_noise((rows, scan), detector)
    loops, noise_loops = seconds_per_pattern(scene.counts), seconds_per_pattern(noise)
    times = time_still(scene, repeats) | time_prefilter("prefilter", scene.counts[:rows], repeats)
    times |= time_prefilter("prefilter, noise", noise, repeats)
    del noise
    move_patterns(scene.counts, _DESCAN_PX)
    times |= time_moving(scene, repeats)
    edges = smooth_similarities((tree_scan, tree_scan))
    tree = medians({"tree": partial(grow_tree, edges)}, max(repeats, 5))["tree"]
    patterns = {work: scan * (rows if "prefilter" in work else scan) for work in times}
    faster = _faster(times, loops, noise_loops, patterns)
    name = f"all thresholds from the tree, {tree_scan}×{tree_scan} positions"
    return Section(
        title="In memory",
        text=_text(scan, rows, detector, repeats),
        header=("work", "s", "µs per pattern", "× the sum", "one thread, s", f"gain of {cores()} cores"),
        rows=[entry.cells(patterns[work]) for work, entry in times.items()],
        remarks=_remarks(loops, noise_loops, edges, tree),
        figures=(
            Figure("survey", times["survey"].ratio, _OF_SUM, 2),
            Figure("similarity, no blur", times["similarity"].ratio, _OF_SUM, 1),
            *faster,
            Figure("averages", times["averages"].ratio, _OF_SUM, 1.5),
            Figure("averages, each position centred", times["averages, each position centred"].ratio, _OF_SUM, 6),
            Figure(name, tree, "s", 0.5),
        ),
    )


def _faster(
    times: Mapping[str, Times], loops: Mapping[str, float], noise: Mapping[str, float], patterns: Mapping[str, int]
) -> list[Figure]:
    baselines = {
        "similarity, blur 1 px": loops["similarity 1"],
        "prefilter": loops["prefilter"],
        "prefilter, noise": noise["prefilter"],
    }
    return [
        Figure(f"{name}, per pattern", taken / (times[name].all / patterns[name]), _TIMES_FASTER, 60, at_least=True)
        for name, taken in baselines.items()
    ]


def _text(scan: int, rows: int, detector: int, repeats: int) -> str:
    size = scan**2 * detector**2 * 2 / 1e9
    return f"""A synthetic scan of {scan}×{scan} positions on {detector}×{detector} pixels, uint16 ({size:.2f} GB):
        grains with a direct beam, Bragg disks and Poisson noise. The sum is {SUM} of NumPy over the same array, in one
        thread; it and the works take turns in one process, {runs(repeats)} after one that compiles. For the centred
        averages the patterns are moved by up to {_DESCAN_PX:g} px.

        The prefilter has the first {rows} rows of this scan, and as many of plain Poisson noise: there no pattern gets
        anything from a neighbour, while inside grains each gets something from all 68 around it. Its patterns are
        computed and not kept."""


def _remarks(loops: Mapping[str, float], noise: Mapping[str, float], edges: NDArray[np.float64], tree: float) -> str:
    similarity = [number(loops[f"similarity {sigma}"] * 1e3) for sigma in (0, 1)]
    prefilter = [number(taken["prefilter"] * 1e3) for taken in (loops, noise)]
    return f"""The published loops, restated in `benchmarks/published_loops.py`, need on the same counts, in one thread,
        {similarity[0]} ms per pattern for the similarity without blur, {similarity[1]} ms with a blur of 1 px, and for
        the prefilter {prefilter[0]} ms inside grains and {prefilter[1]} ms on noise, which here are blurred before the
        clock starts.

        The tree that holds the partitions of all thresholds takes {number(tree)} s for {edges[0].size} positions, from
        similarities to the number of domains, their coverage and lifetime at every threshold. It runs in one thread."""


def main() -> None:
    """Read the arguments and print the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scan", type=int, default=128, help="positions along an edge")
    parser.add_argument("--detector", type=int, default=192, help="pixels along an edge")
    parser.add_argument("--tree-scan", type=int, default=512, help="positions along an edge for the tree")
    parser.add_argument("--repeats", type=int, default=3, help="runs of which the median is taken")
    arguments = parser.parse_args()
    print_section(measure(**vars(arguments)))


if __name__ == "__main__":
    main()
