"""Series of scans: one experiment in time."""

from clustem.series.opening import open_series
from clustem.series.record import Frame, Series

__all__ = ["Frame", "Series", "open_series"]
