"""Patterns about their centre: what a rotation leaves alike, behind the noise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, rfft
from scipy.sparse import csr_matrix

SECTORS = 180
_MOST_RINGS = 48
_FLOOR = 1e-2  # of the mean over the rings, for what patterns are divided by
_NEAR_BEST = 0.92  # of the highest correlation: angles as good as the best, among which the smallest is taken
_UNLIKELY = 0.3  # of a correlation that a turn by 180 degrees loses: from frame to frame, small turns are likely
_INTERPOLATED = 4 / 9  # of the variance of a pixel that samples between four have, on average
_SIGNAL = 3.0  # standard errors of the energy that a pattern must have above its noise


@dataclass(frozen=True, eq=False)
class PolarPatterns:
    """Patterns in polar coordinates. Index i is that of the pattern.

    Attributes
    ----------
    values : (K, rings, SECTORS) float32
        What exceeds the mean of each ring; angles from x towards y.
    rings : (K, rings) float64
        Mean of each ring.
    energy, noise : (K, rings) float64
        Sum of squares of the values in each ring, and what noise adds to it.
    weight : (rings,) float64
        Detector pixels of a sector; 0 for rings without any.
    """

    values: NDArray[np.float32]
    rings: NDArray[np.float64]
    energy: NDArray[np.float64]
    noise: NDArray[np.float64]
    weight: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.values)

    def only(self, chosen: list[int]) -> PolarPatterns:
        """Return the patterns of some indices."""
        return PolarPatterns(
            self.values[chosen], self.rings[chosen], self.energy[chosen], self.noise[chosen], self.weight
        )


def polar_patterns(
    patterns: NDArray[np.float32],
    variance: NDArray[np.float64],
    *,
    centre_px: NDArray[np.float64],
    mask: NDArray[np.bool_],
    inner_px: float,
) -> PolarPatterns:
    """Return patterns (K, k_y, k_x) about their centre, with the noise that their `variance` (K, k_y, k_x) makes.

    There is a ring for every pixel of radius, at most 48, the same for all detectors of a shape; those within
    `inner_px` do not count. Samples are interpolated between the four pixels around them; one of which a pixel is not
    in `mask` counts as the mean of its ring.
    """
    sampling, weight = _sampling(mask, centre_px, inner_px)
    number, rings = len(patterns), weight.size
    samples = (sampling @ patterns.reshape(number, mask.size).T.astype(float)).T.reshape(number, rings, SECTORS)
    used = np.asarray(sampling.sum(axis=1)).reshape(rings, SECTORS) > 0
    counts = np.maximum(used.sum(axis=1), 1)
    means = samples.sum(axis=2) / counts
    values = np.where(used, samples - means[..., None], 0)
    flat = variance.reshape(number, mask.size).T
    single = (sampling.multiply(sampling) @ flat).T.reshape(number, rings, SECTORS).sum(axis=2)
    gathered = csr_matrix(np.kron(np.eye(rings), np.ones(SECTORS))) @ sampling
    common = (gathered.multiply(gathered) @ flat).T / counts
    return PolarPatterns(
        values.astype(np.float32), means, (values**2).sum(axis=2), np.maximum(single - common, 0), weight
    )


def _sampling(
    mask: NDArray[np.bool_], centre: NDArray[np.float64], inner: float
) -> tuple[csr_matrix, NDArray[np.float64]]:
    """Return the matrix (rings · SECTORS, pixels) that interpolates, and the pixels of a sector in each ring."""
    height, width = mask.shape
    number = max(2, min(_MOST_RINGS, min(height, width) // 2))
    step = min(height, width) / 2 / number
    radius = step * np.arange(1, number + 1)
    angle = 2 * np.pi * np.arange(SECTORS) / SECTORS
    y = (centre[0] + radius[:, None] * np.sin(angle)).ravel()
    x = (centre[1] + radius[:, None] * np.cos(angle)).ravel()
    top, left = np.floor(y).astype(int), np.floor(x).astype(int)
    rows, columns, shares, valid = [], [], [], np.ones(y.size, bool)
    for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1)):
        share = np.abs(1 - dy - (y - top)) * np.abs(1 - dx - (x - left))
        iy, ix = top + dy, left + dx
        inside = (iy >= 0) & (iy < height) & (ix >= 0) & (ix < width)
        iy, ix = np.clip(iy, 0, height - 1), np.clip(ix, 0, width - 1)
        valid &= (inside & mask[iy, ix]) | (share < 1e-9)
        rows.append(np.arange(y.size))
        columns.append(iy * width + ix)
        shares.append(share)
    valid &= np.repeat(radius >= inner, SECTORS)
    values = np.concatenate(shares) * np.tile(valid, 4)
    matrix = csr_matrix((values, (np.concatenate(rows), np.concatenate(columns))), shape=(y.size, mask.size))
    covered = valid.reshape(number, SECTORS).any(axis=1)
    return matrix, np.where(covered, 2 * np.pi * radius * step / SECTORS, 0)


def anisotropy(patterns: PolarPatterns) -> NDArray[np.float64]:
    """Return (K,) the share of a pattern's energy that its rings' means leave, noise taken off; 0 where there is none.

    Both are weighted as in :func:`compare_rotated`.
    """
    weight = patterns.weight / _expected(patterns.rings)
    uneven = ((patterns.energy - patterns.noise) * weight).sum(axis=1)
    whole = (SECTORS * patterns.rings**2 * weight).sum(axis=1) + uneven
    return np.asarray(np.where(whole > 0, np.maximum(uneven, 0) / np.maximum(whole, 1e-300), 0))


def compare_rotated(
    first: PolarPatterns, second: PolarPatterns, *, pairs: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how alike patterns are if they may be rotated in their plane, and by how much they are.

    Parameters
    ----------
    first, second : PolarPatterns
        K and L patterns with the same rings.
    pairs : (K, L) bool, optional
        Which are to be compared; all without it.

    Returns
    -------
    similarity : (K, L) float64
        Highest correlation over all rotations, corrected for noise; NaN where one of them has no signal above it.
    angle : (K, L) float64
        By how many degrees the second is rotated, −180 … 180, positive from x towards y. Of angles that are nearly as
        good as the best, the smallest, because crystals look the same after rotations.

    Notes
    -----
    What exceeds the means of rings is correlated, so that liquid, support and direct beam count nothing. Rings are
    divided by the mean of both patterns there (whitening).
    """
    similarity = np.full((len(first), len(second)), np.nan)
    angle = np.zeros(similarity.shape)
    turned = np.conj(rfft(first.values, axis=2)), rfft(second.values, axis=2)
    shares = _expected(first.rings), _expected(second.rings)
    for i, j in np.argwhere(np.ones(similarity.shape, bool) if pairs is None else pairs):
        weight = 2 * np.minimum(first.weight, second.weight) / (shares[0][i] + shares[1][j])
        energies = _energy(first, i, weight), _energy(second, j, weight)
        if min(energies) <= 0:
            continue
        product = irfft(np.einsum("r,rf,rf->f", weight, turned[0][i], turned[1][j]), SECTORS)
        angle[i, j], peak = _peak(product)
        similarity[i, j] = peak / np.sqrt(energies[0] * energies[1])
    return similarity, angle


def similarity_at(first: PolarPatterns, i: int, second: PolarPatterns, j: int, angle: float) -> float:
    """Return the noise-corrected similarity of two patterns, the second turned back by an angle in degrees."""
    weight, energies = _pair(first, i, second, j)
    if min(energies) <= 0:
        return float("nan")
    product = irfft(np.einsum("r,rf,rf->f", weight, np.conj(rfft(first.values[i])), rfft(second.values[j])), SECTORS)
    place = (angle * SECTORS / 360) % SECTORS
    below, part = int(place), place % 1
    value = (1 - part) * product[below] + part * product[(below + 1) % SECTORS]
    return float(value / np.sqrt(energies[0] * energies[1]))


def similarity_error(first: PolarPatterns, i: int, second: PolarPatterns, j: int) -> float:
    """Return the standard error of the similarity of two patterns that are not turned; NaN where there is none.

    Counting noise is larger where a pattern is brighter, so that spots carry more of it than the mean of their ring.
    """
    weight, energies = _pair(first, i, second, j)
    if min(energies) <= 0:
        return float("nan")
    one, other = first.values[i].astype(float), second.values[j].astype(float)
    noise, others = _noise(first, i), _noise(second, j)
    pixels = np.maximum(np.minimum(first.weight, second.weight), 1e-12)
    several = np.maximum(1, 1 / (_INTERPOLATED * pixels))  # samples that have noise in common
    spread = (one**2 * others + other**2 * noise - noise * others).sum(axis=1)
    variance = max(float((spread * weight**2 * several).sum()), 0.0)
    return float(np.sqrt(variance / (energies[0] * energies[1])))


def _pair(
    first: PolarPatterns, i: int, second: PolarPatterns, j: int
) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """Return the weights (rings,) by which two patterns are compared, and their energies without noise."""
    shares = _expected(first.rings)[i] + _expected(second.rings)[j]
    weight = 2 * np.minimum(first.weight, second.weight) / shares
    return weight, (_energy(first, i, weight), _energy(second, j, weight))


def _noise(patterns: PolarPatterns, i: int) -> NDArray[np.float64]:
    """Return the variance (rings, SECTORS) of the samples of a pattern."""
    rings = patterns.rings[i][:, None]
    brightness = np.maximum(1 + patterns.values[i] / np.where(rings > 0, rings, np.inf), 0)
    return np.asarray(patterns.noise[i][:, None] / SECTORS * brightness)


def means_of_others(patterns: list[PolarPatterns], angles: list[float]) -> Iterator[PolarPatterns]:
    """Yield for each of several single patterns the mean of all others, at equal mean, turned back by their angles.

    Angles are in degrees. At least two patterns are needed.
    """
    phase = 2j * np.pi / 360 * np.arange(SECTORS // 2 + 1)
    scale = np.array([1 / max(float(p.rings.mean()), 1e-300) for p in patterns])
    turned = np.array(
        [
            factor * irfft(rfft(p.values[0].astype(float), axis=1) * np.exp(phase * angle), SECTORS, axis=1)
            for factor, p, angle in zip(scale, patterns, angles, strict=True)
        ]
    )
    rings = np.array([factor * p.rings for factor, p in zip(scale, patterns, strict=True)])
    noise = np.array([factor**2 * p.noise for factor, p in zip(scale, patterns, strict=True)])
    weight = np.min([p.weight for p in patterns], axis=0)
    sums, others = [part.sum(axis=0) for part in (turned, rings, noise)], len(patterns) - 1
    for own_turned, own_rings, own_noise in zip(turned, rings, noise, strict=True):
        values = (sums[0] - own_turned)[None] / others
        left = np.maximum(sums[2] - own_noise, 0) / others**2
        yield PolarPatterns(
            values.astype(np.float32), (sums[1] - own_rings) / others, (values**2).sum(axis=2), left, weight
        )


def _expected(rings: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the means of rings (K, rings) relative to their mean, not too small."""
    typical = np.maximum(rings.mean(axis=1, keepdims=True), 1e-300)
    return np.asarray(np.maximum(rings / typical, _FLOOR))


def _energy(patterns: PolarPatterns, i: int, weight: NDArray[np.float64]) -> float:
    """Return the energy of a pattern without its noise, 0 if that is no more than chance makes."""
    whole, noise = float(patterns.energy[i] @ weight), float(patterns.noise[i] @ weight)
    freedom = max(1.0, float(patterns.weight.sum() * SECTORS))
    return whole - noise if whole - noise > _SIGNAL * noise * np.sqrt(2 / freedom) else 0.0


def _peak(product: NDArray[np.float64]) -> tuple[float, float]:
    """Return angle in degrees and height of the highest peak; of nearly equal ones that of the smallest angle."""
    peaks = np.flatnonzero((product >= np.roll(product, 1)) & (product > np.roll(product, -1)))
    if not peaks.size:
        return 0.0, float(product[0])
    angles = (peaks + SECTORS // 2) % SECTORS - SECTORS // 2
    height = product[peaks] * (1 - _UNLIKELY * np.abs(angles) / (SECTORS // 2))
    good = height >= _NEAR_BEST * height.max()
    best = int(peaks[good][np.abs(angles[good]).argmin()])
    before, here, after = product[best - 1], product[best], product[(best + 1) % SECTORS]
    bend = before - 2 * here + after
    offset = 0.5 * (before - after) / bend if bend < 0 else 0.0
    place = (best + offset + SECTORS / 2) % SECTORS - SECTORS / 2
    return float(place * 360 / SECTORS), float(product[peaks].max())
