"""Domains ready to have their positions measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.averaging import Averages
from clustem.crystallography.counting import Counting
from clustem.crystallography.crystals import Crystal
from clustem.crystallography.disks import DiskFitter
from clustem.crystallography.local_disks import LocalDisks
from clustem.crystallography.local_domain import LocalDomain
from clustem.crystallography.local_tilts import LocalTilts
from clustem.crystallography.orientations import Orientations
from clustem.crystallography.pattern import Pattern
from clustem.crystallography.probe import Probe
from clustem.crystallography.record import Peaks
from clustem.crystallography.refining import Beam
from clustem.crystallography.scattering import Scattering
from clustem.crystallography.sharpening import sharpened_probe
from clustem.crystallography.strain_record import Strain
from clustem.crystallography.structure_factors import Reflections, structure_factors

Array = NDArray[np.float64]

_FEWEST_DISKS = 3
_BEAM = 2.2  # radii of the probe around the beam that are left out
_LENGTH = 2.0  # 1/Å, of reflections
_POTENTIAL = 3.8  # 1/Å
_SHARPENED = 5  # averages that the probe is taken from


@dataclass(eq=False)
class DomainMaker:
    """Makes the domains whose positions are to be measured, each when it is needed, from what is known of them all."""

    averages: Averages
    peaks: Peaks
    orientations: Orientations | None
    strain: Strain | None
    precession_deg: float
    probe: Any
    crystals: dict[str, tuple[Reflections, Scattering | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.counting = Counting.of(self.averages, self.peaks.mask)
        self.template = self._probe()
        for crystal in () if self.orientations is None else self.orientations.crystals:
            self.crystals[crystal.name] = self._scatterers(crystal)

    def _probe(self) -> Probe:
        if self.probe is not None:
            return self.probe if isinstance(self.probe, Probe) else Probe.measured(self.probe)
        if self.peaks.probe.startswith("spot"):
            return Probe.spot(self.peaks.radius)
        brightest = np.argsort(-self.averages.electrons, kind="stable")[:_SHARPENED].tolist()
        return sharpened_probe(
            [self.averages.patterns[k].astype(np.float64) for k in brightest],
            [int(self.averages.positions[k]) for k in brightest],
            [self._peaks_of(k) for k in brightest],
            self.peaks.mask,
            self.counting,
            self.peaks.radius,
        )

    def _scatterers(self, crystal: Crystal) -> tuple[Reflections, Scattering | None]:
        wavelength, energy = self.peaks.calibration.wavelength_angstrom, self.peaks.calibration.energy_keV
        assert wavelength is not None
        assert energy is not None
        scattering = None
        if self.precession_deg == 0:
            scattering = Scattering.of(crystal, max_g=_POTENTIAL, energy_keV=energy, wavelength=wavelength)
        return structure_factors(crystal, max_g=_LENGTH), scattering

    def _peaks_of(self, k: int) -> tuple[Array, Array]:
        rows = self.peaks.of(k + 1)
        return rows[["k_y", "k_x"]].to_numpy(np.float64), rows["intensity"].to_numpy(np.float64)

    def domain(self, label: int, left: int) -> LocalDomain | None:
        """Return a domain whose first column is `left`; None if nothing is known of it to start from."""
        k = label - 1
        oriented = self.orientations is not None and bool(self.orientations.found[k])
        strained = self.strain is not None and bool(self.strain.measured[k])
        positions, intensities = self._peaks_of(k)
        if not (oriented or strained) or np.isnan(self.peaks.centres[k]).any() or len(positions) < _FEWEST_DISKS:
            return None
        pattern, fitter = self.averages.patterns[k].astype(np.float64), self._fitter(k)
        start = fitter.start(pattern, positions, intensities)
        disks = LocalDisks.of(fitter, pattern, start, int(self.averages.positions[k]), self.counting)
        return LocalDomain(
            disks,
            self._tilts(k, disks) if oriented else None,
            self.orientations.rotation[k] if self.orientations is not None else np.full((3, 3), np.nan),
            self.strain.deformation[k] if self.strain is not None else np.full((2, 2), np.nan),
            self.strain is not None and bool(np.isfinite(self.strain.omega[k])),
            self.peaks.centres[k],
            self.peaks.calibration,
            left,
        )

    def _fitter(self, k: int) -> DiskFitter:
        """Return what fits the disks of an average, without the direct beam."""
        y, x = np.indices(self.peaks.shape)
        centre = self.peaks.centres[k]
        away = np.hypot(y - centre[0], x - centre[1]) > _BEAM * self.template.radius
        return DiskFitter(self.template, self.peaks.mask & away)

    def _tilts(self, k: int, disks: LocalDisks) -> LocalTilts:
        assert self.orientations is not None
        wavelength = self.peaks.calibration.wavelength_angstrom
        assert wavelength is not None
        reflections, scattering = self.crystals[str(self.orientations.phase[k])]
        return LocalTilts.of(
            Pattern.of(self.peaks, k + 1).scaled(1 / float(self.orientations.scale[k])),
            disks.rows,
            disks.intensities,
            reflections,
            scattering,
            self.orientations.rotation[k],
            10 * float(self.orientations.thickness_nm[k]),
            Beam(wavelength, float(np.deg2rad(self.precession_deg))),
        )
