"""Crystallography of averaged patterns: Bragg peaks, orientation, phase and strain."""

from clustem.crystallography.bootstrapping import bootstrap_strain
from clustem.crystallography.calibrating import RingFit, calibrate_detector, orient_detector
from clustem.crystallography.crystals import Crystal, Site, read_crystal
from clustem.crystallography.finding import find_peaks
from clustem.crystallography.internal_misorientation import (
    grain_reference_orientation_deviation,
    kernel_average_misorientation,
)
from clustem.crystallography.mapping import map_positions
from clustem.crystallography.misorientations import misorientation_table
from clustem.crystallography.orientations import Orientations
from clustem.crystallography.orienting import match_orientations
from clustem.crystallography.position_maps import PositionMaps
from clustem.crystallography.probe import Probe
from clustem.crystallography.record import Peaks
from clustem.crystallography.refining import check_precession
from clustem.crystallography.strain import fit_strain
from clustem.crystallography.strain_record import Strain
from clustem.crystallography.structure_factors import Reflections, structure_factors

__all__ = [
    "Crystal",
    "Orientations",
    "Peaks",
    "PositionMaps",
    "Probe",
    "Reflections",
    "RingFit",
    "Site",
    "Strain",
    "bootstrap_strain",
    "calibrate_detector",
    "check_precession",
    "find_peaks",
    "fit_strain",
    "grain_reference_orientation_deviation",
    "kernel_average_misorientation",
    "map_positions",
    "match_orientations",
    "misorientation_table",
    "orient_detector",
    "read_crystal",
    "structure_factors",
]
