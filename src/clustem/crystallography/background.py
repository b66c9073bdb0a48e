"""The smooth background below Bragg peaks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, kron


@dataclass(frozen=True, eq=False)
class Background:
    """A surface through nodes, linear between them.

    Attributes
    ----------
    basis : sparse (pixels, nodes)
        What every node adds to every pixel; pixels row by row.
    stiffness : (nodes, nodes) float64
        Quadratic form of the second differences of the nodes.
    """

    basis: csr_array
    stiffness: NDArray[np.float64]

    @classmethod
    def over(cls, shape: tuple[int, int], spacing: float) -> Background:
        """Return the surface over a detector with nodes at most `spacing` px apart."""
        numbers = [max(2, int(np.ceil((size - 1) / spacing)) + 1) for size in shape]
        rows, columns = (_hats(size, number) for size, number in zip(shape, numbers, strict=True))
        bends = [np.diff(np.eye(number), 2, axis=0) for number in numbers]
        squares = [bend.T @ bend for bend in bends]
        stiffness = np.kron(squares[0], np.eye(numbers[1])) + np.kron(np.eye(numbers[0]), squares[1])
        return cls(csr_array(kron(csr_array(rows), csr_array(columns))), stiffness)


def _hats(size: int, number: int) -> NDArray[np.float64]:
    """Return the weights (size, number) of evenly spaced nodes at every pixel of an axis."""
    place = np.linspace(0, number - 1, size)
    weights: NDArray[np.float64] = np.clip(1 - np.abs(place[:, None] - np.arange(number)), 0, None)
    return weights
