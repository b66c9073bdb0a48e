"""Standard errors of strain from drawing scan positions again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clustem.averaging import Averages, average
from clustem.crystallography.finding import find_peaks
from clustem.crystallography.probe import Probe
from clustem.crystallography.record import Peaks
from clustem.crystallography.references import Reference
from clustem.crystallography.strain import Oriented, fit_strain
from clustem.crystallography.strain_record import Strain
from clustem.errors import InputError
from clustem.surveying import Survey

_GROUPS = 16  # of positions of a domain, which are drawn as a whole
_LEAST_DRAWS = 5
_COMPONENTS = ("e_xx", "e_yy", "e_xy", "omega")


def bootstrap_strain(
    scan: Any,
    domains: Any,
    peaks: Peaks,
    orientations: Oriented | None = None,
    *,
    reference: Reference | None = None,
    probe: Probe | ArrayLike | None = None,
    draws: int = 20,
    seed: int = 0,
    survey: Survey | None = None,
) -> Strain:
    """Fit the strain, with standard errors from drawing the positions of every domain again and again.

    Parameters
    ----------
    scan : Scan, array (scan_y, scan_x, k_y, k_x), object with such `.data`, or path
    domains : Domains or (scan_y, scan_x) integer array
        That `peaks` are the averages of.
    peaks, orientations, reference
        As for :func:`clustem.fit_strain`.
    probe : Probe or vacuum pattern, optional
        Template of the draws; by default a disk with the radius that was found.
    draws : int
        At least 5. The standard errors have a relative error of about 1/√(2 draws).
    seed : int
    survey : Survey, optional
        Of the scan; without it the scan is surveyed first.

    Returns
    -------
    Strain
        That of `fit_strain`, but with these errors; NaN for domains of fewer than two positions, or where fewer than
        half of the draws gave a strain.

    Raises
    ------
    InputError
        If domains and peaks do not have the same labels, or `draws` is too small.

    Notes
    -----
    The positions of a domain are divided into 16 groups, at random; a draw takes 16 of them with replacement, finds
    the peaks of the average and fits again. This holds counting noise and differences inside of domains, but not what
    moves peaks in the same way at all positions; the errors of `fit_strain` come from the residuals and hold both.
    One or two reads, and `draws` times the time of `find_peaks`.

    Examples
    --------
    >>> import clustem
    >>> scan = clustem.open_scan("clustem:film_au")
    >>> labels = np.zeros(scan.scan_shape, int)
    >>> labels[:10, :10] = 1
    >>> peaks = clustem.find_peaks(clustem.average(scan, labels))
    >>> strain = bootstrap_strain(scan, labels, peaks, reference=1, draws=5)
    >>> strain.e_xx_error.round(6)  # relative to itself
    array([0.])
    """
    if draws < _LEAST_DRAWS:
        raise InputError(f"draws: expected at least {_LEAST_DRAWS}, got {draws!r}")
    labels = np.asarray(getattr(domains, "labels", domains))
    if labels.max(initial=0) != peaks.number:
        raise InputError(f"domains: expected {peaks.number} labels as peaks have, got {labels.max(initial=0)}")
    strain = fit_strain(peaks, orientations, reference=reference)
    generator = np.random.default_rng(seed)
    groups, owner = _groups(labels, generator)
    parts = average(scan, groups, survey=survey)
    template = Probe.disk(peaks.radius) if probe is None else probe
    found = []
    for drawn in _drawn(parts, owner, peaks, draws, generator):
        again = find_peaks(drawn, probe=template, mask=peaks.mask)
        one = fit_strain(again, orientations, reference=reference)
        found.append([getattr(one, name) for name in _COMPONENTS])
    errors = _spread(np.array(found), np.bincount(owner, minlength=peaks.number))
    errors[:, ~strain.measured] = np.nan
    return replace(strain, **{f"{name}_error": error for name, error in zip(_COMPONENTS, errors, strict=True)})


def _groups(labels: NDArray[Any], generator: np.random.Generator) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return a label image of groups of positions, and the index of the domain that every group belongs to."""
    groups, owner = np.zeros(labels.shape, np.int32), list[int]()
    for label in range(1, int(labels.max(initial=0)) + 1):
        places = generator.permutation(np.flatnonzero(labels == label))
        number = min(_GROUPS, len(places))
        groups.ravel()[places] = len(owner) + 1 + np.arange(len(places)) % max(number, 1)
        owner += [label - 1] * number
    return groups, np.array(owner, np.int64)


def _drawn(
    parts: Averages, owner: NDArray[np.int64], peaks: Peaks, draws: int, generator: np.random.Generator
) -> Iterator[Averages]:
    """Yield averages (one per domain) of groups drawn with replacement."""
    for _ in range(draws):
        patterns = np.zeros((peaks.number, *peaks.shape), np.float32)
        variance, positions = np.zeros_like(patterns), np.zeros(peaks.number, np.int64)
        electrons = np.zeros(peaks.number)
        for k in range(peaks.number):
            own = np.flatnonzero(owner == k)
            times = np.bincount(generator.integers(len(own), size=len(own)), minlength=len(own))
            weight = times * parts.positions[own]
            positions[k] = weight.sum()
            patterns[k] = np.tensordot(weight / positions[k], parts.patterns[own], axes=1)
            variance[k] = np.tensordot(weight / positions[k], np.nan_to_num(parts.variance[own]), axes=1)
            electrons[k] = times @ parts.electrons[own]
        yield replace(
            parts,
            patterns=patterns,
            variance=variance,
            positions=positions,
            electrons=electrons,
            calibration=peaks.calibration,
        )


def _spread(found: NDArray[np.float64], groups: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the standard deviation (4, K) of the draws (draws, 4, K), free of outliers, NaN where too few."""
    known = np.isfinite(found).sum(axis=0) >= max(_LEAST_DRAWS, len(found) / 2)
    known &= groups > 1
    filled = np.where(known, found, 0.0)
    low, high = np.nanquantile(filled, [0.159, 0.841], axis=0)
    return np.where(known, (high - low) / 2, np.nan)
