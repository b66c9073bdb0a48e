"""Figures and the HTML report: records in, figures out."""

from clustem.reporting.charts import plot_domain_sizes, plot_snr_gain, plot_threshold
from clustem.reporting.colours import domain_colours
from clustem.reporting.gallery import plot_gallery
from clustem.reporting.maps import plot_beam_displacement, plot_certainty, plot_domain_map, plot_scan_images
from clustem.reporting.patterns import plot_mean_patterns
from clustem.reporting.publication import publication_averages, publication_map, publication_outlines, write_figures
from clustem.reporting.report import render_report
from clustem.reporting.series_report import render_series_report, write_series_report

__all__ = [
    "domain_colours",
    "plot_beam_displacement",
    "plot_certainty",
    "plot_domain_map",
    "plot_domain_sizes",
    "plot_gallery",
    "plot_mean_patterns",
    "plot_scan_images",
    "plot_snr_gain",
    "plot_threshold",
    "publication_averages",
    "publication_map",
    "publication_outlines",
    "render_report",
    "render_series_report",
    "write_figures",
    "write_series_report",
]
