"""Directions of the beam in a crystal that differ by more than its symmetry."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clustem.crystallography.crystals import Crystal

Array = NDArray[np.float64]

# A direction without symmetry in any Laue class, whatever the axes: what is nearer to it than to its equivalents is a
# fundamental sector, in all eleven classes and for all settings.
_INSIDE = np.array([0.2327, 0.4519, 0.8612])


def sample_zones(crystal: Crystal, *, step_deg: float = 1.0) -> Array:
    """Return unit vectors (Z, 3), crystal frame, that sample one fundamental sector of the Laue class.

    Neighbours are about `step_deg` apart. The sector takes in half a step more on all sides, so that a direction on
    its rim is sampled too. Directions and their opposites are equivalent: the opposite shows the mirrored pattern.

    Examples
    --------
    >>> from clustem.crystallography import Crystal, Site
    >>> gold = Crystal("Au", (4.0782, 4.0782, 4.0782, 90, 90, 90), "F m -3 m", (Site("Au", (0, 0, 0)),))
    >>> 700 < len(sample_zones(gold, step_deg=1)) < 1100  # 859 square degrees, and the rim
    True
    """
    sphere = _spiral(step_deg)
    inside = _INSIDE / np.linalg.norm(_INSIDE)
    images = np.concatenate([crystal.rotations @ inside, -crystal.rotations @ inside])
    own = sphere @ inside
    others = (sphere @ images.T).max(axis=1)
    # the chord between image directions turns a distance from the rim into a difference of the two cosines
    chosen: Array = sphere[own >= others - np.deg2rad(step_deg / 2)]
    return chosen


def _spiral(step_deg: float) -> Array:
    """Return points (n, 3) of the sphere, `step_deg` apart on the average, along a golden spiral."""
    step = np.deg2rad(step_deg)
    number = int(np.ceil(4 * np.pi / step**2))
    z = 1 - (2 * np.arange(number) + 1) / number
    angle = np.pi * (3 - np.sqrt(5)) * np.arange(number)
    radius = np.sqrt(1 - z**2)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), z], axis=1)


def zone_rotations(zones: Array) -> Array:
    """Return matrices (Z, 3, 3) from crystal to sample that bring each direction (Z, 3) along the beam, +z."""
    away = np.where(np.abs(zones[:, :1]) < 0.9, [[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]])
    x = away - (away * zones).sum(axis=1, keepdims=True) * zones
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return np.stack([x, np.cross(zones, x), zones], axis=1)
