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

PUBLISHED = ("--method", "published", "--threshold", str(THRESHOLD))
"""Options of the published method with a threshold that fits the scenes."""

_SMALL_DETECTOR = 64
_SMALL_SCAN = 64


def segment_and_average(scan: object) -> None:
    """Do all that a run of the published method does but the results folder: survey, similarities, tree, averages."""
    found = clustem.survey(scan)
    domains = clustem.segment(scan, method="published", threshold=THRESHOLD)
    clustem.average(scan, domains, survey=found)


def default_and_average(scan: object) -> None:
    """Do all that a run with nothing set does but the results folder."""
    found = clustem.survey(scan)
    clustem.average(scan, clustem.segment(scan, survey=found), survey=found)


def time_array(counts: Counts, repeats: int) -> tuple[float, float]:
    """Return seconds per pattern of the whole work on an array in memory, published and noise-aware."""
    works = {"published": partial(segment_and_average, counts), "noise-aware": partial(default_and_average, counts)}
    taken, positions = medians(works, repeats), int(np.prod(counts.shape[:2]))
    return taken["published"] / positions, taken["noise-aware"] / positions


def run_command(path: Path, output: Path, *options: str) -> list[str]:
    """Return the command line of a run."""
    command = [sys.executable, "-m", "clustem", "run", str(path), "--output", str(output), "--quiet"]
    return [*command, *options]


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
    grows = [after / before for before, after in zip(per_pattern[few], per_pattern[many], strict=True)]
    return Section(
        title="Scaling",
        text=f"""Survey, segmentation and averages, on uint16 scans in memory, with all cores: first more positions,
            then more pixels. Published is with a given threshold, noise-aware with nothing set. Times are
            {runs(repeats)}.""",
        header=(
            "positions",
            "pixels",
            "GB",
            "published, µs per pattern",
            "ns per pixel",
            "noise-aware, µs per pattern",
        ),
        rows=rows,
        remarks=f"""With {many}×{many} positions a pattern takes {number(grows[0])} times as long as with {few}×{few},
            by the noise-aware method {number(grows[1])} times.""",
        figures=(Figure(name, grows[0], "×", 1.2), Figure(f"{name}, noise-aware", grows[1], "×", 1.2)),
    )


def _cells(counts: Counts, taken: tuple[float, float]) -> tuple[str, ...]:
    scan_y, scan_x, k_y, k_x = counts.shape
    size, pixels, (published, aware) = counts.nbytes / 1e9, k_y * k_x, taken
    cells = number(size), number(published * 1e6), number(published / pixels * 1e9), number(aware * 1e6)
    return (f"{scan_y}×{scan_x}", f"{k_y}×{k_x}", *cells)


def main() -> None:
    """Read the arguments and print the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scans", type=int, nargs="+", default=[128, 512], help="positions along an edge")
    parser.add_argument("--detectors", type=int, nargs="+", default=[64, 128, 192, 256], help="pixels along an edge")
    parser.add_argument("--repeats", type=int, default=3, help="runs of which the median is taken")
    print_section(measure(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
