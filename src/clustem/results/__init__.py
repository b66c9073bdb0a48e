"""The record of a run, its folder, and what is written there."""

from clustem.results.adding import added_files, check_new_files
from clustem.results.conventions import CONVENTIONS
from clustem.results.folder import check_output, put_right, whole_folder, write_tables
from clustem.results.record import Results
from clustem.results.series_record import SeriesResults
from clustem.results.series_storage import open_series_results
from clustem.results.series_tables import write_series_tables
from clustem.results.storage import open_results

__all__ = [
    "CONVENTIONS",
    "Results",
    "SeriesResults",
    "added_files",
    "check_new_files",
    "check_output",
    "open_results",
    "open_series_results",
    "put_right",
    "whole_folder",
    "write_series_tables",
    "write_tables",
]
