"""Pieces that the segmentation of single frames cuts off a particle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from clustem.series.linking import Event, Links
from clustem.series.observed import Observed

_SHORT = 2  # frames that a piece lives


def absorb_fragments(links: Links, observed: list[Observed | None]) -> tuple[Links, list[Observed | None]]:
    """Return chains without those that are pieces of others for a frame or two, and the frames without them.

    A piece splits from a longer chain or merges into it, lives for at most two frames, and touches it in all of them;
    a particle that breaks in two stays broken. Its positions go to the domain of that chain.
    """
    seen = list(observed)
    links = _rejoined(links)
    owner = {piece: whole for piece, whole in _pieces(links) if _touches(links, piece, whole, seen)}
    for piece, whole in owner.items():
        for time, index in links.chains[piece].items():
            frame = seen[time]
            assert frame is not None
            labels = np.where(frame.labels == index + 1, links.chains[whole][time] + 1, frame.labels)
            seen[time] = replace(frame, labels=labels.astype(np.int32))
    kept = [n for n in range(len(links.chains)) if n not in owner]
    number = {old: new for new, old in enumerate(kept)}
    events = [event for event in links.events if not owner.keys() & {*event.parents, *event.children}]
    return (
        Links(tuple(links.chains[n] for n in kept), tuple(_renumbered(event, number) for event in events)),
        seen,
    )


def _rejoined(links: Links) -> Links:
    """Return chains where one that splits off and takes over its parent within two frames is only a piece until then.

    The domain before linked with one half, the domain after with the other: both are the same particle.
    """
    chains = [dict(chain) for chain in links.chains]
    events = list(links.events)
    for split in [event for event in links.events if event.kind == "split"]:
        whole, other = split.parents[0], split.children[-1]
        takes_over = Event(0, "merge", (other, whole), (other,))
        for merge in [e for e in events if replace(e, frame=0) == takes_over]:
            if not 0 < merge.frame - split.frame <= _SHORT:
                continue
            tail = {time: index for time, index in chains[other].items() if time >= merge.frame}
            chains[other] = {time: index for time, index in chains[other].items() if time < merge.frame}
            chains[whole] = {time: index for time, index in chains[whole].items() if time < merge.frame} | tail
            events = [_taken_over(e, other, whole, merge) for e in events]
    return Links(tuple(chains), tuple(events))


def _taken_over(event: Event, other: int, whole: int, merge: Event) -> Event:
    """Return an event after, or at, a merge in which one chain stands for the other."""
    if event == merge:
        return replace(event, parents=(whole, other), children=(whole,))
    if event.frame < merge.frame:
        return event
    names = {other: whole}
    return replace(
        event,
        parents=tuple(names.get(n, n) for n in event.parents),
        children=tuple(names.get(n, n) for n in event.children),
    )


def _pieces(links: Links) -> list[tuple[int, int]]:
    """Return (short chain, chain that it splits from or merges into), each short chain once."""
    found: dict[int, int] = {}
    for event in links.events:
        for one, other in ((event.children[-1], event.parents[0]), (event.parents[-1], event.children[0])):
            if one != other and len(links.chains[one]) <= _SHORT < len(links.chains[other]):
                found.setdefault(one, other)
    return sorted(found.items())


def _touches(links: Links, piece: int, whole: int, observed: list[Observed | None]) -> bool:
    """Return whether a chain touches another in all of its frames."""
    for time, index in links.chains[piece].items():
        frame = observed[time]
        if frame is None or time not in links.chains[whole]:
            return False
        around: NDArray[np.bool_] = binary_dilation(frame.labels == index + 1, np.ones((3, 3), bool))
        if not (frame.labels[around] == links.chains[whole][time] + 1).any():
            return False
    return True


def _renumbered(event: Event, number: dict[int, int]) -> Event:
    return replace(
        event,
        parents=tuple(number[n] for n in event.parents),
        children=tuple(number[n] for n in event.children),
    )
