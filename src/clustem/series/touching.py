"""Particles that touch: domains of single frames that hold two of them, as the frames before or after tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from scipy.ndimage import shift as shift_image

from clustem.series.drift import Drift
from clustem.series.frames import MeasuredFrame
from clustem.series.linking import Event, Links
from clustem.series.polar import PolarPatterns, compare_rotated, similarity_at, similarity_error

_ONE = 0.9  # similarity from which two halves are one crystal
_ERRORS = 2.0  # standard errors by which it must be less
_LEAST = 5  # positions of a half
_THERE = 0.5  # of the positions of a particle, that its half has at least
_LASTING = 3  # frames that both particles are seen in as two
_AHEAD = 6  # frames in which the halves are too much alike to tell, beyond which one where they differ is looked for
_TURNED = 0.6  # similarity of two particles, if one may be rotated, from which they may become alike by turning
_TOGETHER = 12  # frames in which particles that are two before and after may be too much alike to tell
_SAME = 0.75  # share of the positions that both sides of such frames divide alike

Halves = tuple[NDArray[np.bool_], NDArray[np.bool_]]


@dataclass(frozen=True)
class Likeness:
    """Similarity of the patterns of two halves, and its standard error; NaN where one has no signal."""

    similarity: float
    error: float

    @classmethod
    def of(cls, patterns: PolarPatterns, i: int, j: int) -> Likeness:
        """Return that of two patterns of a frame."""
        return cls(similarity_at(patterns, i, patterns, j, 0.0), similarity_error(patterns, i, patterns, j))


@dataclass(frozen=True, eq=False)
class _Two:
    """Where two particles are in a frame in which they are two."""

    time: int
    masks: Halves


def divide_touching(
    links: Links,
    drift: Drift,
    frame_of: Callable[[int], MeasuredFrame],
    likeness_in: Callable[[int, NDArray[np.int32], int, int], Likeness],
) -> dict[int, NDArray[np.int32]]:
    """Return labels (scan_y, scan_x), by time, of the frames in which domains hold two particles, which are divided.

    Parameters
    ----------
    links : Links
    drift : Drift
    frame_of : callable
        Time → its frame.
    likeness_in : callable
        Time, labels (scan_y, scan_x), indices i and j → how alike domains i and j of these labels are.

    Notes
    -----
    Particles that touch in nearly the same orientation are one domain of a frame by itself. Where two became one, or
    one became two, the outlines of both divide the domains of the frames after, or before, as long as the patterns of
    the halves are less alike than those of one crystal. Then up to six frames may follow in which they are too much
    alike to tell, if one crystal can turn into the other, and they differ once more beyond these; and up to twelve
    between two frames in which there are two, if the outlines before and after agree: those are divided by place alone.
    """
    touching = _Touching(links, drift, frame_of, likeness_in)
    ends = [(event, touching.follow(event)) for event in links.events if event.kind in ("merge", "split")]
    for merge, before in ends:
        for split, after in ends:
            same = merge.children[0] == split.parents[0] and merge.frame < split.frame
            if merge.kind == "merge" and split.kind == "split" and same and before and after:
                touching.bridge(merge.children[0], before, after)
    for chain, times in enumerate(map(sorted, links.chains)):
        for early, late in pairwise(times):
            if late - early > 1:
                touching.fill(chain, early, late)
    return touching.divided


class _Touching:
    """The domains that were divided so far: labels by time, and their places."""

    def __init__(
        self,
        links: Links,
        drift: Drift,
        frame_of: Callable[[int], MeasuredFrame],
        likeness_in: Callable[[int, NDArray[np.int32], int, int], Likeness],
    ) -> None:
        self.chains, self.drift, self.frame_of, self.likeness_in = links.chains, drift, frame_of, likeness_in
        self.divided: dict[int, NDArray[np.int32]] = {}
        self.places: set[tuple[int, int]] = set()
        self.chain_at = {place: n for n, chain in enumerate(self.chains) for place in chain.items()}
        self.known = {time for time, _ in self.chain_at}

    def follow(self, event: Event) -> _Two | None:
        """Divide the frames after a merge, or before a split, and return the last one in which there are two.

        None if one of the two is seen by itself too shortly to be believed.
        """
        if event.kind == "merge":
            chain, other, times = event.children[0], event.parents[-1], sorted(self.chains[event.children[0]])
            time, joined = max(self.chains[other]), [t for t in times if t >= event.frame]
        else:
            chain, other, times = event.parents[0], event.children[-1], sorted(self.chains[event.parents[0]])
            time, joined = min(self.chains[other]), [t for t in times if t < event.frame][::-1]
        if time not in self.chains[chain] or min(len(self.chains[other]), len(times) - len(joined)) < _LASTING:
            return None
        two = last = _Two(time, (self._mask(time, chain), self._mask(time, other)))
        ahead = _AHEAD if self._may_turn(time, chain, other) else 0
        alike: list[_Two] = []
        for t in joined:
            halves = self._halves(t, chain, last)
            if halves is None or len(alike) > ahead:
                break
            last = _Two(t, halves)
            alike.append(last)
            if self._differ(last):
                for found in alike:
                    self._divide(chain, found)
                two, alike = last, []
        return two

    def fill(self, chain: int, early: int, late: int) -> None:
        """Divide the domains of another chain in which one is hidden between two frames."""
        between = [t for t in range(early + 1, late) if t in self.known]
        if not between:
            return
        labels = self.frame_of(between[0]).labels
        place = np.argwhere(self._mask(early, chain)) + self.drift.between(early, between[0])
        there = np.clip(np.rint(place).astype(int), 0, np.array(labels.shape) - 1)
        label = int(np.bincount(labels[tuple(there.T)]).argmax())
        other = self.chain_at.get((between[0], label - 1))
        if other is not None and {early, late} <= self.chains[other].keys():
            before, after = (_Two(t, (self._mask(t, other), self._mask(t, chain))) for t in (early, late))
            self.bridge(other, before, after)

    def _mask(self, time: int, chain: int) -> NDArray[np.bool_]:
        """Return where a chain is in a frame by itself."""
        mask: NDArray[np.bool_] = self.frame_of(time).labels == self.chains[chain][time] + 1
        return mask

    def _may_turn(self, time: int, chain: int, other: int) -> bool:
        """Return whether the pattern of one particle, rotated, is like that of another."""
        polar = self.frame_of(time).polar()
        one, two = (polar.only([self.chains[n][time]]) for n in (chain, other))
        return bool(compare_rotated(one, two)[0][0, 0] >= _TURNED)

    def bridge(self, chain: int, before: _Two, after: _Two) -> None:
        """Divide the frames between two in which there are two, if these are few and both divide them alike."""
        between = [t for t in sorted(self.chains[chain]) if before.time < t < after.time]
        if not between or len(between) > _TOGETHER:
            return
        found = [(self._halves(t, chain, before), self._halves(t, chain, after)) for t in between]
        if all(one is not None and two is not None and _agree(one, two) for one, two in found):
            for t, (halves, _) in zip(between, found, strict=True):
                assert halves is not None
                self._divide(chain, _Two(t, halves))

    def _halves(self, time: int, chain: int, two: _Two) -> Halves | None:
        """Return the positions of a domain that are nearer to the one and to the other; None if these are too few."""
        index = self.chains[chain][time]
        if (time, index) in self.places:
            return None
        domain = self._mask(time, chain)
        moved = self.drift.between(two.time, time)
        away = [shift_image(distance_transform_edt(~m), moved, order=1, mode="nearest") for m in two.masks]
        halves = domain & (away[0] <= away[1]), domain & (away[0] > away[1])
        sizes = [(int(half.sum()), int(mask.sum())) for half, mask in zip(halves, two.masks, strict=True)]
        return halves if all(size >= max(_LEAST, _THERE * before) for size, before in sizes) else None

    def _differ(self, two: _Two) -> bool:
        """Return whether the patterns of two halves are less alike than those of one crystal."""
        labels, (one, other) = self._with(two)
        found = self.likeness_in(two.time, labels, one, other)
        return found.similarity + _ERRORS * found.error < _ONE

    def _divide(self, chain: int, two: _Two) -> None:
        self.divided[two.time], _ = self._with(two)
        self.places.add((two.time, self.chains[chain][two.time]))

    def _with(self, two: _Two) -> tuple[NDArray[np.int32], tuple[int, int]]:
        """Return the labels of a frame in which the second half is a domain of its own, and the indices of both."""
        labels = self.divided.get(two.time, self.frame_of(two.time).labels).copy()
        own, new = int(labels[two.masks[0]][0]), int(labels.max()) + 1
        labels[two.masks[1]] = new
        return labels, (own - 1, new - 1)


def _agree(one: Halves, two: Halves) -> bool:
    """Return whether a domain is divided in nearly the same way."""
    alike = float((one[0] & two[0]).sum() + (one[1] & two[1]).sum()) / float(one[0].sum() + one[1].sum())
    return max(alike, 1 - alike) >= _SAME
