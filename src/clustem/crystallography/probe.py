"""The probe: the image of the aperture that every Bragg peak is a copy of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import correlate1d, gaussian_filter, map_coordinates, spline_filter

from clustem.errors import InputError
from clustem.surveying.beam import find_beam
from clustem.tables import table_text

OVERSAMPLING = 8  # samples per detector pixel of the template
_MARGIN = 2.5  # px around the disk that belong to the template
_DARK = 0.02  # of the plateau: below it a vacuum pattern is background, not probe


@dataclass(frozen=True, eq=False, repr=False)
class Probe:
    """Template of a Bragg peak, with a sum of 1 over detector pixels.

    Attributes
    ----------
    image : (n, n) float64
        The probe, eight samples per detector pixel in each direction, centred on the middle sample; each sample is
        already integrated over the area of a detector pixel.
    radius : float
        Radius in px: where a disk has half of its height; of a spot its standard deviation.
    kind : str
        ``"disk"``, ``"spot"`` or ``"measured"``.
    """

    image: NDArray[np.float64]
    radius: float
    kind: str

    @classmethod
    def disk(cls, radius: float, *, blur: float = 0.25) -> Probe:
        """Return a disk of `radius` px with an edge blurred by a Gaussian of `blur` px.

        Examples
        --------
        >>> probe = Probe.disk(4.0)
        >>> print(probe)
        Probe
          kind    disk
          radius  4.00 px
          reach   7 px
        """
        _check_length("radius", radius)
        _check_length("blur", blur)
        distance = _distances(radius + max(_MARGIN, 3 * blur + 1))
        sharp = np.clip((radius - distance) * OVERSAMPLING + 0.5, 0, 1)
        return cls(_normalised(_over_pixel(sharp, blur)), float(radius), "disk")

    @classmethod
    def spot(cls, sigma: float) -> Probe:
        """Return a Gaussian of standard deviation `sigma` px, for patterns whose peaks show no disks."""
        _check_length("sigma", sigma)
        distance = _distances(3 * sigma + 1)
        return cls(_normalised(_over_pixel(np.exp(-0.5 * (distance / sigma) ** 2), 0.0)), float(sigma), "spot")

    @classmethod
    def measured(cls, vacuum: ArrayLike) -> Probe:
        """Return the probe of a vacuum pattern (k_y, k_x), from the direct beam in it.

        Raises
        ------
        InputError
            If it is not an image, or there is no compact beam in it.
        """
        image = np.asarray(vacuum, np.float64)
        if image.ndim != 2 or not np.isfinite(image).all():
            raise InputError(f"probe: expected a finite vacuum pattern (k_y, k_x), got shape {image.shape}")
        beam = find_beam(image, np.ones(image.shape, bool), None)
        if not beam.found:
            raise InputError("probe: there is no compact direct beam in the vacuum pattern; expected one bright disk")
        reach = beam.radius + _MARGIN
        y, x = np.indices(image.shape)
        distance = np.hypot(y - beam.centre[0], x - beam.centre[1])
        around = (distance > reach) & (distance < reach + 4)
        clean = image - (np.median(image[around]) if around.any() else 0.0)
        plateau = np.median(clean[distance < 0.7 * beam.radius])
        clean = np.where((distance < reach) & (clean > _DARK * plateau), clean, 0)
        half = int(np.ceil(reach)) * OVERSAMPLING
        steps = np.arange(-half, half + 1) / OVERSAMPLING
        grid = np.meshgrid(beam.centre[0] + steps, beam.centre[1] + steps, indexing="ij")
        fine = map_coordinates(spline_filter(clean, 3), grid, order=3, prefilter=False, mode="constant")
        return cls(_normalised(np.clip(fine, 0, None)), beam.radius, "measured")

    @property
    def contrast(self) -> float:
        """Standard deviation of slopes and dome inside a peak, in units of its mean height; next to none in a spot."""
        return 0.01 if self.kind == "spot" else 0.4

    @property
    def half(self) -> float:
        """Half of the width of `image` in detector pixels."""
        return (len(self.image) - 1) / 2 / OVERSAMPLING

    @cached_property
    def tables(self) -> NDArray[np.float64]:
        """(3, n, n): `image` and its derivatives along y and x, per px."""
        slopes = np.gradient(self.image, 1 / OVERSAMPLING)
        return np.stack([self.image, *slopes])

    def __repr__(self) -> str:
        return table_text(
            "Probe",
            [("kind", self.kind), ("radius", f"{self.radius:.2f} px"), ("reach", f"{self.half:.0f} px")],
        )


def _check_length(name: str, value: float) -> None:
    if not (np.isfinite(value) and value > 0):
        raise InputError(f"probe {name}: expected a positive number of px, got {value!r}")


def _distances(reach: float) -> NDArray[np.float64]:
    half = int(np.ceil(reach)) * OVERSAMPLING
    steps = np.arange(-half, half + 1) / OVERSAMPLING
    distance: NDArray[np.float64] = np.hypot(steps[:, None], steps)
    return distance


def _over_pixel(sharp: NDArray[np.float64], blur: float) -> NDArray[np.float64]:
    """Return an oversampled image blurred and then integrated over the area of a detector pixel."""
    soft = gaussian_filter(sharp, blur * OVERSAMPLING) if blur > 0 else sharp
    pixel = np.ones(OVERSAMPLING + 1) / OVERSAMPLING
    pixel[[0, -1]] /= 2  # its width is even in samples; so it stays centred
    whole: NDArray[np.float64] = correlate1d(correlate1d(soft, pixel, 0, mode="constant"), pixel, 1, mode="constant")
    return whole


def _normalised(image: NDArray[np.float64]) -> NDArray[np.float64]:
    normalised: NDArray[np.float64] = image * (OVERSAMPLING**2 / image.sum())
    return normalised
