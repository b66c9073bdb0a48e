"""Domains from the similarity of neighbouring diffraction patterns."""

from clustem.segmentation.agreement import adjusted_rand_index
from clustem.segmentation.corrected import SimilarityMap, similarity_map
from clustem.segmentation.domains import Domains
from clustem.segmentation.listing import domain_table
from clustem.segmentation.outlines import contours
from clustem.segmentation.parameters import LabelsParameters, PublishedParameters
from clustem.segmentation.prefilter import published_prefilter
from clustem.segmentation.segmenting import METHODS, segment
from clustem.segmentation.similarity import check_blur, published_similarity
from clustem.segmentation.tree import MergeTree

__all__ = [
    "METHODS",
    "Domains",
    "LabelsParameters",
    "MergeTree",
    "PublishedParameters",
    "SimilarityMap",
    "adjusted_rand_index",
    "check_blur",
    "contours",
    "domain_table",
    "published_prefilter",
    "published_similarity",
    "segment",
    "similarity_map",
]
