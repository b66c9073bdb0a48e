"""The noise model of a scan: how the variance of a pixel follows from its mean."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clustem.errors import InputError

Kind = Literal["counts", "gain", "unknown"]
KINDS = ("counts", "gain", "unknown")


@dataclass(frozen=True)
class NoiseModel:
    """How the noise of a detector pixel depends on its mean, in the units of the data.

    Parameters
    ----------
    kind : {"counts", "gain", "unknown"}
        Electron counts of unit gain; whole numbers with a gain, an offset and read noise; or values of another origin
        (real numbers, rescaled, averaged), whose noise was estimated from the data.
    gain : float
        Variance per mean.
    offset : float
        Value without an electron.
    read_noise : float
        Standard deviation without an electron.
    covariance : tuple of 4 float
        Covariance of the noise of neighbouring pixels, as charge sharing makes, relative to its variance, for the
        neighbours (dy, dx) = (0,1), (1,−1), (1,0), (1,1); the opposite neighbours have the same.
    reason : str
        How it was found, in a line.

    Raises
    ------
    InputError
        If a number is not finite or out of range.

    Examples
    --------
    >>> float(NoiseModel("gain", gain=2.0, offset=10.0, read_noise=3.0).variance(20.0))
    29.0
    """

    kind: Kind = "counts"
    gain: float = 1.0
    offset: float = 0.0
    read_noise: float = 0.0
    covariance: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    reason: str = "given"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"noise: expected a kind of {', '.join(KINDS)}, got {self.kind!r}")
        for name, low in (("gain", 0.0), ("offset", -math.inf), ("read_noise", 0.0)):
            object.__setattr__(self, name, checked(name, getattr(self, name), low))
        if self.kind == "counts" and (self.gain, self.offset, self.read_noise) != (1.0, 0.0, 0.0):
            raise InputError(
                "noise: counts have gain 1, offset 0 and read noise 0; for other values the kind is 'gain', "
                f"got gain {self.gain:g}, offset {self.offset:g}, read noise {self.read_noise:g}"
            )
        if len(self.covariance) != 4 or any(not -1 < value < 1 for value in self.covariance):
            raise InputError(f"covariance: expected four numbers between -1 and 1, got {self.covariance!r}")

    def variance(self, mean: ArrayLike) -> NDArray[np.float64]:
        """Return the variance of pixels with the given means, not below 0; of the same shape."""
        return np.maximum(self.gain * (np.asarray(mean, float) - self.offset) + self.read_noise**2, 0.0)

    @property
    def summary(self) -> str:
        """What it is, in a line."""
        shared = max(self.covariance, key=abs)
        sharing = f", neighbouring pixels covary by up to {shared:.2g} of it" if shared else ""
        if self.kind == "counts":
            return f"electron counts: variance = mean{sharing}"
        kind = "counts with gain" if self.kind == "gain" else "estimated from the data"
        return (
            f"{kind}: variance = {self.gain:.4g}·(mean − {self.offset:.4g}) + {self.read_noise:.3g}²{sharing}".replace(
                "− -", "+ "
            )
        )

    def overridden(
        self, *, gain: float | None = None, offset: float | None = None, read_noise: float | None = None
    ) -> NoiseModel:
        """Return the model with the numbers that are given; what is not given stays as it was found."""
        given = {
            name: checked(name, value, low)
            for name, value, low in (
                ("gain", gain, 0.0),
                ("offset", offset, -math.inf),
                ("read_noise", read_noise, 0.0),
            )
            if value is not None
        }
        if not given:
            return self
        numbers: dict[str, Any] = {
            "gain": self.gain,
            "offset": self.offset,
            "read_noise": self.read_noise,
        } | given
        unit = (numbers["gain"], numbers["offset"], numbers["read_noise"]) == (1.0, 0.0, 0.0)
        kind: Kind = "counts" if unit else "unknown" if self.kind == "unknown" else "gain"
        return replace(self, kind=kind, **numbers, reason=f"{', '.join(given)} given; otherwise {self.reason}")


def unfitting(noise: NoiseModel) -> NoiseModel:
    """Return a model of noise that does not follow the mean of pixels, such as that of stretched or compressed data."""
    reason = "the variance of many pixels does not follow their mean: the noise is that between neighbouring positions"
    return replace(noise, kind="unknown", gain=0.0, reason=reason)


def checked(name: str, value: Any, low: float) -> float:
    """Return a number of a noise model, or raise InputError."""
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value) or value < low:
        least = "" if low == -math.inf else f" of at least {low:g}"
        raise InputError(f"{name}: expected a finite number{least}, got {value!r}")
    return float(value)
