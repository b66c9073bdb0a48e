"""How well two partitions agree."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import coo_array

from clustem.errors import InputError


def adjusted_rand_index(labels: ArrayLike, truth: ArrayLike) -> float:
    """Return the adjusted Rand index of two label images: 1 = the same partition, 0 = what chance gives.

    Source: Hubert & Arabie, J. Classification 2, 193 (1985), doi 10.1007/BF01908075.

    Raises
    ------
    InputError
        If the images differ in shape or are empty.

    Examples
    --------
    >>> adjusted_rand_index([1, 1, 2, 2], [5, 5, 7, 7])
    1.0
    """
    first, second = np.asarray(labels), np.asarray(truth)
    if first.shape != second.shape or not first.size:
        raise InputError(
            f"adjusted Rand index: expected two images of the same shape, got {first.shape} and {second.shape}"
        )
    rows, columns = (np.unique(image, return_inverse=True)[1].ravel() for image in (first, second))
    table = coo_array((np.ones(rows.size, np.int64), (rows, columns))).tocsr()

    def pairs(counts: ArrayLike) -> float:
        numbers = np.asarray(counts, float)
        return float((numbers * (numbers - 1) / 2).sum())

    both = pairs(table.data)
    a, b, every = pairs(table.sum(axis=1)), pairs(table.sum(axis=0)), pairs(np.array([rows.size]))
    expected = a * b / every if every else 0.0
    if (a + b) / 2 == expected:
        return 1.0
    return (both - expected) / ((a + b) / 2 - expected)
