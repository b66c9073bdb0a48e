"""The demonstration: the main job, with orientations, on the bundled sample, compared with its truth."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter, minimum_filter

from clustem.crystallography import Orientations
from clustem.crystallography.rotations import misorientation_deg
from clustem.pipeline import run
from clustem.results import Results
from clustem.segmentation import adjusted_rand_index

SAMPLE = "clustem:film_au"
CRYSTAL = "clustem:Au"
_LEAST = 10  # positions of a true domain for it to be expected
_CLOSE_DEG = 2.0
_COMMAND = f"clustem run {SAMPLE} --crystal {CRYSTAL} -o FOLDER"


def run_demo(output: str | Path, *, force: bool = False) -> tuple[Results, str]:
    """Run the main job on the sample and return the results with a comparison to the truth, as text.

    The sample is a simulated gold film (multislice) of 18 domains at 2000 electrons per pattern. Raises what
    :func:`clustem.run` raises.
    """
    results = run(SAMPLE, output=output, force=force, crystal=CRYSTAL)
    truth, rotations = sample_truth()
    labels = results.domains.labels
    inside = maximum_filter(truth, 3) == minimum_filter(truth, 3)
    pairs, true = matched_domains(labels, truth)
    lines = (
        "Compared with the truth of this simulated gold film (adjusted Rand index: 1 = perfect, 0 = chance):",
        f"  inside domains        {adjusted_rand_index(labels[inside], truth[inside]):.3f}  away from boundaries",
        f"  all positions         {adjusted_rand_index(labels, truth):.3f}  boundaries included",
        f"  true domains          {len(pairs)} of {true} found, those of {_LEAST} positions or more",
        *([] if results.orientations is None else [_orientation_line(results.orientations, pairs, rotations)]),
        f"The same again: {_COMMAND}",
    )
    return results, "\n".join(lines)


def _orientation_line(found: Orientations, pairs: list[tuple[int, int]], rotations: NDArray[np.float64]) -> str:
    """Return how far the orientations of domains are from those of the true domains that they are."""
    symmetry = found.crystals[0].rotations
    pairs = [(label, number) for label, number in pairs if found.found[label - 1]]
    apart = np.array(
        [misorientation_deg(found.rotation[label - 1], rotations[number], symmetry) for label, number in pairs]
    )
    wrong = [label for (label, _), angle in zip(pairs, apart, strict=True) if angle >= _CLOSE_DEG]
    text = f"  orientations          {len(pairs) - len(wrong)} of {len(pairs)} within {_CLOSE_DEG:g}° of the truth"
    if pairs:
        text += f", median {np.median(apart):.2f}°"
    if wrong:
        text += f"; of the wrong ones, {found.ambiguous[np.array(wrong) - 1].sum()} marked ambiguous"
    return text


def matched_domains(labels: NDArray[np.int32], truth: NDArray[np.int32]) -> tuple[list[tuple[int, int]], int]:
    """Return the domains that are true ones, as (label, true label), and how many there are of at least ten positions.

    A true domain is found if a domain overlaps with it by more than half of their union.
    """
    found, true = list[tuple[int, int]](), 0
    for number in range(1, int(truth.max()) + 1):
        here = truth == number
        if here.sum() < _LEAST:
            continue
        true += 1
        label = int(np.bincount(labels[here]).argmax())
        if label > 0 and (here & (labels == label)).sum() > 0.5 * (here | (labels == label)).sum():
            found.append((label, number))
    return found, true


def sample_truth() -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return the true labels (scan_y, scan_x) of the sample, and the orientation (L, 3, 3) of each of them, from 0 on.

    There is no orientation where the label has no grain.
    """
    with resources.as_file(resources.files("clustem") / "data" / "film_au.h5") as path, h5py.File(path) as file:
        labels: NDArray[np.int32] = file["labels"][()]
        grain, rotation = file["grain"][()], file["rotation"][()]
    return labels, np.where((grain >= 0)[:, None, None], rotation[grain], np.nan)
