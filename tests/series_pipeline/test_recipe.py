"""Recipes of series: round trip, paths, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from clustem import Calibration, InputError
from clustem.series_pipeline import SeriesRecipe, is_series_recipe, load_series_recipe


def test_round_trip_with_paths_seen_from_the_recipe(tmp_path: Path) -> None:
    sources = (str(tmp_path / "data" / "f_1.h5"), str(tmp_path / "data" / "f_2.h5"))
    recipe = SeriesRecipe(
        sources, 0.5, "/a", (4, 5), Calibration(energy_keV=200, scan_step_nm=(0.4, 0.5)), ("clustem:Au",), 0.5
    )
    path = tmp_path / "out" / "recipe.toml"
    path.parent.mkdir()
    path.write_text(recipe.seen_from(path.parent).to_toml(), encoding="utf-8")
    assert '"../data/f_1.h5"' in path.read_text(encoding="utf-8")
    assert load_series_recipe(path) == recipe
    assert is_series_recipe(path)


def test_what_was_not_given_is_left_out() -> None:
    assert SeriesRecipe(("a",)).to_tables() == {"series": {"sources": ["a"]}}
    assert SeriesRecipe(("a",)).changed({"time_step": None, "dataset": "/b"}).to_tables()["input"] == {"dataset": "/b"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[series]\nsources = 3", "sources: expected a list of texts"),
        ("[series]\nsources = ['a']\ntime_step = -1", "time_step: expected a positive number"),
        ("[series]\nsources = ['a']\nframes = 1", "unknown name 'frames'"),
        ("[series]\nsources = ['a']\n[colour]\nx = 1", r"unknown table \[colour\]"),
        ("series = 3", "to be a table"),
        ("[series]\n[input]\nscan_shape = [1]", "scan_shape: expected two whole numbers"),
        ("[series]", "names no sources"),
        ("[series]\n[crystallography]\nprecession_deg = 7", "precession_deg: expected a number of degrees"),
        ("[series", "cannot be read as a recipe"),
    ],
)
def test_what_cannot_be_used_is_told(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=told):
        load_series_recipe(path)


def test_other_files_are_no_recipes_of_series(tmp_path: Path) -> None:
    (tmp_path / "scan.toml").write_text("[input]\nsource = 'a'", encoding="utf-8")
    (tmp_path / "broken.toml").write_text("[series", encoding="utf-8")
    found = [is_series_recipe(tmp_path / name) for name in ("scan.toml", "broken.toml", "missing.toml")]
    assert found == [False, False, False]
