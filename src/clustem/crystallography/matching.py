"""Sparse-correlation matching: the orientations of a crystal that may have made a pattern."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clustem.crystallography import _matching_kernels as kernels
from clustem.crystallography.crystals import Crystal
from clustem.crystallography.rotations import MIRROR_PARTNER
from clustem.crystallography.structure_factors import Reflections
from clustem.crystallography.zones import sample_zones, zone_rotations

Array = NDArray[np.float64]

_SAME_SHELL = 0.01  # 1/Å; reflections whose lengths differ by less share a shell, well below the width of a peak
_MOST_SPOTS = 48  # the strongest spots of a zone say where it is; more only cost time
_LOOKED_AT = 40  # best zones per orientation that is wanted, of which the azimuths are found
_SECOND_DEG = 15.0  # the second azimuth of a zone must differ from the first by more than the width of a peak


@dataclass(frozen=True, eq=False, repr=False)
class Templates:
    """The expected patterns of all zones of a crystal, made by :func:`make_templates`.

    Attributes
    ----------
    crystal : Crystal
    frames : (Z, 3, 3) float64
        Orientation of each zone at azimuth 0.
    first : (Z + 1,) int64
        Where the spots of each zone begin.
    shell, column : (n,) int32
        Shell and azimuth of every spot.
    weight : (n,) float32
        Its weight; the squares of a zone add up to 1.
    shells : (S,) float64
        Radii in 1/Å.
    turns : int
        Number of azimuths.
    """

    crystal: Crystal
    frames: Array
    first: NDArray[np.int64]
    shell: NDArray[np.int32]
    column: NDArray[np.int32]
    weight: NDArray[np.float32]
    shells: Array
    turns: int


def make_templates(
    crystal: Crystal,
    reflections: Reflections,
    *,
    wavelength: float,
    step_deg: float = 1.0,
    relrod: float = 0.02,
    power_length: float = 1.0,
    power_intensity: float = 0.25,
) -> Templates:
    """Expect the pattern of every zone: spots near the Ewald sphere, weighted as Ophus et al. do.

    The weight of a spot is |g|^power_length · (|F|² exp(−s²/2 relrod²))^power_intensity, doi 10.1017/S1431927622000101.
    """
    frames = zone_rotations(sample_zones(crystal, step_deg=step_deg))
    turns = round(360 / step_deg)
    shells, shell_of = _shells(reflections.length)
    strength = reflections.length**power_length * reflections.intensity**power_intensity
    most = min(_MOST_SPOTS, len(reflections))
    spot, column = np.empty((len(frames), most), np.int64), np.empty((len(frames), most), np.int32)
    weight, number = np.empty((len(frames), most), np.float32), np.empty(len(frames), np.int64)
    width = relrod / np.sqrt(power_intensity) if power_intensity > 0 else np.inf
    kernels.expect_spots(
        frames, reflections.g, strength, wavelength, width, 3 * relrod, turns, spot, column, weight, number
    )
    used = np.arange(most) < number[:, None]
    first = np.concatenate([[0], np.cumsum(number)])
    return Templates(
        crystal, frames, first, shell_of[spot[used]].astype(np.int32), column[used], weight[used], shells, turns
    )


def _shells(length: Array) -> tuple[Array, NDArray[np.int64]]:
    """Group sorted lengths (N,) into shells: their radii (S,), and the shell of every length (N,)."""
    shell = np.zeros(length.size, np.int64)
    start, number = length[0], 0
    for i, value in enumerate(length):
        if value - start > _SAME_SHELL:
            start, number = value, number + 1
        shell[i] = number
    return np.bincount(shell, weights=length) / np.bincount(shell), shell


def match_pattern(
    g: Array,
    intensity: Array,
    templates: Templates,
    *,
    most: int = 12,
    apart_deg: float = 5.0,
    width: float = 0.06,
    power_intensity: float = 0.25,
) -> tuple[Array, Array]:
    """Return up to `most` orientations (n, 3, 3) and their correlations (n,) for one pattern, best first.

    `g` (m, 2) are the peaks (x, y) in 1/Å, sample frame; `intensity` (m,) their intensities. Orientations less than
    `apart_deg` from a better one are left out.
    """
    weight = np.maximum(intensity, 0.0) ** power_intensity
    weight /= max(float(np.linalg.norm(weight)), 1e-300)
    rows = np.empty((templates.shells.size, 2 * templates.turns), np.float32)
    kernels.spread_peaks(
        np.hypot(g[:, 0], g[:, 1]), np.arctan2(g[:, 1], g[:, 0]), weight, templates.shells, width, rows
    )
    parts = np.empty(rows.size, np.float32)
    kernels.split_azimuths(rows, parts)
    spots = templates.first, templates.shell, templates.column, templates.weight
    highest = np.empty((len(templates.frames), 2), np.float32)
    kernels.correlate_zones(parts, *spots, templates.turns, highest)
    looked_at = min(_LOOKED_AT * most, highest.size)
    zones = np.sort(np.argpartition(-highest.ravel(), looked_at - 1)[:looked_at])
    scores, angles = np.empty((zones.size, 2), np.float32), np.empty((zones.size, 2), np.int64)
    apart = round(_SECOND_DEG / 360 * templates.turns)
    kernels.find_azimuths(rows, parts, *spots, apart, zones, scores, angles)
    order = np.argsort(-scores.ravel(), kind="stable")[:looked_at]
    matrices = _orientations(zones[order // 2], angles.ravel()[order], templates)
    chosen = np.empty(most, np.int64)
    cosine = 1 + 2 * np.cos(np.deg2rad(apart_deg))
    number = kernels.choose_distinct(matrices, templates.crystal.rotations, cosine, chosen)
    chosen = chosen[:number]
    return matrices[chosen], scores.ravel()[order][chosen].astype(np.float64)


def _orientations(place: NDArray[np.int64], column: NDArray[np.int64], templates: Templates) -> Array:
    """Return the orientations (n, 3, 3) of zones, twice their number, + 1 = mirrored, with their azimuths."""
    zone, mirror = place // 2, place % 2
    turn = column * (2 * np.pi / templates.turns)
    about_beam = np.zeros((place.size, 3, 3))
    about_beam[:, 0, 0] = about_beam[:, 1, 1] = np.cos(turn)
    about_beam[:, 1, 0] = np.sin(turn)
    about_beam[:, 0, 1] = -np.sin(turn)
    about_beam[:, 2, 2] = 1
    seen = np.where((mirror == 1)[:, None, None], MIRROR_PARTNER @ templates.frames[zone], templates.frames[zone])
    return about_beam @ seen
