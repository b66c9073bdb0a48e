"""Colours of domains: neighbours always differ, also for colour-blind eyes."""

from __future__ import annotations

import heapq
from itertools import count

import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import expand_labels

# Okabe and Ito, without black, which the outlines use: https://jfly.uni-koeln.de/color/ (2008).
PALETTE = np.array(
    [
        [0.90, 0.62, 0.00],
        [0.34, 0.71, 0.91],
        [0.00, 0.62, 0.45],
        [0.80, 0.47, 0.65],
        [0.94, 0.89, 0.26],
        [0.00, 0.45, 0.70],
        [0.84, 0.37, 0.00],
    ]
)
UNASSIGNED = (0.88, 0.88, 0.88)
SEAM = 3  # positions; unassigned boundaries up to about twice as wide do not keep domains apart for the eye


def domain_colours(labels: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return one colour per label so that neighbours never share one.

    Neighbours are domains that touch, also across a corner, or that only a seam of unassigned positions separates.

    Parameters
    ----------
    labels : (Y, X) int
        0 = unassigned, domains are 1 … K.

    Returns
    -------
    (K + 1, 4) float64
        RGBA in 0 … 1; row 0, light grey, is for unassigned positions.

    Notes
    -----
    Domains are coloured in smallest-last order, each with the colour its neighbours leave that has been used least.
    Seven colours are enough for most scans; where they are not, lighter and darker ones of the same hues are added.
    Cost: one sort of the neighbouring pairs, and a loop over domains and their borders.

    Examples
    --------
    >>> colours = domain_colours(np.array([[1, 1, 2], [0, 3, 3]]))
    >>> colours.shape, len(np.unique(colours, axis=0))
    ((4, 4), 4)
    """
    number = int(labels.max(initial=0))
    neighbours = _neighbours(adjacent_labels(expand_labels(labels, distance=SEAM)), number)
    chosen = _greedy(neighbours, _smallest_last(neighbours))
    palette = palette_of(max(chosen, default=-1) + 1)
    colours = np.ones((number + 1, 4))
    colours[0, :3] = UNASSIGNED
    colours[1:, :3] = palette[chosen[1:]]
    return colours


def adjacent_labels(labels: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return the sorted pairs (M, 2) of domains a < b that are 8-neighbours somewhere in `labels` (Y, X)."""
    views = [
        (labels[:, :-1], labels[:, 1:]),
        (labels[:-1], labels[1:]),
        (labels[:-1, :-1], labels[1:, 1:]),
        (labels[:-1, 1:], labels[1:, :-1]),
    ]
    borders = [(a != b) & (a > 0) & (b > 0) for a, b in views]
    first, second = (
        np.concatenate([view[side][border] for view, border in zip(views, borders, strict=True)]).astype(np.int64)
        for side in (0, 1)
    )
    low, high = np.minimum(first, second), np.maximum(first, second)
    base = int(labels.max(initial=0)) + 1
    keys = np.unique(low * base + high)
    return np.stack([keys // base, keys % base], axis=1)


def text_colour(colour: NDArray[np.float64]) -> str:
    """Return "black" or "white", whichever is easier to read on `colour`."""
    return "black" if luminance(colour) > 0.18 else "white"


def luminance(colour: NDArray[np.float64]) -> float:
    """Return the relative luminance (WCAG 2) of a colour, RGB in 0 … 1."""
    rgb = np.asarray(colour)[:3]
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def _neighbours(pairs: NDArray[np.int64], number: int) -> list[list[int]]:
    """Return the neighbours of every label 0 … number."""
    both = np.concatenate([pairs, pairs[:, ::-1]])
    both = both[np.argsort(both[:, 0], kind="stable")]
    stops = np.searchsorted(both[:, 0], np.arange(1, number + 1))
    return [part.tolist() for part in np.split(both[:, 1], stops)]


def _smallest_last(neighbours: list[list[int]]) -> list[int]:
    """Return the labels so that each has few neighbours among those before it (a degeneracy order, reversed)."""
    degree = [len(names) for names in neighbours]
    heap = [(links, label) for label, links in enumerate(degree) if label]
    heapq.heapify(heap)
    removed = [False] * len(neighbours)
    order = []
    while heap:
        links, label = heapq.heappop(heap)
        if removed[label] or links != degree[label]:
            continue
        removed[label] = True
        order.append(label)
        for other in neighbours[label]:
            if not removed[other]:
                degree[other] -= 1
                heapq.heappush(heap, (degree[other], other))
    return order[::-1]


def _greedy(neighbours: list[list[int]], order: list[int]) -> list[int]:
    """Return a colour number per label, unequal among neighbours; -1 for label 0."""
    chosen = [-1] * len(neighbours)
    used = [0] * len(PALETTE)
    for label in order:
        taken = {chosen[other] for other in neighbours[label]}
        free = [colour for colour in range(len(PALETTE)) if colour not in taken]
        if free:
            colour = min(free, key=used.__getitem__)
            used[colour] += 1
        else:
            colour = next(colour for colour in count(len(PALETTE)) if colour not in taken)
        chosen[label] = colour
    return chosen


def palette_of(number: int) -> NDArray[np.float64]:
    """Return at least `number` distinct colours (n, 3): the palette, then mixtures of it with white and black."""
    rows = [PALETTE]
    for turn in range(1, -(-number // len(PALETTE))):
        step = (turn + 1) // 2
        level = 2 ** (step.bit_length() - 1)
        share = 0.8 * (2 * (step - level) + 1) / (2 * level)  # 0.8 of 1/2, 1/4, 3/4, 1/8, 3/8, …
        rows.append(PALETTE * (1 - share) + share * (turn % 2))
    return np.concatenate(rows)
