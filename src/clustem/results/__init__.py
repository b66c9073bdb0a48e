"""The record of a run, its folder, and what is written there."""

from clustem.results.adding import added_files, check_new_files
from clustem.results.conventions import CONVENTIONS
from clustem.results.folder import check_output, whole_folder, write_tables
from clustem.results.record import Results
from clustem.results.storage import open_results

__all__ = [
    "CONVENTIONS",
    "Results",
    "added_files",
    "check_new_files",
    "check_output",
    "open_results",
    "whole_folder",
    "write_tables",
]
