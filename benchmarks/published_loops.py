"""The baseline of the speed bars: the published loops over positions, plainly restated.

    python benchmarks/published_loops.py --detector 192 --positions 16

One thread, NumPy and SciPy, patterns in memory: what a user of the published notebooks waits for, per pattern. Nothing
that both could do once is counted: the prefilter gets patterns that are blurred already.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from synthetic import make_noise
from timing import Work, seconds

OFFSETS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (1, 1), (1, 0), (1, -1), (0, 1))
DISK = [(dy, dx) for dy in range(-4, 5) for dx in range(-4, 5) if dy * dy + dx * dx <= 4.5**2]
_REACH, _EDGE, _BLUR = 4, 12, 3.0
_REGION = 12  # scan positions along an edge of the part that the loops run on

Positions = Sequence[tuple[int, int]]


def similarity(data: NDArray[Any], positions: Positions, sigma: float) -> NDArray[np.float64]:
    """Return the similarity of patterns to their eight neighbours, (positions, 8)."""
    found = np.empty((len(positions), len(OFFSETS)))
    for n, (y, x) in enumerate(positions):
        centre = data[y, x].astype(float) - data[y, x].mean()
        centre = gaussian_filter(centre, sigma) if sigma else centre
        for k, (dy, dx) in enumerate(OFFSETS):
            other = data[y + dy, x + dx].astype(float) - data[y + dy, x + dx].mean()
            other = gaussian_filter(other, sigma) if sigma else other
            found[n, k] = (centre * other).sum() / np.sqrt((centre**2).sum()) / np.sqrt((other**2).sum())
    return found


def prefilter(data: NDArray[Any], blurred: NDArray[Any], positions: Positions) -> NDArray[np.float32]:
    """Return the sums of patterns with their similar neighbours, (positions, k_y, k_x)."""
    pixels = data.shape[-1]
    axis = np.arange(pixels) - (pixels - 1) / 2
    weight = (axis[:, None] ** 2 + axis**2) / pixels**2
    weight[:_EDGE] = weight[-_EDGE:] = 0
    weight[:, :_EDGE] = weight[:, -_EDGE:] = 0
    total = weight.sum()

    def unit(image: NDArray[Any]) -> NDArray[Any]:
        image = (image - (image * weight).sum() / total) * weight
        image /= np.sqrt((image**2).sum())
        return image

    found = np.empty((len(positions), pixels, pixels), np.float32)
    for n, (y, x) in enumerate(positions):
        centre = unit(blurred[y, x])
        products = [(centre * unit(blurred[y + dy, x + dx])).sum() for dy, dx in DISK]
        summed = data[y, x].astype(np.float32)
        for (dy, dx), share in zip(DISK, np.clip((np.array(products) - 0.85) / 0.1, 0, 1), strict=True):
            if share > 1e-3:
                summed = summed + data[y + dy, x + dx] * share
        found[n] = summed
    return found


def seconds_per_pattern(data: NDArray[Any], *, number: int = 16, repeats: int = 3) -> dict[str, float]:
    """Time the loops at a few positions of the first rows of a scan, at least 12×12 positions.

    Returns
    -------
    dict
        Medians in seconds per pattern for ``"similarity 0"``, ``"similarity 1"`` (the blur in px) and ``"prefilter"``.
    """
    region = np.ascontiguousarray(data[:_REGION, :_REGION])
    blurred = gaussian_filter(region.astype(np.float32), (0, 0, _BLUR, _BLUR))
    inner = _REGION - 2 * _REACH
    where = [(_REACH + k % inner, _REACH + k // inner % inner) for k in range(number)]
    works: dict[str, Work] = {
        "similarity 0": partial(similarity, region, where, 0.0),
        "similarity 1": partial(similarity, region, where, 1.0),
        "prefilter": partial(prefilter, region, blurred, where),
    }
    return {name: statistics.median(seconds(work) for _ in range(repeats)) / len(where) for name, work in works.items()}


def main() -> None:
    """Read the arguments and print the times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detector", type=int, default=192, help="pixels along an edge")
    parser.add_argument("--positions", type=int, default=16, help="positions that are timed")
    parser.add_argument("--repeats", type=int, default=3, help="runs of which the median is taken")
    arguments = parser.parse_args()
    noise = make_noise((_REGION, _REGION), arguments.detector)
    taken = seconds_per_pattern(noise, number=arguments.positions, repeats=arguments.repeats)
    for name, value in taken.items():
        print(f"{name}: {value * 1e3:.3f} ms per pattern")


if __name__ == "__main__":
    main()
