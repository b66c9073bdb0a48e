"""Photon transfer: the noise model from the differences of patterns at neighbouring scan positions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from clustem.computing import in_threads
from clustem.surveying._noise_kernels import pair_moments

_VALUES = 3_000_000  # of the sample, as far as that is not less than the fewest or more than the most pairs
_FEWEST, _MOST = 40, 1024  # pairs
_ROUNDS = 30  # of reweighting
_SIGNIFICANT = 4.0  # standard errors
_STRUCTURE, _READ = 0.5, 0.2  # share of the variance of the darkest pixels that a constant part may seem to be
_AROUND = 2.0  # px, standard deviation
_EMPTY = 2.0  # electrons of a pixel in the whole scan below which pixels are not told apart
_SPREAD = 2.0  # standard errors of the mean of a pixel within which pixels are the darkest
_DOUBT = 0.5  # of what a group lies above the line: how far it may be trusted
_SHORT = (
    0.3  # of the line: what lies further below it, such as pixels that only share the counts of others, is doubted too
)
_LIKE = 0.15  # of the line within which a group has no structure that counts
_ALL = 0.95  # relative covariance of what is no noise
_SHARED = 0.08  # relative covariance from which neighbouring pixels count as coupled


@dataclass(frozen=True, eq=False)
class Transfer:
    """Moments of groups of pixels of like mean, the darkest first.

    Attributes
    ----------
    means, variances : (pairs, groups) float64
        Mean over the pixels of (a + b)/2 and (a − b)²/2 of every pair of patterns a and b.
    products : (pairs, groups, 4) float64
        Mean of (a − b)(a' − b')/2, with a' and b' of the neighbours (0,1), (1,−1), (1,0), (1,1), less that of the
        neighbours two pixels away: what coupled pixels share, without what a true difference of patterns spreads over.
    pixels : (groups,) int64
    """

    means: NDArray[np.float64]
    variances: NDArray[np.float64]
    products: NDArray[np.float64]
    pixels: NDArray[np.int64]


def pair_places(shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Return positions (n,), as flat indices, that make pairs with their right neighbours, evenly over a scan.

    `shape` is (scan_y, scan_x, k_y, k_x). There are at most 1024 pairs, and fewer, but at least 40, of large patterns.
    """
    height, width = shape[:2]
    available = height * (width - 1)
    if not available:
        return np.zeros(0, np.int64)
    number = int(np.clip(_VALUES // (2 * shape[2] * shape[3]), _FEWEST, _MOST))
    chosen = np.unique(np.linspace(0, available - 1, min(number, available)).round().astype(np.int64))
    return chosen // (width - 1) * width + chosen % (width - 1)


def transfer_of(pairs: NDArray[Any], mean: NDArray[np.float64], use: NDArray[np.bool_], patterns: int) -> Transfer:
    """Return the moments of pairs (n, 2, k_y, k_x), grouped by `mean` (k_y, k_x) over `patterns`, where `use`."""
    places = np.flatnonzero(use)
    # ranked by their surroundings, because pixels ranked by their own noise would differ by it
    around = gaussian_filter(np.where(use, mean, 0), _AROUND) / np.maximum(gaussian_filter(use * 1.0, _AROUND), 1e-9)
    order = places[np.argsort(around.ravel()[places], kind="stable")]
    edges = _edges(order.size)
    group = np.full(use.size, -1, np.int64)
    group[order] = np.repeat(np.arange(edges.size - 1), np.diff(edges))
    moments = np.zeros((len(pairs), edges.size - 1, 8))

    def work(first: int, last: int) -> None:
        pair_moments(pairs, group.reshape(use.shape), first, last, moments)

    in_threads(work, len(pairs))
    moments /= 2 * np.diff(edges)[:, None]
    moments, pixels = _merge_empty(moments, np.diff(edges), patterns)
    far = moments[..., 6:].mean(axis=-1)
    return Transfer(moments[..., 0], moments[..., 1] - far, moments[..., 2:6] - far[..., None], pixels)


def _merge_empty(
    moments: NDArray[np.float64], pixels: NDArray[np.int64], patterns: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Pool the darkest groups, down to where pixels are ranked by whether an electron came near them at all."""
    total, square = (moments[..., :2] * pixels[:, None]).sum(axis=(0, 1))
    limit = _EMPTY * square / total / patterns if total > 0 else np.inf  # more is negative than positive: all is noise
    empty = max(1, int((moments[..., 0].mean(axis=0) < limit).sum()))
    share = pixels[:empty, None] / pixels[:empty].sum()
    pooled = (moments[:, :empty] * share).sum(axis=1, keepdims=True)
    return np.concatenate([pooled, moments[:, empty:]], axis=1), np.append(pixels[:empty].sum(), pixels[empty:])


def _edges(pixels: int) -> NDArray[np.int64]:
    """Return where groups of ranked pixels begin and end: two for every halving of what is brighter, to 4 pixels."""
    halvings = np.arange(max(1, 2 * int(np.log2(max(pixels, 8) / 4)) + 1))
    return np.unique(np.append(np.rint(pixels * (1 - 2.0 ** (-halvings / 2))), pixels).astype(np.int64))


def fit_slope(
    x: NDArray[np.float64], y: NDArray[np.float64], bright: NDArray[np.float64], least: NDArray[np.float64]
) -> tuple[float, float]:
    """Return the slope of y over x, both (pairs, groups), through 0, and its standard error.

    Parameters
    ----------
    x, y : (pairs, groups) float64
    bright : (groups,) float64
        How far a group is above the darkest.
    least : (groups,) float64
        Standard error of y at least; 0 = the group tells nothing.

    Notes
    -----
    True differences between neighbouring positions add to y, about as the square of the mean. So that square is fitted
    too, and a group counts the less, the more it lies above the line.
    """
    known = least > 0
    if not known.any():
        return 0.0, math.inf
    columns = np.stack([x.mean(axis=0), bright**2], axis=1)[known]
    y, x, least = y[:, known], x[:, known], least[known]
    value = y.mean(axis=0)
    slope = _weighted_median(value / np.where(columns[:, 0] != 0, columns[:, 0], np.inf), (value / least) ** 2)
    for _ in range(_ROUNDS):
        scatter = (y - slope * x).std(axis=0) / math.sqrt(max(1, len(y) - 1))
        excess = value - slope * columns[:, 0]
        doubtful = (excess > 0) | (excess < -_SHORT * slope * columns[:, 0])
        error = np.hypot(np.maximum(scatter, least), np.where(doubtful, _DOUBT * excess, 0))
        slope, variance = _solve(columns, value, error)
    return slope, math.sqrt(variance)


def _weighted_median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    order = np.argsort(values)
    half = np.searchsorted(np.cumsum(weights[order]), weights.sum() / 2)
    return float(values[order][half])


def _solve(columns: NDArray[np.float64], value: NDArray[np.float64], error: NDArray[np.float64]) -> tuple[float, float]:
    """Return the first coefficient of weighted least squares with its variance; the second is not below 0."""
    (aa, ab), (_, bb) = (columns / error[:, None]).T @ (columns / error[:, None])
    ay, by = columns.T @ (value / error**2)
    determinant = aa * bb - ab * ab
    if determinant > 1e-9 * aa * bb and aa * by - ab * ay > 0:
        return float((bb * ay - ab * by) / determinant), float(bb / determinant)
    return (float(ay / aa), float(1 / aa)) if aa > 0 else (0.0, math.inf)


@dataclass(frozen=True)
class Line:
    """Variance = gain·mean + constant; `dark` is the mean of the darkest pixels, NaN where the constant is 0."""

    gain: float
    error: float
    constant: float = 0.0
    dark: float = math.nan

    @property
    def dark_ratio(self) -> float:
        """Variance over mean of the darkest pixels."""
        return self.gain if math.isnan(self.dark) else self.gain + self.constant / self.dark


def noise_line(transfer: Transfer, patterns: int) -> Line:
    """Return the line of least variance over the mean; `patterns` is how many the pixels were ranked by."""
    means, variances, pixels = transfer.means, transfer.variances, transfer.pixels
    mean, variance = means.mean(axis=0), variances.mean(axis=0)
    least = variance * np.sqrt(2 / (len(means) * pixels))  # of normal noise, however few electrons were seen
    darkest = mean <= mean[0] + _SPREAD * math.sqrt(max(variance[0], 0) / patterns)
    share = pixels * darkest / pixels[darkest].sum()
    dark_mean, dark_variance = float(mean @ share), float(variance @ share)
    bright = np.maximum(mean - dark_mean, 0)
    through_zero = Line(*fit_slope(means, variances, bright, least))
    if darkest.all() or not dark_variance > 0:
        return through_zero
    gain, error = fit_slope(means - dark_mean, variances - dark_variance, bright, np.where(darkest, 0, least))
    constant = dark_variance - gain * dark_mean
    doubt = _SIGNIFICANT * error * abs(dark_mean)
    if -max(_STRUCTURE * dark_variance, doubt) < constant < max(_READ * dark_variance, doubt):
        return through_zero
    return Line(gain, error, constant, dark_mean)


def shared_noise(transfer: Transfer, line: Line) -> tuple[float, float, float, float]:
    """Return the covariance of neighbouring pixels relative to their variance, 0 where it does not count.

    It is taken from the groups that lie on the line: true differences of patterns are shared by neighbours too. Where
    neighbours share nearly everything, no detector is the cause: these are differences of patterns after all.
    """
    variance = transfer.variances.mean(axis=0)
    expected = line.gain * transfer.means.mean(axis=0) + line.constant
    like = (variance > 0) & (np.abs(variance - expected) <= _LIKE * expected)
    if not like.any():
        return (0.0, 0.0, 0.0, 0.0)
    weight = np.where(like, transfer.pixels / np.where(like, variance, 1), 0) / transfer.pixels[like].sum()
    products = np.einsum("pgn,g->pn", transfer.products, weight)
    shared, error = products.mean(axis=0), products.std(axis=0) / math.sqrt(max(1, len(products) - 1))
    if np.abs(shared).max() > _ALL:
        return (0.0, 0.0, 0.0, 0.0)
    counts = np.abs(shared) > np.maximum(_SHARED, _SIGNIFICANT * error)
    return tuple(float(value) for value in np.where(counts, shared.round(4), 0.0))  # type: ignore[return-value]
