"""Formats on HDF5 with a layout of their own: fpd, Velox, EMD 0.2, Prismatic."""

import h5py
import numpy as np
import pytest

from clustem.errors import InputError
from clustem.formats import open_scan

from .samples import COUNTS, flat
from .samples_hdf5 import write_fpd, write_master, write_ncem, write_velox

SQUARE = COUNTS[:, :3]


def test_fpd(tmp_path):
    scan = open_scan(write_fpd(tmp_path / "a.hdf5"))
    assert (scan.shape, scan.dtype, scan.calibration.to_dict()) == ((3, 4, 8, 8), np.uint16, {})
    assert np.array_equal(scan, COUNTS)
    assert np.array_equal(scan.read(1, 2), COUNTS[1:2])
    assert scan.dataset == "/fpd_expt/fpd_data/data"


def test_one_colour_of_several(tmp_path):
    path = write_fpd(tmp_path / "a.hdf5", colours=2)
    assert np.array_equal(open_scan(path, frame=1), COUNTS + 1)
    for frame in (None, 2):
        with pytest.raises(InputError, match=r"holds 2 colours .* choose one with frame=0 … 1"):
            open_scan(path, frame=frame)


def test_fpd_without_colours_and_another_dataset(tmp_path):
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["fpd_expt/fpd_data/data"] = COUNTS
        file["other"] = COUNTS + 1
    assert np.array_equal(open_scan(tmp_path / "a.hdf5"), COUNTS)
    assert np.array_equal(open_scan(tmp_path / "a.hdf5", dataset="other"), COUNTS + 1)


def test_velox_frames_are_the_last_axis(tmp_path):
    scan = open_scan(write_velox(tmp_path / "a.emd", SQUARE))
    assert np.array_equal(scan, SQUARE)
    assert np.array_equal(scan.read(1, 2), SQUARE[1:2])
    assert scan.calibration.to_dict() == {"energy_keV": 200, "inv_angstrom_per_px": pytest.approx(0.02)}
    assert "9 patterns were taken as 3×3" in scan.assumptions[0]
    assert np.array_equal(open_scan(write_velox(tmp_path / "b.emd"), scan_shape=(3, 4)), COUNTS)


def test_velox_images_of_the_sample_are_no_scan(tmp_path):
    path = write_velox(tmp_path / "a.emd", SQUARE, unit="m", size="1E-10")
    with pytest.raises(InputError, match=r"images of the sample \(pixels in m\), not diffraction patterns"):
        open_scan(path)
    assert np.array_equal(open_scan(path, scan_shape=(3, 3)), SQUARE)


def test_several_velox_stacks(tmp_path):
    path = write_velox(tmp_path / "a.emd", SQUARE, stacks=2)
    with pytest.raises(InputError, match=r"expected one stack of images .* got 2; choose one with dataset= of\n"):
        open_scan(path)
    assert np.array_equal(open_scan(path, dataset=f"Data/Image/{1:032x}"), SQUARE)
    with pytest.raises(InputError, match="got 0; choose one"):
        open_scan(write_velox(tmp_path / "b.emd", SQUARE, stacks=0))


def test_velox_with_a_damaged_description(tmp_path):
    path = write_velox(tmp_path / "a.emd", SQUARE)
    with h5py.File(path, "a") as file:
        file[f"Data/Image/{0:032x}/Metadata"][2, 0] = 7
    assert np.array_equal(open_scan(path), SQUARE)
    assert open_scan(path).calibration.to_dict() == {}


def test_dimensions_that_count_from_one(tmp_path):
    calibration = open_scan(write_ncem(tmp_path / "a.emd")).calibration
    assert calibration.to_dict() == {"scan_step_nm": 2, "inv_angstrom_per_px": pytest.approx(0.05)}


def test_prismatic_calls_angstrom_nm(tmp_path):
    path = write_ncem(tmp_path / "a.emd")
    with h5py.File(path, "a") as file:
        file.create_group("metadata/metadata_0/original/simulation_parameters")
    calibration = open_scan(path).calibration
    assert calibration.to_dict() == {"scan_step_nm": pytest.approx(0.2), "inv_angstrom_per_px": pytest.approx(0.5)}


def test_a_master_and_its_side_file(tmp_path):
    path = write_master(tmp_path / "a_master.h5")
    scan = open_scan(path)
    assert np.array_equal(scan, COUNTS)
    with pytest.raises(InputError, match=r"a.h5: only belongs to a measurement; open that itself, a_master.h5"):
        open_scan(tmp_path / "a.h5")
    shape = open_scan(path, scan_shape=(2, 5), flyback=1)
    assert np.array_equal(shape, flat(COUNTS).reshape(2, 6, 8, 8)[:, :5])
