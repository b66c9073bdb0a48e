"""The beam centre from Friedel pairs: peaks that lie opposite to each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_TOLERANCE = 1.0  # px between the centres of pairs that agree
_REACH = 0.15  # of the detector's size: how far the centre may be from where it is expected
_LEAST_PAIRS = 3
_STRONGEST = 60  # peaks that are paired
_ROUNDS = 20
_NOTHING = np.full(2, np.nan)


def friedel_centre(
    positions: NDArray[np.float64],
    intensities: NDArray[np.float64],
    guess: NDArray[np.float64],
    shape: tuple[int, int],
) -> NDArray[np.float64]:
    """Return the point (y, x) about which most of the intensity lies in pairs; NaN where fewer than three agree.

    Parameters
    ----------
    positions : (n, 2) float64
        Peaks (k_y, k_x) in px.
    intensities : (n,) float64
    guess : (2,) float64
        The centre is looked for within 15 % of the size of the detector from here; equally good ones: nearest.
    shape : (k_y, k_x)

    Notes
    -----
    The middle of every two peaks votes with the square root of the fainter one's intensity, and the densest place of
    the votes is followed to its mean. Rows of peaks agree on half steps too, but there fewer pairs meet.

    Examples
    --------
    >>> peaks = np.array([[10.0, 0], [-10, 0], [0, 12], [0, -12], [7, 3], [-7, -3], [20, 20]]) + [30, 31]
    >>> friedel_centre(peaks, np.ones(7), np.array([31.0, 30.0]), (64, 64))
    array([30., 31.])
    """
    order = np.argsort(-intensities, kind="stable")[:_STRONGEST]
    places, strengths = positions[order], np.sqrt(np.maximum(intensities[order], 0))
    first, second = np.triu_indices(len(places), 1)
    middles = (places[first] + places[second]) / 2
    votes = np.minimum(strengths[first], strengths[second])
    near = np.hypot(*(middles - guess).T) < _REACH * min(shape)
    middles, votes = middles[near], votes[near]
    if len(middles) < _LEAST_PAIRS:
        return _NOTHING.copy()
    apart = np.hypot(middles[:, None, 0] - middles[:, 0], middles[:, None, 1] - middles[:, 1])
    support = (votes * np.exp(-0.5 * (apart / (0.5 * _TOLERANCE)) ** 2)).sum(axis=1)
    distance = np.hypot(*(middles - guess).T)
    centre = middles[np.lexsort([distance, -np.round(support / support.max(), 2)])[0]]
    for _ in range(_ROUNDS):
        agreeing = np.hypot(*(middles - centre).T) < _TOLERANCE
        centre = np.average(middles[agreeing], axis=0, weights=votes[agreeing])
    return centre if agreeing.sum() >= _LEAST_PAIRS else _NOTHING.copy()
