"""Where a pattern may have peaks: template matching, judged by the counting noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter
from scipy.special import ndtri

from clustem.crystallography._peak_kernels import match_template
from clustem.crystallography.counting import Counting
from clustem.crystallography.probe import OVERSAMPLING, Probe

_FALSE_PEAKS = 0.05  # expected by chance in one pattern
_COLLAR = 2.0  # px around the disk in which the background is seen
_LEAST_SCORE = 0.5  # correlation with the template
_APART = 1.0  # probe radii between two peaks that are found at once; closer ones show in what is left


@dataclass(frozen=True, eq=False)
class Matches:
    """Fit of the template around every pixel; see :func:`match`."""

    intensity: NDArray[np.float64]
    sigma: NDArray[np.float64]
    score: NDArray[np.float64]
    significance: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Template:
    """A probe on detector pixels, for matching.

    Attributes
    ----------
    image : (2h+1, 2h+1) float64
    window : (2h+1, 2h+1) bool
        Where pattern and template are compared.
    """

    image: NDArray[np.float64]
    window: NDArray[np.bool_]

    @classmethod
    def of(cls, probe: Probe) -> Template:
        """Return the template of a probe."""
        reach = max(probe.half - 0.5, probe.radius + _COLLAR)
        half = int(np.ceil(reach))
        steps = np.arange(-half, half + 1)
        places = steps * OVERSAMPLING + (len(probe.image) - 1) // 2
        known = (places >= 0) & (places < len(probe.image))
        image = np.zeros((len(steps), len(steps)))
        image[np.ix_(known, known)] = probe.image[np.ix_(places[known], places[known])]
        return cls(image, np.hypot(steps[:, None], steps) <= reach)


def match(
    pattern: NDArray[np.float64],
    misfit: NDArray[np.float64],
    use: NDArray[np.bool_],
    template: Template,
    counting: Counting,
    positions: int,
) -> Matches:
    """Fit template and constant around every pixel of the mean of so many patterns.

    `misfit` (k_y, k_x) is a variance to add to that of counting. The significance is in standard deviations of what
    would be there without a peak, on the scale of square roots, where small numbers of electrons scatter alike:
    2 (√(A + B + 3/8) − √(B + 3/8)), A electrons above a variance of B.
    """
    out = np.empty((3, *pattern.shape))
    electron = counting.gain / positions
    least = counting.least(positions)
    match_template(
        pattern,
        misfit,
        use,
        template.image,
        template.window,
        electron,
        counting.floor / positions,
        least,
        out,
    )
    electrons, noise = out[0] / electron, (out[1] / electron) ** 2
    with np.errstate(invalid="ignore"):
        raised = 2 * (np.sqrt(np.maximum(electrons + noise, 0) + 0.375) - np.sqrt(noise + 0.375))
    return Matches(out[0], out[1], out[2], np.where(np.isfinite(noise), raised, 0.0))


def least_significance(use: NDArray[np.bool_], probe: Probe) -> float:
    """Return the significance that noise alone exceeds in one pattern of twenty."""
    places = max(1.0, use.sum() * probe.image.max())  # disks side by side
    return float(-ndtri(_FALSE_PEAKS / (4 * places)))  # four independent maxima within the area of a disk


def least_intensity(matches: Matches, use: NDArray[np.bool_], significance: float, electron: float) -> float:
    """Return the intensity that reaches a significance at the median of the places in use."""
    known = use & np.isfinite(matches.sigma)
    if not known.any():
        return float("nan")
    noise = (np.median(matches.sigma[known]) / electron) ** 2
    return float(((significance / 2 + np.sqrt(noise + 0.375)) ** 2 - noise - 0.375) * electron)


def candidates(matches: Matches, significance: float, radius: float, taken: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return positions (n, 2) of the maxima, strongest first, that are no less than a radius apart and from `taken`."""
    found = matches.intensity == maximum_filter(matches.intensity, 3)
    found &= (matches.significance > significance) & (matches.score > _LEAST_SCORE)
    places = np.argwhere(found).astype(np.float64)
    places = places[np.argsort(-matches.intensity[found], kind="stable")]
    apart = max(1.5, _APART * radius)
    kept: list[NDArray[np.float64]] = []
    for place in places:
        others = [*taken, *kept]
        if not others or np.hypot(*(np.array(others) - place).T).min() >= apart:
            kept.append(place)
    return np.array(kept).reshape(-1, 2)
