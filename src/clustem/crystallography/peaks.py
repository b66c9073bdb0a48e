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
    """Peaks of one pattern: `fit` with the direct beam first if `beam`; score and significance of each."""

    fit: DiskFit
    beam: bool
    scores: NDArray[np.float64]
    least: float


@dataclass(frozen=True, eq=False)
class Finder:
    """Finds the peaks of one pattern after the other."""

    fitter: DiskFitter
    counting: Counting
    template: Template
    significance: float

    @classmethod
    def of(cls, probe: Probe, use: NDArray[np.bool_], counting: Counting) -> Finder:
        """Return the finder for a probe."""
        return cls(DiskFitter(probe, use), counting, Template.of(probe), least_significance(use, probe))

    def find(
        self, pattern: NDArray[np.float64], positions: int, beam: NDArray[np.float64] | None, *, passes: int = _PASSES
    ) -> Found:
        """Find the peaks of the mean of so many patterns; `beam` is where the direct beam is, if it can be seen."""
        variance = self.counting.variance(pattern, positions)
        use, probe = self.fitter.use, self.fitter.probe
        first = np.zeros((0, 2)) if beam is None else beam[None]
        fit = self.fitter.start(pattern, first, np.full(len(first), pattern[use].max(initial=0) / probe.image.max()))
        fit = self.fitter.fit(pattern, variance, fit, rounds=_FIRST_ROUNDS)
        least = np.nan
        for _ in range(passes):
            disks = self.fitter.disks(fit)
            misfit = (_MISFIT * disks) ** 2
            matches = match(pattern - disks, misfit, use, self.template, self.counting, positions)
            least = least_intensity(matches, use, self.significance, self.counting.gain / positions)
            new = candidates(matches, self.significance, probe.radius, fit.positions)
            if not len(new):
                break
            y, x = new.astype(int).T
            start = fit.with_more(new, matches.intensity[y, x])
            fit = self.fitter.fit(pattern, variance, start, rounds=_FIRST_ROUNDS)
            fit = fit.only(self._good(fit, start.positions, len(first)))
        starts = fit.positions
        fit = self.fitter.fit(pattern, variance, fit)
        fit = fit.only(self._good(fit, starts, len(first)))
        return Found(fit, bool(len(first)), self._scores(pattern, fit), least)

    def _good(self, fit: DiskFit, starts: NDArray[np.float64], first: int) -> NDArray[np.bool_]:
        """Return which peaks have neither faded nor wandered off nor joined a stronger one; the first always."""
        radius, (height, width) = self.fitter.probe.radius, self.fitter.use.shape
        good = fit.intensities > _LEAST_ERRORS * fit.errors[:, 2]
        good &= np.hypot(*(fit.positions - starts).T) < max(_DRIFT * radius, 2.0)
        y, x = np.rint(fit.positions).astype(int).T
        good &= (y >= 0) & (x >= 0) & (y < height) & (x < width)
        good[:first] = True
        order = np.argsort(-fit.intensities, kind="stable")
        for rank, strong in enumerate(order):
            if good[strong]:
                weaker = order[rank + 1 :]
                apart = np.hypot(*(fit.positions[weaker] - fit.positions[strong]).T)
                good[weaker[(apart < max(_MERGED * radius, 1.0)) & (weaker >= first)]] = False
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
