"""Names of frames: order, numbers that are missing, folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from clustem import InputError, MissingFileError
from clustem.series.naming import files_of, matching_files, missing_numbers, natural_key


def test_natural_order() -> None:
    names = ["f10_2.h5", "f9_11.h5", "f9_2.h5", "f.h5"]
    assert sorted(names, key=natural_key) == ["f9_2.h5", "f9_11.h5", "f10_2.h5", "f.h5"]


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        (["a1.h5", "a2.h5", "a4.h5"], [(2, "a3.h5")]),
        (["a010.h5", "a020.h5", "a040.h5", "a060.h5"], [(2, "a030.h5"), (4, "a050.h5")]),
        (["a1.h5", "a2.h5", "a3.h5"], []),
        (["a1.h5", "a900.h5", "a901.h5"], []),  # most would be missing: the numbers count something else
        (["a1.h5", "b2.h5", "a4.h5"], []),
        (["a.h5", "b.h5", "c.h5"], []),
        (["a1.h5", "a3.h5"], []),
    ],
)
def test_missing_numbers(names: list[str], missing: list[tuple[int, str]]) -> None:
    assert missing_numbers(names) == missing


def test_files_that_are_no_scans_are_left_out(tmp_path: Path) -> None:
    for name in ("b10.h5", "b2.h5", ".b1.h5", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path in files_of(tmp_path)] == ["b2.h5", "b10.h5"]
    assert [path.name for path in matching_files(str(tmp_path / "b1*.h5"))] == ["b10.h5"]


def test_masters_stand_for_their_data_files(tmp_path: Path) -> None:
    for name in ("a_master.h5", "a_data_000001.h5", "b_master.h5"):
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path in files_of(tmp_path)] == ["a_master.h5", "b_master.h5"]


def test_nothing_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file of a known format"):
        files_of(tmp_path)
    with pytest.raises(MissingFileError, match="check the pattern"):
        matching_files(str(tmp_path / "*.h5"))


def test_a_folder_of_results_names_its_recipe(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text("")
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY")
    assert [path.name for path in files_of(tmp_path)] == ["a.npy"]
    (tmp_path / "results.h5").write_bytes(b"")
    with pytest.raises(InputError, match=r"is a folder of results, .* clustem run .*recipe\.toml -o FOLDER"):
        files_of(tmp_path)
