"""Regions that are nothing but the overlap of those around them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clustem.segmentation.features import Features, WindowFeatures, owners
from clustem.segmentation.noise_aware._mixture_kernels import solve_bounded
from clustem.segmentation.noise_aware._overlap_kernels import mean_inside, regions_around
from clustem.segmentation.noise_aware._region_kernels import core_positions, region_boxes
from clustem.segmentation.noise_aware.constants import MIXTURES

Array = NDArray[np.float64]


def dissolve_mixtures(
    features: Features, labels: NDArray[np.int64], background: int | None = None, settled_rows: int = 0
) -> NDArray[np.int64]:
    """Set regions to −1 that are nothing but the overlap of the regions around them.

    Such a region has no position with all neighbours in it, and at least a quarter of the energy of its mean pattern,
    above that of the background if there is one around, is a mixture of at least two regions that touch it. The
    smallest regions are judged first, each in the window that holds its first position. Regions with positions in the
    first `settled_rows` stay.
    """
    labels = labels.copy()
    number = int(labels.max(initial=-1)) + 1
    core, boxes = np.empty(labels.shape, bool), np.empty((number, 4), np.int32)
    core_positions(labels, core)
    region_boxes(labels, boxes)
    whole = np.bincount(labels[core], minlength=number) >= MIXTURES.least
    settled = np.unique(labels[:settled_rows])
    stays = whole.copy()
    stays[settled[settled >= 0]] = True
    sizes = np.bincount(labels[labels >= 0], minlength=number)
    thin = [k for k in np.argsort(sizes, kind="stable").tolist() if sizes[k] and not stays[k]]
    owner = owners(labels.shape, [window.window for window in features.windows])
    middle = owner[(boxes[:, 0] + boxes[:, 1]) // 2, (boxes[:, 2] + boxes[:, 3]) // 2] if number else owner[:0, 0]
    usable = whole.copy()
    if background is not None:
        usable[background] = True
    around = _Around(features, labels, core, boxes, usable)
    for k in thin:
        if around.is_mixture(int(middle[k]), k, background):
            top, bottom, left, right = boxes[k].tolist()
            part = slice(top, bottom + 1), slice(left, right + 1)
            labels[part][labels[part] == k] = -1
    return labels


class _Around:
    """Regions of labels (scan_y, scan_x) with boxes (K, 4), which are dissolved meanwhile, and what is around them.

    Their means are those of the core (scan_y, scan_x) of regions that are `usable` (K,), which stay as they are.
    """

    def __init__(
        self,
        features: Features,
        labels: NDArray[np.int64],
        core: NDArray[np.bool_],
        boxes: NDArray[np.int32],
        usable: NDArray[np.bool_],
    ) -> None:
        self.features, self.labels, self.core, self.boxes, self.usable = features, labels, core, boxes, usable
        self._anywhere = np.ones_like(core)
        self._means: dict[tuple[int, int], Array | None] = {}

    def is_mixture(self, number: int, region: int, background: int | None) -> bool:
        """Return whether a thin region is the overlap of those around it, as far as the window of a number shows it."""
        window = self.features.windows[number]
        span, box = _span(window), self.boxes[region]
        known = {
            j: mean
            for j in regions_around(self.labels, span, box, region, MIXTURES.reach).tolist()
            if self.usable[j] and (mean := self._mean(number, j)) is not None
        }
        mean = np.empty(window.values.shape[2])
        count, variance = self._fill(window, self._anywhere, region, mean)
        if not known or not count:
            return False
        near, chance = list(known), mean.size * variance
        under = near.index(background) if background in known else None
        means = np.stack(list(known.values()), axis=1)
        shares, rest = _shares(means, mean, under)
        above = mean if under is None else _shares(means[:, [under]], mean, 0)[1]
        explained = 1 - max(float(rest @ rest) - chance, 0) / max(float(above @ above) - chance, 1e-12)
        if explained >= MIXTURES.alike or len(near) == 1:
            return bool(explained >= MIXTURES.alike)
        order = np.argsort(shares, kind="stable")
        least = MIXTURES.second * (MIXTURES.thin if near[order[-1]] == background else 1.0)
        return bool(explained >= MIXTURES.explained and shares[order[-2]] >= least)

    def _mean(self, number: int, region: int) -> Array | None:
        """Return the mean of the core of a region in a window, None where it has none there."""
        if (number, region) not in self._means:
            window = self.features.windows[number]
            mean = np.empty(window.values.shape[2])
            count, _ = self._fill(window, self.core, region, mean)
            self._means[number, region] = mean if count else None
        return self._means[number, region]

    def _fill(self, window: WindowFeatures, where: NDArray[np.bool_], region: int, mean: Array) -> tuple[int, float]:
        """Fill the mean of what is somewhere of a region in a window; return its positions and variance."""
        here = window.values, window.noise, where, self.labels, _span(window), self.boxes[region]
        count, variance = mean_inside(*here, region, mean)
        return int(count), float(variance)


def _shares(means: Array, mean: Array, background: int | None) -> tuple[Array, Array]:
    """Return the shares (k,) of some means (D, k) in a mean (D,), and what they leave of it.

    There is no more of the background in it than beside it. In its mean, tails of the probe show crystals faintly, so
    that a few thousand times as much of it would explain them.
    """
    shares = np.empty(means.shape[1])
    bounded = -1 if background is None else background
    solve_bounded(means.T @ means, means.T @ mean, shares.size, bounded, 1.0, shares)
    return shares, mean - means @ shares


def _span(window: WindowFeatures) -> NDArray[np.int64]:
    """Return first and following row, first and following column of what a window looks at."""
    return np.array([edge for part in window.window.around for edge in (part.start, part.stop)])
