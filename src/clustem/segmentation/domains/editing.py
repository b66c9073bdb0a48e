"""Domains changed by hand: joined, or divided down the tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from clustem.errors import InputError
from clustem.segmentation.domains._tree_kernels import last_division
from clustem.segmentation.domains.tree import MergeTree, component_labels

if TYPE_CHECKING:
    from clustem.segmentation.domains.record import Mixture


def check_label(name: str, label: Any, number: int) -> int:
    """Return a label 1 … number, or raise InputError."""
    whole = isinstance(label, Integral) and not isinstance(label, bool)
    if not whole or not 1 <= label <= number:
        raise InputError(f"{name}: expected labels of domains from 1 to {number}, got {label!r}")
    return int(label)


def merge_table(labels: Sequence[int], number: int) -> NDArray[np.int32]:
    """Return the new label of every old one (number + 1,), if `labels` become one domain with the lowest of them.

    Labels above those that vanish move down, so that none is missing.
    """
    kept = np.ones(number + 1, bool)
    kept[labels] = False
    kept[min(labels)] = True
    table: NDArray[np.int32] = (np.cumsum(kept) - 1).astype(np.int32)
    table[labels] = table[min(labels)]
    return table


def merge_mixture(mixture: Mixture, table: NDArray[np.int32]) -> Mixture:
    """Return a mixture with new labels; shares of domains that became one are added."""
    labels, fractions = table[mixture.labels], mixture.fractions.copy()
    for later in range(1, labels.shape[2]):
        for earlier in range(later):
            same = (labels[..., later] == labels[..., earlier]) & (labels[..., later] > 0)
            fractions[..., earlier][same] += fractions[..., later][same]
            fractions[..., later][same] = 0
            labels[..., later][same] = 0
    order = np.argsort(-fractions, axis=2, kind="stable")
    return replace(
        mixture,
        labels=np.take_along_axis(labels, order, axis=2),
        fractions=np.take_along_axis(fractions, order, axis=2),
    )


def divide(inside: NDArray[np.bool_], tree: MergeTree) -> tuple[NDArray[np.bool_], float]:
    """Return the smaller of the two parts (scan_y, scan_x) of a domain, and the similarity at which they are joined.

    It is the last merge of the tree between two parts of at least `min_size` positions of the domain; what joins
    later goes to the nearer part.

    Raises
    ------
    InputError
        If there is no such merge.
    """
    found = last_division(tree.first, tree.second, inside.ravel(), max(1, tree.min_size))
    if found < 0:
        raise InputError(
            f"split: the tree has no two parts of at least {tree.min_size} positions in this domain; "
            "edit the label image instead and give it as labels"
        )
    before = component_labels(tree.shape, tree.first[:found], tree.second[:found])
    parts = [inside & (before == before.ravel()[end[found]]) for end in (tree.first, tree.second)]
    first, second = sorted(parts, key=lambda part: int(part.sum()))
    nearer = distance_transform_edt(~first) < distance_transform_edt(~second)
    return inside & nearer, float(tree.similarity[found])
