"""Similarity of neighbouring patterns: as published, and behind their noise."""

from clustem.segmentation.similarity._kernels import blur_pattern
from clustem.segmentation.similarity.blur import blur_plan
from clustem.segmentation.similarity.corrected import SimilarityMap, similarity_map
from clustem.segmentation.similarity.cosine import (
    UNIQUE,
    around_positions,
    check_blur,
    edge_similarity,
    mean_similarity,
    overlap,
    published_similarity,
)

__all__ = [
    "UNIQUE",
    "SimilarityMap",
    "around_positions",
    "blur_pattern",
    "blur_plan",
    "check_blur",
    "edge_similarity",
    "mean_similarity",
    "overlap",
    "published_similarity",
    "similarity_map",
]
