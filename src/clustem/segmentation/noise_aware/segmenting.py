"""The default method: regions of like patterns behind their noise, with nothing to tune."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from clustem.computing import all_at_once
from clustem.scan import Scan
from clustem.segmentation.domains import Domains, MergeTree, Quality, build_tree, number_by_size
from clustem.segmentation.features import Features, measure_features
from clustem.segmentation.noise_aware.confidence import Confidence, judge, split_noise
from clustem.segmentation.noise_aware.constants import CONFIDENCE
from clustem.segmentation.noise_aware.mixtures import mixture_of
from clustem.segmentation.noise_aware.partition import Regions, divide
from clustem.segmentation.noise_aware.quality import weakest_boundaries
from clustem.segmentation.parameters import NoiseAwareParameters
from clustem.solving import small_products
from clustem.surveying import Survey


def segment_noise_aware(
    scan: Scan,
    survey: Survey,
    parameters: NoiseAwareParameters,
    *,
    detector_mask: NDArray[np.bool_] | None = None,
    scan_mask: NDArray[np.bool_] | None = None,
) -> Domains:
    """Return the domains of the noise-aware method, see :func:`clustem.segment`."""
    features = measure_features(scan, survey, detector_mask=detector_mask)
    usable = ~survey.dead_positions if scan_mask is None else ~survey.dead_positions & scan_mask
    return replace(domains_of(features, usable, survey, parameters), calibration=scan.calibration)


@small_products()
def domains_of(
    features: Features, usable: NDArray[np.bool_], survey: Survey, parameters: NoiseAwareParameters
) -> Domains:
    """Return the domains of the usable (scan_y, scan_x) positions of a whole scan, from its features."""
    sets = features, *split_noise(features)
    regions, *again = all_at_once([partial(divide, each, usable, parameters) for each in sets])
    labels = _numbered(regions, parameters)
    confidence = judge(labels, [_numbered(half, parameters) for half in again])
    number = int(labels.max(initial=0))
    distinct = features.structured and confidence.distinct
    if not distinct:
        labels = np.where(usable, 1, 0).astype(np.int32)
        confidence = replace(confidence, domains=np.ones(int(usable.any())), distinct=False)
    mixture, sure = mixture_of(features, labels)
    return Domains(
        labels=labels,
        method="noise-aware",
        parameters=parameters,
        tree=_tree(regions, usable, parameters.min_size),
        mixture=mixture,
        confidence=confidence.domains,
        quality=Quality(sure, *weakest_boundaries(features, labels)),
        reason=_reason(number, confidence, features, survey),
        warnings=_warnings(labels, number, confidence, int(usable.sum())),
    )


def _numbered(regions: Regions, parameters: NoiseAwareParameters) -> NDArray[np.int32]:
    """Return labels 1 … K (scan_y, scan_x), 0 = vacuum, not usable, or in no domain."""
    return number_by_size(regions.domains, regions.domains >= 0, parameters.min_size)


def _tree(regions: Regions, usable: NDArray[np.bool_], min_size: int) -> MergeTree:
    """Return the tree of all merges: those of fragments, those of regions, and what the pairs that are left share."""
    joined = regions.joined
    heights = np.minimum.accumulate(joined.heights) if joined.heights.size else joined.heights
    pairs = np.concatenate([regions.merges, joined.merges, joined.pairs])
    similarity = np.concatenate([np.ones(len(regions.merges)), heights, joined.left])
    return build_tree(similarity, pairs[:, 0], pairs[:, 1], usable, min_size)


def _reason(number: int, confidence: Confidence, features: Features, survey: Survey) -> str:
    """Return how many domains there are, how sure, and what limits that, in a line."""
    light = _light(features, survey)
    if not confidence.distinct and number > 1:
        return f"{number} regions differ, but not in both halves of the data: one domain; {light}"
    if not confidence.distinct:
        return f"no two regions differ beyond noise and gradients; {light}"
    sure = int((confidence.domains >= CONFIDENCE.sure).sum())
    found = f"{number} domains, {sure} of them found again in both halves of the data"
    return f"{found}; limited by {_limit(confidence)}; {light}"


def _light(features: Features, survey: Survey) -> str:
    """Return how much is outside of the beam, and where the noise is from if no model fits."""
    if not all(window.counted for window in features.windows):
        return "the noise is that between neighbouring positions, because it does not follow the mean of pixels"
    electrons = float(features.electrons.mean(dtype=np.float64))
    unit = "electrons" if survey.noise.kind == "counts" else "units of noise"
    return f"{electrons:.3g} {unit} outside the beam per pattern"


def _limit(confidence: Confidence) -> str:
    """Return what limits a partition most: dose, scan step, or overlap and probe at boundaries."""
    unsure = float((confidence.domains < CONFIDENCE.sure).mean()) if confidence.domains.size else 1.0
    if unsure > CONFIDENCE.many:
        return f"the dose, because {unsure:.0%} of the domains are not found again in each half"
    at_boundaries = f"{confidence.boundary:.0%} of the positions are at boundaries"
    if confidence.boundary > CONFIDENCE.coarse:
        return f"the scan step: {at_boundaries}"
    return f"overlap and probe at boundaries: {at_boundaries}"


def _warnings(labels: NDArray[np.int32], number: int, confidence: Confidence, positions: int) -> tuple[str, ...]:
    """Return what a user should know; so many regions differed in so many positions before halves were asked."""
    warnings = []
    if not confidence.distinct and positions < CONFIDENCE.few:
        warnings.append(
            f"The scan has {positions} usable positions, too few to learn from neighbours what is noise: expected at "
            f"least {CONFIDENCE.few}. Method 'published' with a threshold, or a label image, may do."
        )
    elif not confidence.distinct and number > 1:
        warnings.append(
            "What differs between parts of the scan is not the same in both halves of the data: too few electrons, or "
            "patterns that no neighbour repeats."
        )
    elif not confidence.distinct:
        warnings.append(
            "Nothing in the patterns tells one part of the scan from another: one crystal, no crystal, or too few "
            "electrons."
        )
    elif confidence.boundary > CONFIDENCE.coarse:
        warnings.append(
            f"{confidence.boundary:.0%} of the positions are at boundaries: crystals are hardly larger than the scan "
            "step, and smaller ones were joined with their neighbours. A smaller step shows them."
        )
    elif confidence.domains.size and float(np.median(confidence.domains)) < 0.5:
        warnings.append(
            "Most domains are not found again in both halves of the data: too few electrons, or gradients inside of "
            "crystals, so that boundaries cannot be relied on."
        )
    if not labels.any():
        warnings.append("No domain was found.")
    return tuple(warnings)
