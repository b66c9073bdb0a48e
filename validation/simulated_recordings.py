"""Recordings of a simulated scan: as another detector or microscope would have given it. The domains stay the same.

They add to those of `recordings.py`. All take and return patterns (scan_y, scan_x, k_y, k_x), and a seed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import recordings
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

Counts = NDArray[Any]
Recording = Callable[[Counts, int], Counts]


def binned(counts: Counts, times: int) -> Counts:
    """Sums of so many pixels in both directions; what is left over at the end is cut off."""
    y, x = (size // times for size in counts.shape[2:])
    parts = counts[..., : times * y, : times * x].reshape(*counts.shape[:2], y, times, x, times)
    sums: Counts = parts.sum(axis=(3, 5), dtype=np.uint32)
    return sums


def pedestal(counts: Counts, _seed: int) -> Counts:
    """Half an electron taken from every pixel, as by a dark frame that is too bright: values below zero."""
    return counts.astype(np.float32) - np.float32(0.5)


def behind_stop(counts: Counts, _seed: int) -> Counts:
    """A beam stop: a disk over the direct beam, its radius a ninth of the detector, and a stalk to the edge."""
    height, width = counts.shape[2:]
    y, x = np.indices((height, width)) - np.array([(height - 1) / 2, (width - 1) / 2])[:, None, None]
    radius = min(height, width) / 9
    hidden = (np.hypot(y, x) < radius) | ((np.abs(y) < radius / 3) & (x < 0))
    return np.where(hidden, 0, counts).astype(counts.dtype)


def descan(counts: Counts, seed: int) -> Counts:
    """The pattern moves by up to ±2.5 px, smoothly over the scan, in parts of a pixel.

    A part of a pixel is a share of the electrons that goes to the next one, drawn binomially: counts stay Poisson
    counts and whole. What leaves the detector on one side comes back on the other.
    """
    random = np.random.default_rng((seed, 1))
    y, x = np.indices(counts.shape[:2])
    phase = random.uniform(0, 2 * np.pi, 2)
    moved = counts
    for axis, shift in ((0, 2.5 * np.sin(y / 9 + x / 40 + phase[0])), (1, 2.5 * np.cos(x / 13 - y / 50 + phase[1]))):
        moved = _shifted(moved, shift, axis, random)
    return moved


def _shifted(counts: Counts, shift: NDArray[np.float64], axis: int, random: np.random.Generator) -> Counts:
    moved = np.empty_like(counts)
    for place in np.ndindex(*counts.shape[:2]):
        whole = int(np.floor(shift[place]))
        further = random.binomial(counts[place], shift[place] - whole).astype(counts.dtype)
        moved[place] = np.roll(counts[place] - further, whole, axis) + np.roll(further, whole + 1, axis)
    return moved


def drifting_current(counts: Counts, seed: int) -> Counts:
    """A beam whose current wanders between the whole and a half of it, slowly, in the order of the scan."""
    random = np.random.default_rng((seed, 2))
    steps = gaussian_filter1d(random.normal(size=counts.shape[0] * counts.shape[1]), 2 * counts.shape[1])
    current = 0.5 + 0.5 * (steps - steps.min()) / np.ptp(steps)
    drawn: Counts = random.binomial(counts, current.reshape(*counts.shape[:2], 1, 1)).astype(counts.dtype)
    return drawn


def stretched_to_8_bit(counts: Counts, _seed: int) -> Counts:
    """Every pattern stretched to 8 bits by its own range, after a square root: no electrons any more."""
    return _stretched(np.sqrt(counts.astype(np.float32)))


def normalised_to_8_bit(counts: Counts, _seed: int) -> Counts:
    """Every pattern stretched to 8 bits by its own range, as programs for Kikuchi patterns store them."""
    return _stretched(counts.astype(np.float32))


def transposed(counts: Counts, _seed: int) -> Counts:
    """The axes of scan and detector exchanged, and so those of the truth."""
    return np.ascontiguousarray(counts.transpose(1, 0, 3, 2))


def _stretched(values: NDArray[np.float32]) -> Counts:
    low, high = np.percentile(values, (0.5, 99.5), axis=(2, 3), keepdims=True)
    stretched = 255 * np.clip((values - low) / np.maximum(high - low, 1e-6), 0, 1)
    return np.asarray(stretched, np.uint8)


RECORDINGS: dict[str, Recording] = {
    "gain and offset": lambda counts, _: recordings.gain_and_offset(counts),
    "rescaled, real numbers": lambda counts, _: recordings.rescaled_float(counts),
    "pedestal": pedestal,
    "binned by 2": lambda counts, _: binned(counts, 2),
    "binned by 4": lambda counts, _: binned(counts, 4),
    "beam stop": behind_stop,
    "descan": descan,
    "off centre": lambda counts, _: recordings.off_centre(counts),
    "drifting current": drifting_current,
    "hot and dead pixels": lambda counts, _: recordings.hot_and_dead(counts),
    "stretched to 8 bit": stretched_to_8_bit,
    "normalised to 8 bit": normalised_to_8_bit,
    "transposed": transposed,
}
