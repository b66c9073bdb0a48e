"""The published workflow: similarity, marching, refinement; with its defects mended unless asked for."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clustem.scan import Scan
from clustem.segmentation.domains import Domains, MergeTree, build_tree, number_in_order
from clustem.segmentation.parameters import PublishedParameters
from clustem.segmentation.published.marching import neighbour_pairs, published_clusters
from clustem.segmentation.published.prefilter import filtered_strips
from clustem.segmentation.similarity import edge_similarity, mean_similarity
from clustem.surveying import load_mask

_SHUFFLES = (3, 8)  # least and most; a large scan needs fewer for the same certainty
_SHUFFLED_POSITIONS = 40_000
_TIE = 0.95  # of the longest lifetime: partitions that live so long are equal, the one that leaves out least is taken
_MARGIN = 1.3  # by which a lifetime must exceed the longest of the shuffles


def segment_published(
    scan: Scan,
    parameters: PublishedParameters,
    *,
    detector_mask: ArrayLike | str | Path | None = None,
    scan_mask: ArrayLike | str | Path | None = None,
) -> Domains:
    """Return the domains of the published workflow, see :func:`clustem.segment`."""
    mask = None if scan_mask is None else load_mask(scan_mask, scan.scan_shape, name="scan_mask")
    edges = _similarities(scan, parameters, detector_mask)
    mean = mean_similarity(edges)
    comparable: NDArray[np.bool_] = np.isfinite(mean)
    usable = comparable if mask is None else comparable & mask
    first, second, similarity = neighbour_pairs(edges)
    tree = build_tree(similarity, first, second, usable, parameters.min_size)
    warnings = []
    if parameters.threshold is None:
        threshold, reason, significant = choose_threshold(tree, similarity, first, second)
        if not len(tree.similarity):
            warnings.append("No two neighbouring patterns could be compared.")
        elif not significant:
            warnings.append(_not_significant(detector_mask is not None, parameters, one_line=min(scan.scan_shape) == 1))
    else:
        threshold, reason = parameters.threshold, f"threshold {parameters.threshold:g}, as given"
    labels = _labels(edges, tree, threshold, parameters)
    if not labels.any():
        warnings.append(
            f"No cluster reaches {parameters.min_size} positions at threshold {threshold:.4g}: lower the threshold or "
            "min_size, or blur the patterns (smooth_sigma)."
        )
    return Domains(
        labels=labels,
        method="published",
        parameters=parameters.with_threshold(threshold),
        similarity=mean,
        tree=tree,
        reason=reason,
        calibration=scan.calibration,
        warnings=tuple(warnings),
    )


def _similarities(
    scan: Scan, parameters: PublishedParameters, detector_mask: ArrayLike | str | Path | None
) -> NDArray[np.float64]:
    """Return the similarity of every pair of neighbours once, (4, scan_y, scan_x), after the prefilter if asked for."""
    measure = partial(edge_similarity, detector_mask=detector_mask, smooth_sigma=parameters.smooth_sigma)
    if not parameters.prefilter:
        return measure(scan)
    edges = np.empty((4, *scan.scan_shape))
    for columns, inside, strip in filtered_strips(scan, border=parameters.border):
        edges[..., columns] = measure(strip)[..., inside]
    return edges


def _labels(
    edges: NDArray[np.float64], tree: MergeTree, threshold: float, parameters: PublishedParameters
) -> NDArray[np.int32]:
    if parameters.border == "full":
        return tree.cut(similarity=threshold)
    clusters, seeds = published_clusters(edges, threshold, tree.usable)
    return number_in_order(clusters, seeds, tree.usable, parameters.min_size)


def choose_threshold(
    tree: MergeTree, similarity: NDArray[np.float64], first: NDArray[np.int64], second: NDArray[np.int64]
) -> tuple[float, str, bool]:
    """Return a threshold, why it was chosen, and whether its partition is significant.

    Parameters
    ----------
    tree : MergeTree
    similarity, first, second : (E,) arrays
        All pairs of neighbours, as for :func:`~clustem.segmentation.domains.build_tree`.

    Notes
    -----
    The partition whose domains live longest is taken: the largest `lifetime` of the tree's history among those with
    two domains or more; of partitions within 5 % of it, the one at the lowest threshold. A lifetime is counted in
    merges, so it does not depend on how the similarity is scaled. It is significant if it exceeds that of the same
    scan with its similarities dealt out at random, where there are no domains, by 30 %. If none is, the lowest
    merge is taken, which makes one domain.
    """
    history = tree.history
    several = history.number >= 2
    lifetime = np.where(several, history.lifetime, 0.0)
    if not history.threshold.size:
        return 0.0, "threshold 0: no two neighbours could be compared", False
    best = int(np.flatnonzero(lifetime >= _TIE * lifetime.max())[-1])
    chance = _chance_lifetime(tree, similarity, first, second)
    if lifetime[best] > _MARGIN * chance:
        reason = (
            f"threshold {history.threshold[best]:.4g}, chosen from the spanning tree: its {history.number[best]} "
            f"domains live longest, through {lifetime[best]:.0%} of all merges on average "
            f"(without domains: {chance:.0%})"
        )
        return _allowed(history.threshold[best]), reason, True
    reason = (
        f"threshold {history.threshold[-1]:.4g}: no partition is significant (the longest-lived lasts "
        f"{lifetime[best]:.0%} of all merges; without domains it would be {chance:.0%}, and {_MARGIN * chance:.0%} are "
        "needed), so all is one domain"
    )
    return _allowed(history.threshold[-1]), reason, False


def _allowed(similarity: float) -> float:
    """Return the nearest threshold inside (−1, 1): patterns without noise may have a similarity of exactly 1."""
    return float(np.clip(similarity, np.nextafter(-1, 0), np.nextafter(1, 0)))


def _not_significant(masked: bool, parameters: PublishedParameters, *, one_line: bool) -> str:
    """Return the warning of a scan whose threshold could not be chosen, with the remedies that were not tried."""
    if one_line:
        return "A scan of one line has too few pairs of neighbours for a threshold to be chosen: give one."
    remedies = [] if masked else ["masking the direct beam (detector_mask outside-beam)"]
    remedies += [] if parameters.smooth_sigma else ["blurring the patterns (smooth_sigma 1)"]
    remedies.append("giving a threshold")
    return (
        "No threshold stands out: the scan is one domain, or its similarities are dominated by noise or by what all "
        f"patterns share. What may help: {', '.join(remedies)}."
    )


def _chance_lifetime(tree: MergeTree, similarity: NDArray[np.float64], *ends: NDArray[np.int64]) -> float:
    """Return the longest lifetime of partitions of the same scan with its similarities dealt out at random."""
    good = np.isfinite(similarity) & tree.usable.ravel()[ends[0]] & tree.usable.ravel()[ends[1]]
    first, second = (end[good] for end in ends)
    generator = np.random.default_rng(0)
    longest = 0.0
    for _ in range(int(np.clip(_SHUFFLED_POSITIONS // max(1, int(tree.usable.sum())), *_SHUFFLES))):
        shuffled = build_tree(generator.permutation(similarity[good]), first, second, tree.usable, tree.min_size)
        history: Any = shuffled.history
        longest = max(longest, float(np.where(history.number >= 2, history.lifetime, 0).max(initial=0)))
    return longest
