"""Compiled loops for symmetric equations whose matrix is empty far from the diagonal.

Of every row, only what stands from its first entry to the diagonal is touched. No threads: the matrices are small, and
threads of a library that wait for each other on a busy computer cost far more than they save.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from clustem.compiling import compiled


@compiled(fastmath={"reassoc", "contract"})
def first_entries(matrix: Any, first: Any) -> None:
    """Matrix (n, n), lower triangle: first (n,) gets the column of the first entry of every row."""
    for i in range(matrix.shape[0]):
        j = 0
        while j < i and matrix[i, j] == 0.0:
            j += 1
        first[i] = j


@compiled(fastmath={"reassoc", "contract"})
def factorise(matrix: Any, first: Any) -> None:
    """Matrix (n, n), positive definite, lower triangle; first (n,): becomes its Cholesky factor in place."""
    for i in range(matrix.shape[0]):
        for j in range(first[i], i):
            total = matrix[i, j]
            for k in range(max(first[i], first[j]), j):
                total -= matrix[i, k] * matrix[j, k]
            matrix[i, j] = total / matrix[j, j]
        total = matrix[i, i]
        for k in range(first[i], i):
            total -= matrix[i, k] * matrix[i, k]
        matrix[i, i] = np.sqrt(total)


@compiled(fastmath={"reassoc", "contract"})
def substitute(factor: Any, first: Any, vector: Any) -> None:
    """Factor (n, n), first (n,): vector (n,) becomes the solution in place."""
    number = factor.shape[0]
    for i in range(number):
        total = vector[i]
        for k in range(first[i], i):
            total -= factor[i, k] * vector[k]
        vector[i] = total / factor[i, i]
    for i in range(number - 1, -1, -1):
        vector[i] /= factor[i, i]
        for k in range(first[i], i):
            vector[k] -= factor[i, k] * vector[i]


@compiled(fastmath={"reassoc", "contract"})
def inverse_diagonal(factor: Any, first: Any, wanted: Any, out: Any) -> None:
    """Factor (n, n), first (n,); wanted (m,) rows: out (m,) gets those entries on the diagonal of the inverse."""
    number = factor.shape[0]
    column = np.empty(number)
    for w in range(wanted.size):
        start = wanted[w]
        column[start] = 1.0 / factor[start, start]
        square = column[start] * column[start]
        for i in range(start + 1, number):
            total = 0.0
            for k in range(max(first[i], start), i):
                total -= factor[i, k] * column[k]
            column[i] = total / factor[i, i]
            square += column[i] * column[i]
        out[w] = square
