"""Images that are given beside a scan, and the folder of the results that keeps them and crystals."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.errors import InputError
from clustem.recipe import Recipe
from clustem.surveying import given_image, is_mask_word

INPUTS = "inputs"


def words_among(given: Mapping[str, Any]) -> dict[str, str]:
    """Return those of the images, by name, that are given by a word."""
    return {name: str(image) for name, image in given.items() if is_mask_word(image)}


def images_of(
    recipe: Recipe, given: Mapping[str, Any], *, scan_shape: tuple[int, int], detector_shape: tuple[int, int]
) -> dict[str, NDArray[Any]]:
    """Return the images by name: those that are given, or else those that the recipe has the paths of.

    Raises
    ------
    MissingFileError
        If there is no such file.
    InputError
        If an image cannot be read, or has another shape.
    """
    images = {}
    for name, image in given.items():
        path = getattr(recipe, name) if image is None else image
        if path is None or is_mask_word(path):
            continue
        images[name] = given_image(path, name)
        expected = detector_shape if name == "detector_mask" else scan_shape
        if images[name].shape != expected:
            raise InputError(f"{name}: expected an image of shape {expected}, got {images[name].shape}")
    return images


def kept_names(images: Mapping[str, Any]) -> dict[str, str]:
    """Return what the recipe in a results folder calls images."""
    return {name: f"{INPUTS}/{name}.npy" for name in images}


def write_inputs(folder: Path, images: Mapping[str, NDArray[Any]], kept: Mapping[str, bytes | NDArray[Any]]) -> None:
    """Keep images and crystals in a results folder, so that its recipe does not need them from elsewhere."""
    inputs: dict[str, Any] = {f"{name}.npy": image for name, image in images.items()} | dict(kept)
    if inputs:
        (folder / INPUTS).mkdir()
    for name, content in inputs.items():
        if isinstance(content, bytes):
            (folder / INPUTS / name).write_bytes(content)
        else:
            np.save(folder / INPUTS / name, content, allow_pickle=False)
