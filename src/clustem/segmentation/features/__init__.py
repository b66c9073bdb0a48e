"""Features of patterns: what is compared of them, with its noise, in windows of the scan."""

from clustem.segmentation.features._binning_kernels import project_patterns
from clustem.segmentation.features.basis import Basis
from clustem.segmentation.features.binning import whole_moves
from clustem.segmentation.features.constants import FEATURES
from clustem.segmentation.features.features import (
    FeatureMaker,
    Features,
    WindowFeatures,
    features_of_rows,
    measure_features,
)
from clustem.segmentation.features.rows import BinnedRows
from clustem.segmentation.features.windows import owners

__all__ = [
    "FEATURES",
    "Basis",
    "BinnedRows",
    "FeatureMaker",
    "Features",
    "WindowFeatures",
    "features_of_rows",
    "measure_features",
    "owners",
    "project_patterns",
    "whole_moves",
]
