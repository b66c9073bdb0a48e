"""Identity through time: which domains of different frames are the same particle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clustem.series.drift import Drift
from clustem.series.observed import FAR, Comparisons, Observed

CUTOFF = 1.25  # cost up to which domains are the same: half of the place, or the pattern, must agree
GAP = 3  # frames in which a particle may be missed
_COVERED = 0.5  # share of a domain that another has taken in, from which it merged into that one or split from it
_EVENT = 0.4  # cost of a merge or split at its best: continuing is preferred
_NO_EVENT = (
    1e-3  # cost of neither in the middle of a chain: to miss a half once is cheaper than to merge and split again
)

Place = tuple[int, int]  # frame, and index of the domain in it


@dataclass(frozen=True)
class Event:
    """What happens to tracks.

    Attributes
    ----------
    frame : int
        The first frame after it.
    kind : str
        ``"appear"``, ``"vanish"``, ``"split"`` or ``"merge"``.
    parents, children : tuple of int
        Chains before and after. One that goes on through a split or merge is both.
    """

    frame: int
    kind: str
    parents: tuple[int, ...]
    children: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Links:
    """Chains of domains, each by frame, in order of their first place; and the splits and merges between them."""

    chains: tuple[dict[int, int], ...]
    events: tuple[Event, ...]


def link(observed: list[Observed | None], drift: Drift) -> Links:
    """Return which domains of the frames (None = gap) belong together.

    Notes
    -----
    Linear assignment (K. Jaqaman et al., Nat. Methods 5, 695 (2008), doi 10.1038/nmeth.1237), by laptrack: first from
    frame to frame, then ends of chains to beginnings of others, up to three frames missed, or to the middle of chains.
    The costs are those of :class:`clustem.series.observed.Comparison`; a domain merges into, or splits from, the one in
    whose place most of it is, or that has grown or shrunk by most of it.
    """
    places = [(frame, k) for frame, seen in enumerate(observed) if seen is not None for k in range(len(seen))]
    if not places:
        return Links((), ())
    comparisons = Comparisons(observed, drift)
    return _chains(places, _edges(observed, places, comparisons), comparisons)


def _edges(observed: list[Observed | None], places: list[Place], comparisons: Comparisons) -> list[tuple[Place, Place]]:
    """Return the pairs of domains that laptrack connects."""
    from laptrack import LapTrack  # half a second

    def same(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
        (t, i), (u, j) = places[int(first[0])], places[int(second[0])]
        return float(comparisons.between(t, u).cost[i, j])

    def split(child: NDArray[np.float64], parent: NDArray[np.float64]) -> float:
        (u, j), (t, i) = places[int(child[0])], places[int(parent[0])]
        return _event_cost(float(comparisons.between(t, u).second_covered[i, j]))

    def merge(last: NDArray[np.float64], into: NDArray[np.float64]) -> float:
        (t, i), (u, j) = places[int(last[0])], places[int(into[0])]
        return _event_cost(float(comparisons.between(t, u).first_covered[i, j]))

    at_most = (
        "cutoff",
        "gap_closing_cutoff",
        "splitting_cutoff",
        "merging_cutoff",
        "track_start_cost",
        "track_end_cost",
    )
    refused = ("segment_start_cost", "segment_end_cost")
    nothing = dict.fromkeys(("no_splitting_cost", "no_merging_cost"), _NO_EVENT)
    metrics = {"metric": same, "gap_closing_metric": same, "splitting_metric": split, "merging_metric": merge}
    limits = dict.fromkeys((*at_most, *refused), CUTOFF) | nothing
    tracker = LapTrack.model_validate(metrics | limits | {"gap_closing_max_frame_count": GAP + 1})
    numbers = {place: float(n) for n, place in enumerate(places)}
    rows = [
        np.array([[numbers[frame, k]] for k in range(0 if seen is None else len(seen))]).reshape(-1, 1)
        for frame, seen in enumerate(observed)
    ]
    graph = tracker.predict(rows)
    return sorted(((int(t), int(i)), (int(u), int(j))) for (t, i), (u, j) in graph.edges())


def _event_cost(covered: float) -> float:
    """Return the cost of a split or merge, of a domain of which so much is covered."""
    return FAR if covered < _COVERED else _EVENT + (CUTOFF - _EVENT) * (1 - covered) / (1 - _COVERED)


def _chains(places: list[Place], edges: list[tuple[Place, Place]], comparisons: Comparisons) -> Links:
    """Return chains and events: of several edges at a domain, the one that costs least goes on."""
    ranked = sorted((float(comparisons.between(a[0], b[0]).cost[a[1], b[1]]), a, b) for a, b in edges)
    following: dict[Place, Place] = {}
    before: dict[Place, Place] = {}
    extra: list[tuple[Place, Place]] = []
    for _, a, b in ranked:
        if a in following or b in before:
            extra.append((a, b))
        else:
            following[a], before[b] = b, a
    chain_of: dict[Place, int] = {}
    chains: list[dict[int, int]] = []
    for place in places:
        if place in before:
            continue
        chain: dict[int, int] = {}
        at: Place | None = place
        while at is not None:
            chain[at[0]], chain_of[at] = at[1], len(chains)
            at = following.get(at)
        chains.append(chain)
    events = []
    for a, b in extra:
        one, other = chain_of[a], chain_of[b]
        if a in following and one != other:
            events.append(Event(b[0], "split", (one,), (chain_of[following[a]], other)))
        elif one != other:
            events.append(Event(b[0], "merge", (chain_of[before[b]], one), (other,)))
    return Links(tuple(chains), tuple(sorted(events, key=lambda e: (e.frame, e.kind, e.parents, e.children))))
