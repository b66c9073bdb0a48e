"""Domains: the record of a segmentation, its tree, and what is listed, outlined and changed of it."""

from clustem.segmentation.domains._tree_kernels import root_of
from clustem.segmentation.domains.agreement import adjusted_rand_index
from clustem.segmentation.domains.editing import merge_mixture
from clustem.segmentation.domains.listing import domain_table
from clustem.segmentation.domains.outlines import contours, polygons
from clustem.segmentation.domains.record import Domains, Mixture, Quality
from clustem.segmentation.domains.tree import MergeTree, build_tree, component_labels, number_by_size, number_in_order

__all__ = [
    "Domains",
    "MergeTree",
    "Mixture",
    "Quality",
    "adjusted_rand_index",
    "build_tree",
    "component_labels",
    "contours",
    "domain_table",
    "merge_mixture",
    "number_by_size",
    "number_in_order",
    "polygons",
    "root_of",
]
