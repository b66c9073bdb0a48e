"""The same scan as another microscope would have recorded it: the domains must not change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scenes import Scene

Counts = NDArray[Any]
_MOST = np.iinfo(np.uint16).max


def gain_and_offset(counts: Counts) -> Counts:
    """A camera: 7.3 units per electron on 40, with a read noise of 2, rounded to 16 bits."""
    noise = np.random.default_rng(0).normal(0, 2, counts.shape)
    return (7.3 * counts + 40 + noise).round().clip(0, _MOST).astype(np.uint16)


def rescaled_float(counts: Counts) -> Counts:
    """The range of the values stretched to 16 bits, then stored as real numbers."""
    return np.floor(counts * np.float32(_MOST / counts.max())).astype(np.float32)


def descan(counts: Counts) -> Counts:
    """The pattern moves by up to 2 px over the scan, in whole pixels."""
    moved = np.empty_like(counts)
    for y, x in np.ndindex(counts.shape[:2]):
        shift = round(2 * np.sin(y / 9)), round(2 * np.cos(x / 13))
        moved[y, x] = np.roll(counts[y, x], shift, axis=(0, 1))
    return moved


def off_centre(counts: Counts) -> Counts:
    """The pattern 5 px and 3 px away from where it was."""
    return np.roll(counts, (5, -3), axis=(2, 3))


def hot_and_dead(counts: Counts) -> Counts:
    """Twenty hot pixels, twenty dead ones, and five patterns that were lost."""
    generator = np.random.default_rng(0)
    broken = counts.copy()
    rows, columns = (generator.integers(0, size, 40) for size in counts.shape[2:])
    broken[:, :, rows[:20], columns[:20]] = 4000
    broken[:, :, rows[20:], columns[20:]] = 0
    broken[tuple(generator.integers(0, size, 5) for size in counts.shape[:2])] = 0
    return broken


def intensity_ramp(counts: Counts) -> Counts:
    """A beam that grows from a third to the whole of its current along the fast axis of the scan."""
    current = np.linspace(1 / 3, 1, counts.shape[1])[:, None, None]
    kept: Counts = np.random.default_rng(0).binomial(counts, current).astype(counts.dtype)
    return kept


def diffuse_background(counts: Counts) -> Counts:
    """Half as many electrons again, scattered diffusely about the beam."""
    mean = counts.mean(axis=(0, 1))
    rows, columns = np.indices(mean.shape)
    centre_y, centre_x = np.unravel_index(mean.argmax(), mean.shape)
    shape = np.exp(-np.hypot(rows - centre_y, columns - centre_x) / (0.15 * mean.shape[1]))
    background = 0.5 * mean.sum() * shape / shape.sum()
    more: Counts = counts + np.random.default_rng(0).poisson(background, counts.shape).astype(counts.dtype)
    return more


def binned(counts: Counts) -> Counts:
    """The detector binned by 2; what is left over at its end is cut off."""
    y, x = (size // 2 for size in counts.shape[2:])
    parts = counts[..., : 2 * y, : 2 * x].reshape(*counts.shape[:2], y, 2, x, 2)
    sums: Counts = parts.sum(axis=(3, 5)).astype(counts.dtype)
    return sums


RECORDINGS: dict[str, Callable[[Counts], Counts]] = {
    "gain and offset": gain_and_offset,
    "rescaled, real numbers": rescaled_float,
    "descan": descan,
    "off centre": off_centre,
    "hot and dead pixels": hot_and_dead,
    "intensity ramp": intensity_ramp,
    "diffuse background": diffuse_background,
    "detector binned": binned,
}
TRANSPOSED = "transposed"


def recorded(scene: Scene, name: str) -> Scene:
    """Return the scene after one of `RECORDINGS`, or `TRANSPOSED`: scan and detector with their axes exchanged."""
    if name == TRANSPOSED:
        counts = np.ascontiguousarray(scene.counts.transpose(1, 0, 3, 2))
        return Scene(counts, tuple(truth.T for truth in scene.truths), scene.kinds)
    return Scene(RECORDINGS[name](scene.counts), scene.truths, scene.kinds)
