"""The default method: regions of like patterns behind their noise, with nothing to tune."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from clustem.scan import Scan
from clustem.segmentation.boundaries import join_doubtful
from clustem.segmentation.confidence import Confidence, judge, split_noise
from clustem.segmentation.domains import Domains
from clustem.segmentation.features import Features, measure_features
from clustem.segmentation.mixtures import mixture_of
from clustem.segmentation.parameters import NoiseAwareParameters
from clustem.segmentation.partition import divide, pieces_of
from clustem.segmentation.quality import Quality, weakest_boundaries
from clustem.segmentation.regions import RegionTree, grow_regions
from clustem.segmentation.tree import MergeTree, number_by_size
from clustem.surveying import Survey

_SURE = 0.7  # confidence from which a domain counts as found again
_MANY = 0.25  # of the domains that are not: the dose is the limit
_COARSE = 0.4  # of the positions at boundaries: the step is
_FEW = 48  # positions of a scan below which nothing is found for want of neighbours
_DOUBTFUL = 0.4  # confidence below which a domain is joined with another if that is as likely


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


def domains_of(
    features: Features, usable: NDArray[np.bool_], survey: Survey, parameters: NoiseAwareParameters
) -> Domains:
    """Return the domains of the usable (scan_y, scan_x) positions of a whole scan, from its features."""
    tree = grow_regions(features, usable)
    halves = split_noise(features)
    found = [_partition(half, grow_regions(half, usable), usable, parameters) for half in halves]
    labels = _partition(features, tree, usable, parameters)
    confidence = judge(labels, found, halves)
    doubtful = [k for k in np.argsort(confidence.domains).tolist() if confidence.domains[k] < _DOUBTFUL]
    if doubtful:
        joined = join_doubtful(features, labels.astype(np.int64) - 1, doubtful, parameters.similarity)
        labels = number_by_size(pieces_of(joined, parameters.min_size), joined >= 0, parameters.min_size)
        confidence = judge(labels, found, halves)
    if not confidence.distinct:
        labels = np.where(usable, 1, 0).astype(np.int32)
        confidence = replace(confidence, domains=np.ones(int(usable.any())))
    mixture, sure = mixture_of(features.whitened, labels)
    return Domains(
        labels=labels,
        method="noise-aware",
        parameters=parameters,
        tree=MergeTree(
            usable.shape, tree.merges[:, 0], tree.merges[:, 1], tree.similarity, usable, parameters.min_size
        ),
        mixture=mixture,
        confidence=confidence.domains,
        quality=Quality(sure, *weakest_boundaries(features, labels)),
        reason=_reason(labels, confidence, features, survey),
        warnings=_warnings(labels, confidence, int(usable.sum())),
    )


def _partition(
    features: Features, tree: RegionTree, usable: NDArray[np.bool_], parameters: NoiseAwareParameters
) -> NDArray[np.int32]:
    """Return labels 1 … K (scan_y, scan_x), 0 = vacuum, not usable, or in no domain."""
    labels = divide(features, tree, usable, parameters).domains
    return number_by_size(labels, labels >= 0, parameters.min_size)


def _reason(labels: NDArray[np.int32], confidence: Confidence, features: Features, survey: Survey) -> str:
    """Return how many domains there are, how sure, and what limits that, in a line."""
    electrons = float(features.values[..., -1].mean(dtype=np.float64))
    unit = "electrons" if survey.noise.kind == "counts" else "units of noise"
    light = f"{electrons:.3g} {unit} outside the beam per pattern"
    if not confidence.distinct:
        return f"no two regions differ beyond noise and gradients; {light}"
    sure = int((confidence.domains >= _SURE).sum())
    found = f"{labels.max()} domains, {sure} of them found again in both halves of the data"
    return f"{found}; limited by {_limit(confidence)}; {light}"


def _limit(confidence: Confidence) -> str:
    """Return what limits a partition most: dose, scan step, or overlap and probe at boundaries."""
    unsure = float((confidence.domains < _SURE).mean()) if confidence.domains.size else 1.0
    if unsure > _MANY:
        return f"the dose, because {unsure:.0%} of the domains are not found again in each half"
    at_boundaries = f"{confidence.boundary:.0%} of the positions are at boundaries"
    if confidence.boundary > _COARSE:
        return f"the scan step: {at_boundaries}"
    return f"overlap and probe at boundaries: {at_boundaries}"


def _warnings(labels: NDArray[np.int32], confidence: Confidence, positions: int) -> tuple[str, ...]:
    warnings = []
    if not confidence.distinct and positions < _FEW:
        warnings.append(
            f"The scan has {positions} usable positions, too few to learn from neighbours what is noise: expected at "
            f"least {_FEW}. Method 'published' with a threshold, or a label image, may do."
        )
    elif not confidence.distinct:
        warnings.append(
            "Nothing in the patterns tells one part of the scan from another: one crystal, no crystal, or too few "
            "electrons."
        )
    elif confidence.domains.size and float(np.median(confidence.domains)) < 0.5:
        warnings.append(
            "Most domains are not found again in both halves of the data: too few electrons, or gradients inside of "
            "crystals, so that boundaries cannot be relied on."
        )
    if not labels.any():
        warnings.append("No domain was found.")
    return tuple(warnings)
