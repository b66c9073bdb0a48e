"""Series of scans: one experiment in time, and the domains in it followed through time."""

from clustem.series.drift import Drift
from clustem.series.linking import Event
from clustem.series.naming import natural_key, refuse_results, scans_in
from clustem.series.opening import names_series, open_series
from clustem.series.options import check_needs_crystals, check_reference
from clustem.series.orientations import TrackOrientations
from clustem.series.record import Frame, Series
from clustem.series.times import seconds_in
from clustem.series.tracking import track
from clustem.series.tracks import Appearances, Tracks

__all__ = [
    "Appearances",
    "Drift",
    "Event",
    "Frame",
    "Series",
    "TrackOrientations",
    "Tracks",
    "check_needs_crystals",
    "check_reference",
    "names_series",
    "natural_key",
    "open_series",
    "refuse_results",
    "scans_in",
    "seconds_in",
    "track",
]
