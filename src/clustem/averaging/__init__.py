"""Averaged diffraction patterns of domains, and what averaging gains."""

from clustem.averaging.averaging import average
from clustem.averaging.record import Averages

__all__ = ["Averages", "average"]
