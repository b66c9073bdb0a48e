"""From features to regions: the steps of the noise-aware method that one set of features is enough for."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from skimage.measure import label

from clustem.segmentation.background import Scattering, find_background
from clustem.segmentation.boundaries import CONTACT, join_gradients, unlike
from clustem.segmentation.features import Features
from clustem.segmentation.mixtures import Background, dissolve_mixtures, refine_labels
from clustem.segmentation.parameters import NoiseAwareParameters
from clustem.segmentation.regions import RegionTree, labels_after

_ROUNDS = 3  # of the refinement
_ONE = 0.85  # similarity of parts that touch once boundaries are right, from which they are one: not thin mixtures


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
    others: Scattering = field(default_factory=lambda: Scattering(np.empty(0), np.empty(0)))

    @property
    def rows(self) -> int:
        """Number of rows that are divided."""
        return len(self.labels)


NOTHING = Settled()


@dataclass(frozen=True, eq=False)
class Regions:
    """Regions 0 … of labels (scan_y, scan_x) int64, −1 = in none, and which of them is the background, if any."""

    labels: NDArray[np.int64]
    background: int | None

    @property
    def domains(self) -> NDArray[np.int64]:
        """The labels without the background."""
        return self.labels if self.background is None else np.where(self.labels == self.background, -1, self.labels)


def divide(
    features: Features,
    tree: RegionTree,
    usable: NDArray[np.bool_],
    parameters: NoiseAwareParameters,
    settled: Settled = NOTHING,
) -> Regions:
    """Return the regions of a scan, or of a piece of it.

    Parameters
    ----------
    features : Features
    tree : RegionTree
        Of the same features and the same settled regions.
    usable : (scan_y, scan_x) bool
    parameters : NoiseAwareParameters
    settled : Settled
        Settled regions may become one, nothing else happens to them.
    """
    labels = np.full(usable.shape, -1, np.int64)
    kept = tree.merges[tree.similarity >= parameters.similarity]
    place = np.cumsum(usable.ravel()) - 1
    labels[usable] = labels_after(place[kept], int(usable.sum()))
    labels = in_order(labels)
    patterns, scattering = features.whitened, features.values[..., -1].astype(np.float64)
    least, rows = max(parameters.min_size, 2), settled.rows
    once_more = max(parameters.similarity, _ONE), 1
    for rounds, similarity, contact in ((_ROUNDS, parameters.similarity, CONTACT), (1, *once_more), (0, *once_more)):
        background = find_background(features, labels, settled.others)
        apart = _regions_apart(labels[:rows], settled)
        if rounds <= 1:
            apart |= unlike(features, labels)
        labels, joined = join_gradients(features, labels, similarity, background, apart, contact)
        if joined:
            labels = in_order(labels)
            background = find_background(features, labels, settled.others)
        if rounds == 0:  # parts that touch only since boundaries were drawn for the last time
            break
        labels = dissolve_mixtures(patterns, labels, background, rows)
        empty = None if background is None else Background(background, scattering)
        labels = refine_labels(patterns, labels, least=least, rounds=rounds, background=empty, settled_rows=rows)
        labels[~usable] = -1
        if rounds > 1:
            labels = pieces_of(labels, parameters.min_size, background, rows)
    nothing = labels == (-1 if background is None else background)
    labels = pieces_of(np.where(nothing, -1, labels), parameters.min_size, None, rows)
    if background is None or not nothing.any():
        return Regions(labels, None)
    number = int(labels.max(initial=-1)) + 1
    return Regions(np.where(nothing, number, labels), number)


def _regions_apart(labels: NDArray[np.int64], settled: Settled) -> set[tuple[int, int]]:
    """Return the pairs of regions, given by labels of the settled rows, that hold settled regions which are two."""
    region = np.full(len(settled.apart), -1, np.int64)
    if settled.rows:
        inside = (settled.labels >= 0) & (labels >= 0)
        region[settled.labels[inside]] = labels[inside]
    pairs = region[np.argwhere(settled.apart)].tolist()
    return {(a, b) for a, b in pairs if min(a, b) >= 0}


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
    largest: dict[int, int] = {}
    for piece in np.lexsort((-sizes, ~together)).tolist():
        largest.setdefault(int(region[piece]), piece)
    stays = together | (sizes < min_size) | (region == background if background is not None else False)
    target = np.array([largest[int(region[p])] if stays[p] else p for p in range(sizes.size)], np.int64)
    return in_order(np.where(labels >= 0, target[pieces], -1))
