"""Ways to divide a scan into domains, from one that is told nothing to some that are told the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from recordings import binned
from skimage.measure import label as connected
from sklearn.cluster import AgglomerativeClustering
from sklearn.decomposition import NMF
from sklearn.feature_extraction.image import grid_to_graph

import clustem

Candidates = Iterator[tuple[NDArray[Any], str]]
"""Label images to choose from by the truth, each with the setting that made it; one, if there is nothing to choose."""

BLURS = (0.0, 1.0, 2.0)
MOST_THRESHOLDS = 2000  # per blur and mask, evenly spaced in merges; small scans have fewer
BEAM_EDGE = 1.5
"""Radii of the direct beam that the masks leave out, as `detector_mask="outside-beam"`."""
FINE_DETECTOR = 100
"""Pixels across from which the detector is binned by 2 for the methods of scikit-learn."""


def outside_beam(counts: NDArray[Any]) -> NDArray[np.bool_]:
    """Return the pixels outside the direct beam; all that can be used if there is none."""
    found = clustem.survey(counts)
    if not np.isfinite(found.beam_radius_px):
        return found.detector_mask
    centre = (float(found.centre_px[0]), float(found.centre_px[1]))
    mask = clustem.annular_mask(counts.shape[2:], centre_px=centre, inner_px=BEAM_EDGE * found.beam_radius_px)
    return mask & found.detector_mask


def every_threshold(
    patterns: Any, mask: NDArray[np.bool_], *, blurs: tuple[float, ...] = BLURS, most: int = MOST_THRESHOLDS
) -> Candidates:
    """Yield what the published method gives at every threshold, with and without blur and mask."""
    for blur, masked in product(blurs, (True, False)):
        domains = clustem.segment(
            patterns, method="published", threshold=0.5, smooth_sigma=blur, detector_mask=mask if masked else None
        )
        if domains.tree is None:
            raise SystemExit("the published method should have a tree")
        thresholds, number, covered = domains.tree.counts()
        changes = np.diff(number, prepend=-1).astype(bool) | np.diff(covered, prepend=-1).astype(bool)
        thresholds = thresholds[changes]
        for threshold in thresholds[:: -(-len(thresholds) // most)]:
            setting = f"{threshold:.3f}, blur {blur:g} px, {'masked' if masked else 'no mask'}"
            yield domains.tree.cut(similarity=float(threshold)), setting


def published_oracle(counts: NDArray[Any], _regions: int, _kinds: int) -> Candidates:
    """The published method at every threshold."""
    yield from every_threshold(counts, outside_beam(counts))


def prefilter_oracle(counts: NDArray[Any], _regions: int, _kinds: int) -> Candidates:
    """The prefilter, with the parameters of the authors' notebook, then the published method at every threshold."""
    yield from every_threshold(np.asarray(clustem.published_prefilter(counts)), outside_beam(counts))


def published_automatic(counts: NDArray[Any], _regions: int, _kinds: int) -> Candidates:
    """The published method, masked and blurred by 1 px, with the threshold that the program chooses."""
    results = clustem.run(counts, method="published", detector_mask="outside-beam", smooth_sigma=1.0)
    yield results.domains.labels, f"{getattr(results.domains.parameters, 'threshold', np.nan):.3f}"


def default(counts: NDArray[Any], _regions: int, _kinds: int) -> Candidates:
    """What `clustem` does with nothing set."""
    yield clustem.segment(counts).labels, ""


def ward(counts: NDArray[Any], regions: int, _kinds: int) -> Candidates:
    """Ward's linkage of scikit-learn between neighbouring positions, given the true number of regions."""
    shape = counts.shape[:2]
    model = AgglomerativeClustering(regions, linkage="ward", connectivity=grid_to_graph(*shape))
    yield model.fit_predict(features(counts)).reshape(shape) + 1, ""


def nmf(counts: NDArray[Any], _regions: int, kinds: int) -> Candidates:
    """The largest component of scikit-learn's NMF with the true number of kinds of patterns, in connected parts."""
    model = NMF(kinds, init="nndsvda", max_iter=300, tol=1e-3)
    largest = model.fit_transform(features(counts)).argmax(axis=1).reshape(counts.shape[:2])
    yield connected(largest, background=-1, connectivity=2), ""


def features(counts: NDArray[Any]) -> NDArray[np.float32]:
    """Return patterns outside the beam in rows, as square roots, whose noise is alike; a fine detector binned by 2."""
    if counts.shape[-1] > FINE_DETECTOR:
        counts = binned(counts)
    mask = outside_beam(counts)
    return np.sqrt(counts[..., mask].clip(0).astype(np.float32)).reshape(-1, int(mask.sum()))


Method = Callable[[NDArray[Any], int, int], Candidates]
"""Called with the counts, the true number of regions, and the true number of kinds of patterns."""
DEFAULT = "default"
ORACLE = "published-oracle"
METHODS: dict[str, Method] = {
    DEFAULT: default,
    ORACLE: published_oracle,
    "published-automatic": published_automatic,
    "prefilter-oracle": prefilter_oracle,
    "ward": ward,
    "nmf": nmf,
}
NAMES = {
    DEFAULT: "clustem, nothing set",
    ORACLE: "published, best threshold",
    "published-automatic": "published, automatic threshold",
    "prefilter-oracle": "prefilter, best threshold",
    "ward": "Ward, true number",
    "nmf": "NMF, true number",
}
