"""Crystallography of averaged patterns: Bragg peaks, orientation, phase and strain."""

from clustem.crystallography.finding import find_peaks
from clustem.crystallography.probe import Probe
from clustem.crystallography.record import Peaks

__all__ = ["Peaks", "Probe", "find_peaks"]
