"""From features to regions: the steps of the noise-aware method that one set of features is enough for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray
from skimage.measure import label

from clustem.segmentation.features import Features
from clustem.segmentation.noise_aware.background import (
    Background,
    Scattering,
    empty_region,
    find_background,
    join_empty,
)
from clustem.segmentation.noise_aware.constants import SEGMENTATION
from clustem.segmentation.noise_aware.fragments import grow_fragments
from clustem.segmentation.noise_aware.joining import Joined, join_regions
from clustem.segmentation.noise_aware.mixtures import refine_labels
from clustem.segmentation.noise_aware.overlaps import dissolve_mixtures
from clustem.segmentation.parameters import NoiseAwareParameters


@dataclass(frozen=True, eq=False)
class Settled:
    """What is known of a scan of which only a piece is looked at.

    Attributes
    ----------
    labels : (rows, scan_x) int64
        Regions 0 … that the first rows of the piece are divided into, −1 = in none. Their positions stay together.
    apart : (F, F) bool
        Which of these regions are known to be two.
    others : Scattering
        What regions outside of the piece scatter.
    """

    labels: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 0), np.int64))
    apart: NDArray[np.bool_] = field(default_factory=lambda: np.empty((0, 0), bool))
    others: Scattering = field(default_factory=Scattering.nothing)

    @property
    def rows(self) -> int:
        """Number of rows that are divided."""
        return len(self.labels)


NOTHING = Settled()


@dataclass(frozen=True, eq=False)
class Regions:
    """Regions 0 … of labels (scan_y, scan_x) int64, −1 = in none, and which of them is the background, if any.

    `merges` (m, 2) are the flat positions of fragments, and `joined` what became of these first.
    """

    labels: NDArray[np.int64]
    background: int | None
    merges: NDArray[np.int64]
    joined: Joined

    @property
    def domains(self) -> NDArray[np.int64]:
        """The labels without the background."""
        return self.labels if self.background is None else np.where(self.labels == self.background, -1, self.labels)


@dataclass(frozen=True, eq=False)
class _Piece:
    """What the steps of a division need besides the labels."""

    features: Features
    usable: NDArray[np.bool_]
    parameters: NoiseAwareParameters
    settled: Settled

    def background(self, labels: NDArray[np.int64]) -> Background | None:
        """Return the region without crystals."""
        return find_background(self.features, labels, self.settled.others)

    def empty(self, labels: NDArray[np.int64]) -> int | None:
        """Return its number."""
        return empty_region(self.features, labels, self.settled.others)

    def join(self, labels: NDArray[np.int64], contact: int, empty: int | None = None) -> Joined:
        """Join what does not differ."""
        apart = _regions_apart(labels[: self.settled.rows], self.settled)
        similarity = self.parameters.similarity
        return join_regions(self.features, labels, similarity, contact=contact, apart=apart, empty=empty)


Step = Callable[[_Piece, NDArray[np.int64]], NDArray[np.int64]]


def _joined(piece: _Piece, labels: NDArray[np.int64], *, contact: int) -> NDArray[np.int64]:
    return in_order(piece.join(labels, contact, piece.empty(labels)).labels)


def _emptied(piece: _Piece, labels: NDArray[np.int64]) -> NDArray[np.int64]:
    return in_order(join_empty(piece.features, labels, piece.settled.others, piece.settled.rows))


def _dissolved(piece: _Piece, labels: NDArray[np.int64]) -> NDArray[np.int64]:
    return dissolve_mixtures(piece.features, labels, piece.empty(labels), piece.settled.rows)


def _refined(piece: _Piece, labels: NDArray[np.int64], *, rounds: int, least: float | None = None) -> NDArray[np.int64]:
    empty, rows = piece.background(labels), piece.settled.rows
    least = max(piece.parameters.min_size, 2) if least is None else least
    refined = refine_labels(piece.features, labels, least=least, rounds=rounds, background=empty, settled_rows=rows)
    return np.where(piece.usable, refined, -1)


def _pieces(piece: _Piece, labels: NDArray[np.int64]) -> NDArray[np.int64]:
    return pieces_of(labels, piece.parameters.min_size, piece.empty(labels), piece.settled.rows)


STEPS: tuple[tuple[str, Step], ...] = (
    ("join all that holds no crystal", _emptied),
    ("dissolve fragments that are nothing but the overlap of others", _dissolved),
    ("give every position to the region that it is most of", partial(_refined, rounds=3, least=SEGMENTATION.least)),
    ("make regions in several pieces several", _pieces),
    ("join what touches now", partial(_joined, contact=SEGMENTATION.contact)),
    ("join all that holds no crystal now", _emptied),
    ("dissolve what is an overlap now", _dissolved),
    ("give every position to its region again", partial(_refined, rounds=1)),
    ("make regions in several pieces several again", _pieces),
    ("join parts that touch in a single position", partial(_joined, contact=1)),
)


def divide(
    features: Features,
    usable: NDArray[np.bool_],
    parameters: NoiseAwareParameters,
    settled: Settled = NOTHING,
) -> Regions:
    """Return the regions of a scan, or of a piece of it.

    Parameters
    ----------
    features : Features
    usable : (scan_y, scan_x) bool
    parameters : NoiseAwareParameters
    settled : Settled
        Settled regions may become one, nothing else happens to them.
    """
    piece = _Piece(features, usable, parameters, settled)
    labels, merges = _started(piece)
    first = piece.join(labels, SEGMENTATION.contact)
    labels = in_order(first.labels)
    for _, step in STEPS:
        labels = step(piece, labels)
    background = piece.empty(labels)
    nothing = labels == (-2 if background is None else background)
    labels = pieces_of(np.where(nothing, -1, labels), parameters.min_size, None, settled.rows)
    if background is None or not nothing.any():
        return Regions(labels, None, merges, first)
    number = int(labels.max(initial=-1)) + 1
    return Regions(np.where(nothing, number, labels), number, merges, first)


def _started(piece: _Piece) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return settled regions and then fragments of the rest as labels, and the merges (m, 2) of flat positions."""
    rows = piece.settled.rows
    free = piece.usable.copy()
    free[:rows] = False
    fragments = grow_fragments(piece.features, free)
    labels = np.where(fragments.labels >= 0, fragments.labels + int(piece.settled.labels.max(initial=-1)) + 1, -1)
    if rows:
        labels[:rows] = np.where(piece.usable[:rows], piece.settled.labels, -1)
    return labels, fragments.merges


def _regions_apart(labels: NDArray[np.int64], settled: Settled) -> set[tuple[int, int]]:
    """Return the pairs of regions, given by labels of the settled rows, that hold settled regions which are two."""
    region = np.full(len(settled.apart), -1, np.int64)
    if settled.rows:
        inside = (settled.labels >= 0) & (labels >= 0)
        region[settled.labels[inside]] = labels[inside]
    pairs = region[np.argwhere(settled.apart)].tolist()
    return {(a, b) for a, b in pairs if min(a, b) >= 0 and a != b}


def in_order(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the same regions as 0 … K−1."""
    values, numbered = np.unique(labels, return_inverse=True)
    result: NDArray[np.int64] = numbered.reshape(labels.shape).astype(np.int64) - int((values < 0).any())
    return result


def pieces_of(
    labels: NDArray[np.int64], min_size: int, background: int | None = None, settled_rows: int = 0
) -> NDArray[np.int64]:
    """Return regions 0 … of which one in several pieces of at least `min_size` positions became several.

    Smaller pieces stay with the largest piece of their region, because their patterns say so; the background stays
    one, and so do pieces with positions in the first `settled_rows`.
    """
    pieces = label(labels, background=-2, connectivity=2) - 1
    sizes = np.bincount(pieces.ravel())
    region = np.empty(sizes.size, np.int64)
    region[pieces.ravel()] = labels.ravel()
    together = np.zeros(sizes.size, bool)
    together[pieces[:settled_rows]] = True
    order = np.lexsort((np.arange(sizes.size), -sizes, ~together, region))
    first = np.append(True, region[order][1:] != region[order][:-1])[: order.size]
    largest = np.empty(sizes.size, np.int64)
    largest[order] = order[np.maximum.accumulate(np.where(first, np.arange(order.size), 0))]
    stays = together | (sizes < min_size) | (region == (-2 if background is None else background))
    target = np.where(stays, largest, np.arange(sizes.size))
    return in_order(np.where(labels >= 0, target[pieces], -1))
