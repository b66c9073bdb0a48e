"""How well a partition agrees with the true one, all from tables of shared positions, because thousands are scored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import generate_binary_structure, maximum_filter, minimum_filter
from scipy.optimize import linear_sum_assignment

LEAST = 10
"""Positions of the smallest true domain that F1 counts; of a found one it is half of that."""


class Scores(NamedTuple):
    """Adjusted Rand index inside domains and over all positions, and matched F1; 1 = the truth."""

    inside: float
    everywhere: float
    f1: float


@dataclass(frozen=True, eq=False)
class Truth:
    """A true label image, 0 = vacuum, and the positions whose four neighbours are in the same domain."""

    labels: NDArray[np.int64]
    inside: NDArray[np.bool_]

    @classmethod
    def from_labels(cls, labels: NDArray[Any]) -> Truth:
        """Find the positions inside domains."""
        cross = generate_binary_structure(2, 1)
        same = maximum_filter(labels, footprint=cross) == minimum_filter(labels, footprint=cross)
        return cls(labels.astype(np.int64), same)


def score(labels: NDArray[Any], truth: Truth) -> Scores:
    """Return the scores of a label image, 0 = unassigned; those positions count as one more domain."""
    everywhere = shared(labels, truth.labels)
    inside = shared(labels[truth.inside], truth.labels[truth.inside])
    return Scores(rand_index(inside), rand_index(everywhere), matched_f1(everywhere))


def best(scores: Iterable[Scores]) -> Scores:
    """Return the largest value of every score, each for itself."""
    return Scores(*(max(values) for values in zip(*scores, strict=True)))


def shared(labels: NDArray[Any], truth: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many positions each found label (rows, from 0) shares with each true one (columns, from 0)."""
    rows, columns = int(labels.max(initial=0)) + 1, int(truth.max(initial=0)) + 1
    pairs = (labels.astype(np.int64) * columns + truth).ravel()
    return np.bincount(pairs, minlength=rows * columns).reshape(rows, columns)


def rand_index(table: NDArray[np.int64]) -> float:
    """Return the adjusted Rand index, doi 10.1007/BF01908075."""
    both, found, true, every = (
        float((sizes * (sizes - 1) // 2).sum()) for sizes in (table, table.sum(1), table.sum(0), table.sum())
    )
    expected, most = found * true / every, (found + true) / 2
    return 1.0 if most == expected else (both - expected) / (most - expected)


def matched_f1(table: NDArray[np.int64]) -> float:
    """Return 2 hits / (true + found domains).

    A hit is a pair whose intersection is more than half of its union, in the assignment of found to true domains with
    the largest sum of these shares. True domains below `LEAST` positions are not counted, and neither are found ones
    below half of that, nor those that lie for the most part in uncounted true ones.
    """
    found_size, true_size = table.sum(axis=1), table.sum(axis=0)
    counted = true_size >= LEAST
    counted[0] = False
    in_counted = table[:, counted].sum(axis=1) + table[:, 0]
    found = (found_size >= LEAST / 2) & (in_counted > found_size / 2)
    found[0] = False
    both = table[np.ix_(found, counted)]
    overlap = both / (found_size[found][:, None] + true_size[counted] - both)
    hits = int((overlap[linear_sum_assignment(-overlap)] > 0.5).sum())
    return 2 * hits / max(1, int(found.sum() + counted.sum()))
