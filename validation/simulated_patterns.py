"""Patterns of simulated scans: what is expected at each position, row by row, and the counts that are drawn of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from simulated_crystals import Array, Crystal, Optics, Spots, excited

Image = NDArray[np.float32]

PROBE = 0.7
"""Positions, σ of the Gaussian with which the probe mixes the patterns of neighbouring positions."""
REACH = 3
"""Positions up to which it mixes."""
BACKGROUND_SPREAD = 0.25
"""Decay length of the diffuse background as a share of the detector."""
RING = 0.26, 0.06
"""1/Å, radius and width of the ring of what is amorphous, as a liquid or carbon has it."""


class Source(Protocol):
    """What is at each position of a scan, as shares of the electrons, before the probe mixes neighbours."""

    @property
    def grain(self) -> NDArray[np.int32]:
        """Which grain is at each position, 1, 2, …, 0 = none."""

    @property
    def shape(self) -> tuple[int, int]:
        """Positions (scan_y, scan_x)."""

    @property
    def optics(self) -> Optics:
        """Detector and probe."""

    def patterns(self, start: int, stop: int) -> Image:
        """Return the patterns (rows, scan_x, k_y, k_x) of rows, each of sum 1 or less."""

    def diffracted(self) -> float:
        """Return the mean share of the electrons outside of the direct beam."""


@dataclass(frozen=True, eq=False)
class Grain:
    """A crystal, its rotation (crystal to sample), and the direction along which it is bent, from x towards y."""

    crystal: Crystal
    rotation: Array
    bend_axis: float = 0.0


class Scattering(Protocol):
    """How a grain scatters, at n thicknesses in Å and tilts in radians."""

    def patterns(self, grain: Grain, optics: Optics, thickness: Array, tilt: Array) -> Image:
        """Return its patterns (n, k_y, k_x), of sum 1 but for what misses the detector."""

    def direct(self, grain: Grain, optics: Optics, thickness: Array, tilt: Array) -> Array:
        """Return what is left in the direct beam, (n,)."""


class TwoBeam:
    """Every reflection by itself."""

    def patterns(self, grain: Grain, optics: Optics, thickness: Array, tilt: Array) -> Image:
        """Return disks."""
        spots = self._spots(grain, optics, thickness, tilt)
        places = np.vstack([spots.places, optics.centre_px])
        return deposited(places, np.column_stack([spots.shares, spots.direct]), optics)

    def direct(self, grain: Grain, optics: Optics, thickness: Array, tilt: Array) -> Array:
        """Return what no reflection holds."""
        return self._spots(grain, optics, thickness, tilt).direct

    def _spots(self, grain: Grain, optics: Optics, thickness: Array, tilt: Array) -> Spots:
        return excited(grain.crystal, grain.rotation, optics, thickness=thickness, tilt=tilt, bend_axis=grain.bend_axis)


@dataclass(frozen=True, eq=False)
class Film:
    """A specimen: which grain is where (0 = none, i + 1 = grains[i]), thickness in Å, tilt in radians.

    `amorphous` (scan_y, scan_x) is the share of the electrons that what is not crystalline scatters.
    """

    grain: NDArray[np.int32]
    grains: tuple[Grain, ...]
    thickness: Array
    tilt: Array
    amorphous: Array
    optics: Optics
    scattering: Scattering = field(default_factory=TwoBeam)

    @property
    def shape(self) -> tuple[int, int]:
        """Positions (scan_y, scan_x)."""
        return self.grain.shape[0], self.grain.shape[1]

    def patterns(self, start: int, stop: int) -> Image:
        """Return the patterns of rows."""
        grain, rows = self.grain[start:stop], slice(start, stop)
        found = np.zeros((*grain.shape, *self.optics.detector), np.float32)
        for name in np.unique(grain):
            found[grain == name] = self._crystalline(int(name))[self._kinds[rows][grain == name]]
        share = self.amorphous[rows, :, None, None].astype(np.float32)
        found *= 1 - share
        found += share * amorphous(self.optics)
        return found

    @cached_property
    def _kinds(self) -> NDArray[np.int64]:
        """Which of the different patterns of its grain each position has."""
        kinds = np.zeros(self.shape, np.int64)
        for name in range(1, len(self.grains) + 1):
            kinds[self.grain == name] = self._settings(name)[1]
        return kinds

    def _settings(self, name: int) -> tuple[Array, NDArray[np.int64]]:
        """Return the different (thickness, tilt) in a grain, and which of them each of its positions has."""
        here = self.grain == name
        values = np.column_stack([self.thickness[here], self.tilt[here]])
        settings, which = np.unique(values, axis=0, return_inverse=True)
        return settings, which.ravel()

    def _crystalline(self, name: int) -> Image:
        """Return the different patterns of a grain, whole even if a part of it is wanted, so that bytes do not vary."""
        if name == 0:
            return deposited(np.array([self.optics.centre_px]), np.ones((1, 1)), self.optics)
        return self.scattering.patterns(self.grains[name - 1], self.optics, *self._settings(name)[0].T)

    def diffracted(self) -> float:
        """Return the mean share of the electrons outside of the direct beam."""
        outside = np.zeros(self.shape)
        for name in range(1, len(self.grains) + 1):
            settings, which = self._settings(name)
            direct = self.scattering.direct(self.grains[name - 1], self.optics, *settings.T)
            outside[self.grain == name] = 1 - direct[which]
        return float((outside * (1 - self.amorphous) + self.amorphous).mean())


def deposited(places: Array, shares: Array, optics: Optics) -> Image:
    """Return patterns (positions, k_y, k_x) of disks at places (n, 2) in px, which hold shares (positions, n).

    Disks have soft edges and hold their whole share, as far as they are on the detector.
    """
    patterns = np.zeros((len(shares), *optics.detector), np.float32)
    reach = int(np.ceil(optics.disk_px + 1))
    steps = np.arange(-reach, reach + 1)
    for place, share in zip(places, shares.T.astype(np.float32), strict=True):
        y, x = (round(middle) + steps for middle in place.tolist())
        disk = np.clip(optics.disk_px + 0.5 - np.hypot(y[:, None] - place[0], x - place[1]), 0, 1)
        disk = (disk / disk.sum()).astype(np.float32)
        on_y, on_x = ((k >= 0) & (k < size) for k, size in zip((y, x), optics.detector, strict=True))
        rows, columns = y[on_y], x[on_x]
        part = disk[np.ix_(on_y, on_x)]
        patterns[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] += share[:, None, None] * part
    return patterns


def amorphous(optics: Optics) -> Image:
    """Return the pattern (k_y, k_x), of sum 1, of what is amorphous: it falls from the beam, with one ring."""
    distance = optics.distance_px() * optics.inv_angstrom_per_px
    falling = np.exp(-distance / 0.3)
    whole = falling + 0.3 * np.exp(-((distance - RING[0]) ** 2) / (2 * RING[1] ** 2))
    return np.asarray(whole / whole.sum(), np.float32)


def smooth_background(optics: Optics) -> Image:
    """Return a diffuse background (k_y, k_x) of sum 1 that fades from the middle of the detector."""
    whole = np.exp(-optics.distance_px() / (BACKGROUND_SPREAD * min(optics.detector)))
    return np.asarray(whole / whole.sum(), np.float32)


@dataclass(frozen=True, eq=False)
class Exposure:
    """How a specimen is recorded: electrons per pattern, and diffuse background on top of these.

    The background is the same at every position and holds `background` times the mean number of electrons that the
    specimen scatters out of the direct beam. Every row of the scan has random numbers of its own, so counts do not
    depend on how many rows are made at once.
    """

    source: Source
    dose: float
    background: float
    seed: int

    def expected(self, start: int, stop: int) -> Image:
        """Return the expected counts (rows, scan_x, k_y, k_x) of rows."""
        height = self.source.shape[0]
        first, last = max(0, start - REACH), min(height, stop + REACH)
        sharp = self.source.patterns(first, last)
        mixed = gaussian_filter(sharp, PROBE, axes=(0, 1), mode="reflect", radius=REACH)
        mixed = mixed[start - first : stop - first] * np.float32(self.dose)
        if self.background:
            mixed += self.background * self.dose * self.source.diffracted() * smooth_background(self.source.optics)
        return np.asarray(mixed)

    def counts(self, start: int, stop: int) -> NDArray[np.uint16]:
        """Draw the counts (rows, scan_x, k_y, k_x) of rows."""
        mean = self.expected(start, stop)
        drawn = np.empty(mean.shape, np.uint16)
        for row in range(start, stop):
            drawn[row - start] = np.random.default_rng((self.seed, row)).poisson(mean[row - start])
        return drawn

    def blocks(self, rows: int) -> Iterator[tuple[slice, NDArray[np.uint16]]]:
        """Yield the counts of so many rows at a time."""
        for start in range(0, self.source.shape[0], rows):
            stop = min(start + rows, self.source.shape[0])
            yield slice(start, stop), self.counts(start, stop)
