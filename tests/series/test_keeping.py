"""Kept frames: round trip, damage, and what makes a key."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import clustem
from clustem import OutputError
from clustem.segmentation import ALL_CONSTANTS
from clustem.series import keeping
from clustem.series.keeping import Store, build, key_of, made_of, sources_of


@dataclass(frozen=True, eq=False)
class Inner:
    values: NDArray[np.float64]
    number: float


@dataclass(frozen=True, eq=False)
class Outer:
    inner: Inner
    labels: NDArray[np.int32]


RECORD = Outer(Inner(np.array([1.5, np.nan]), 3.25), np.arange(6, dtype=np.int32).reshape(2, 3))


def refuse() -> Outer:
    raise AssertionError("it is kept")


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    store = Store(tmp_path / "kept")
    assert not store.has(Outer, "a")
    store.get(Outer, "a", lambda: RECORD)
    found = store.get(Outer, "a", refuse)
    np.testing.assert_array_equal(found.inner.values, RECORD.inner.values)
    np.testing.assert_array_equal(found.labels, RECORD.labels)
    assert (found.inner.number, found.labels.dtype) == (3.25, np.int32)
    assert store.has(Outer, "a")
    assert not store.has(Inner, "a")


def test_same_contents_make_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        Store(tmp_path / name).get(Outer, "a", lambda: RECORD)
    one, two = (next((tmp_path / name).iterdir()).read_bytes() for name in ("one", "two"))
    assert one == two


@pytest.mark.parametrize("part", [0, 0.5, 0.99])
def test_a_damaged_file_is_made_anew(tmp_path: Path, part: float) -> None:
    store = Store(tmp_path)
    store.get(Outer, "a", lambda: RECORD)
    path = next(tmp_path.iterdir())
    whole = path.read_bytes()
    path.write_bytes(whole[: int(part * len(whole))])
    assert not store.has(Outer, "a")
    assert store.get(Outer, "a", lambda: RECORD) is RECORD
    assert store.has(Outer, "a")


def test_a_folder_that_cannot_be_written_to_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        Store(tmp_path / "file").get(Outer, "a", lambda: RECORD)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_keys_tell_contents_and_kinds_apart() -> None:
    parts = [np.zeros(2), np.zeros(2, np.float32), np.zeros((1, 2)), np.ones(2), 0, 0.0, "0"]
    assert len({made_of(part) for part in parts}) == len(parts)
    assert made_of(np.zeros(2), 1) == made_of(np.zeros(2), 1)


def test_scans_are_told_apart_by_data_and_calibration() -> None:
    data = np.random.default_rng(0).poisson(2, (4, 3, 5, 5)).astype(np.uint16)
    other = data.copy()
    other[2, 1, 0, 0] += 1
    scan = clustem.open_scan(data)
    assert key_of(scan) == key_of(clustem.open_scan(data.copy()))
    assert key_of(scan) != key_of(clustem.open_scan(other))
    turned = clustem.open_scan(data, snake=True)
    assert key_of(scan) != key_of(turned)
    stepped = scan.with_calibration(clustem.Calibration(scan_step_nm=1.0))
    assert key_of(scan) != key_of(stepped)


def test_a_build_is_known_by_its_version_and_its_sources() -> None:
    said, sources = build().split()
    assert said == clustem.__version__
    assert sources == sources_of(Path(clustem.__file__).parent)


def test_sources_are_known_by_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "room").mkdir()
    module = tmp_path / "room" / "module.py"
    module.write_text("A = 1\n")
    first = sources_of(tmp_path)
    (tmp_path / "notes.txt").write_text("no module")
    assert sources_of(tmp_path) == first
    module.write_text("A = 2\n")
    assert sources_of(tmp_path) != first
    module.write_text("A = 1\n")
    assert sources_of(tmp_path) == first
    module.rename(tmp_path / "room" / "other.py")
    assert sources_of(tmp_path) != first


def test_what_another_build_kept_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store(tmp_path).get(Outer, "a", lambda: RECORD)
    assert Store(tmp_path).has(Outer, "a")
    monkeypatch.setattr(keeping, "build", lambda: "0.0.1 other")
    other = Store(tmp_path)
    assert not other.has(Outer, "a")
    other.get(Outer, "a", lambda: RECORD)
    other.remove_unused(Outer)
    assert len(list(tmp_path.iterdir())) == 1, "that of the other build is gone"


@pytest.mark.parametrize("record", ALL_CONSTANTS, ids=lambda record: type(record).__name__)
def test_what_was_made_with_other_constants_is_made_anew(tmp_path: Path, record: object) -> None:
    Store(tmp_path).get(Outer, "a", lambda: RECORD)
    name, value = next(iter(vars(record).items()))
    object.__setattr__(record, name, 2 * value)
    try:
        assert not Store(tmp_path).has(Outer, "a")
    finally:
        object.__setattr__(record, name, value)
    assert Store(tmp_path).has(Outer, "a")
