"""Symmetric equations whose unknowns have places: solved in the band of their matrix."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clustem.crystallography._skyline_kernels import factorise, first_entries, inverse_diagonal, substitute


@dataclass(frozen=True, eq=False)
class Equations:
    """Normal equations to be filled, with rows from the top of the detector to its bottom.

    Unknowns far apart do not meet, so the matrix is empty far from its diagonal.

    Attributes
    ----------
    places : (n,) float64
        k_y of every unknown.
    order : (n,) int64
        The row of every unknown.
    normal : (n, n) float64
        Lower triangle of the matrix, to be added to; its factor once solved.
    pull : (n,) float64
        Right-hand side, to be added to.
    """

    places: NDArray[np.float64]
    order: NDArray[np.int64] = field(init=False)
    normal: NDArray[np.float64] = field(init=False)
    pull: NDArray[np.float64] = field(init=False)
    first: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        number = len(self.places)
        order = np.empty(number, np.int64)
        order[np.argsort(self.places, kind="stable")] = np.arange(number)
        for name, value in (
            ("order", order),
            ("normal", np.zeros((number, number))),
            ("pull", np.zeros(number)),
            ("first", np.empty(number, np.int64)),
        ):
            object.__setattr__(self, name, value)

    def solve(self) -> NDArray[np.float64]:
        """Return the unknowns, in their own order; the matrix becomes its factor."""
        first_entries(self.normal, self.first)
        factorise(self.normal, self.first)
        solution = self.pull.copy()
        substitute(self.normal, self.first, solution)
        return solution[self.order]

    def variances(self, number: int) -> NDArray[np.float64]:
        """Return the diagonal of the inverse for the first so many unknowns; `solve` comes before."""
        diagonal = np.empty(number)
        inverse_diagonal(self.normal, self.first, self.order[:number], diagonal)
        return diagonal
