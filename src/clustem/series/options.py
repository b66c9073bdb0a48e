"""What the user says of how frames are measured, as frozen records that are checked when they are made."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.crystallography import Crystal, Probe, check_precession
from clustem.errors import InputError
from clustem.scan import Scan
from clustem.segmentation import Domains, NoiseAwareParameters, PublishedParameters, check_options, segment
from clustem.surveying import (
    NoiseModel,
    Survey,
    check_mask_word,
    chosen_pixels,
    chosen_positions,
    given_image,
    is_mask_word,
    survey,
)


@dataclass(frozen=True, eq=False)
class FrameOptions:
    """How every frame of a series is surveyed, segmented and averaged: the options of :func:`clustem.run`.

    Masks are words, images, or None.
    """

    method: str = "noise-aware"
    similarity: float = 0.2
    threshold: float | None = None
    smooth_sigma: float = 0.0
    detector_mask: str | NDArray[Any] | None = None
    scan_mask: str | NDArray[Any] | None = None
    min_size: int = 5
    border: str = "full"
    prefilter: bool = False
    centre: bool = True
    gain: float | None = None
    offset: float | None = None
    read_noise: float | None = None

    def __post_init__(self) -> None:
        if self.method == "labels":
            raise InputError(
                "method: 'labels' needs the label image of one scan, but domains of a series are found in every frame; "
                "choose 'noise-aware' or 'published'"
            )
        names = ("similarity", "threshold", "smooth_sigma", "min_size", "border", "prefilter")
        check_options(self.method, {name: getattr(self, name) for name in names})
        NoiseAwareParameters(self.similarity, self.min_size)
        PublishedParameters(self.threshold, self.smooth_sigma, self.min_size, self.border, self.prefilter)  # type: ignore[arg-type]
        NoiseModel().overridden(gain=self.gain, offset=self.offset, read_noise=self.read_noise)
        check_mask_word("detector_mask", self.detector_mask)
        check_mask_word("scan_mask", self.scan_mask)

    def parts(self) -> tuple[Any, ...]:
        """Return what makes the key under which a measured frame is kept."""
        return tuple(getattr(self, item.name) for item in fields(self))

    def survey(self, scan: Scan) -> Survey:
        """Return the survey of a frame."""
        return survey(scan, gain=self.gain, offset=self.offset, read_noise=self.read_noise)

    def segment(self, scan: Scan, found: Survey) -> Domains:
        """Return the domains of a frame by itself."""
        pixels = chosen_pixels(self.detector_mask, found)
        return segment(
            scan,
            method=self.method,  # type: ignore[arg-type]
            similarity=self.similarity,
            threshold=self.threshold,
            smooth_sigma=self.smooth_sigma,
            detector_mask=found.usable if pixels is None and self.method == "published" else pixels,
            scan_mask=self.positions(found),
            min_size=self.min_size,
            border=self.border,  # type: ignore[arg-type]
            prefilter=self.prefilter,
            survey=found,
        )

    def compared(self, found: Survey) -> NDArray[np.bool_]:
        """Return the detector pixels (k_y, k_x) in which patterns of different frames are compared."""
        pixels = chosen_pixels(self.detector_mask, found)
        return found.detector_mask if pixels is None else pixels

    def positions(self, found: Survey) -> NDArray[np.bool_] | None:
        """Return the scan positions (scan_y, scan_x) to use; None for all."""
        return chosen_positions(self.scan_mask, found)


DEFAULTS = FrameOptions()


def mask_of(given: Any, shape: tuple[int, int], name: str) -> str | NDArray[Any] | None:
    """Return a mask as FrameOptions hold it: words as they are, files read, images of another shape refused."""
    if given is None or is_mask_word(given):
        return given  # type: ignore[no-any-return]
    image = given_image(given, name)
    if image.shape != shape:
        raise InputError(f"{name}: expected an image of shape {shape}, got {image.shape}")
    return image


@dataclass(frozen=True, eq=False)
class OrientingOptions:
    """How orientation and strain of tracks are measured in every frame; not at all without crystals."""

    crystals: tuple[Crystal, ...] = ()
    probe: Probe | None = None
    precession_deg: float = 0.0
    strain_reference: str | None = None

    def __post_init__(self) -> None:
        check_precession(self.precession_deg)
        check_reference(self.strain_reference)
        check_needs_crystals(
            crystals=bool(self.crystals),
            probe=self.probe,
            precession_deg=self.precession_deg or None,
            strain_reference=self.strain_reference,
        )

    def parts(self) -> tuple[Any, ...]:
        """Return what makes the key under which the candidates for the orientations of a frame are kept."""
        phases = [(one.name, one.cell, one.space_group, one.sites) for one in self.crystals]
        template = () if self.probe is None else (self.probe.kind, self.probe.radius, self.probe.image)
        return (phases, self.precession_deg, *template)


def check_reference(given: Any) -> None:
    """Raise InputError if strain in a series cannot be relative to what is given."""
    if given in (None, "crystal", "median"):
        return
    raise InputError(
        f"strain_reference: expected 'crystal' or 'median' for a series, got {given!r}; a label cannot be the "
        "reference, because the domain of a label is another one in every frame"
    )


def check_needs_crystals(*, crystals: bool, **given: Any) -> None:
    """Raise InputError if something was given that without crystals has no effect in a series."""
    for name, value in given.items():
        if value is not None and not crystals:
            raise InputError(
                f"{name}: has no effect without a crystal, because orientation and strain of tracks are measured only "
                "with one; give --crystal (crystals= of track), or leave it out"
            )
