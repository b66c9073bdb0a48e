"""The peaks of one pattern: seen, fitted together, weeded, and looked for again in what is left."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clustem.crystallography.counting import Counting
from clustem.crystallography.detection import Template, candidates, least_intensity, least_significance, match
from clustem.crystallography.disks import DiskFit, DiskFitter
from clustem.crystallography.probe import Probe

_PASSES = 3  # of looking for peaks in what the ones before leave
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
        places = np.zeros((0, 2)) if beam is None else beam[None]
        heights = np.full(len(places), pattern[use].max() / probe.image.max())
        fit = self.fitter.fit(pattern, variance, places, heights, rounds=6)
        first, least = len(places), np.nan
        for _ in range(passes):
            disks = fit.model - fit.background
            matches = match(
                pattern - disks, (_MISFIT * disks) ** 2, use, self.template, self.counting, positions
            )
            least = least_intensity(matches, use, self.significance, self.counting.gain / positions)
            new = candidates(matches, self.significance, probe.radius, fit.positions)
            if not len(new):
                break
            y, x = new.astype(int).T
            starts = np.vstack([fit.positions, new])
            fit = self.fitter.fit(pattern, variance, starts, np.append(fit.intensities, matches.intensity[y, x]))
            fit = self._weeded(pattern, variance, fit, starts, first)
        return Found(fit, bool(first), self._scores(pattern, fit), least)

    def _weeded(
        self,
        pattern: NDArray[np.float64],
        variance: NDArray[np.float64],
        fit: DiskFit,
        starts: NDArray[np.float64],
        first: int,
    ) -> DiskFit:
        """Return the fit without peaks that faded, wandered off or joined a stronger one; the first stay."""
        radius = self.fitter.probe.radius
        good = fit.intensities > self.significance / 2 * fit.errors[:, 2]
        good &= np.hypot(*(fit.positions - starts).T) < max(_DRIFT * radius, 2.0)
        y, x = np.rint(fit.positions).astype(int).T
        height, width = self.fitter.shape
        good &= (y >= 0) & (x >= 0) & (y < height) & (x < width)
        good[:first] = True
        for strong in np.argsort(-fit.intensities, kind="stable"):
            if good[strong]:
                apart = np.hypot(*(fit.positions - fit.positions[strong]).T)
                weaker = (apart < max(_MERGED * radius, 1.0)) & (np.arange(len(good)) >= first)
                weaker[strong] = False
                good &= ~(weaker & (fit.intensities <= fit.intensities[strong]))
        if good.all():
            return fit
        return self.fitter.fit(pattern, variance, fit.positions[good], fit.intensities[good])

    def _scores(self, pattern: NDArray[np.float64], fit: DiskFit) -> NDArray[np.float64]:
        """Return the correlation of template and pattern around every peak, the others taken away."""
        columns = self.fitter.columns(fit.positions, fit.shapes)
        left, used = (pattern - fit.model).ravel(), self.fitter.use.ravel()
        y, x = np.indices(self.fitter.shape).reshape(2, -1)
        reach = self.fitter.probe.radius + 2
        scores = np.zeros(len(fit.positions))
        for n, place in enumerate(fit.positions):
            near = np.flatnonzero(used & (np.abs(y - place[0]) <= reach) & (np.abs(x - place[1]) <= reach))
            own = columns[near][:, [6 * n, 6 * n + 3, 6 * n + 4, 6 * n + 5]].toarray()
            data, template = left[near] + own @ fit.shapes[n], own[:, 0]
            if len(near) > 2 and data.std() > 0 and template.std() > 0:
                scores[n] = np.corrcoef(data, template)[0, 1]
        return scores
