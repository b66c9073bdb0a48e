"""Find crystallographic domains in 4D-STEM scans, outline them, average their patterns, and map them.

The public names below are imported when they are first used, so that ``import clustem`` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clustem.averaging import Averages as Averages
    from clustem.averaging import DarkFields as DarkFields
    from clustem.averaging import average as average
    from clustem.averaging import dark_fields as dark_fields
    from clustem.calibration import Calibration as Calibration
    from clustem.computing import execution as execution
    from clustem.crystallography import Crystal as Crystal
    from clustem.crystallography import Orientations as Orientations
    from clustem.crystallography import Peaks as Peaks
    from clustem.crystallography import PositionMaps as PositionMaps
    from clustem.crystallography import Probe as Probe
    from clustem.crystallography import RingFit as RingFit
    from clustem.crystallography import Site as Site
    from clustem.crystallography import Strain as Strain
    from clustem.crystallography import bootstrap_strain as bootstrap_strain
    from clustem.crystallography import calibrate_detector as calibrate_detector
    from clustem.crystallography import find_peaks as find_peaks
    from clustem.crystallography import fit_strain as fit_strain
    from clustem.crystallography import grain_reference_orientation_deviation as grain_reference_orientation_deviation
    from clustem.crystallography import kernel_average_misorientation as kernel_average_misorientation
    from clustem.crystallography import map_positions as map_positions
    from clustem.crystallography import match_orientations as match_orientations
    from clustem.crystallography import misorientation_table as misorientation_table
    from clustem.crystallography import orient_detector as orient_detector
    from clustem.crystallography import read_crystal as read_crystal
    from clustem.crystallography import structure_factors as structure_factors
    from clustem.errors import InputError as InputError
    from clustem.errors import MissingFileError as MissingFileError
    from clustem.errors import OutputError as OutputError
    from clustem.exporting import export as export
    from clustem.formats import open_scan as open_scan
    from clustem.pipeline import run as run
    from clustem.results import Results as Results
    from clustem.results import SeriesResults as SeriesResults
    from clustem.results import open_results as open_results
    from clustem.results import open_series_results as open_series_results
    from clustem.scan import Scan as Scan
    from clustem.segmentation import Domains as Domains
    from clustem.segmentation import MergeTree as MergeTree
    from clustem.segmentation import Mixture as Mixture
    from clustem.segmentation import SimilarityMap as SimilarityMap
    from clustem.segmentation import adjusted_rand_index as adjusted_rand_index
    from clustem.segmentation import contours as contours
    from clustem.segmentation import domain_table as domain_table
    from clustem.segmentation import polygons as polygons
    from clustem.segmentation import published_prefilter as published_prefilter
    from clustem.segmentation import published_similarity as published_similarity
    from clustem.segmentation import segment as segment
    from clustem.segmentation import similarity_map as similarity_map
    from clustem.series import Series as Series
    from clustem.series import Tracks as Tracks
    from clustem.series import open_series as open_series
    from clustem.series import track as track
    from clustem.series_pipeline import run_series as run_series
    from clustem.series_pipeline import watch as watch
    from clustem.streaming import StreamingSegmenter as StreamingSegmenter
    from clustem.surveying import NoiseModel as NoiseModel
    from clustem.surveying import Survey as Survey
    from clustem.surveying import annular_mask as annular_mask
    from clustem.surveying import background_mask as background_mask
    from clustem.surveying import beam_stop_mask as beam_stop_mask
    from clustem.surveying import load_mask as load_mask
    from clustem.surveying import survey as survey

_HOME = {
    "calibration": ("Calibration",),
    "errors": ("InputError", "MissingFileError", "OutputError"),
    "scan": ("Scan",),
    "computing": ("execution",),
    "formats": ("open_scan",),
    "surveying": (
        "NoiseModel",
        "Survey",
        "survey",
        "annular_mask",
        "background_mask",
        "beam_stop_mask",
        "load_mask",
    ),
    "averaging": ("Averages", "DarkFields", "average", "dark_fields"),
    "segmentation": (
        "Domains",
        "MergeTree",
        "Mixture",
        "SimilarityMap",
        "adjusted_rand_index",
        "contours",
        "domain_table",
        "polygons",
        "published_prefilter",
        "published_similarity",
        "segment",
        "similarity_map",
    ),
    "crystallography": (
        "Crystal",
        "Orientations",
        "Peaks",
        "PositionMaps",
        "Probe",
        "RingFit",
        "Site",
        "Strain",
        "bootstrap_strain",
        "calibrate_detector",
        "find_peaks",
        "fit_strain",
        "grain_reference_orientation_deviation",
        "kernel_average_misorientation",
        "map_positions",
        "match_orientations",
        "misorientation_table",
        "orient_detector",
        "read_crystal",
        "structure_factors",
    ),
    "streaming": ("StreamingSegmenter",),
    "series": ("Series", "Tracks", "open_series", "track"),
    "results": ("Results", "SeriesResults", "open_results", "open_series_results"),
    "exporting": ("export",),
    "pipeline": ("run",),
    "series_pipeline": ("run_series", "watch"),
}
_PUBLIC = {name: room for room, names in _HOME.items() for name in names}
__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("clustem")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'clustem' has no attribute {name!r}")
    value = getattr(import_module(f"clustem.{_PUBLIC[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
