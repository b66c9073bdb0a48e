"""open_series: every kind of source, gaps, times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask.array
import h5py
import numpy as np
import pytest
import zarr

import clustem
from clustem import Calibration, InputError, MissingFileError
from clustem.series import names_series

SHAPE = (3, 4, 6, 8)
DATA = np.random.default_rng(0).poisson(3, (4, *SHAPE)).astype(np.uint16)


def write(path: Path, frame: int, **attributes: Any) -> Path:
    with h5py.File(path, "w") as file:
        group = file.create_group("entry")
        group.create_dataset("data", data=DATA[frame])
        group.attrs.update(attributes)
    return path


def is_data(series: clustem.Series, times: tuple[int, ...] = (0, 1, 2, 3)) -> bool:
    same = [np.array_equal(np.asarray(series[place]), DATA[frame]) for place, frame in enumerate(times)]
    return series.shape == (len(times), *SHAPE) and all(same)


@pytest.mark.parametrize("make", [np.asarray, dask.array.from_array, lambda data: type("Signal", (), {"data": data})()])
def test_a_five_dimensional_array(make: Any) -> None:
    assert is_data(clustem.open_series(make(DATA)))


def test_one_array_in_files(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["deep/series"] = DATA
        file["image"] = np.zeros((3, 4))
    assert is_data(clustem.open_series(tmp_path / "a.h5"))
    np.save(tmp_path / "a.npy", DATA)
    assert is_data(clustem.open_series(tmp_path / "a.npy"))
    zarr.save_array(str(tmp_path / "a.zarr"), DATA)
    assert is_data(clustem.open_series(tmp_path / "a.zarr"))


def test_several_arrays_in_a_file_in_natural_order(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for frame, name in enumerate(("f1", "f2", "f10", "f11")):
            group = file.create_group(name)
            group["counts"] = DATA[frame]
            group.attrs["time_s"] = 5.0 * frame + 100
        file["other/counts"] = DATA[0][:2]
    series = clustem.open_series(tmp_path / "a.h5")
    assert is_data(series)
    assert [frame.name for frame in series.frames] == ["f1/counts", "f2/counts", "f10/counts", "f11/counts"]
    assert series.times_s.tolist() == [0, 5, 10, 15]


@pytest.mark.parametrize(
    ("names", "attributes", "told"),
    [
        (("frame000/counts", "frame001/counts"), {}, True),
        (("data/t_9", "data/t_10"), {}, True),
        (("depth0/data", "depth1/data"), {}, False),
        (("scan_1", "scan_2"), {}, True),
        (("filtered", "raw"), {}, False),
        (("frame1/a", "frame2/b"), {}, False),
        (("a/x", "b/x"), {"time_s": (1.0, 2.0)}, True),
        (("a/x", "b/x"), {"time_s": (1.0, 1.0)}, False),
    ],
)
def test_scans_of_a_file_are_a_series_if_they_are_numbered_or_have_times(
    tmp_path: Path, names: tuple[str, str], attributes: dict[str, tuple[float, float]], told: bool
) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for frame, name in enumerate(names):
            file[name] = DATA[frame]
            for key, values in attributes.items():
                file[name].parent.attrs[key] = values[frame]
    assert names_series(str(tmp_path / "a.h5"), meant=True)
    assert is_data(clustem.open_series(tmp_path / "a.h5"), (0, 1))
    if told:
        assert names_series(str(tmp_path / "a.h5"))
    else:
        with pytest.raises(InputError, match="does not say that they are a series; choose one"):
            names_series(str(tmp_path / "a.h5"))


@pytest.mark.parametrize(
    ("name", "units", "told"),
    [("time", "", True), ("z", "s", True), ("depth", "", False), ("z", "nm", False), ("", "", True)],
)
@pytest.mark.parametrize("kind", ["hyperspy", "emd", "label", "nexus"])
def test_the_first_of_five_axes_may_say_that_it_is_something_else_than_time(
    tmp_path: Path, kind: str, name: str, units: str, told: bool
) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        group = file.create_group("scan")
        data = group.create_dataset("data", data=DATA)
        if kind == "label":
            data.dims[0].label = name
        elif kind == "nexus":
            group.attrs["axes"] = [name, "y", "x", "k_y", "k_x"]
        else:
            axis = group.create_group("axis-0") if kind == "hyperspy" else group.create_dataset("dim1", data=range(4))
            axis.attrs.update({"name": name, "units": units})
    told = told or (name == "z" and kind in ("label", "nexus"))  # which have no units
    if told:
        assert names_series(str(tmp_path / "a.h5"))
    else:
        with pytest.raises(InputError, match="something else than time; choose one with --frame, 0 to 3"):
            names_series(str(tmp_path / "a.h5"))


def test_frames_are_opened_as_they_were_scanned(tmp_path: Path) -> None:
    turned = DATA.copy()
    turned[:, 1::2] = turned[:, 1::2, ::-1]
    assert is_data(clustem.open_series(list(turned), snake=True))
    assert is_data(clustem.open_series(turned, snake=True))
    assert clustem.open_series(DATA, flyback=1).shape == (4, 3, 3, 6, 8)
    for frame in range(2):
        DATA[frame].tofile(tmp_path / f"f_{frame}.bin")
    raw = clustem.open_series(tmp_path, scan_shape=(3, 4), detector_shape=(6, 8), dtype="uint16")
    assert is_data(raw, (0, 1))


def test_what_cannot_be_said_of_what_is_open_is_refused() -> None:
    with pytest.raises(InputError, match="a Series is open already"):
        clustem.open_series(clustem.open_series(DATA), snake=True)
    with pytest.raises(InputError, match="a Scan, which is open already"):
        clustem.open_series([clustem.open_scan(DATA[0])], flyback=1)


def test_the_energy_that_is_given_turns_angles_into_lengths(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        group = file.create_group("scan")
        group["data"] = DATA[0]
        for number, (name, units) in enumerate((("y", "nm"), ("x", "nm"), ("ky", "mrad"), ("kx", "mrad"))):
            axis = group.create_group(f"axis-{number}")
            axis.attrs.update(
                {"name": name, "units": units, "scale": 1.0, "offset": 0.0, "size": DATA[0].shape[number]}
            )
    energy = Calibration(energy_keV=200)
    single = clustem.open_scan(tmp_path / "a.h5", calibration=energy).calibration
    assert single.inv_angstrom_per_px is not None
    assert clustem.open_series([tmp_path / "a.h5"], calibration=energy).calibration == single


def test_a_file_with_two_series_asks_which(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["one"], file["two"] = DATA, DATA
    with pytest.raises(InputError, match="/one, /two"):
        clustem.open_series(tmp_path / "a.h5")
    assert is_data(clustem.open_series(tmp_path / "a.h5", dataset="two"))
    with pytest.raises(InputError, match="nothing at 'three'"):
        clustem.open_series(tmp_path / "a.h5", dataset="three")


def test_a_list_a_pattern_and_a_folder(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"s_{number}.h5", frame) for frame, number in enumerate((8, 9, 10, 11))]
    (tmp_path / "notes.txt").write_text("no scan")
    (tmp_path / "out").mkdir()
    assert is_data(clustem.open_series(paths))
    assert is_data(clustem.open_series(str(tmp_path / "s_*.h5")))
    assert is_data(clustem.open_series(tmp_path))
    assert is_data(clustem.open_series([DATA[0], *paths[1:]]))
    assert is_data(clustem.open_series(paths[2]), (2,))
    assert is_data(clustem.open_series(clustem.open_series(paths)))


def test_missing_and_broken_frames_are_gaps(tmp_path: Path) -> None:
    for frame, number in enumerate((1, 2, 4, 5)):
        write(tmp_path / f"s_{number}.h5", frame)
    (tmp_path / "s_5.h5").write_bytes(b"\x89HDF\r\n\x1a\nnothing else")
    with h5py.File(tmp_path / "s_6.h5", "w") as file:
        file["data"] = DATA[0][:2]
    series = clustem.open_series(tmp_path)
    assert series.present.tolist() == [True, True, False, True, False, False]
    assert [text.split(":")[0] for text in series.warnings] == [
        "frame 2 (s_3.h5) is a gap",
        "frame 4 (s_5.h5) is a gap",
        "frame 5 (s_6.h5) is a gap",
    ]
    assert "3 of them gaps" in repr(series)
    np.testing.assert_array_equal(np.asarray(series[3]), DATA[2])
    with pytest.raises(InputError, match="no file of this number"):
        series[2]
    listed = clustem.open_series([tmp_path / "s_1.h5", tmp_path / "gone.h5"])
    assert listed.present.tolist() == [True, False]


def test_numbers_that_do_not_count_frames_leave_no_gaps(tmp_path: Path) -> None:
    for number in (1, 1000, 2500):
        write(tmp_path / f"s_{number}.h5", 0)
    assert clustem.open_series(tmp_path).present.tolist() == [True] * 3


def test_times_from_files(tmp_path: Path) -> None:
    for frame, second in enumerate((0, 12, 25)):
        write(tmp_path / f"s_{frame}.h5", frame, start_time=f"2024-05-01T10:00:{second:02d}")
    series = clustem.open_series(tmp_path)
    assert series.times_s.tolist() == [0, 12, 25]
    assert clustem.open_series(tmp_path, time_step=2).times_s.tolist() == [0, 2, 4]
    write(tmp_path / "s_3.h5", 3)
    assert np.isnan(clustem.open_series(tmp_path).times_s).all()


def test_a_gap_has_a_time(tmp_path: Path) -> None:
    for frame in (0, 1, 3):
        write(tmp_path / f"s_{frame}.h5", frame, timestamp=10.0 * frame)
    assert clustem.open_series(tmp_path).times_s.tolist() == [0, 10, 20, 30]


@pytest.mark.parametrize("step", ["12 parsec", "soon", 0, -1, float("nan"), True, None])
def test_a_time_step_that_is_none(step: Any) -> None:
    if step is None:
        assert np.isnan(clustem.open_series(DATA).times_s).all()
        return
    with pytest.raises(InputError, match="time_step"):
        clustem.open_series(DATA, time_step=step)


def test_calibration_is_common_but_for_the_centre(tmp_path: Path) -> None:
    for frame in (0, 1):
        write(tmp_path / f"s_{frame}.h5", frame, energy_keV=200.0, centre_px=(2.0, 3.0 + frame))
    series = clustem.open_series(tmp_path, calibration=Calibration(scan_step_nm=0.5))
    assert series.calibration == Calibration(energy_keV=200.0, scan_step_nm=0.5)
    assert [series[k].calibration.centre_px for k in (0, 1)] == [(2, 3), (2, 4)]
    assert series.warnings == ()
    write(tmp_path / "s_2.h5", 2, energy_keV=300.0)
    assert "do not agree" in clustem.open_series(tmp_path).warnings[0]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (DATA[0], "5-D array"),
        ([], "empty"),
        (3, "expected a path"),
        ([np.zeros(3)], "none of 1 frames can be opened"),
    ],
)
def test_what_is_no_series(source: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        clustem.open_series(source)


def test_a_further_axis_of_other_formats_is_no_time(tmp_path: Path) -> None:
    """The file of the fpd package has an axis of thresholds, which is no series, but one scan."""
    with h5py.File(tmp_path / "fpd.hdf5", "w") as file:
        file["fpd_expt/fpd_data/data"] = np.arange(3 * 4 * 5 * 6, dtype=np.uint16).reshape(3, 4, 1, 5, 6)
    assert not names_series(str(tmp_path / "fpd.hdf5"))
    assert clustem.open_series(tmp_path / "fpd.hdf5").shape == (1, 3, 4, 5, 6)
    np.save(tmp_path / "a.npy", DATA)
    assert names_series(str(tmp_path / "a.npy"), meant=True)


@pytest.mark.parametrize("text", ["{", '{"zarr_format": 3, "node_type": "array"}'])
def test_a_damaged_store_is_no_series(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / "zarr.json").write_text(text)
    assert not names_series(str(tmp_path / "a.zarr"))


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError):
        clustem.open_series(tmp_path / "gone.h5")
    with pytest.raises(MissingFileError, match="no file has such a name"):
        clustem.open_series(str(tmp_path / "s_*.h5"))
    with pytest.raises(InputError, match="no file of a known format"):
        clustem.open_series(tmp_path)
    with pytest.raises(InputError, match="calibration"):
        clustem.open_series(DATA, calibration=3)  # type: ignore[arg-type]
