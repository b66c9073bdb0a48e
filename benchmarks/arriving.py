"""Segmenting a scan while its rows arrive: patterns per second, and whether the work per row stays the same.

    python benchmarks/arriving.py --scan 512 128 --detector 128

The rows are in memory, so that only computing counts; they are given 16 at a time.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence

import numpy as np
from figures import Figure, Section, number, print_section
from synthetic import Counts, make_scene

import clustem

FASTEST = 10_000
"""Patterns per second of 128×128 pixels that a detector may deliver."""
_TOGETHER = 16


def stream(counts: Counts) -> tuple[list[float], float]:
    """Return the seconds that every 16 rows took, and those of the end."""
    segmenter, taken = clustem.StreamingSegmenter(counts.shape), []
    for start in range(0, len(counts), _TOGETHER):
        begin = time.perf_counter()
        segmenter.update(counts[start : start + _TOGETHER])
        taken.append(time.perf_counter() - begin)
    begin = time.perf_counter()
    segmenter.finish()
    return taken, time.perf_counter() - begin


def plain(counts: Counts) -> float:
    """Return the seconds that the sum of every pattern takes, 16 rows at a time."""
    begin = time.perf_counter()
    for start in range(0, len(counts), _TOGETHER):
        counts[start : start + _TOGETHER].sum(axis=(2, 3))
    return time.perf_counter() - begin


def measure(*, scan: Sequence[int] = (512, 128), detector: int = 128, repeats: int = 3) -> Section:
    """Time a scan of rows, its first quarter against its last, and the sum of the same rows."""
    scene = make_scene((scan[0], scan[1]), detector)
    stream(scene.counts[: min(len(scene.counts), 160)])  # compiles
    runs = [(*stream(scene.counts), plain(scene.counts)) for _ in range(repeats)]
    whole = statistics.median(sum(taken) + end for taken, end, _ in runs)
    quarter = len(runs[0][0]) // 4
    grows = statistics.median(sum(taken[-quarter:]) / sum(taken[:quarter]) for taken, _, _ in runs)
    end = statistics.median(end for _, end, _ in runs)
    ratio = whole / statistics.median(sums for _, _, sums in runs)
    positions = int(np.prod(scan))
    shape = f"{scan[0]}×{scan[1]} positions, {detector}×{detector} px"
    return Section(
        title="Rows that arrive",
        text=f"""`StreamingSegmenter` on rows in memory, uint16, given {_TOGETHER} at a time, with all cores; the sum is
            that of NumPy over the same rows. Medians of {repeats} runs after one that compiles.""",
        header=("scan", "s", "patterns per second", "× the sum", "last quarter against first", "end, s"),
        rows=[(shape, number(whole), number(positions / whole), number(ratio), number(grows), number(end))],
        remarks="""The first quarter holds the measurement of noise and beam.""",
        figures=(
            Figure("rows that arrive, seconds per 10 000 patterns", whole / positions * FASTEST, "s", 1.0),
            Figure("rows that arrive, last quarter of the scan against the first", grows, "×", 1.2),
        ),
    )


def main() -> None:
    """Read the arguments and print the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scan", type=int, nargs=2, default=(512, 128), help="rows, and positions in a row")
    parser.add_argument("--detector", type=int, default=128, help="pixels along an edge")
    parser.add_argument("--repeats", type=int, default=3, help="runs of which the median is taken")
    print_section(measure(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
