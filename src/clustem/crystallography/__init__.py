"""Crystallography of averaged patterns: Bragg peaks, orientation, phase and strain."""

from clustem.crystallography.finding import find_peaks
from clustem.crystallography.probe import Probe
from clustem.crystallography.record import Peaks
from clustem.crystallography.strain import fit_strain
from clustem.crystallography.strain_record import Strain

__all__ = ["Peaks", "Probe", "Strain", "find_peaks", "fit_strain"]
