"""Averaged diffraction patterns of domains, what averaging gains, and where their spots are in the scan."""

from clustem.averaging.averaging import average
from clustem.averaging.conversion import label_signal, signal_of_averages, to_signal
from clustem.averaging.dark_field import DarkFields, dark_fields
from clustem.averaging.record import Averages

__all__ = ["Averages", "DarkFields", "average", "dark_fields", "label_signal", "signal_of_averages", "to_signal"]
