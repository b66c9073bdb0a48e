"""The published segmentation and averages of scans on disk, against plain reading of the same files.

    python benchmarks/files.py --scan 96 --detector 192

The files are written to a temporary folder, one at a time, and removed.
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from figures import Figure, Section, number, print_section, runs
from scaling import PUBLISHED, run_command, segment_and_average
from storing import FORMATS, Format, forget_cached, stored_bytes
from synthetic import Counts, make_scene
from timing import medians, run_child, seconds

import clustem
from clustem.passes import rows_per_block

_PAGE = 4096
READS = 3
"""Survey, similarities, averages."""


@dataclass(frozen=True)
class Stored:
    """What was measured on one file: seconds of three reads and of the run, cold and warm; bytes."""

    name: str
    size: int
    cold_read: float
    cold_run: float
    warm_read: float
    warm_run: float
    peak: float

    def cells(self, in_memory: float) -> tuple[str, ...]:
        """Return a line of the table."""
        pairs = ((self.cold_read, self.cold_run), (self.warm_read, self.warm_run))
        times = [number(value) for read, run in pairs for value in (read, run, run / read)]
        return self.name, number(self.size / 1e9), *times, limit(self.warm_read, in_memory), number(self.peak / 1e9)


def limit(read: float, compute: float) -> str:
    """Return which of the two takes longer alone."""
    return "reading" if read > compute else "computing"


def read_often(path: Path, options: dict[str, Any]) -> None:
    """Open a file and read it as often as the run does, in blocks as large, in one thread."""
    scan = clustem.open_scan(path, **options)
    rows, height = rows_per_block(scan, halo=0, working_bytes=0), scan.shape[0]
    for _ in range(READS):
        for start in range(0, height, rows):
            block = scan.read(start, min(start + rows, height))
            block.reshape(-1).view(np.uint8)[::_PAGE].sum()  # a mapped file is read only where it is looked at


def run_once(path: Path, options: dict[str, Any]) -> None:
    """Open a file and do all of the run but the results folder."""
    segment_and_average(clustem.open_scan(path, **options))


def measure_format(form: Format, counts: Counts, repeats: int) -> Stored:
    """Write a scan in one format and measure."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / form.file
        form.write(path, counts)
        height, width = counts.shape[:2]
        options: dict[str, Any] = {"scan_shape": (height, width)} if form.needs_scan_shape else {}
        read, run = partial(read_often, path, options), partial(run_once, path, options)
        run()  # types that no other format has are compiled
        cold_read, cold_run = (seconds(work) if forget_cached(path) else math.nan for work in (read, run))
        warm = medians({"read": read, "run": run}, repeats, warm_up=False)
        words = ["--scan-shape", f"{height}x{width}"] if form.needs_scan_shape else []
        peak = run_child(run_command(path, Path(name) / "results", *PUBLISHED, *words)).peak
        return Stored(form.name, stored_bytes(path), cold_read, cold_run, warm["read"], warm["run"], peak)


def measure(*, scan: int = 96, detector: int = 192, repeats: int = 3) -> Section:
    """Measure all formats."""
    counts = make_scene((scan, scan), detector).counts
    in_memory = medians({"run": partial(segment_and_average, counts)}, repeats)["run"]
    stored = [measure_format(form, counts, repeats) for form in FORMATS]
    return Section(
        title="From files",
        text=f"""Survey, similarities, a cut at a given threshold and averages of {scan}×{scan} positions on
            {detector}×{detector} pixels, uint16 ({counts.nbytes / 1e9:.2f} GB), against reading and decompressing the
            same file {READS} times, which is how often the run reads it: in one thread, in the blocks that the run
            takes, with nothing done to them. A .npy file is mapped into memory and one value per page is looked at, so
            its ratio says little. The libraries of Zarr and Merlin files use more threads of their own.

            Cold is after the system was told to forget the file: single runs, where only the first of the {READS}
            reads comes from the disk, and a virtual disk may still be cached by its host. A scan that does not fit into
            the memory would come from the disk every time. Warm is from the file cache, {runs(repeats)}. In memory the
            same run takes {number(in_memory)} s. Reading limits where {READS} warm reads take longer than that, else
            computing. Memory is the peak of the private memory of `clustem run` in a process of its own, report
            included, at the default budget.""",
        header=(
            "format",
            "GB",
            f"cold: {READS} reads, s",
            "run, s",
            "ratio",
            f"warm: {READS} reads, s",
            "run, s",
            "ratio",
            "limits",
            "memory, GB",
        ),
        rows=[entry.cells(in_memory) for entry in stored],
        remarks=_remarks(stored, in_memory),
        figures=_figures(stored),
    )


def _figures(stored: Sequence[Stored]) -> tuple[Figure, ...]:
    compressed = [entry for entry in stored if "LZ4" in entry.name]
    ratios = [
        Figure(f"segmentation and averages from {entry.name}, {state}", run / read, f"× {READS} reads", 1.5)
        for entry in compressed
        for state, read, run in (
            ("cold", entry.cold_read, entry.cold_run),
            ("warm", entry.warm_read, entry.warm_run),
        )
    ]
    peak = max(entry.peak for entry in stored)
    return *ratios, Figure("peak private memory of a run, largest of all formats", peak / 1e9, "GB", 1.5)


def _remarks(stored: Sequence[Stored], in_memory: float) -> str:
    reading = [entry.name for entry in stored if limit(entry.warm_read, in_memory) == "reading"]
    computing = [entry.name for entry in stored if entry.name not in reading]
    sentences = [
        f"{what} limits with a warm cache: {'; '.join(names)}."
        for what, names in (("Reading", reading), ("Computing", computing))
        if names
    ]
    typical = statistics.median(entry.warm_run / max(entry.warm_read, in_memory) for entry in stored)
    sentences.append(
        f"One thread reads ahead while the others compute; if the two overlapped wholly, a run would take as long as "
        f"the slower of them alone. It takes {number(typical)} times that (median of the formats, warm): where both "
        "need the processor, as with compressed files, they share its cores."
    )
    return " ".join(sentences)


def main() -> None:
    """Read the arguments and print the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scan", type=int, default=96, help="positions along an edge")
    parser.add_argument("--detector", type=int, default=192, help="pixels along an edge")
    parser.add_argument("--repeats", type=int, default=3, help="warm runs of which the median is taken")
    print_section(measure(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
