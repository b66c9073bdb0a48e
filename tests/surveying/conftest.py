"""Synthetic direct beams and scans of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import erfc

Image = NDArray[np.float64]


def soft_disk(centre: tuple[float, float], radius: float, shape: tuple[int, int], softness: float = 0.8) -> Image:
    """Disk of height 1 whose edge is an error function."""
    y, x = np.indices(shape)
    return 0.5 * erfc((np.hypot(y - centre[0], x - centre[1]) - radius) / softness)


@pytest.fixture
def disk() -> Callable[..., Image]:
    return soft_disk


@pytest.fixture
def counts() -> NDArray[np.uint16]:
    """6×7 patterns of 40×44 pixels, about 2500 electrons each: a steady direct beam, spots and background."""
    expected = 20 * soft_disk((19.3, 21.6), 5.0, (40, 44)) + 0.3
    for place, height in (((8, 9), 12), ((31, 30), 9), ((10, 33), 6)):
        expected += height * soft_disk(place, 2.0, (40, 44))
    return np.random.default_rng(1).poisson(np.broadcast_to(expected, (6, 7, 40, 44))).astype(np.uint16)
