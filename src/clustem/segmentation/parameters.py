"""Parameters of the segmentation methods, validated when they are made."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any, Literal

from clustem.errors import InputError

Border = Literal["full", "published"]

_MOST_POSITIONS = 2**31  # labels are int32


def _finite(name: str, value: Any, low: float) -> float:
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value) or value < low:
        raise InputError(f"{name}: expected a number of at least {low:g}, got {value!r}")
    return float(value)


@dataclass(frozen=True)
class PublishedParameters:
    """Parameters of the published workflow (doi 10.1093/mam/ozag044).

    Parameters
    ----------
    threshold : float, optional
        Cosine similarity, in (−1, 1), from which two neighbouring positions belong together. None: chosen from the
        tree.
    smooth_sigma : float
        Standard deviation in detector px of the Gaussian blur before patterns are compared; 0 = none.
    min_size : int
        Smaller clusters become unassigned; in positions.
    border : {"full", "published"}
        ``"full"`` treats all positions alike. ``"published"`` is the authors' rule: positions in the two outermost
        rows and columns only start clusters, never join one.
    prefilter : bool
        Whether the correlative prefilter runs first (it makes noise alike; see the guide).
    """

    threshold: float | None = None
    smooth_sigma: float = 0.0
    min_size: int = 5
    border: Border = "full"
    prefilter: bool = False

    def __post_init__(self) -> None:
        if self.threshold is not None:
            value = self.threshold
            if isinstance(value, bool) or not isinstance(value, Real) or not -1 < value < 1:
                raise InputError(
                    f"threshold: expected a cosine similarity between -1 and 1 (both excluded), got {value!r}; "
                    "leave it out to have one chosen"
                )
            object.__setattr__(self, "threshold", float(value))
        object.__setattr__(self, "smooth_sigma", _finite("smooth_sigma", self.smooth_sigma, 0))
        object.__setattr__(self, "min_size", checked_size(self.min_size))
        if self.border not in ("full", "published"):
            raise InputError(f"border: expected 'full' or 'published', got {self.border!r}")
        if not isinstance(self.prefilter, bool):
            raise InputError(f"prefilter: expected True or False, got {self.prefilter!r}")

    def with_threshold(self, threshold: float) -> PublishedParameters:
        """Return the same parameters with the threshold that was used."""
        return replace(self, threshold=threshold)


@dataclass(frozen=True)
class NoiseAwareParameters:
    """Parameters of the noise-aware method, which need no change from one scan to another.

    Parameters
    ----------
    similarity : float
        What the reflections and the lattices of both sides of a boundary have in common behind the noise, in (0, 1), if
        they are one crystal that bends or fades. The default lies between what is measured inside of thick bent grains
        (0.27 and more, in 97 % of all pairs) and across boundaries (less in 99 %).
    min_size : int
        Smaller regions are given to those around them; in positions.
    """

    similarity: float = 0.2
    min_size: int = 5

    def __post_init__(self) -> None:
        value = self.similarity
        if isinstance(value, bool) or not isinstance(value, Real) or not 0 < value < 1:
            raise InputError(f"similarity: expected a number between 0 and 1 (both excluded), got {value!r}")
        object.__setattr__(self, "similarity", float(value))
        object.__setattr__(self, "min_size", checked_size(self.min_size))


def checked_size(value: Any) -> int:
    """Return a least size of a domain in positions, or raise InputError."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or not 1 <= value < _MOST_POSITIONS:
        raise InputError(
            f"min_size: expected a whole number of positions of at least 1 and below {_MOST_POSITIONS}, got {value!r}"
        )
    return int(value)


@dataclass(frozen=True)
class LabelsParameters:
    """Parameters of ``method="labels"``: the label image is the user's own, so there are none."""


@dataclass(frozen=True)
class PrefilterParameters:
    """Parameters of the correlative prefilter.

    Parameters
    ----------
    corr_range : (low, high)
        Correlations up to `low` get weight 0, from `high` on weight 1, linear in between.
    radius : int
        Neighbours up to radius + 0.5 positions away take part: 69 with the published 4.
    sigma : float
        Blur in detector px of the patterns that are compared.
    edge : int
        Width in px of the frame of the detector that is not compared.
    border : {"full", "published"}
        ``"published"``: the own pattern counts twice, and row 0 and column 0 of the scan never donate.
    """

    corr_range: tuple[float, float] = (0.85, 0.95)
    radius: int = 4
    sigma: float = 3.0
    edge: int = 12
    border: Border = "full"

    def __post_init__(self) -> None:
        low, high = (float(value) for value in self.corr_range)
        if not -1 <= low < high <= 1:
            raise InputError(f"corr_range: expected -1 ≤ low < high ≤ 1, got {self.corr_range}")
        object.__setattr__(self, "corr_range", (low, high))
        for name, low_limit in (("radius", 1), ("sigma", 0), ("edge", 0)):
            value = getattr(self, name)
            if not math.isfinite(value) or value < low_limit or (name != "sigma" and value != int(value)):
                raise InputError(f"{name}: expected at least {low_limit}, got {value!r}")
        if self.border not in ("full", "published"):
            raise InputError(f"border: expected 'full' or 'published', got {self.border!r}")
