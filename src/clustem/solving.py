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
from clustem.computing import in_threads

Array = NDArray[Any]

_ROWS = 128  # of a matrix that a thread multiplies at once


@contextmanager
def small_products() -> Iterator[None]:
    """Multiply matrices in one thread inside; for functions, too, as ``@small_products()``.

    Where thousands of small matrices are multiplied, more threads of the BLAS library take longer to wake than to work.
    """
    with threadpool_limits(limits=1, user_api="blas"):
        yield


def product(left: Array, right: Array) -> Array:
    """Return the product of matrices (n, k) and (k, m), some rows at a time in all computing threads.

    Within :func:`small_products` it is the same to the last bit for any number of threads.
    """
    result = np.empty((len(left), right.shape[1]), np.result_type(left, right))

    def work(first: int, last: int) -> None:
        for start in range(first * _ROWS, min(last * _ROWS, len(left)), _ROWS):
            np.matmul(left[start : start + _ROWS], right, out=result[start : start + _ROWS])

    in_threads(work, -(-len(left) // _ROWS))
    return result


def lower_gram(rows: Array) -> Array:
    """Return the products of rows (n, k) with each other, (n, n), of which only the lower triangle is filled.

    Computed as by :func:`product`.
    """
    result = np.zeros((len(rows), len(rows)), rows.dtype)

    def work(first: int, last: int) -> None:
        for start in range(first * _ROWS, min(last * _ROWS, len(rows)), _ROWS):
            stop = min(start + _ROWS, len(rows))
            np.matmul(rows[start:stop], rows[:stop].T, out=result[start:stop, :stop])

    in_threads(work, -(-len(rows) // _ROWS), longest=1)
    return result


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


@compiled()
def invert_positive(matrix: Array, inverse: Array) -> None:
    """Fill inverse (n, n) with that of a positive definite matrix (n, n), whose lower triangle is overwritten."""
    factorise_positive(matrix)
    for i in range(matrix.shape[0]):
        inverse[i] = 0.0
        inverse[i, i] = 1.0
        solve_positive(matrix, inverse[i])
