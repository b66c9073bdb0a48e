"""Images beside a scan: words, shapes, and what the results folder keeps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clustem import InputError
from clustem.inputs import images_of, kept_names, words_among, write_inputs
from clustem.recipe import Recipe

SHAPES = {"scan_shape": (3, 4), "detector_shape": (5, 6)}


def test_images_are_those_given_or_else_those_of_the_recipe(tmp_path: Path) -> None:
    np.save(tmp_path / "mask.npy", np.ones((5, 6)))
    recipe = Recipe(detector_mask=str(tmp_path / "mask.npy"), scan_mask="sample")
    given = {"detector_mask": None, "scan_mask": None}
    assert set(images_of(recipe, given, **SHAPES)) == {"detector_mask"}
    other = images_of(recipe, {"detector_mask": "outside-beam", "scan_mask": np.eye(3, 4)}, **SHAPES)
    np.testing.assert_array_equal(other["scan_mask"], np.eye(3, 4))
    assert set(other) == {"scan_mask"}
    assert words_among({"detector_mask": "outside-beam", "scan_mask": np.eye(3)}) == {"detector_mask": "outside-beam"}


def test_images_of_another_shape_are_refused() -> None:
    with pytest.raises(InputError, match=r"detector_mask: expected an image of shape \(5, 6\), got \(3, 4\)"):
        images_of(Recipe(), {"detector_mask": np.ones((3, 4))}, **SHAPES)


def test_inputs_are_kept_under_the_names_of_the_recipe(tmp_path: Path) -> None:
    write_inputs(tmp_path, {}, {})
    assert not list(tmp_path.iterdir())
    images = {"scan_mask": np.eye(3)}
    write_inputs(tmp_path, images, {"Au.cif": b"data_Au"})
    np.testing.assert_array_equal(np.load(tmp_path / kept_names(images)["scan_mask"]), np.eye(3))
    assert (tmp_path / "inputs" / "Au.cif").read_bytes() == b"data_Au"
