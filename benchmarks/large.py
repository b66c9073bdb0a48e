"""Private memory of whole runs on scans of growing size, of long rows, and larger than memory.

    python benchmarks/large.py --scan 512 512 192

One small scan is stored as HDF5 with bitshuffle and LZ4; a virtual dataset repeats it along both scan axes, so that
much is read and little is stored.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
from figures import Figure, Section, number, print_section
from scaling import PUBLISHED, run_command
from storing import write_hdf5_patterns
from synthetic import Counts, make_scene
from timing import Child, run_child

_TILE = 64
_TILE_VALUES = 64 * 64 * 192 * 192  # of the stored scan, at most


@dataclass(frozen=True)
class Case:
    """A run with its options on a scan (scan_y, scan_x) of patterns of detector×detector pixels."""

    name: str
    scan: tuple[int, int]
    detector: int
    options: tuple[str, ...] = ()

    @property
    def gigabytes(self) -> float:
        """Size of the scan in GB."""
        return self.scan[0] * self.scan[1] * self.detector**2 * 2 / 1e9


PREFILTER = (*PUBLISHED, "--prefilter")
CASES = (
    Case("published", (128, 128), 192, PUBLISHED),
    Case("published", (512, 512), 192, PUBLISHED),
    Case("published, prefilter", (24, 1024), 192, PREFILTER),
    Case("published", (4, 1024), 512, PUBLISHED),
    Case("published", (4, 2048), 512, PUBLISHED),
    Case("noise-aware", (512, 512), 192),
    Case("noise-aware", (1024, 1024), 64),
    Case("noise-aware", (2048, 2048), 32),
    Case("noise-aware", (4, 1024), 512),
    Case("noise-aware", (4, 2048), 512),
)
QUICK = (Case("published", (32, 64), 96, PUBLISHED), Case("noise-aware", (32, 64), 96))


def write_repeated(path: Path, tile: Path, counts: Counts, scan: tuple[int, int]) -> None:
    """Write an HDF5 file whose scan of that shape repeats the one in the file `tile`."""
    height, width, *detector = counts.shape
    source = h5py.VirtualSource(tile.name, "counts", counts.shape)
    layout = h5py.VirtualLayout((*scan, *detector), counts.dtype)
    for y in range(0, scan[0], height):
        for x in range(0, scan[1], width):
            rows, columns = min(height, scan[0] - y), min(width, scan[1] - x)
            layout[y : y + rows, x : x + columns] = source[:rows, :columns]
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("counts", layout)


def measure_run(case: Case) -> Child:
    """Run on the scan of a case, and throw the results away."""
    height = max(4, min(_TILE, case.scan[0], _TILE_VALUES // (_TILE * case.detector**2)))
    counts = make_scene((height, _TILE), case.detector).counts
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_hdf5_patterns(folder / "tile.h5", counts)
        write_repeated(folder / "scan.h5", folder / "tile.h5", counts, case.scan)
        return run_child(run_command(folder / "scan.h5", folder / "results", *case.options))


def measure(cases: Sequence[Case] = CASES) -> Section:
    """Run all cases."""
    children = [(case, measure_run(case)) for case in cases]
    return Section(
        title="Memory",
        text=f"""Whole processes of `clustem run` at the default budget, report and results folder included, on uint16,
            HDF5 with bitshuffle+LZ4: {_TILE} stored columns, which a virtual dataset repeats, so these files always
            come from the file cache. The published method has a given threshold; the default, noise-aware, has nothing
            set. Private memory is what belongs to the process alone (RssAnon of Linux, sampled every 50 ms); mapped
            files do not count, because the system drops them when it needs the place. The time is that of the whole
            process.""",
        header=("method", "positions", "pixels", "scan, GB", "peak private memory, GB", "s", "µs per pattern"),
        rows=[
            (
                case.name,
                "×".join(map(str, case.scan)),
                f"{case.detector}×{case.detector}",
                number(case.gigabytes),
                number(child.peak / 1e9),
                number(child.seconds),
                number(child.seconds * 1e6 / (case.scan[0] * case.scan[1])),
            )
            for case, child in children
        ],
        figures=tuple(
            Figure(
                f"peak private memory, {case.name}, {'×'.join(map(str, case.scan))} of {case.detector}² pixels",
                child.peak / 1e9,
                "GB",
                1.5,
            )
            for case, child in children
        ),
    )


def main() -> None:
    """Read the arguments and print the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scan", type=int, nargs=3, help="scan_y, scan_x and pixels along an edge, instead of all")
    chosen = parser.parse_args().scan
    if chosen is None:
        print_section(measure())
        return
    scan = chosen[0], chosen[1]
    cases = Case("published", scan, chosen[2], PUBLISHED), Case("noise-aware", scan, chosen[2])
    print_section(measure(cases))


if __name__ == "__main__":
    main()
