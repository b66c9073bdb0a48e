"""Positions near boundaries as mixtures of the domains around them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clustem.computing import in_threads
from clustem.scratch import scratch_array
from clustem.segmentation.domains import Mixture
from clustem.segmentation.features import Features, WindowFeatures
from clustem.segmentation.noise_aware._mixture_kernels import explain_positions, settle_labels
from clustem.segmentation.noise_aware._region_kernels import core_positions
from clustem.segmentation.noise_aware.background import Background
from clustem.segmentation.noise_aware.constants import MIXTURES

REACH = MIXTURES.reach


@dataclass(frozen=True, eq=False)
class _Shares:
    """Regions around the own positions of a window and their shares, see explain_positions."""

    near: NDArray[np.int32]
    shares: NDArray[np.float32]
    energies: NDArray[np.float32]
    rest: NDArray[np.float64]


def refine_labels(
    features: Features,
    labels: NDArray[np.int64],
    *,
    least: float,
    rounds: int,
    background: Background | None = None,
    settled_rows: int = 0,
) -> NDArray[np.int64]:
    """Give every position to the region with the largest share in its pattern.

    Parameters
    ----------
    features : Features
    labels : (scan_y, scan_x) int64
        Regions 0 …, −1 = in none, to be given to one. Those below `least` positions are given to others, too.
    rounds : int
        The means are computed anew before each.
    background : Background, optional
        The region without crystals. At the thin rim of a particle it has the largest share; a crystal is there as soon
        as it scatters more electrons than the background does.
    settled_rows : int
        Positions in the first rows keep their region, however small it is.

    Notes
    -----
    Non-negative least squares against the mean patterns of all regions within two positions, over as much of each as
    lies within four, so that a gradient inside of a crystal is followed; a position's own counts are left out. How much
    worse another label would be, in χ², is weighed against the labels around.
    """
    kept = np.append(np.bincount(labels[labels >= 0], minlength=1) >= least, False)
    regions = np.unique(labels[:settled_rows])
    kept[regions[regions >= 0]] = True
    labels = np.where(kept[labels], labels, -1)
    shape = (*labels.shape, MIXTURES.regions)
    near, energies = scratch_array(shape, np.int32), scratch_array(shape, np.float32)
    for _ in range(rounds):
        before = labels

        def work(window: WindowFeatures, here: tuple[slice, slice], labels: NDArray[np.int64] = before) -> None:
            found = _explained(features, window, labels, background, interior=False)
            near[here], energies[here] = found.near, found.energies

        _in_windows(features, work)
        near[:settled_rows, :, 0], near[:settled_rows, :, 1:] = labels[:settled_rows], -1
        labels = labels.copy()
        settle_labels(near, energies, MIXTURES.attraction, MIXTURES.sweeps, labels)
    return labels


def mixture_of(
    features: Features, labels: NDArray[np.int32], settled_rows: int = 0
) -> tuple[Mixture, NDArray[np.float32]]:
    """Return what every pattern is made of, and how sure positions are, for labels 1 … K (scan_y, scan_x), 0 = none.

    How sure is the probability (scan_y, scan_x) of the domain that a position has against the others near by, from how
    much worse χ² would be if another had as large a share as the largest; NaN where it has none. Nothing is said of the
    first `settled_rows`.
    """
    regions, three = labels.astype(np.int64) - 1, (*labels.shape, 3)
    mixture = Mixture(np.zeros(three, np.int32), np.zeros(three, np.float32), np.zeros(labels.shape, bool))
    sure = np.full(labels.shape, np.nan, np.float32)

    def work(window: WindowFeatures, here: tuple[slice, slice]) -> None:
        if here[0].stop <= settled_rows:
            return
        found = _explained(features, window, regions, None, interior=True)
        part = _largest_shares(window, found)
        mixture.labels[here], mixture.fractions[here] = part.labels, part.fractions
        mixture.unexplained[here], sure[here] = part.unexplained, _probability(found, regions[here])

    _in_windows(features, work)
    mixture.labels[:settled_rows], mixture.fractions[:settled_rows] = 0, 0
    mixture.unexplained[:settled_rows] = False
    sure[:settled_rows] = np.where(labels[:settled_rows] > 0, 1, np.nan)
    return mixture, sure


def _in_windows(features: Features, work: Callable[[WindowFeatures, tuple[slice, slice]], None]) -> None:
    """Call work(window, its own positions) for all windows, in threads."""

    def some(first: int, last: int) -> None:
        for number in range(first, last):
            window = features.windows[number]
            work(window, window.window.own)

    in_threads(some, len(features.windows), longest=1)


def _explained(
    features: Features,
    window: WindowFeatures,
    labels: NDArray[np.int64],
    background: Background | None,
    *,
    interior: bool,
) -> _Shares:
    """Explain the own patterns of a window."""
    around, inner = window.window.around, window.window.inner
    present, place = np.unique(labels[around], return_inverse=True)
    here = place.reshape(labels[around].shape) - int(present[0] < 0)
    present = present[present >= 0]
    core = np.empty(here.shape, bool)
    core_positions(here, core)
    spans = inner[0].start, inner[0].stop, inner[1].start, inner[1].stop
    shape = (spans[1] - spans[0], spans[3] - spans[2])
    near = np.empty((*shape, MIXTURES.regions), np.int32)
    shares, energies = np.empty(near.shape, np.float32), np.empty(near.shape, np.float32)
    rest = np.empty(shape)
    empty = -1 if background is None else int(np.searchsorted(present, background.region))
    if background is None or empty == present.size or present[empty] != background.region:
        empty, favour = -1, np.ones(present.size)
    else:
        favour = background.favour[present]
    explain_positions(
        _patterns(features, window),
        here,
        core,
        spans,
        MIXTURES.reach,
        MIXTURES.radius,
        MIXTURES.least,
        favour,
        empty,
        MIXTURES.doubt,
        interior,
        near,
        shares,
        energies,
        rest,
    )
    return _Shares(np.append(present, -1)[near].astype(np.int32), shares, energies, rest)


def _patterns(features: Features, window: WindowFeatures) -> NDArray[np.float32]:
    """Return what patterns (h, w, D + 1) are compared by: contrasts, and the electrons in units of their noise.

    Without counts, sums of patterns say nothing, and only contrasts (h, w, D) are compared.
    """
    if not window.counted:
        return window.values
    electrons = features.electrons[window.window.around]
    mean = float(electrons.mean(dtype=np.float64))
    scale = 1 / np.sqrt(mean) if mean > 0 else 0.0  # below an unknown offset: no electrons
    return np.concatenate([window.values, electrons[..., None] * np.float32(scale)], axis=2, dtype=np.float32)


def _largest_shares(window: WindowFeatures, found: _Shares) -> Mixture:
    """Return what the own patterns of a window are made of."""
    order = np.argsort(-found.shares, axis=2, kind="stable")[..., :3]
    shares = np.take_along_axis(found.shares, order, axis=2)
    near = np.take_along_axis(found.near, order, axis=2) + 1
    whole = np.maximum(found.shares.sum(axis=2), 1e-12)[..., None]
    values, noise = window.values[window.window.inner], window.noise[window.window.inner]
    size = values.shape[2]
    energy = (values.astype(np.float64) ** 2).sum(axis=2)
    expected = size * noise.astype(np.float64)
    strange = found.rest > expected * (1 + 6 * np.sqrt(2 / size))
    strange &= found.rest - expected > MIXTURES.unexplained * np.maximum(energy - expected, 0)
    return Mixture(
        np.where(shares > 0, near, 0).astype(np.int32),
        (np.where(shares > 0, shares, 0) / whole).astype(np.float32),
        strange & (found.near[..., 0] >= 0),
    )


def _probability(found: _Shares, labels: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the probability (h, w) of the region 0 … that each position has, −1 = none, which gives NaN."""
    likelihood = np.where(found.near >= 0, np.exp(-found.energies.astype(np.float64)), 0)
    own = np.where(found.near == labels[..., None], likelihood, 0).sum(axis=2)
    everything = likelihood.sum(axis=2)
    sure = np.where(everything > 0, own / np.maximum(everything, 1e-300), 1.0)
    return np.where(labels >= 0, sure, np.nan).astype(np.float32)
