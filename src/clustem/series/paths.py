"""The likeliest of all ways through a chain of steps, each with a few candidates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

Array = NDArray[np.float64]


def likely_path(costs: Sequence[Array], steps: Sequence[Array]) -> tuple[list[int], list[Array]]:
    """Return the candidate of every place on the cheapest way, and the probabilities of all candidates.

    Parameters
    ----------
    costs : sequence of (n,) float64
        Negative logarithm of the probability of each candidate by itself, up to a constant.
    steps : sequence of (n, m) float64
        The same for going from the candidates of one place to those of the next; one fewer than places.

    Returns
    -------
    path : list of int
    probabilities : list of (n,) float64
        Of each candidate, all others in account: by all ways that lead through it. Their sum is 1 at every place.

    Notes
    -----
    The algorithms of Viterbi and of forward and backward sums (L. R. Rabiner, Proc. IEEE 77, 257 (1989), doi
    10.1109/5.18626). Of equally cheap ways the first.

    Examples
    --------
    >>> path, probabilities = likely_path([np.array([0, 2.0]), np.array([0.1, 0.0])], [np.array([[0, 9], [9, 0.0]])])
    >>> path, probabilities[1].round(2).tolist()
    ([0, 0], [0.87, 0.13])
    """
    best, back = [costs[0]], []
    for cost, step in zip(costs[1:], steps, strict=True):
        whole = best[-1][:, None] + step
        back.append(whole.argmin(axis=0))
        best.append(whole.min(axis=0) + cost)
    path = [int(best[-1].argmin())]
    for chosen in reversed(back):
        path.append(int(chosen[path[-1]]))
    return path[::-1], _probabilities(costs, steps)


def _probabilities(costs: Sequence[Array], steps: Sequence[Array]) -> list[Array]:
    forward = [-costs[0]]
    for cost, step in zip(costs[1:], steps, strict=True):
        forward.append(logsumexp(forward[-1][:, None] - step, axis=0) - cost)
    backward = [np.zeros(len(costs[-1]))]
    for cost, step in zip(costs[:0:-1], steps[::-1], strict=True):
        backward.append(logsumexp((backward[-1] - cost)[None] - step, axis=1))
    sums = [a + b for a, b in zip(forward, backward[::-1], strict=True)]
    return [np.exp(total - logsumexp(total)) for total in sums]
