"""How close the segmentation of rows that arrive ends to that of the whole scan, and to the truth.

    python validation/streaming.py SCENE.h5 … --dose 200 2000 20000 --rows 192 --columns 96 --again

Every scene is scored as it is, and as a larger scan, made by mirroring and bending the scene, with counts of its own.
The table has the adjusted Rand index of the streamed partition with the whole one, and of both with the truth; with
`--again` also that of the whole partitions of the larger scan and of another one that differs in its noise only.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scenes import frames_of, read_scene, thin
from score_tables import table
from skimage.measure import label

import clustem

_WAVES, _AMPLITUDE = 3, 2.0  # of the bending, in positions
_ZOOM = 1.5
_RIM = 2  # positions at the edge that are left out: simulated scenes are periodic, so other crystals shine in there
_TOGETHER = 8  # rows that arrive at once


def enlarged(
    counts: NDArray[Any], labels: NDArray[Any], shape: tuple[int, int], dose: float, seed: int, draw: int = 0
) -> tuple[NDArray[np.uint16], NDArray[np.int64]]:
    """Return counts and truth of a larger scan: every position has the pattern of one of the scene, drawn anew.

    Scans of the same seed differ in noise only, which has the number `draw`.
    """
    generator = np.random.default_rng(seed)
    rows, columns = np.indices(shape).astype(float)
    y, x = rows / _ZOOM, columns / _ZOOM
    for _ in range(_WAVES):
        (a, b), (p, q) = generator.uniform(-0.08, 0.08, 2), generator.uniform(0, 2 * np.pi, 2)
        y += _AMPLITUDE * np.sin(a * rows + b * columns + p)
        x += _AMPLITUDE * np.sin(b * rows - a * columns + q)
    inner = tuple(_mirrored(place, size - 2 * _RIM) for place, size in zip((y, x), labels.shape, strict=True))
    source = inner[0] + _RIM, inner[1] + _RIM
    scale = dose / float(counts.sum(axis=(2, 3)).mean())
    drawn = np.empty((*shape, *counts.shape[2:]), np.uint16)
    for row in range(shape[0]):
        expected = counts[source[0][row], source[1][row]] * scale
        drawn[row] = np.random.default_rng((seed, row, draw)).poisson(expected)
    return drawn, label(labels[source], background=0, connectivity=2)


def _mirrored(place: NDArray[np.float64], size: int) -> NDArray[np.int64]:
    whole = np.mod(np.rint(place).astype(np.int64), 2 * size)
    return np.where(whole < size, whole, 2 * size - 1 - whole)


def streamed(counts: NDArray[Any]) -> NDArray[np.int32]:
    """Return the labels that a scan ends with when its rows arrive a few at a time."""
    segmenter = clustem.StreamingSegmenter(counts.shape)
    for start in range(0, len(counts), _TOGETHER):
        segmenter.update(counts[start : start + _TOGETHER])
    return segmenter.finish().labels


def line(
    name: str, dose: float, counts: NDArray[Any], truth: NDArray[Any], again: NDArray[Any] | None = None
) -> list[str]:
    """Return the scores of one scan, and of another one that differs in its noise only."""
    whole, rows = clustem.segment(counts).labels, streamed(counts)
    scores = [clustem.adjusted_rand_index(a, b) for a, b in ((whole, rows), (truth, rows), (truth, whole))]
    numbers = [str(int(labels.max(initial=0))) for labels in (rows, whole)]
    other = "" if again is None else f"{clustem.adjusted_rand_index(whole, clustem.segment(again).labels):.3f}"
    return [name, "×".join(map(str, truth.shape)), f"{dose:g}", *(f"{value:.3f}" for value in scores), *numbers, other]


def lines(arguments: argparse.Namespace) -> Iterator[list[str]]:
    """Yield the scores of all scans."""
    for path in arguments.scenes:
        for frame in frames_of(path, arguments.frames):
            scene = read_scene(path, frame)
            name = f"{path.stem} {frame.removeprefix('frame')}"
            for dose in arguments.dose:
                thinned = thin(scene, dose, arguments.seed)
                if thinned is not None:
                    yield line(name, dose, thinned.counts, thinned.truths[0])
                if arguments.rows:
                    what = scene.counts, scene.truths[0], (arguments.rows, arguments.columns), dose, arguments.seed
                    again = enlarged(*what, draw=1)[0] if arguments.again else None
                    yield line(name, dose, *enlarged(*what), again)


def main() -> None:
    """Read the arguments and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenes", type=Path, nargs="+", help="scans with known domains")
    parser.add_argument("--dose", type=float, nargs="+", default=[200, 2000, 20000], help="electrons per pattern")
    parser.add_argument("--frames", nargs="+", default=["frame000"], help="frames of series, or all")
    parser.add_argument("--rows", type=int, default=192, help="of the larger scan; 0 = none")
    parser.add_argument("--columns", type=int, default=96, help="positions in its rows")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--again", action="store_true", help="segment another draw of the larger scan, too")
    scores = ("streamed, whole", "streamed, truth", "whole, truth")
    head = ("scene", "positions", "electrons", *scores, "domains", "whole", "whole, drawn again")
    print(table(head, lines(parser.parse_args())))


if __name__ == "__main__":
    main()
