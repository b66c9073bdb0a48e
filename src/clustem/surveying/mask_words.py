"""Masks as they are given: by a word, or as an image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.errors import InputError, MissingFileError
from clustem.surveying.masks import (
    annular_mask,
    background_mask,
    beam_stop_mask,
    load_image,
    load_mask,
    outside_beam_mask,
)
from clustem.surveying.record import Survey

_DETECTOR_WORDS = ("outside-beam", "beam-stop", "annulus:")
_SCAN_WORDS = ("sample",)
_WORDS = {"detector_mask": _DETECTOR_WORDS, "scan_mask": _SCAN_WORDS}


def is_mask_word(value: Any) -> bool:
    """Return whether a mask is named by a word instead of a path, or given as an image."""
    return isinstance(value, str) and (value in (*_DETECTOR_WORDS, *_SCAN_WORDS) or value.startswith("annulus:"))


def check_mask_word(name: str, value: Any) -> None:
    """Raise InputError if a word is not one for the mask called `name`; anything but a word passes."""
    words = _WORDS[name]
    if is_mask_word(value) and not value.startswith(words):
        raise InputError(f"{name}: expected an image or one of {', '.join(words)}, got {value!r}")
    if is_mask_word(value) and value.startswith("annulus:"):
        annulus_radii(value)


def annulus_radii(word: str) -> tuple[float, float]:
    """Return the inner and outer radius in px of ``annulus:INNER-OUTER``."""
    try:
        inner, outer = (float(number) for number in word.removeprefix("annulus:").split("-"))
        if not 0 <= inner < outer:
            raise ValueError("the inner radius must be smaller")
    except ValueError as error:
        raise InputError(
            f"detector_mask: expected annulus:INNER-OUTER in px, such as annulus:8-40, with inner < outer, got {word!r}"
        ) from error
    return inner, outer


def given_image(source: Any, name: str) -> NDArray[Any]:
    """Return an image that was given; a name that is neither a file nor a word may be a misspelt word."""
    words = _WORDS.get(name)
    if words is not None and isinstance(source, (str, Path)) and not Path(source).is_file():
        raise MissingFileError(f"{name}: expected an image or one of {', '.join(words)}; there is no file {source}")
    return load_image(source, name=name)


def chosen_pixels(choice: str | NDArray[Any] | None, found: Survey) -> NDArray[np.bool_] | None:
    """Return the detector pixels (k_y, k_x) of a word or image, without bad ones; None if none was given.

    Raises
    ------
    InputError
        If there is not what a word names, or the image does not fit.
    """
    if choice is None:
        return None
    shape = (found.mean.shape[0], found.mean.shape[1])
    if not isinstance(choice, str):
        mask = load_mask(choice, shape, name="detector_mask")
    elif choice == "beam-stop":
        mask = beam_stop_mask(found)
        if mask.all():
            raise InputError(
                "detector_mask: no shadow of a beam stop was found; leave the option out, or give an image"
            )
    elif choice == "outside-beam":
        if not np.isfinite(found.beam_radius_px):
            raise InputError(
                "detector_mask: 'outside-beam' needs a direct beam, but none was found; give annulus:INNER-OUTER"
            )
        mask = outside_beam_mask(found)
    else:
        inner, outer = annulus_radii(choice)
        centre = (float(found.centre_px[0]), float(found.centre_px[1]))
        mask = annular_mask(shape, centre_px=centre, inner_px=inner, outer_px=outer)
    return mask & found.detector_mask


def peak_pixels(choice: str | NDArray[Any] | None, found: Survey) -> NDArray[np.bool_]:
    """Return the detector pixels that peaks are looked for in: all good ones, without the shadow of a beam stop."""
    stopped = isinstance(choice, str) and choice == "beam-stop"
    return found.detector_mask & beam_stop_mask(found) if stopped else found.detector_mask


def chosen_positions(choice: str | NDArray[Any] | None, found: Survey) -> NDArray[np.bool_] | None:
    """Return the scan positions (scan_y, scan_x) of a word or image; None if none was given.

    Raises
    ------
    InputError
        If there is no dark field for the word, or the image does not fit.
    """
    if choice is None:
        return None
    if not isinstance(choice, str):
        return load_mask(choice, found.shape[:2], name="scan_mask")
    if not np.isfinite(found.annular_dark_field).any():
        raise InputError(
            "scan_mask: 'sample' needs a direct beam, for the dark field, but none was found; give an image"
        )
    return background_mask(found)
