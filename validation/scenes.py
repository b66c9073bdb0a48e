"""Scans whose domains are known, thinned to any smaller dose.

A scene is an HDF5 file with, in each group `frame…`, `counts` (scan_y, scan_x, k_y, k_x), `labels` (scan_y, scan_x),
the true connected domains, 0 = vacuum or liquid, and `grain`, the grain of each label; or an `.npz` file with `data`,
`labels` and optionally `labels_merged`, a second truth that is as good, and `pattern`, the grain at each position.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

_SAME_DOSE = 0.98  # of the stored dose: the stored counts are taken as they are


@dataclass(frozen=True, eq=False)
class Scene:
    """Counts (scan_y, scan_x, k_y, k_x), the label images any of which is the truth, and how many kinds of patterns."""

    counts: NDArray[Any]
    truths: tuple[NDArray[np.integer], ...]
    kinds: int

    @property
    def regions(self) -> int:
        """How many regions the first truth has, with the vacuum if there is any."""
        return len(np.unique(self.truths[0]))


def frames_of(path: Path, wanted: list[str]) -> list[str]:
    """Return the names of the wanted frames in a file; "all" stands for every one."""
    if path.suffix == ".npz":
        return [""]
    with h5py.File(path) as file:
        return sorted(name for name in file if name.startswith("frame") and ("all" in wanted or name in wanted))


def read_scene(path: Path, frame: str) -> Scene:
    """Return a scene at the dose that is stored."""
    if path.suffix == ".npz":
        with np.load(path) as file:
            truths = tuple(file[name] for name in ("labels", "labels_merged") if name in file)
            return Scene(file["data"], truths, len(np.unique(file["pattern" if "pattern" in file else "labels"])))
    with h5py.File(path) as file:
        group = file[frame]
        labels = group["labels"][()]
        present = np.unique(labels)
        return Scene(group["counts"][()], (labels,), len(np.unique(group["grain"][()][present])))


def thin(scene: Scene, dose: float, seed: int) -> Scene | None:
    """Return the scene with `dose` electrons per pattern on average, None if it holds fewer.

    Binomial thinning leaves Poisson counts Poisson. A dose within 2 % of the stored one gives the stored counts.
    """
    stored = float(scene.counts.sum(axis=(2, 3), dtype=np.int64).mean())
    if dose * _SAME_DOSE > stored:
        return None
    if dose >= _SAME_DOSE * stored:
        return scene
    counts = np.random.default_rng(seed).binomial(scene.counts, dose / stored).astype(np.uint16)
    return Scene(counts, scene.truths, scene.kinds)
