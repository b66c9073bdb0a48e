"""Private memory of whole runs on scans of growing size, also larger than memory.

    python benchmarks/large.py --scans 128 512 --detector 192

One small scan is stored as HDF5 with bitshuffle and LZ4; a virtual dataset repeats it along both scan axes, so that
much is read and little is stored.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import h5py
from figures import Figure, Section, number, print_section
from scaling import run_command
from storing import write_hdf5_patterns
from synthetic import Counts, make_scene
from timing import Child, run_child

_TILE = 64


def write_repeated(path: Path, tile: Path, counts: Counts, scan: int) -> None:
    """Write an HDF5 file whose scan of scan×scan positions repeats the one in the file `tile`."""
    height, width, *detector = counts.shape
    source = h5py.VirtualSource(tile.name, "counts", counts.shape)
    layout = h5py.VirtualLayout((scan, scan, *detector), counts.dtype)
    for y in range(0, scan, height):
        for x in range(0, scan, width):
            rows, columns = min(height, scan - y), min(width, scan - x)
            layout[y : y + rows, x : x + columns] = source[:rows, :columns]
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("counts", layout)


def measure_run(tile: Path, counts: Counts, scan: int) -> Child:
    """Run on a scan of scan×scan positions, and throw the results away."""
    with tempfile.TemporaryDirectory() as results:
        path = tile.with_name(f"{scan}.h5")
        write_repeated(path, tile, counts, scan)
        return run_child(run_command(path, Path(results) / "results"))


def measure(*, scans: Sequence[int] = (128, 512), detector: int = 192) -> Section:
    """Run on scans of growing size."""
    counts = make_scene((_TILE, _TILE), detector).counts
    sizes = {scan: scan**2 * detector**2 * counts.itemsize / 1e9 for scan in sorted(scans)}
    with tempfile.TemporaryDirectory() as name:
        tile = Path(name) / "tile.h5"
        write_hdf5_patterns(tile, counts)
        children = {scan: measure_run(tile, counts, scan) for scan in sizes}
    return Section(
        title="Memory",
        text=f"""Whole processes of `clustem run` with a given threshold, at the default budget, report and results
            folder included, on {detector}×{detector} pixels, uint16, HDF5 with bitshuffle+LZ4: {_TILE}×{_TILE} stored
            positions, which a virtual dataset repeats, so these files always come from the file cache. Private memory
            is what belongs to the process alone (RssAnon of Linux, sampled every 50 ms); mapped files do not count,
            because the system drops them when it needs the place. The time is that of the whole process.""",
        header=("positions", "scan, GB", "peak private memory, GB", "s"),
        rows=[
            (f"{scan}×{scan}", number(sizes[scan]), number(child.peak / 1e9), number(child.seconds))
            for scan, child in children.items()
        ],
        figures=tuple(
            Figure(f"peak private memory of a run on {number(sizes[scan])} GB", child.peak / 1e9, "GB", 1.5)
            for scan, child in children.items()
        ),
    )


def main() -> None:
    """Read the arguments and print the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scans", type=int, nargs="+", default=[128, 512], help="positions along an edge")
    parser.add_argument("--detector", type=int, default=192, help="pixels along an edge")
    print_section(measure(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
