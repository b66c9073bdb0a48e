"""Other ways to divide a scan into domains, for the benchmark: each a short function that says where it is from.

They add to those of `methods.py`, and are told as much of the truth as these. A best threshold is searched among about
500 per setting, evenly spaced in merges: on four scenes this costs at most 0.004 of any score against 2000.
"""

from __future__ import annotations

from typing import Any

import methods
import numpy as np
from methods import Candidates, Method, every_threshold, features, outside_beam
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, gaussian_filter
from scores import Truth
from skimage.measure import label as connected
from sklearn.decomposition import NMF, PCA
from sklearn.mixture import GaussianMixture

import clustem

THRESHOLDS = 500
"""Per setting, of those methods that are given the best one."""
COMPONENTS = 50
"""Principal components that the Gaussian mixture compares."""
SPOT, AROUND = 2.0, 6.0
"""Pixels, σ of the two blurs whose difference is the high-pass filter."""
MOST_KINDS = 80
"""Kinds of patterns up to which NMF is run."""
SEARCH = 3
"""Positions in each direction among which patterns are averaged: 7×7, as its authors recommend."""
STRENGTH = 0.7
"""λ of the weights exp(−d/λ²), the default of its authors' program."""


def published(counts: NDArray[Any], _regions: int, _kinds: int) -> Candidates:
    """Lee et al., doi 10.1093/mam/ozag044, blurred by 0, 1 and 2 px, with and without mask, at the best threshold."""
    yield from every_threshold(counts, outside_beam(counts), most=THRESHOLDS)


def prefiltered(counts: NDArray[Any], _regions: int, _kinds: int) -> Candidates:
    """The same after the correlative prefilter of that paper, with the parameters of its notebook."""
    averaged = np.asarray(clustem.published_prefilter(counts))
    yield from every_threshold(averaged, outside_beam(counts), most=THRESHOLDS)


def non_local(counts: NDArray[Any], _regions: int, _kinds: int) -> Candidates:
    """The published method after non-local averaging over 7×7 positions.

    Weights are those of NLPAR, doi 10.1016/j.ultramic.2019.02.013, as arXiv 2603.30018 uses them for 4D-STEM: λ = 0.7,
    the noise of each pattern from the most similar of its eight neighbours; distances between square roots outside of
    the beam, whose Poisson noise is even.
    """
    mask = outside_beam(counts)
    yield from every_threshold(averaged_non_locally(counts, mask), mask, most=THRESHOLDS)


def correlation(counts: NDArray[Any], _regions: int, _kinds: int) -> Candidates:
    """Normalised cross-correlation of neighbours' patterns after a high-pass filter, cut at the best threshold.

    The filter is the difference of two blurs, σ = 2 and 6 px, of the counts outside of the direct beam; at the edges of
    the mask both are normalised. Positions joined by an edge above the threshold are one domain. Of six pairs of blurs,
    on counts and on square roots, this one did best on five scenes.
    """
    mask = outside_beam(counts)
    yield from every_threshold(high_passed(counts, mask), mask, blurs=(0.0,), most=THRESHOLDS)


def nmf(counts: NDArray[Any], _regions: int, kinds: int) -> Candidates:
    """The largest component of scikit-learn's NMF with the true number of kinds of patterns, in connected parts.

    Of the square roots outside of the beam, less what all patterns have: the fifth percentile of each pixel. Without
    that, and from other starts, a background that is everywhere was the largest component, or the iteration stopped at
    once. Nothing for more than 80 kinds of patterns, as it takes minutes there.
    """
    if kinds <= MOST_KINDS:
        rows = features(counts)
        model = NMF(kinds, init="nndsvd", max_iter=100, tol=1e-5, random_state=0)
        weights = model.fit_transform(np.maximum(rows - np.percentile(rows, 5, axis=0).astype(np.float32), 0))
        yield connected(weights.argmax(axis=1).reshape(counts.shape[:2]), background=-1, connectivity=2), ""


def gaussian_mixture(counts: NDArray[Any], _regions: int, kinds: int) -> Candidates:
    """scikit-learn's `GaussianMixture` with the true number of kinds of patterns, in connected parts.

    Fifty principal components of the square roots outside of the beam, one covariance for all, started by k-means.
    Of 20 and 50 components and the four forms of covariance this did best on five scenes.
    """
    rows = features(counts)
    scores = PCA(min(COMPONENTS, *rows.shape), svd_solver="randomized", random_state=0).fit_transform(rows)
    model = GaussianMixture(kinds, covariance_type="tied", reg_covar=1e-4, random_state=0)
    kind = model.fit_predict(scores.astype(np.float64)).reshape(counts.shape[:2])
    yield connected(kind, background=-1, connectivity=2), ""


def told(counts: NDArray[Any], truth: NDArray[np.integer]) -> Candidates:
    """Give every position to the true domain under whose mean pattern its counts are most likely: a mark, no rival.

    Of the domains within two positions, as Poisson counts outside of the direct beam; means over the positions inside
    a domain, their own counts left out. Neighbours do not help, so a method can do better, and does at low dose.
    """
    mask = outside_beam(counts)
    flat = counts[..., mask].clip(0).astype(np.float32).reshape(truth.size, -1)
    names, which = np.unique(truth, return_inverse=True)
    which = which.ravel()
    core = Truth.from_labels(truth).inside.ravel()
    core |= ~np.isin(which, which[core])
    member = (which == np.arange(len(names))[:, None]) & core
    sums, sizes = member.astype(np.float32) @ flat, member.sum(axis=1)
    floor = 0.02 * flat.mean(axis=0) + 1e-4
    likely = np.stack([flat @ _log_share(total / size, floor) for total, size in zip(sums, sizes, strict=True)], axis=1)
    for place in np.flatnonzero(core & (sizes[which] > 1)):
        own = which[place]
        likely[place, own] = flat[place] @ _log_share((sums[own] - flat[place]) / (sizes[own] - 1), floor)
    near = np.stack([binary_dilation(truth == name, np.ones((5, 5))).ravel() for name in names], axis=1)
    yield names[np.where(near, likely, -np.inf).argmax(axis=1)].reshape(truth.shape), ""


def _log_share(mean: NDArray[np.float32], floor: NDArray[np.float32]) -> NDArray[np.float32]:
    raised = 0.98 * mean + floor
    return np.asarray(np.log(raised / raised.sum()), np.float32)


def averaged_non_locally(counts: NDArray[Any], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return patterns averaged with those of similar ones nearby; see `non_local`."""
    values = np.sqrt(counts[..., mask].clip(0).astype(np.float32))
    pixels, reach = values.shape[2], range(-SEARCH, SEARCH + 1)
    noise = np.full(values.shape[:2], np.inf)
    for offset in [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)]:
        here, there = _overlapping(values.shape[:2], offset)
        squared = ((values[here] - values[there]) ** 2).sum(axis=2)
        noise[here] = np.minimum(noise[here], squared / (2 * pixels))
    total, weights = counts.astype(np.float32), np.ones(values.shape[:2], np.float32)
    for offset in [(y, x) for y in reach for x in reach if (y, x) != (0, 0)]:
        here, there = _overlapping(values.shape[:2], offset)
        both = np.maximum(noise[here] + noise[there], 1e-12)
        distance = ((values[here] - values[there]) ** 2).sum(axis=2) - pixels * both
        weight = np.exp(-np.maximum(distance / (both * np.sqrt(2 * pixels)), 0) / STRENGTH**2).astype(np.float32)
        total[here] += weight[..., None, None] * counts[there]
        weights[here] += weight
    return total / weights[..., None, None]


def _overlapping(shape: tuple[int, ...], offset: tuple[int, int]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return where both a position and the one at an offset from it are in the scan: these, and those."""
    here = tuple(slice(max(0, -step), size - max(0, step)) for size, step in zip(shape, offset, strict=True))
    there = tuple(slice(max(0, step), size - max(0, -step)) for size, step in zip(shape, offset, strict=True))
    return here, there


def high_passed(counts: NDArray[Any], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the patterns less their surroundings, 0 where the mask is False."""
    values = counts.astype(np.float32) * mask
    share = mask.astype(np.float32)
    near, far = (
        gaussian_filter(values, blur, axes=(2, 3)) / np.maximum(gaussian_filter(share, blur), 1e-6)
        for blur in (SPOT, AROUND)
    )
    return np.asarray((near - far) * mask, np.float32)


RIVALS: dict[str, Method] = {
    methods.DEFAULT: methods.default,
    "published": published,
    "prefilter": prefiltered,
    "non-local": non_local,
    "correlation": correlation,
    "ward": methods.ward,
    "nmf": nmf,
    "mixture": gaussian_mixture,
}
TOLD = "told"
NAMES = {
    methods.DEFAULT: "clustem, nothing set",
    "published": "published, best threshold",
    "prefilter": "prefilter, best threshold",
    "non-local": "non-local, best threshold",
    "correlation": "correlation, best threshold",
    "ward": "Ward, true number",
    "nmf": "NMF, true number",
    "mixture": "Gaussian mixture, true number",
    TOLD: "each position by the true patterns",
}
