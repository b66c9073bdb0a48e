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
from clustem.segmentation.parameters import Border, LabelsParameters, NoiseAwareParameters, PublishedParameters
from clustem.segmentation.published import published_prefilter
from clustem.segmentation.segmenting import METHODS, check_options, has_option, segment
from clustem.segmentation.similarity import SimilarityMap, check_blur, published_similarity, similarity_map

__all__ = [
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
