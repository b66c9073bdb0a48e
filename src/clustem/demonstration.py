"""The demonstration: the main job on the bundled sample, compared with its truth."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter, minimum_filter

from clustem.pipeline import run
from clustem.results import Results
from clustem.segmentation import adjusted_rand_index

SAMPLE = "clustem:film_au"
_LEAST = 10  # positions of a true domain for it to be expected
_COMMAND = f"clustem run {SAMPLE} -o FOLDER"


def run_demo(output: str | Path, *, force: bool = False) -> tuple[Results, str]:
    """Run the main job on the sample and return the results with a comparison to the truth, as text.

    The sample is a simulated gold film (multislice) of 18 domains at 2000 electrons per pattern. Raises what
    :func:`clustem.run` raises.
    """
    results = run(SAMPLE, output=output, force=force)
    truth = sample_truth()
    labels = results.domains.labels
    inside = maximum_filter(truth, 3) == minimum_filter(truth, 3)
    found, true = matched_domains(labels, truth)
    lines = (
        "Compared with the truth of this simulated gold film (adjusted Rand index: 1 = perfect, 0 = chance):",
        f"  inside domains        {adjusted_rand_index(labels[inside], truth[inside]):.3f}  away from boundaries",
        f"  all positions         {adjusted_rand_index(labels, truth):.3f}  boundaries included",
        f"  true domains          {found} of {true} found, those of {_LEAST} positions or more",
        f"The same again: {_COMMAND}",
    )
    return results, "\n".join(lines)


def matched_domains(labels: NDArray[np.int32], truth: NDArray[np.int32]) -> tuple[int, int]:
    """Return how many true domains were found, and how many there are of at least ten positions.

    A true domain is found if a domain overlaps with it by more than half of their union.
    """
    found = true = 0
    for number in range(1, int(truth.max()) + 1):
        here = truth == number
        if here.sum() < _LEAST:
            continue
        true += 1
        label = np.bincount(labels[here]).argmax()
        found += int(label > 0 and (here & (labels == label)).sum() > 0.5 * (here | (labels == label)).sum())
    return found, true


def sample_truth() -> NDArray[np.int32]:
    """Return the true labels (scan_y, scan_x) of the sample."""
    with resources.as_file(resources.files("clustem") / "data" / "film_au.h5") as path, h5py.File(path) as file:
        labels: NDArray[np.int32] = file["labels"][()]
    return labels
