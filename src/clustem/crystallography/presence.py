"""Whether a crystal that was fitted to a pattern is there at all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from clustem.crystallography.misfit import misfit, misfit_of_nothing, model_error, reached
from clustem.crystallography.pattern import Pattern
from clustem.crystallography.refining import Fit

Array = NDArray[np.float64]

_LEAST_GAIN = 0.3  # share of the misfit of nothing that a crystal must take off to be there
_BY_CHANCE = 3.0  # misfit that the fitted numbers (angles, thickness, strains, one of many starts) take off by chance
_LARGEST_STRAIN = 0.025  # dilatation against the common scale, or shear, of a crystal that is really there
_LARGEST_SCALE = 0.015  # error of the scale that is left to the fits, and common to all domains of a scan
_MANY = 4  # domains that tell a common scale
_BORNE_OUT = 0.5  # share of the domains with their crystal there from which scale and large strains are believed
_ROW = 0.1  # 1/Å; peaks nearer to the line through the beam and the brightest explained one are of one row
_LEAST_BESIDE = 0.25  # share of the amplitude of all other peaks that must be explained
_TOLD = 40  # brightest peaks by which a crystal is judged
_BRIGHTEST = 8  # peaks of which
_LEAST_BRIGHT = 0.5  # this share must have a reflection


def common_scale(fits: Sequence[Fit]) -> float:
    """Return the dilatation that all domains share, which is an error of the pixel size; 0 if they are few.

    It is at most 1.5 %: larger errors are measured before anything is fitted.
    """
    if len(fits) < _MANY:
        return 0.0
    return float(np.clip(np.median([fit.strain[:2].mean() for fit in fits]), -_LARGEST_SCALE, _LARGEST_SCALE))


def explains(pattern: Pattern, fit: Fit) -> bool:
    """Return whether a fit takes off more of the misfit of the brighter peaks than the fitted numbers do by chance.

    With many electrons faint peaks are found that no model has, such as those of what lies above or below.
    """
    bright = pattern.brightest(_TOLD)
    part, said = pattern.only(bright), fit.only(bright)
    nothing = misfit_of_nothing(part)
    return nothing - misfit(part, said, model_error(part, [said])) >= _BY_CHANCE + _LEAST_GAIN * nothing


def borne_out(found: int, domains: int) -> bool:
    """Return whether crystals are found in so many domains that it is not by chance where lengths fit badly.

    With a few percent of scale or strain, a foreign crystal fits some zones, but hardly half of them.
    """
    return found >= _BORNE_OUT * domains


def absence(pattern: Pattern, fit: Fit, *, scale: float, row: bool = False, doubtful: bool = False) -> str:
    """Return why the crystal of a fit is not there, in words; empty if it is.

    A foreign crystal often has one row of spots where the pattern has one, because many crystals share a spacing; then
    peaks beside it remain. Or it fits with a strain that no crystal survives, or, where it is `doubtful` that any of
    the crystals is there, with lengths that are off by more than a small error of the scale.
    """
    if not explains(pattern, fit):
        return "no crystal explains the peaks"
    xx, yy, xy = fit.strain
    shear = float(np.hypot((xx - yy) / 2, xy))
    dilatation = abs((xx + yy) / 2 - scale)
    if max(dilatation, shear) > _LARGEST_STRAIN:
        return "no crystal explains the peaks without a strain above 2.5 %"
    if doubtful and dilatation > _LARGEST_SCALE:
        return "no crystal explains the peaks without lengths off by more than 1.5 %, and few other domains have one"
    if fit.hkl[pattern.brightest(_BRIGHTEST)].any(axis=1).mean() < _LEAST_BRIGHT:
        return "no crystal explains the brightest peaks"
    if not row and _beside(pattern, fit) < _LEAST_BESIDE:
        return "no crystal explains peaks beside one row"
    return ""


def _beside(pattern: Pattern, fit: Fit) -> float:
    """Return how much of the amplitude beside the row of the brightest explained peak is explained; 1 if none is."""
    hit = reached(pattern, fit)
    x, y = pattern.g[np.argmax(hit)]
    away = np.abs(x * pattern.g[:, 1] - y * pattern.g[:, 0]) > _ROW * np.hypot(x, y)
    total = float(pattern.amplitude[away].sum())
    return float(hit[away].sum()) / total if total > 0 else 1.0
