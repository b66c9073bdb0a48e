"""Domains from the similarity of neighbouring diffraction patterns."""

from clustem.segmentation.domains import (
    Domains,
    MergeTree,
    Mixture,
    Quality,
    adjusted_rand_index,
    contours,
    domain_table,
    polygons,
)
from clustem.segmentation.features import FEATURES
from clustem.segmentation.noise_aware import BACKGROUND, CONFIDENCE, MIXTURES, SEGMENTATION
from clustem.segmentation.parameters import Border, LabelsParameters, NoiseAwareParameters, PublishedParameters
from clustem.segmentation.published import published_prefilter
from clustem.segmentation.segmenting import METHODS, check_options, has_option, segment
from clustem.segmentation.similarity import SimilarityMap, check_blur, published_similarity, similarity_map

ALL_CONSTANTS = FEATURES, SEGMENTATION, MIXTURES, BACKGROUND, CONFIDENCE
"""The numbers of all stages: what is computed with others is something else."""

__all__ = [
    "ALL_CONSTANTS",
    "METHODS",
    "Border",
    "Domains",
    "LabelsParameters",
    "MergeTree",
    "Mixture",
    "NoiseAwareParameters",
    "PublishedParameters",
    "Quality",
    "SimilarityMap",
    "adjusted_rand_index",
    "check_blur",
    "check_options",
    "contours",
    "domain_table",
    "has_option",
    "polygons",
    "published_prefilter",
    "published_similarity",
    "segment",
    "similarity_map",
]
