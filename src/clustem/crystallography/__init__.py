"""Crystallography of averaged patterns: Bragg peaks, orientation, phase and strain."""

from clustem.crystallography.record import Peaks

__all__ = ["Peaks"]
