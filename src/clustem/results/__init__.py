"""The record of a run, its folder, and what is written there."""

from clustem.results.conventions import CONVENTIONS
from clustem.results.folder import check_output, whole_folder, write_tables
from clustem.results.record import Results
from clustem.results.storage import open_results

__all__ = ["CONVENTIONS", "Results", "check_output", "open_results", "whole_folder", "write_tables"]
