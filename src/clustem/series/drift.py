"""Drift of the sample from frame to frame, from scan images: all pairs together, nothing accumulated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import next_fast_len
from scipy.linalg import lstsq
from scipy.ndimage import shift as shift_image
from skimage.registration import phase_cross_correlation

from clustem.tables import table_text

_FINE = 20  # parts of a position to which two images are registered
_PARTNERS = 12  # images before it with which each is registered, at most
_STEPS = 6
_ROUNDS = 20
_ALIKE = 5.0  # standard errors of the correlation of neighbours, in noise
_SCATTER = 0.1  # positions, at least, that pairs are taken to scatter by


@dataclass(frozen=True, eq=False, repr=False)
class Drift:
    """How far the sample has moved.

    Attributes
    ----------
    displacement : (time, 2) float64
        What is at position p in the first frame is at p + displacement in this one, (y, x) scan positions; NaN at gaps.
    scatter : float
        Root mean square, in positions, of what registered pairs disagree by, outliers left out; NaN for one frame.
    pairs, outliers : int
        Pairs of frames that were registered, and those that do not agree with the others.
    unseen : int
        Frames that show nothing to register, only noise: their displacement is that of the frames around them, or 0.
    """

    displacement: NDArray[np.float64]
    scatter: float
    pairs: int
    outliers: int
    unseen: int = 0

    def between(self, first: int, second: int) -> NDArray[np.float64]:
        """Return the displacement (2,) from one frame to another."""
        moved: NDArray[np.float64] = self.displacement[second] - self.displacement[first]
        return moved

    def __repr__(self) -> str:
        largest = float(np.nan_to_num(np.hypot(*self.displacement.T)).max(initial=0.0))
        return table_text(
            "Drift",
            [
                ("frames", len(self.displacement)),
                ("farthest from the first frame", f"{largest:.2f} positions"),
                ("pairs", f"{self.pairs}, {self.outliers} of them left out, scatter {self.scatter:.2f} positions"),
            ],
        )


def find_drift(images: NDArray[np.float64]) -> Drift:
    """Return the drift between scan images (time, scan_y, scan_x), NaN where a frame is a gap.

    Notes
    -----
    What is bright changes with every rotation of a crystal, so bright places are toned down: where there is sample
    counts more than how bright it is. Each image is registered with up to twelve before it, the nearest and ever
    farther ones, by cross-correlation of the parts that overlap (M. Guizar-Sicairos, S. T. Thurman, J. R. Fienup, Opt.
    Lett. 33, 156 (2008), doi 10.1364/OL.33.000156). The displacements are those that fit all pairs best; pairs that do
    not agree with the others lose their weight (least squares, weights of Cauchy).

    Examples
    --------
    >>> y, x = np.indices((24, 24))
    >>> images = np.stack([np.exp(-((y - 9 - t) ** 2 + (x - 12 + t / 2) ** 2) / 12) for t in range(3)])
    >>> find_drift(images).displacement.round(1).tolist()
    [[0.0, 0.0], [1.0, -0.5], [2.0, -1.0]]
    """
    present = np.flatnonzero(np.isfinite(images).all(axis=(1, 2)))
    displacement = np.full((len(images), 2), np.nan)
    displacement[present] = 0.0
    seen = {int(k): image for k in present if _shows_something(image := _occupancy(images[k]))}
    unseen = present.size - len(seen)
    known = np.array(list(seen), np.int64)
    if known.size < 2:
        return Drift(displacement, np.nan, 0, 0, unseen)
    pairs = [(k - lag, k) for k in range(1, known.size) for lag in _lags(k)]
    shifts = np.array([_register(seen[int(known[a])], seen[int(known[b])]) for a, b in pairs])
    solved, weights, residual = _solve(np.array(pairs), shifts, known.size)
    for axis in range(2):
        displacement[present, axis] = np.interp(present, known, solved[:, axis])
    good = weights > 0.25
    scatter = float(np.sqrt((residual[good] ** 2).mean())) if good.any() else np.nan
    return Drift(displacement, scatter, len(pairs), int((~good).sum()), unseen)


def _shows_something(image: NDArray[np.float64]) -> bool:
    """Return whether neighbouring positions are more alike than noise makes them."""
    centred = image - image.mean()
    energy = float((centred**2).mean())
    pairs = ((centred[1:], centred[:-1]), (centred[:, 1:], centred[:, :-1]))
    alike = [float((a * b).mean()) / energy if energy > 0 and a.size else 0.0 for a, b in pairs]
    return bool(max(alike) > _ALIKE / np.sqrt(image.size))


def _lags(k: int) -> list[int]:
    """Return the distances to the partners of image k: all nearby, ever fewer farther ones."""
    return sorted({min(k, round(1.6**n)) for n in range(_PARTNERS + 1)} | {lag for lag in (1, 2, 3) if lag <= k})


def _occupancy(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where there is sample, from 0 to 1. Any blur would bend what is near the edges, which stand still."""
    dark, bright = np.percentile(image, (20, 99))
    return np.asarray(np.tanh(np.maximum(image - dark, 0) / max(float(bright - dark), 1e-12)))


def _register(reference: NDArray[np.float64], moving: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return by how much the content of `moving` is displaced from that of `reference`, (2,)."""
    whole = np.zeros(2, int)
    for _ in range(2):  # once for the overlap, once in it
        first, second = _overlap(reference, moving, whole)
        shift = -np.asarray(_shift(first, second, 1)).astype(int)
        if not shift.any():
            break
        moved = whole + shift
        if (np.abs(moved) > 0.6 * np.array(reference.shape)).any():
            break
        whole = moved
    first, second = _overlap(reference, moving, whole)
    part = np.zeros(2)
    for _ in range(_STEPS):  # what fades out stands still, so that one step is too short
        step = _shift(first, shift_image(second, -part, order=3, mode="nearest"), _FINE)
        part = np.clip(part - step, -1.5, 1.5)
        if np.abs(step).max() <= 1 / _FINE:
            break
    return np.asarray(whole + part)


def _overlap(
    first: NDArray[np.float64], second: NDArray[np.float64], whole: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the parts of two images that show the same, if the second is displaced by whole positions."""
    size = np.array(first.shape) - np.abs(whole)
    here, there = np.maximum(-whole, 0), np.maximum(whole, 0)
    return (
        first[here[0] : here[0] + size[0], here[1] : here[1] + size[1]],
        second[there[0] : there[0] + size[0], there[1] : there[1] + size[1]],
    )


def _shift(first: NDArray[np.float64], second: NDArray[np.float64], fine: int) -> NDArray[np.float64]:
    """Return the shift that registers the second image with the first, by cross-correlation, edges faded out."""
    shape = [next_fast_len(2 * length, real=True) for length in first.shape]
    window = np.outer(*(_fade(length) for length in first.shape))
    padded = []
    for image in (first, second):
        centred = (image - (image * window).sum() / window.sum()) * window
        padded.append(np.pad(centred, [(0, large - small) for large, small in zip(shape, image.shape, strict=True)]))
    if not padded[0].any() or not padded[1].any():
        return np.zeros(2)
    shift, *_ = phase_cross_correlation(padded[0], padded[1], upsample_factor=fine, normalization=None)
    return np.asarray(shift, np.float64)


def _fade(length: int) -> NDArray[np.float64]:
    """Return weights (length,) that fall to the edges over an eighth of the image."""
    distance = np.minimum(np.arange(length), np.arange(length)[::-1]) + 0.5
    return np.asarray(np.sin(np.pi / 2 * np.minimum(distance / max(1.0, length / 8), 1)) ** 2)


def _solve(
    pairs: NDArray[np.int64], shifts: NDArray[np.float64], number: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the displacements (number, 2) that fit all pairs, the first 0, with weights and residuals of the pairs."""
    matrix = np.zeros((len(pairs), number))
    matrix[np.arange(len(pairs)), pairs[:, 1]] = 1
    matrix[np.arange(len(pairs)), pairs[:, 0]] = -1
    weights = 1 / (pairs[:, 1] - pairs[:, 0]) ** 0.5  # far pairs see a sample that has changed more
    given = weights.copy()
    for _ in range(_ROUNDS):
        root = np.sqrt(weights)[:, None]
        solved = np.zeros((number, 2))
        solved[1:] = lstsq(matrix[:, 1:] * root, shifts * root)[0]
        residual = np.hypot(*(matrix @ solved - shifts).T)
        scale = max(_SCATTER, 1.5 * float(np.median(residual)))
        weights = given / (1 + (residual / scale) ** 2)
    return solved, weights / given, residual
