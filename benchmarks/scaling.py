"""How the time per pattern grows with the scan and with the detector.

    python benchmarks/scaling.py --scans 128 512 --detectors 64 128 192 256

The scans are in memory, so that only computing counts.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from figures import Figure, Section, number, print_section, runs
from synthetic import THRESHOLD, Counts, make_scene
from timing import medians

import clustem

_SMALL_DETECTOR = 64
_SMALL_SCAN = 64


def segment_and_average(scan: object) -> None:
    """Do all that a run does but the results folder: survey, similarities, tree, averages."""
    found = clustem.survey(scan)
    domains = clustem.segment(scan, method="published", threshold=THRESHOLD)
    clustem.average(scan, domains, survey=found)


def time_array(counts: Counts, repeats: int) -> float:
    """Return seconds per pattern of the whole work on an array in memory."""
    taken = medians({"all": partial(segment_and_average, counts)}, repeats)["all"]
    return taken / int(np.prod(counts.shape[:2]))


def run_command(path: Path, output: Path, *options: str) -> list[str]:
    """Return the command line of a run with a given threshold."""
    command = [sys.executable, "-m", "clustem", "run", str(path), "--output", str(output), "--quiet"]
    return [*command, "--method", "published", "--threshold", str(THRESHOLD), *options]


def measure(
    *, scans: Sequence[int] = (128, 512), detectors: Sequence[int] = (64, 128, 192, 256), repeats: int = 3
) -> Section:
    """Time scans of growing size, then detectors of growing size."""
    rows, per_pattern = [], {}
    for scan in sorted(scans):
        counts = make_scene((scan, scan), _SMALL_DETECTOR).counts
        per_pattern[scan] = time_array(counts, repeats)
        rows.append(_cells(counts, per_pattern[scan]))
        del counts
    for detector in sorted(detectors):
        counts = make_scene((_SMALL_SCAN, _SMALL_SCAN), detector).counts
        rows.append(_cells(counts, time_array(counts, repeats)))
        del counts
    few, many = min(scans), max(scans)
    name = f"time per pattern, {many}×{many} against {few}×{few} positions"
    return Section(
        title="Scaling",
        text=f"""Survey, similarities, tree, a cut at a given threshold and averages, on uint16 scans in memory, with
            all cores: first more positions, then more pixels. Times are {runs(repeats)}.""",
        header=("positions", "pixels", "GB", "µs per pattern", "ns per pixel"),
        rows=rows,
        remarks=f"""With {many}×{many} positions a pattern takes {number(per_pattern[many] / per_pattern[few])} times as
            long as with {few}×{few}.""",
        figures=(Figure(name, per_pattern[many] / per_pattern[few], "×", 1.2),),
    )


def _cells(counts: Counts, taken: float) -> tuple[str, ...]:
    scan_y, scan_x, k_y, k_x = counts.shape
    size, pixels = counts.nbytes / 1e9, k_y * k_x
    return f"{scan_y}×{scan_x}", f"{k_y}×{k_x}", number(size), number(taken * 1e6), number(taken / pixels * 1e9)


def main() -> None:
    """Read the arguments and print the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scans", type=int, nargs="+", default=[128, 512], help="positions along an edge")
    parser.add_argument("--detectors", type=int, nargs="+", default=[64, 128, 192, 256], help="pixels along an edge")
    parser.add_argument("--repeats", type=int, default=3, help="runs of which the median is taken")
    print_section(measure(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
