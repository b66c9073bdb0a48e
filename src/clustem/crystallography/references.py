"""What strain is relative to: the crystal, one domain, or the median of those with the same lattice in the plane."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

_SAME_ZONE_DEG = 5.0  # tilt between two crystals up to which their lattices in the plane can be compared
_LEAST_MEMBERS = 3  # of a median

Reference = int | Literal["crystal", "median"]


@dataclass(frozen=True, eq=False)
class Comparison:
    """What makes deformations F (in the plane, x, y order) relative to the reference: F `bases`.

    Attributes
    ----------
    bases : (K, 2, 2) float64
        NaN where a domain cannot be compared.
    reasons : tuple of str
        Why not; empty where it can.
    """

    bases: NDArray[np.float64]
    reasons: tuple[str, ...]


Turn = Callable[[int, int], float | None]  # of domain i's lattice against that of domain j; None: not comparable


def compare(deformations: NDArray[np.float64], turn: Turn, reference: Reference) -> Comparison:
    """Return how the deformations (K, 2, 2), NaN where unknown, are made relative to the reference.

    `turn(i, j)` is the angle, in radians from x towards y, by which the undeformed lattice of domain i is turned
    against that of domain j, or None if it is another lattice.
    """
    number = len(deformations)
    known: NDArray[np.bool_] = np.isfinite(deformations[:, 0, 0])
    if reference == "crystal":
        return Comparison(np.where(known[:, None, None], np.eye(2), np.nan), ("",) * number)
    bases, reasons = np.full((number, 2, 2), np.nan), [""] * number
    if isinstance(reference, int):
        _against(bases, deformations, np.flatnonzero(known), reference - 1, turn)
        other = f"another crystal or orientation than the reference, domain {reference}"
        return Comparison(bases, tuple(other if miss else "" for miss in known & np.isnan(bases[:, 0, 0])))
    left = known.copy()
    for anchor in np.flatnonzero(known).tolist():
        if not left[anchor]:
            continue
        members = _against(bases, deformations, np.flatnonzero(left), anchor, turn)
        left[members] = False
        if len(members) < _LEAST_MEMBERS:
            bases[members] = np.nan
            for n in members:
                reasons[n] = "fewer than three domains of this crystal and orientation, so no median"
            continue
        median = np.median(deformations[members] @ bases[members], axis=0)
        bases[members] = bases[members] @ np.linalg.inv(median)
    return Comparison(bases, tuple(reasons))


def _against(
    bases: NDArray[np.float64],
    deformations: NDArray[np.float64],
    domains: NDArray[np.intp],
    anchor: int,
    turn: Turn,
) -> NDArray[np.intp]:
    """Fill the bases of those domains that can be compared with `anchor`, and return them."""
    members = []
    for n in domains:
        angle = 0.0 if n == anchor else turn(int(n), int(anchor))
        if angle is not None:
            rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            bases[n] = rotation @ np.linalg.inv(deformations[anchor])
            members.append(n)
    return np.array(members, np.intp)


def turn_about_beam(
    first: NDArray[np.float64], second: NDArray[np.float64], symmetry: NDArray[np.float64]
) -> float | None:
    """Return the angle by which `first` is turned about the beam against `second`; None if more than 5° tilted.

    Both are rotations (3, 3), crystal to sample; of all equivalent ones by `symmetry` (n, 3, 3) the smallest turn
    counts.
    """
    between = first @ symmetry @ second.T
    tilts = np.rad2deg(np.arccos(np.clip(between[:, 2, 2], -1, 1)))
    turns = np.arctan2(between[:, 1, 0] - between[:, 0, 1], between[:, 0, 0] + between[:, 1, 1])
    same = np.flatnonzero(tilts < _SAME_ZONE_DEG)
    if not same.size:
        return None
    return float(turns[same[np.argmin(np.round(np.abs(turns[same]), 6))]])
