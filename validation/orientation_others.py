"""Orientations of other programs, compared with the truth.

    python validation/orientation_others.py PEAKS FOUND --crystal Au.cif

PEAKS is the folder that `orientation.py --peaks` wrote, FOUND one of the same file names with what
`orientation_pyxem.py` or `orientation_py4dstem.py` made of each. For every file, and for all of one dose: how many
domains are within 2° of the truth, the median, and patterns per second of processor time.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from orientation import CLOSE_DEG

import clustem
from clustem.crystallography.rotations import misorientation_deg


def line(title: str, errors: list[float], seconds: float) -> str:
    """Return a row of the table."""
    close = np.mean(np.array(errors) < CLOSE_DEG)
    speed = len(errors) / max(seconds, 1e-9)
    return f"{title:<28} n {len(errors):4d}  within 2° {close:6.1%}  median {np.median(errors):.2f}°  {speed:.1f}/s"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peaks", type=Path)
    parser.add_argument("found", type=Path)
    parser.add_argument("--crystal", required=True)
    options = parser.parse_args()
    symmetry = clustem.read_crystal(options.crystal).rotations
    errors: dict[str, list[float]] = defaultdict(list)
    seconds: dict[str, float] = defaultdict(float)
    for path in sorted(options.found.glob("*.npz")):
        found, true = np.load(path), np.load(options.peaks / path.name)["rotation"]
        one = [float(misorientation_deg(a, b, symmetry)) for a, b in zip(found["rotation"], true, strict=True)]
        print(line(path.stem, one, float(found["seconds"])))
        dose = path.stem.rsplit("_", 1)[-1]
        errors[dose] += one
        seconds[dose] += float(found["seconds"])
    for dose, one in errors.items():
        print(line(f"all {dose}", one, seconds[dose]))


if __name__ == "__main__":
    main()
