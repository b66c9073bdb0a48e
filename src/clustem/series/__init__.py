"""Series of scans: one experiment in time, and the domains in it followed through time."""

from clustem.series.drift import Drift
from clustem.series.linking import Event
from clustem.series.opening import open_series
from clustem.series.record import Frame, Series
from clustem.series.tracking import track
from clustem.series.tracks import Appearances, Tracks

__all__ = ["Appearances", "Drift", "Event", "Frame", "Series", "Tracks", "open_series", "track"]
