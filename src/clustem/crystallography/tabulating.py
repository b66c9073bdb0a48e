"""Tables of candidates and of indexed peaks, and the standard errors of an orientation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from clustem.crystallography.candidates import Candidate, half_turns
from clustem.crystallography.pattern import Pattern
from clustem.crystallography.refining import Fit
from clustem.crystallography.rotations import misorientation_deg, to_quaternion

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

_HALF_TURN_DEG = 5.0
_CANDIDATE_COLUMNS = (
    "label",
    "rank",
    "phase",
    "score",
    "misfit",
    "probability",
    "share",
    "misorientation_deg",
    "half_turn",
    "thickness_nm",
    "q0",
    "q1",
    "q2",
    "q3",
)
_INDEXED_COLUMNS = ("peak", "label", "h", "k", "l", "g_y", "g_x")


def candidate_table(answers: list[tuple[list[Candidate], Array, Array]]) -> pd.DataFrame:
    """Return one row per candidate, of the candidates of every pattern with their probabilities and shares."""
    import pandas as pd

    rows = []
    for label, (candidates, probability, share) in enumerate(answers, 1):
        others = half_turns(candidates[0].fit, candidates[0].crystal) if candidates else []
        for rank, candidate in enumerate(candidates, 1):
            fit, best = candidate.fit, candidates[0]
            apart = turned = np.nan
            if candidate.crystal is best.crystal:
                symmetry = best.crystal.rotations
                apart = float(misorientation_deg(fit.rotation, best.fit.rotation, symmetry))
                turned = min(float(misorientation_deg(fit.rotation, other, symmetry)) for other in others)
            number = (fit.score, candidate.misfit, probability[rank - 1], share[rank - 1], apart)
            half_turn = rank > 1 and turned < _HALF_TURN_DEG
            quaternion = to_quaternion(fit.rotation)
            rows.append((label, rank, candidate.crystal.name, *number, half_turn, fit.thickness / 10, *quaternion))
    return pd.DataFrame(rows, columns=list(_CANDIDATE_COLUMNS))


def indexed_table(fits: list[tuple[int, Pattern, Fit]]) -> pd.DataFrame:
    """Return one row per peak that has a reflection, of (index of the domain, pattern, best fit)."""
    import pandas as pd

    rows = [
        (pattern.rows[q], index + 1, *fit.hkl[q], fit.spots[q, 1], fit.spots[q, 0])
        for index, pattern, fit in fits
        for q in np.flatnonzero(fit.hkl.any(axis=1))
    ]
    return pd.DataFrame(rows, columns=list(_INDEXED_COLUMNS))


def angle_errors(pattern: Pattern, fit: Fit) -> tuple[float, float]:
    """Return the standard errors in degrees of the turn about the beam, and of the tilt.

    Strain in the plane is fitted along with the turn. A shear of planes along the beam moves no spot, and changes
    excitation errors just as a tilt by the same angle: it is taken to be as large as the strain seen in the plane.
    """
    paired = fit.hkl.any(axis=1)
    x, y, precision = fit.spots[paired, 0], fit.spots[paired, 1], pattern.precision[paired]
    zero = np.zeros_like(x)
    rows = np.concatenate([np.stack([-y, -x, zero, -y], 1), np.stack([x, zero, -y, -x], 1)])
    normal = (rows * np.concatenate([precision, precision])[:, None]).T @ rows
    in_plane = np.sqrt(np.linalg.pinv(normal)[0, 0]) if paired.any() else np.nan
    xx, yy, xy = fit.strain
    shear = np.sqrt((0.25 * (xx - yy) ** 2 + xy**2) / 2)
    tilt = np.sqrt(np.trace(fit.tilt_covariance) / 2 + shear**2)
    return float(np.rad2deg(in_plane)), float(np.rad2deg(tilt))
