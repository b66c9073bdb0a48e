"""Figures and the HTML report: records in, figures out."""

from clustem.reporting.boundary_maps import (
    plot_boundary_map,
    plot_internal_misorientation,
    plot_misorientation_histogram,
)
from clustem.reporting.charts import plot_domain_sizes, plot_snr_gain, plot_threshold
from clustem.reporting.colours import domain_colours
from clustem.reporting.gallery import plot_gallery
from clustem.reporting.indexed_patterns import plot_indexed_patterns
from clustem.reporting.maps import plot_beam_displacement, plot_certainty, plot_domain_map, plot_scan_images
from clustem.reporting.orientation_maps import plot_orientation_maps, plot_phase_map
from clustem.reporting.patterns import plot_mean_patterns
from clustem.reporting.publication import publication_averages, publication_map, publication_outlines, write_figures
from clustem.reporting.report import render_report
from clustem.reporting.series_report import render_series_report, write_series_report
from clustem.reporting.strain_maps import plot_strain_maps

__all__ = [
    "domain_colours",
    "plot_beam_displacement",
    "plot_boundary_map",
    "plot_certainty",
    "plot_domain_map",
    "plot_domain_sizes",
    "plot_gallery",
    "plot_indexed_patterns",
    "plot_internal_misorientation",
    "plot_mean_patterns",
    "plot_misorientation_histogram",
    "plot_orientation_maps",
    "plot_phase_map",
    "plot_scan_images",
    "plot_snr_gain",
    "plot_strain_maps",
    "plot_threshold",
    "publication_averages",
    "publication_map",
    "publication_outlines",
    "render_report",
    "render_series_report",
    "write_figures",
    "write_series_report",
]
