"""Segmentation of scans while their rows arrive."""

from clustem.streaming.segmenter import StreamingSegmenter

__all__ = ["StreamingSegmenter"]
