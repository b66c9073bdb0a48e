"""The peaks of one pattern: seen, fitted together, weeded, and looked for again in what is left."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from clustem.crystallography.counting import Counting
from clustem.crystallography.detection import Template, candidates, least_intensity, least_significance, match
from clustem.crystallography.disks import DiskFit, DiskFitter
from clustem.crystallography.probe import Probe

_PASSES = 3  # of looking for peaks in what the ones before leave
_FIRST_ROUNDS = 6  # of fitting, before the next pass
_LEAST_ERRORS = 2.5  # standard errors of its intensity that a peak keeps in the common fit
_MISFIT = 0.1  # of the height of a disk: what is left of it is not taken for a peak
_DRIFT = 1.5  # probe radii that a peak may move from where it was seen
_MERGED = 0.6  # probe radii below which two peaks are one


@dataclass(frozen=True, eq=False)
class Found:
    """Peaks of one pattern.

    Attributes
    ----------
    fit : DiskFit
    centre : (2,) float64
        Of the direct beam, NaN if it is not seen.
    scores : (n,) float64
        Correlation of every peak with the template.
    least : float
        Intensity that a peak must have to be told from the noise.
    """

    fit: DiskFit
    centre: NDArray[np.float64]
    scores: NDArray[np.float64]
    least: float


@dataclass(frozen=True, eq=False)
class BeamFitter:
    """Fits the direct beam alone: its edge is sharper than those of the peaks, so it has a probe of its own."""

    fitter: DiskFitter
    start: NDArray[np.float64]

    @classmethod
    def of(cls, probe: Probe, use: NDArray[np.bool_], start: NDArray[np.float64]) -> BeamFitter:
        """Return the fitter for a beam near `start`, (y, x) px."""
        y, x = np.indices(use.shape)
        return cls(DiskFitter(probe, use & (np.hypot(y - start[0], x - start[1]) <= probe.half)), start)

    def fit(
        self, pattern: NDArray[np.float64], variance: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the centre (y, x) and the direct beam (k_y, k_x)."""
        within = pattern[self.fitter.use]
        above = np.array([(within - np.median(within)).clip(0).sum()])
        fit = self.fitter.fit(pattern, variance, self.fitter.start(pattern, self.start[None], above))
        return fit.positions[0], self.fitter.disks(fit)


@dataclass(frozen=True, eq=False)
class Finder:
    """Finds the peaks of one pattern after the other."""

    fitter: DiskFitter
    beam: BeamFitter | None
    counting: Counting
    template: Template
    significance: float

    @classmethod
    def of(cls, probe: Probe, use: NDArray[np.bool_], counting: Counting, beam: BeamFitter | None) -> Finder:
        """Return the finder for a probe."""
        return cls(DiskFitter(probe, use), beam, counting, Template.of(probe), least_significance(use, probe))

    def find(self, pattern: NDArray[np.float64], positions: int, *, passes: int = _PASSES) -> Found:
        """Find the peaks of the mean of so many patterns."""
        variance, centre = self.counting.variance(pattern, positions), np.full(2, np.nan)
        misfit = np.zeros(pattern.shape)
        if self.beam is not None:
            centre, beam = self.beam.fit(pattern, variance)
            pattern, misfit = pattern - beam, (_MISFIT * beam) ** 2
        fit, least = self._look(pattern, variance + misfit, misfit, positions, centre, passes)
        starts = fit.positions
        fit = self.fitter.fit(pattern, variance + misfit, fit)
        fit = fit.only(self._good(fit, starts))
        return Found(fit, centre, self._scores(pattern, fit), least)

    def _look(
        self,
        pattern: NDArray[np.float64],
        variance: NDArray[np.float64],
        misfit: NDArray[np.float64],
        positions: int,
        centre: NDArray[np.float64],
        passes: int,
    ) -> tuple[DiskFit, float]:
        """Return a first fit of what is seen, and later of what is seen in what is left; and the least intensity."""
        use, probe, least = self.fitter.use, self.fitter.probe, np.nan
        fit = self.fitter.start(pattern, np.zeros((0, 2)), np.zeros(0))
        for _ in range(passes):
            disks = self.fitter.disks(fit)
            missed = misfit + (_MISFIT * disks) ** 2
            matches = match(pattern - disks, missed, use, self.template, self.counting, positions)
            least = least_intensity(matches, use, self.significance, self.counting.gain / positions)
            taken = np.vstack([fit.positions, *([] if np.isnan(centre).any() else [centre])])
            new = candidates(matches, self.significance, probe.radius, taken)
            if not len(new):
                break
            y, x = new.astype(int).T
            start = fit.with_more(new, matches.intensity[y, x])
            fit = self.fitter.fit(pattern, variance, start, rounds=_FIRST_ROUNDS)
            fit = fit.only(self._good(fit, start.positions))
        return fit, least

    def _good(self, fit: DiskFit, starts: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which peaks have neither faded nor wandered off nor joined a stronger one."""
        radius, (height, width) = self.fitter.probe.radius, self.fitter.use.shape
        good = fit.intensities > _LEAST_ERRORS * fit.errors[:, 2]
        good &= np.hypot(*(fit.positions - starts).T) < max(_DRIFT * radius, 2.0)
        y, x = np.rint(fit.positions).astype(int).T
        good &= (y >= 0) & (x >= 0) & (y < height) & (x < width)
        order = np.argsort(-fit.intensities, kind="stable")
        for rank, strong in enumerate(order):
            if good[strong]:
                weaker = order[rank + 1 :]
                apart = np.hypot(*(fit.positions[weaker] - fit.positions[strong]).T)
                good[weaker[apart < max(_MERGED * radius, 1.0)]] = False
        return good

    def _scores(self, pattern: NDArray[np.float64], fit: DiskFit) -> NDArray[np.float64]:
        """Return the correlation of template and pattern around every peak, the others taken away."""
        left = pattern - self.fitter.disks(fit)
        reach = int(np.ceil(self.fitter.probe.radius + 2))
        scores = np.zeros(len(fit.positions))
        flat = replace(fit, shapes=fit.shapes * [1, 0, 0, 0])
        for n, (y, x) in enumerate(np.rint(fit.positions).astype(int)):
            around = slice(max(0, y - reach), y + reach + 1), slice(max(0, x - reach), x + reach + 1)
            used = self.fitter.use[around]
            data = (left + self.fitter.disks(fit, only=n))[around][used]
            template = self.fitter.disks(flat, only=n)[around][used]
            if data.size > 2 and data.std() > 0 and template.std() > 0:
                scores[n] = np.corrcoef(data, template)[0, 1]
        return scores
