"""The scale of the detector, from crystals that are known to be there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clustem.crystallography.crystals import Crystal
from clustem.crystallography.matching import Templates, make_templates, match_pattern
from clustem.crystallography.pattern import Pattern
from clustem.crystallography.refining import Beam
from clustem.crystallography.structure_factors import structure_factors

_LENGTH = 1.3  # 1/Å
_STEP_DEG = 2.0
_SCALES = np.arange(0.92, 1.085, 0.01)
_PATTERNS = 6  # with the most peaks, that are enough for one number
_GAIN = 1.04  # by which another scale must match better, so that a strain is not taken for it


def measure_scale(patterns: Sequence[Pattern], crystals: Sequence[Crystal], *, beam: Beam) -> float:
    """Return measured over expected length of scattering vectors, 1 within two percent.

    Scales from 0.92 to 1.08 are tried on coarse templates; beyond, one crystal is soon taken for another. Strain and a
    small error of the scale are left to the fit of each pattern.
    """
    chosen = sorted((pattern for pattern in patterns if len(pattern.g) >= 3), key=lambda pattern: -len(pattern.g))
    if not chosen:
        return 1.0
    templates = [
        make_templates(
            crystal, structure_factors(crystal, max_g=_LENGTH), wavelength=beam.wavelength, step_deg=_STEP_DEG
        )
        for crystal in crystals
    ]
    scores = np.array([sum(_score(p, templates, scale) for p in chosen[:_PATTERNS]) for scale in _SCALES])
    none = int(np.argmin(np.abs(_SCALES - 1)))
    best = int(np.argmax(scores))
    if scores[best] < _GAIN * scores[none] or abs(_SCALES[best] - 1) < 0.02:
        return 1.0
    return float(_SCALES[best])


def _score(pattern: Pattern, templates: Sequence[Templates], scale: float) -> float:
    g = pattern.g / scale
    near = np.hypot(*g.T) < _LENGTH
    if not near.any():
        return 0.0
    found = [match_pattern(g[near], pattern.intensity[near], one, most=1, width=0.03)[1] for one in templates]
    return max(float(scores[0]) for scores in found if len(scores))
