"""Small matrices: equations solved in compiled loops, for which NumPy's own takes seconds to compile, and products."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from clustem.compiling import compiled

Array = NDArray[Any]


@contextmanager
def small_products() -> Iterator[None]:
    """Multiply matrices in one thread inside; for functions, too, as ``@small_products()``.

    Where thousands of small matrices are multiplied, more threads of the BLAS library take longer to wake than to work.
    """
    with threadpool_limits(limits=1, user_api="blas"):
        yield


@compiled()
def factorise_positive(matrix: Array) -> None:
    """Put the factor L of a positive definite matrix (n, n) = L Lᵀ, after Cholesky, into its lower triangle.

    Only that is read. Where rounding leaves nothing positive, the diagonal is as small as it can be.
    """
    for i in range(matrix.shape[0]):
        for j in range(i + 1):
            left = np.float64(matrix[i, j])
            for k in range(j):
                left -= matrix[i, k] * matrix[j, k]
            matrix[i, j] = math.sqrt(max(left, 1e-300)) if i == j else left / matrix[j, j]


@compiled()
def solve_positive(factor: Array, values: Array) -> None:
    """Replace the right side values (n,) by the solution, with the factor (n, n) of `factorise_positive`."""
    for i in range(values.size):
        for k in range(i):
            values[i] -= factor[i, k] * values[k]
        values[i] /= factor[i, i]
    for i in range(values.size - 1, -1, -1):
        for k in range(i + 1, values.size):
            values[i] -= factor[k, i] * values[k]
        values[i] /= factor[i, i]
