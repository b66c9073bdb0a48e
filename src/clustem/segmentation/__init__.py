"""Domains from the similarity of neighbouring diffraction patterns."""

from clustem.segmentation.agreement import adjusted_rand_index
from clustem.segmentation.corrected import SimilarityMap, similarity_map
from clustem.segmentation.domains import Domains, Mixture, Quality
from clustem.segmentation.listing import domain_table
from clustem.segmentation.outlines import contours, polygons
from clustem.segmentation.parameters import LabelsParameters, NoiseAwareParameters, PublishedParameters
from clustem.segmentation.prefilter import published_prefilter
from clustem.segmentation.segmenting import METHODS, check_options, has_option, segment
from clustem.segmentation.similarity import check_blur, published_similarity
from clustem.segmentation.tree import MergeTree

__all__ = [
    "METHODS",
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
