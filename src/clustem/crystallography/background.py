"""The smooth background below Bragg peaks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Background:
    """A surface through nodes, linear between them.

    Attributes
    ----------
    nodes : (pixels, 4) int64
        The four nodes around every pixel; pixels row by row.
    shares : (pixels, 4) float64
        What they add there; they sum to 1.
    stiffness : (n, n) float64
        Quadratic form of the second differences of the nodes.
    rows : (n,) float64
        k_y of the nodes in px.
    """

    nodes: NDArray[np.int64]
    shares: NDArray[np.float64]
    stiffness: NDArray[np.float64]
    rows: NDArray[np.float64]

    @classmethod
    def over(cls, shape: tuple[int, int], spacing: float) -> Background:
        """Return the surface over a detector with nodes at most `spacing` px apart."""
        numbers = [max(2, int(np.ceil((size - 1) / spacing)) + 1) for size in shape]
        low, part = zip(*(_places(size, number) for size, number in zip(shape, numbers, strict=True)), strict=True)
        nodes, shares = [], []
        for a, b in ((0, 0), (0, 1), (1, 0), (1, 1)):
            nodes.append((low[0][:, None] + a) * numbers[1] + low[1] + b)
            shares.append(np.abs(1 - a - part[0])[:, None] * np.abs(1 - b - part[1]))
        bends = [np.diff(np.eye(number), 2, axis=0) for number in numbers]
        squares = [bend.T @ bend for bend in bends]
        stiffness = np.kron(squares[0], np.eye(numbers[1])) + np.kron(np.eye(numbers[0]), squares[1])
        rows = np.repeat(np.linspace(0, shape[0] - 1, numbers[0]), numbers[1])
        return cls(np.stack(nodes, axis=-1).reshape(-1, 4), np.stack(shares, axis=-1).reshape(-1, 4), stiffness, rows)


def _places(size: int, number: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the node before every pixel of an axis, and how far the pixel is on the way to the next."""
    place = np.linspace(0, number - 1, size)
    low = np.minimum(place.astype(np.int64), number - 2)
    return low, place - low
