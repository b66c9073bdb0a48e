"""Recipes of series: round trip, paths, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from clustem import Calibration, InputError
from clustem.recipe import Recipe
from clustem.series_pipeline import SeriesRecipe, is_series_recipe, load_series_recipe


def test_round_trip_with_paths_seen_from_the_recipe(tmp_path: Path) -> None:
    sources = (str(tmp_path / "data" / "f_1.h5"), str(tmp_path / "data" / "f_2.h5"))
    frames = Recipe(
        dataset="/a",
        scan_shape=(4, 5),
        detector_shape=(6, 7),
        dtype="<u2",
        snake=True,
        flyback=1,
        calibration=Calibration(energy_keV=200, scan_step_nm=(0.4, 0.5)),
        method="published",
        threshold=0.9,
        detector_mask="annulus:3-9",
        min_size=7,
        centre=False,
        gain=2.0,
        crystal=("clustem:Au",),
        probe="disk:3.5",
        precession_deg=0.5,
        strain_reference="median",
    )
    recipe = SeriesRecipe(sources, 0.5, frames)
    path = tmp_path / "out" / "recipe.toml"
    path.parent.mkdir()
    path.write_text(recipe.seen_from(path.parent).to_toml(), encoding="utf-8")
    assert '"../data/f_1.h5"' in path.read_text(encoding="utf-8")
    assert load_series_recipe(path) == recipe
    assert is_series_recipe(path)


def test_what_was_not_given_is_left_out() -> None:
    tables = SeriesRecipe(("a",)).to_tables()
    assert set(tables) == {"series", "segmentation", "averaging"}
    assert tables["series"] == {"sources": ["a"]}
    assert SeriesRecipe(("a",)).changed({"time_step": None, "dataset": "/b"}).to_tables()["input"] == {"dataset": "/b"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[series]\nsources = 3", "sources: expected a list of texts"),
        ("[series]\nsources = ['a']\ntime_step = -1", "time_step: expected a positive number"),
        ("[series]\nsources = ['a']\nframes = 1", "unknown name 'frames'"),
        ("[series]\nsources = ['a']\n[colour]\nx = 1", r"unknown table \[colour\]"),
        ("series = 3", "to be a table"),
        ("[series]\nsources = ['a']\n[input]\nscan_shape = [1]", "scan_shape: expected two whole numbers"),
        ("[series]", "names no sources"),
        ("[series", "cannot be read as a recipe"),
    ],
)
def test_what_cannot_be_used_is_told(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=told):
        load_series_recipe(path)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"precession_deg": 7.0}, "precession_deg: expected 0 to 5 degrees"),
        ({"labels": "l.npy"}, "labels: is the label image of one scan"),
        ({"method": "labels"}, "method: 'labels' needs an option that is the label image of one scan"),
        ({"per_position": True}, "per_position: asks for maps of one scan"),
        ({"frame": 2}, "frame: chooses one scan, but all of a series are followed"),
        ({"strain_reference": "3"}, "strain_reference: .* the domain of a label is another one in every frame"),
        ({"similarity": 2.0}, "similarity: expected a number between 0 and 1"),
        ({"threshold": 0.5}, "threshold: method 'noise-aware' has no such option"),
    ],
)
def test_what_a_series_cannot_do_is_refused(given: dict[str, object], told: str) -> None:
    with pytest.raises(InputError, match=told):
        SeriesRecipe().changed(given).check()


@pytest.mark.parametrize("given", [{"precession_deg": 0.5}, {"strain_reference": "median"}, {"probe": "disk:3"}])
def test_what_has_no_effect_without_a_crystal_is_refused(given: dict[str, object]) -> None:
    recipe = SeriesRecipe().changed(given)
    recipe.check()
    with pytest.raises(InputError, match=rf"{next(iter(given))}: has no effect without a crystal"):
        recipe.check_crystals(None, None)
    recipe.check_crystals("clustem:Au", None)
    recipe.changed({"crystal": ("clustem:Au",)}).check_crystals(None, None)


def test_other_files_are_no_recipes_of_series(tmp_path: Path) -> None:
    (tmp_path / "scan.toml").write_text("[input]\nsource = 'a'", encoding="utf-8")
    (tmp_path / "broken.toml").write_text("[series", encoding="utf-8")
    found = [is_series_recipe(tmp_path / name) for name in ("scan.toml", "broken.toml", "missing.toml")]
    assert found == [False, False, False]
