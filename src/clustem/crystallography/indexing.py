"""Which peak belongs to which reflection of a crystal in a known orientation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clustem.crystallography.structure_factors import Reflections

_REACH = 0.06  # 1/Å: excitation errors up to which reflections are looked for
_RELROD = 0.012  # 1/Å: excitation error at which a reflection of a thin crystal is much fainter
_APART = 1.2  # probe radii within which two reflections make one peak
_MIXED = 0.3  # of the stronger one's strength: a fainter one above it moves the peak they make together
_LOOSE = 0.02  # of |g|, in the first round: strain and calibration
_CLOSE = 0.5  # probe radii between a peak and its reflection


@dataclass(frozen=True, eq=False)
class Candidates:
    """Reflections that may show: indices (n, 2 or 3), `g` (n, 3) in the sample frame, and how strong they may be."""

    hkl: NDArray[np.int64]
    g: NDArray[np.float64]
    strength: NDArray[np.float64]

    def kept(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> Candidates:
        """Return some of them."""
        return Candidates(self.hkl[which], self.g[which], self.strength[which])


def near_the_sphere(
    reflections: Reflections, rotation: NDArray[np.float64], wavelength: float, *, reach: float = _REACH
) -> Candidates:
    """Return the reflections that a rotation (crystal to sample) brings near the Ewald sphere, strongest first."""
    hkl, g, intensity = reflections.hkl, reflections.g, reflections.intensity
    turned = g @ rotation.T
    excitation = -(turned[:, 2] + wavelength * (turned**2).sum(axis=1) / 2)
    near = np.abs(excitation) < reach
    strength = intensity[near] / (1 + (excitation[near] / _RELROD) ** 2) ** 2
    order = np.argsort(-strength, kind="stable")
    return Candidates(hkl[near], turned[near], strength).kept(order)


def separate(candidates: Candidates, radius: float) -> Candidates:
    """Return those that make a peak of their own: neither covered by a stronger one nor mixed with one like it.

    `candidates` come strongest first; `radius` is that of the probe, in 1/Å.
    """
    flat, distance = candidates.g[:, :2], _APART * radius
    kept: list[int] = []
    alone = np.ones(len(flat), bool)
    for n in range(len(flat)):
        close = [m for m in kept if np.hypot(*(flat[n] - flat[m])) < distance]
        if not close:
            kept.append(n)
        elif candidates.strength[n] > _MIXED * candidates.strength[close[0]]:
            alone[close[0]] = False
    return candidates.kept(np.array([n for n in kept if alone[n]], np.int64))


def pair(
    expected: NDArray[np.float64], peaks: NDArray[np.float64], allowed: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which of `expected` (n, 2) goes with which of `peaks` (m, 2), one to one, nearest first.

    `allowed` (n,) is the largest distance for each.
    """
    distance = np.hypot(expected[:, None, 0] - peaks[:, 0], expected[:, None, 1] - peaks[:, 1])
    near = np.argwhere(distance < allowed[:, None])
    near = near[np.argsort(distance[tuple(near.T)], kind="stable")]
    pairs: dict[int, int] = {}
    for n, m in near.tolist():
        if n not in pairs and m not in pairs.values():
            pairs[n] = m
    return np.array(list(pairs), np.int64), np.array(list(pairs.values()), np.int64)


def tolerances(expected: NDArray[np.float64], radius: float, *, loose: bool) -> NDArray[np.float64]:
    """Return how far from `expected` (n, 2) a peak may be: half a probe radius, if `loose` and 2 % of |g|."""
    return _CLOSE * radius + (_LOOSE * np.hypot(expected[:, 0], expected[:, 1]) if loose else np.zeros(len(expected)))
