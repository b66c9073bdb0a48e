"""The open rows of a scan divided into regions, and these into domains that go on from the rows above."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from clustem.computing import all_at_once
from clustem.segmentation import Mixture, NoiseAwareParameters
from clustem.segmentation.features import Features
from clustem.segmentation.noise_aware import (
    REACH,
    Regions,
    Settled,
    divide,
    judge,
    measure_scattering,
    mixture_of,
    split_noise,
)
from clustem.streaming.identities import Identities


@dataclass(frozen=True, eq=False)
class Division:
    """Domains of the rows of a window, and what their patterns are made of.

    Attributes
    ----------
    domains : (rows, scan_x) int64
        Domains of :class:`Identities`, −1 = in none.
    mixture : Mixture
        Its labels are domains + 1, 0 = none; nothing is said of settled rows.
    sure : (rows, scan_x) float32
        Probability of the domain of every position.
    kept : int
        Domains from this number on are neither in a row that is kept nor in a mixture there.
    """

    domains: NDArray[np.int64]
    mixture: Mixture
    sure: NDArray[np.float32]
    kept: int


def divide_rows(
    features: Features | None,
    alive: NDArray[np.bool_],
    settled: NDArray[np.int64],
    identities: Identities,
    parameters: NoiseAwareParameters,
    kept_rows: int,
) -> Division:
    """Return the domains of the rows of a window; new ones are made, and ones that meet are united.

    Parameters
    ----------
    features : Features or None
        Of the window; None if there is nothing in it.
    alive : (rows, scan_x) bool
    settled : (rows of the window that are settled, scan_x) int64
        Their domains, −1 = in none.
    identities : Identities
    parameters : NoiseAwareParameters
    kept_rows : int
        Rows that will not be looked at again: domains that are there are numbered first.
    """
    known, local = _local(settled, identities)
    usable = alive.copy()
    usable[: len(settled)] &= local >= 0
    if features is None:
        regions = _Found(np.where(usable, 0, -1), None)
    else:
        above = Settled(local, identities.apart(known.tolist()), identities.others(known.tolist()))
        regions = _regions(features, usable, above, parameters)
    domains, kept = _domains(regions, known, local, identities, kept_rows)
    table = np.append(domains, -1)
    whole = table[regions.labels]
    if features is None:
        nothing = np.zeros((*usable.shape, 3), np.int32)
        mixture = Mixture(nothing, nothing.astype(np.float32), np.zeros(usable.shape, bool))
        return Division(whole, mixture, np.where(usable, 1, np.nan).astype(np.float32), kept)
    _measure(features, regions, domains, identities)
    labels = (regions.domains + 1).astype(np.int32)
    mixture, sure = mixture_of(features, labels, len(settled))
    found = np.where(mixture.labels > 0, table[mixture.labels - 1] + 1, 0).astype(np.int32)
    return Division(whole, Mixture(found, mixture.fractions, mixture.unexplained), sure, kept)


def _local(settled: NDArray[np.int64], identities: Identities) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the domains (F,) of settled rows, and the same rows with their numbers 0 … F−1."""
    roots = identities.rooted(settled)
    known = np.unique(roots[roots >= 0])
    return known, np.where(roots >= 0, np.searchsorted(known, roots), -1).astype(np.int64)


@dataclass(frozen=True, eq=False)
class _Found:
    """Regions 0 … of a window (rows, scan_x), −1 = in none, and which of them is the background, if any."""

    labels: NDArray[np.int64]
    background: int | None

    @property
    def domains(self) -> NDArray[np.int64]:
        """The labels without the background."""
        return self.labels if self.background is None else np.where(self.labels == self.background, -1, self.labels)


def _regions(
    features: Features, usable: NDArray[np.bool_], settled: Settled, parameters: NoiseAwareParameters
) -> _Found:
    """Return the regions of a window; one, unless two are settled, or both halves of the data have two."""
    several = int(settled.labels.max(initial=-1)) > 0
    if several or features.structured:
        found = divide(features, usable, parameters, settled)
        if several or int(found.labels.max(initial=-1)) < 1 or _distinct(features, usable, found, parameters, settled):
            return _Found(found.labels, found.background)
    return _Found(np.where(usable, 0, -1), None)


def _distinct(
    features: Features,
    usable: NDArray[np.bool_],
    found: Regions,
    parameters: NoiseAwareParameters,
    settled: Settled,
) -> bool:
    """Return whether at least two of the regions are found again in halves of the data."""
    again = all_at_once([partial(divide, half, usable, parameters, settled) for half in split_noise(features)])
    labels, *others = ((regions.domains + 1).astype(np.int32) for regions in (found, *again))
    return judge(labels, others).distinct


def _domains(
    regions: _Found,
    known: NDArray[np.int64],
    local: NDArray[np.int64],
    identities: Identities,
    kept_rows: int,
) -> tuple[NDArray[np.int64], int]:
    """Return the domain of every region (K,), that of the settled rows in it or a new one, and how many are kept."""
    number = int(regions.labels.max(initial=-1)) + 1
    domains = np.full(number, -1, np.int64)
    above = regions.labels[: len(local)]
    both = (above >= 0) & (local >= 0)
    for region in np.unique(above[both]).tolist():
        domains[region] = identities.unite(known[np.unique(local[both & (above == region)])].tolist())
    kept = len(identities)
    for part in (regions.labels[: kept_rows + REACH if kept_rows else 0], regions.labels):
        for region in np.unique(part[part >= 0]).tolist():
            if domains[region] < 0:
                domains[region] = identities.new()
        kept = len(identities) if part is not regions.labels else kept
    return domains, kept


def _measure(features: Features, regions: _Found, domains: NDArray[np.int64], identities: Identities) -> None:
    """Keep what the regions scatter."""
    numbers, scattering = measure_scattering(features, regions.labels)
    sizes = np.bincount(regions.labels[regions.labels >= 0], minlength=len(domains))
    for k, region in enumerate(numbers.tolist()):
        found = (float(x[k]) for x in (scattering.electrons, scattering.reflections, scattering.anisotropy))
        identities.measure(int(domains[region]), int(sizes[region]), *found)
