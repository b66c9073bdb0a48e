"""Every frame once more, with what the others tell: candidates, their patterns, and the frame measured anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import shift as shift_image

from clustem.scan import Scan
from clustem.series.evidence import Candidate, find_particles, rotated
from clustem.series.frames import MeasuredFrame, is_crystal, measure_labels
from clustem.series.linking import GAP
from clustem.series.observed import Comparisons
from clustem.series.options import DEFAULTS, FrameOptions
from clustem.surveying import Survey

_WINDOW = 3  # frames before and after that a pattern is taken from
_BEYOND = 2  # frames before the first and after the last in which a particle is looked for
_ALIKE = 0.5  # similarity from which the pattern of another frame helps


@dataclass(frozen=True, eq=False)
class RefinedFrame:
    """A frame with its final domains.

    Attributes
    ----------
    candidates : (K,) int64
        Which candidate each domain is, by its place in the list.
    measured : MeasuredFrame
    """

    candidates: NDArray[np.int64]
    measured: MeasuredFrame


@dataclass(frozen=True)
class Prospect:
    """A chain in a frame where it is, or may be. `index` is its domain there, −1 where it was not seen."""

    chain: int
    index: int


def prospects(
    chains: tuple[dict[int, int], ...], time: int, last: int, bounded: set[tuple[int, str]]
) -> list[Prospect]:
    """Return the chains that are, or may be, in a frame.

    `bounded` holds (chain, "split") and (chain, "merge"): those do not reach beyond their begin, or their end.
    """
    found = []
    for number, chain in enumerate(chains):
        begin, end = min(chain), max(chain)
        before = begin if (number, "split") in bounded else max(0, begin - _BEYOND)
        after = end if (number, "merge") in bounded else min(last, end + _BEYOND)
        near = any(abs(frame - time) <= GAP for frame in chain)
        if time in chain:
            found.append(Prospect(number, chain[time]))
        elif before <= time <= after and near:
            found.append(Prospect(number, -1))
    return found


class Candidates:
    """Makes candidates from prospects, with patterns from the frames around."""

    def __init__(
        self, chains: tuple[dict[int, int], ...], comparisons: Comparisons, frame_of: Callable[[int], MeasuredFrame]
    ) -> None:
        self.chains, self.comparisons, self.frame_of = chains, comparisons, frame_of

    def make(self, time: int, chosen: list[Prospect]) -> list[Candidate]:
        """Return one candidate for each prospect of a frame."""
        frame = self.frame_of(time)
        return [self._seen(time, frame, p) if p.index >= 0 else self._expected(time, frame, p) for p in chosen]

    def _seen(self, time: int, frame: MeasuredFrame, prospect: Prospect) -> Candidate:
        """Return a candidate with its own pattern, and those of the frames around that are like it."""
        own = frame.positions[prospect.index]
        total, members = own * _clean(frame, prospect.index), own
        for other in self._around(prospect.chain, time):
            similarity, angle = self._turn(prospect.chain, other, time)
            if similarity >= _ALIKE:
                source = self.frame_of(other)
                index = self.chains[prospect.chain][other]
                weight = source.positions[index]
                total = total + weight * self._brought(source, index, angle, frame)
                members += weight
        return Candidate(self._mask(time, prospect.index), True, total / members, float(members))

    def _expected(self, time: int, frame: MeasuredFrame, prospect: Prospect) -> Candidate:
        """Return a candidate at the place, and with the pattern, that the nearest frames tell."""
        chain = self.chains[prospect.chain]
        around = self._around(prospect.chain, time)
        nearest = [
            *[t for t in around if t < time][-1:],
            *[t for t in around if t > time][:1],
        ]
        total, weights = np.zeros(frame.mask.shape), 0.0
        for other in nearest:
            source, index = self.frame_of(other), chain[other]
            weight = source.positions[index] / abs(other - time)
            angle = self._rate(prospect.chain, other) * (time - other)
            total += weight * self._brought(source, index, angle, frame)
            weights += weight
        nearer = min(nearest, key=lambda t: (abs(t - time), t))
        moved = self.comparisons.drift.between(nearer, time)
        there = self._mask(nearer, chain[nearer]).astype(float)
        mask = shift_image(there, moved, order=1) >= 0.5
        return Candidate(np.asarray(mask, bool), False, total / weights, 0.0)

    def _mask(self, time: int, index: int) -> NDArray[np.bool_]:
        seen = self.comparisons.observed[time]
        assert seen is not None
        mask: NDArray[np.bool_] = seen.labels == index + 1
        return mask

    def _around(self, chain: int, time: int) -> list[int]:
        return [t for t in sorted(self.chains[chain]) if t != time and abs(t - time) <= _WINDOW]

    def _turn(self, chain: int, source: int, time: int) -> tuple[float, float]:
        """Return the similarity of two frames of a chain, and the angle from the first to the second."""
        early, late = sorted((source, time))
        found = self.comparisons.between(early, late)
        place = self.chains[chain][early], self.chains[chain][late]
        angle = float(found.angle[place])
        return float(found.similarity[place]), angle if source == early else -angle

    def _rate(self, chain: int, time: int) -> float:
        """Return by how many degrees per frame a chain turns near a frame; 0 where that cannot be told."""
        others = sorted(self._around(chain, time), key=lambda t: (abs(t - time), t))
        if not others:
            return 0.0
        similarity, angle = self._turn(chain, time, others[0])
        return angle / (others[0] - time) if similarity >= _ALIKE else 0.0

    def _brought(self, source: MeasuredFrame, index: int, angle: float, frame: MeasuredFrame) -> NDArray[np.float64]:
        """Return a pattern of another frame, turned, at the centre and dose of this one."""
        dose = float(frame.total.mean() / max(float(source.total.mean()), 1e-12))
        return dose * rotated(_clean(source, index), angle, source.centre_px, frame.centre_px)


def _clean(frame: MeasuredFrame, index: int) -> NDArray[np.float64]:
    return np.asarray(frame.patterns[index].astype(float) - frame.noise[1])


def refine_frame(
    scan: Scan, frame: MeasuredFrame, candidates: list[Candidate], options: FrameOptions = DEFAULTS
) -> RefinedFrame:
    """Return a frame with the domains that its candidates turn out to be. Those that were not seen must be crystals."""
    labels = find_particles(scan, frame, candidates)
    found = options.survey(scan)
    used = options.positions(found)
    labels = labels if used is None else np.where(used, labels, 0).astype(np.int32)
    refined = _measured(scan, found, frame, labels, candidates, options)
    seen = np.array([candidates[k].seen for k in refined.candidates], bool)
    believed = is_crystal(refined.measured) | seen
    if believed.all():
        return refined
    doubtful = refined.candidates[~believed] + 1
    return _measured(scan, found, frame, np.where(np.isin(labels, doubtful), 0, labels), candidates, options)


def _measured(
    scan: Scan,
    found: Survey,
    frame: MeasuredFrame,
    labels: NDArray[np.int32],
    candidates: list[Candidate],
    options: FrameOptions,
) -> RefinedFrame:
    values = np.unique(labels[labels > 0])
    table = np.zeros(len(candidates) + 1, np.int32)
    table[values] = np.arange(1, values.size + 1)
    known = np.full(len(candidates) + 1, np.nan)
    for n, candidate in enumerate(candidates):
        before = frame.labels[candidate.mask]
        if candidate.seen and before.any():
            known[n + 1] = frame.confidence[before[before > 0][0] - 1]
    measured = measure_labels(scan, found, table[labels], known[values], options)
    return RefinedFrame(values.astype(np.int64) - 1, measured)
