"""Positions near boundaries as mixtures of the domains around them, and fragments that are nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, find_objects, generate_binary_structure, maximum_filter, minimum_filter
from scipy.optimize import nnls

from clustem.computing import in_threads
from clustem.segmentation._mixture_kernels import mix_positions, settle_labels
from clustem.segmentation.features import sums_of_regions

_NEAR = 6  # regions that a pattern may be a mixture of
REACH = 2  # positions from which they come
_LEAST = 4  # positions of a core, and of a region without one whose mean is taken
_ATTRACTION = 1.0  # of a neighbour with the same label, in units of half χ²
_SWEEPS = 4
_TOGETHER, _ROWS = 2**16, 32  # positions that are explained together, and rows, at least
_EXPLAINED = 0.25  # of the energy of a fragment, by which it is taken for a mixture
_ALIKE = 0.6  # of that energy, by which it is one of its neighbours, or their mixture, whatever their shares
_SECOND = 0.15  # share that the second region of a mixture has at least
_FAVOUR = 20.0  # times that a crystal's share counts against one of the background, at most
_THIN = 0.1  # of the least second share: that of a crystal that is thin there, beside the background
_SQUARE = np.ones((3, 3), bool)


@dataclass(frozen=True, eq=False)
class Mixture:
    """What every pattern is made of.

    Attributes
    ----------
    labels : (scan_y, scan_x, 3) int32
        The domains with the three largest shares, 0 = none.
    fractions : (scan_y, scan_x, 3) float32
        Their shares, falling, of sum 1 or less; 0 where there is no domain near.
    unexplained : (scan_y, scan_x) bool
        Positions that no mixture of the domains around them explains.
    """

    labels: NDArray[np.int32]
    fractions: NDArray[np.float32]
    unexplained: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Cores:
    """Positions whose neighbours belong to the same region, and their mean patterns.

    Attributes
    ----------
    inside : (scan_y, scan_x) bool
    members : (K,) int64
        Positions of each core; 0 for a region without one.
    whole : (K,) bool
        Whether a core is one of whole 3×3 neighbourhoods.
    means : (K, d) float64
    """

    inside: NDArray[np.bool_]
    members: NDArray[np.int64]
    whole: NDArray[np.bool_]
    means: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Background:
    """The region 0 … that holds no crystal, and the electrons (scan_y, scan_x) that every pattern scatters."""

    region: int
    scattering: NDArray[np.float64]

    def favour(self, labels: NDArray[np.int64], cores: Cores) -> NDArray[np.float64]:
        """Return how often a crystal (K,), at its whole share, scatters as much as the background at its own.

        Once where the background has no position left.
        """
        if self.region >= len(cores.members) or not cores.members[self.region]:
            return np.ones(len(cores.members))
        sums = np.bincount(labels[cores.inside], self.scattering[cores.inside], minlength=len(cores.members))
        mean = sums / np.maximum(cores.members, 1)
        under = mean[self.region]
        times: NDArray[np.float64] = np.clip((mean - under) / max(float(under), 1e-12), 1.0, _FAVOUR)
        return times


@dataclass(frozen=True, eq=False)
class _Shares:
    """Regions around the positions of some rows and their shares, see mix_positions."""

    near: NDArray[np.int32]
    shares: NDArray[np.float32]
    energies: NDArray[np.float32]
    rest: NDArray[np.float64]


def find_cores(patterns: NDArray[np.float32], labels: NDArray[np.int64]) -> Cores:
    """Return the cores of regions 0 … K−1 of labels (scan_y, scan_x) and their mean patterns (scan_y, scan_x, d).

    A core is made of the positions whose eight neighbours are in the same region, of those whose four neighbours are
    if there are fewer than four, or else of the whole region.
    """
    number = int(labels.max(initial=-1)) + 1
    inside, members, whole = np.zeros(labels.shape, bool), np.zeros(number, np.int64), np.zeros(number, bool)
    for shape in (_SQUARE, generate_binary_structure(2, 1), np.ones((1, 1), bool)):
        same = (maximum_filter(labels, footprint=shape, mode="nearest") == labels) & (
            minimum_filter(labels, footprint=shape, mode="nearest") == labels
        )
        same &= labels >= 0
        counts = np.bincount(labels[same], minlength=number)
        new = (members == 0) & (counts >= _LEAST)
        if shape is _SQUARE:
            whole = new
        members[new] = counts[new]
        inside |= same & np.where(labels >= 0, np.append(new, False)[labels], False)
    sums = sums_of_regions(patterns, np.where(inside, labels, -1), number)
    return Cores(inside, members, whole, sums / np.maximum(members, 1)[:, None])


def refine_labels(
    patterns: NDArray[np.float32],
    labels: NDArray[np.int64],
    *,
    least: int,
    rounds: int,
    background: Background | None = None,
    settled_rows: int = 0,
) -> NDArray[np.int64]:
    """Give every position to the region with the largest share in its pattern.

    Parameters
    ----------
    patterns : (scan_y, scan_x, d) float32
        Linear in the counts, with noise of variance 1.
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
    Non-negative least squares against the mean patterns of the cores of all regions within two positions, a position's
    own counts left out. How much worse another label would be, in χ², is weighed against the labels around.
    """
    kept = np.append(np.bincount(labels[labels >= 0], minlength=1) >= least, False)
    kept[_settled(labels, settled_rows)] = True
    labels = np.where(kept[labels], labels, -1)
    for _ in range(rounds):
        shape = (*labels.shape, _NEAR)
        near, energies = np.empty(shape, np.int32), np.empty(shape, np.float32)
        for rows, found in _mix(patterns, labels, background, settled_rows):
            near[rows], energies[rows] = found.near, found.energies
        labels = labels.copy()
        settle_labels(near, energies, _ATTRACTION, _SWEEPS, labels)
    return labels


def _settled(labels: NDArray[np.int64], rows: int) -> NDArray[np.int64]:
    """Return the regions 0 … with positions in the first rows."""
    regions = np.unique(labels[:rows])
    return regions[regions >= 0]


def mixture_of(
    patterns: NDArray[np.float32], labels: NDArray[np.int32], settled_rows: int = 0
) -> tuple[Mixture, NDArray[np.float32]]:
    """Return what every pattern is made of, and how sure positions are, for labels 1 … K (scan_y, scan_x), 0 = none.

    How sure is the probability (scan_y, scan_x) of the domain that a position has against the others near by, from how
    much worse χ² would be if another had as large a share as the largest; NaN where it has none. Nothing is said of the
    first `settled_rows`.
    """
    regions, three = labels.astype(np.int64) - 1, (*labels.shape, 3)
    mixture = Mixture(np.empty(three, np.int32), np.empty(three, np.float32), np.empty(labels.shape, bool))
    sure = np.empty(labels.shape, np.float32)
    for rows, found in _mix(patterns, regions, None, settled_rows):
        part = _largest_shares(patterns[rows], found)
        mixture.labels[rows], mixture.fractions[rows] = part.labels, part.fractions
        mixture.unexplained[rows], sure[rows] = part.unexplained, _probability(found, regions[rows])
    return mixture, sure


def _largest_shares(patterns: NDArray[np.float32], found: _Shares) -> Mixture:
    """Return what patterns (rows, scan_x, d) are made of."""
    order = np.argsort(-found.shares, axis=2, kind="stable")[..., :3]
    shares = np.take_along_axis(found.shares, order, axis=2)
    near = np.take_along_axis(found.near, order, axis=2) + 1
    whole = np.maximum(found.shares.sum(axis=2), 1e-12)[..., None]
    size = patterns.shape[2]
    energy = (patterns.astype(np.float64) ** 2).sum(axis=2)
    strange = (found.rest > size + 6 * np.sqrt(2 * size)) & (found.rest - size > 0.7 * np.maximum(energy - size, 0))
    return Mixture(
        np.where(shares > 0, near, 0).astype(np.int32),
        (np.where(shares > 0, shares, 0) / whole).astype(np.float32),
        strange & (found.near[..., 0] >= 0),
    )


def _probability(found: _Shares, labels: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the probability (scan_y, scan_x) of the region 0 … that each position has, −1 = none, which gives NaN."""
    likelihood = np.where(found.near >= 0, np.exp(-found.energies.astype(np.float64)), 0)
    own = np.where(found.near == labels[..., None], likelihood, 0).sum(axis=2)
    everything = likelihood.sum(axis=2)
    sure = np.where(everything > 0, own / np.maximum(everything, 1e-300), 1.0)
    return np.where(labels >= 0, sure, np.nan).astype(np.float32)


def _mix(
    patterns: NDArray[np.float32], labels: NDArray[np.int64], background: Background | None, settled_rows: int
) -> Iterator[tuple[slice, _Shares]]:
    """Explain every pattern, some rows after the other; those of the first rows by their own region alone."""
    cores = find_cores(patterns, labels)
    favour = np.ones(len(cores.members)) if background is None else background.favour(labels, cores)
    empty = -1 if background is None else background.region
    regions = patterns, labels, cores.members > 0, cores.means, cores.members, cores.inside, favour, empty, REACH
    together = max(_ROWS, _TOGETHER // labels.shape[1])
    for start in range(0, len(labels), together):
        rows = labels[start : start + together]
        shape, settled = (*rows.shape, _NEAR), min(max(settled_rows - start, 0), len(rows))
        found = _Shares(
            np.full(shape, -1, np.int32), np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.zeros(rows.shape)
        )
        found.near[:settled, :, 0] = rows[:settled]

        def work(a: int, b: int, first: int = start + settled, origin: int = start, found: _Shares = found) -> None:
            filled = found.near, found.shares, found.energies, found.rest
            mix_positions(*regions, first + a, first + b, origin, *filled)

        if settled < len(rows):
            in_threads(work, len(rows) - settled, longest=16)
        yield slice(start, start + len(rows)), found


def dissolve_mixtures(
    patterns: NDArray[np.float32], labels: NDArray[np.int64], background: int | None = None, settled_rows: int = 0
) -> NDArray[np.int64]:
    """Set regions to −1 that are nothing but the overlap of the regions around them.

    Such a region has no position with all neighbours in it, and at least a quarter of the energy of its mean pattern,
    above that of the background if there is one around, is a mixture of at least two regions that touch it. The
    smallest regions are judged first. Regions with positions in the first `settled_rows` stay.
    """
    labels = labels.copy()
    cores = find_cores(patterns, labels)
    cores.whole[_settled(labels, settled_rows)] = True
    sizes = np.bincount(labels[labels >= 0], minlength=len(cores.members))
    boxes = find_objects(labels + 1)
    for k in np.argsort(sizes, kind="stable").tolist():
        if sizes[k] == 0 or cores.whole[k]:
            continue
        window = tuple(slice(max(0, part.start - 3), part.stop + 3) for part in boxes[k])
        here = labels[window]
        mine = here == k
        around = np.unique(here[binary_dilation(mine, _SQUARE, iterations=2) & ~mine])
        near = [j for j in around.tolist() if j >= 0 and (j == background or cores.whole[j])]
        if len(near) < 2:
            continue
        mean = patterns[window][mine].mean(axis=0, dtype=np.float64)
        shares, rest = nnls(cores.means[near].T, mean)
        chance = mean.size / sizes[k]
        whole = float(mean @ mean)
        if background in near:
            under = cores.means[background]
            whole -= float(under @ mean) ** 2 / float(under @ under)
        explained = 1 - max(rest**2 - chance, 0) / max(whole - chance, 1e-12)
        order = np.argsort(shares, kind="stable")
        least = _SECOND * (_THIN if near[order[-1]] == background else 1.0)
        if explained >= _ALIKE or (explained >= _EXPLAINED and shares[order[-2]] >= least):
            here[mine] = -1
    return labels
