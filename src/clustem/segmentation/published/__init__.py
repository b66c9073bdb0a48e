"""The published method: its prefilter, and clusters of patterns whose similarity reaches a threshold."""

from clustem.segmentation.published.marching import neighbour_pairs
from clustem.segmentation.published.prefilter import published_prefilter
from clustem.segmentation.published.segmenting import segment_published

__all__ = [
    "neighbour_pairs",
    "published_prefilter",
    "segment_published",
]
