from dataclasses import replace

import h5py
import numpy as np
import pytest

from clustem.calibration import Calibration
from clustem.formats import open_scan
from clustem.results.exports import write_emd
from clustem.results.exports.emd import _calibration_values


def test_a_cube_that_opens_as_a_scan(demo_results, tmp_path):
    write_emd(demo_results, tmp_path)
    averages = demo_results.averages
    scan = open_scan(tmp_path / "averages.emd.h5")
    assert scan.shape == (1, *averages.patterns.shape)
    np.testing.assert_array_equal(np.asarray(scan)[0], averages.patterns)
    assert scan.calibration.inv_angstrom_per_px == pytest.approx(averages.calibration.inv_angstrom_per_px)
    assert scan.calibration.scan_step_nm is None, "neighbours in the file are no neighbours in the scan"


def test_axes_start_at_the_beam(demo_results, tmp_path):
    write_emd(demo_results, tmp_path)
    averages = demo_results.averages
    pixel = averages.calibration.inv_angstrom_per_px
    with h5py.File(tmp_path / "averages.emd.h5") as file:
        cube = file["averages_root/averages"]
        assert cube.attrs["python_class"] == "DataCube"
        assert [cube[f"dim{k}"].attrs["units"] for k in range(4)] == ["pixels", "pixels", "A^-1", "A^-1"]
        assert cube["dim2"][0] == pytest.approx(-averages.centre_px[0] * pixel)
        assert np.interp(averages.centre_px[1], np.arange(cube["dim3"].size), cube["dim3"]) == pytest.approx(0)
        calibration = file["averages_root/metadatabundle/calibration"]
        assert calibration["Q_pixel_size"][()] == pytest.approx(pixel)
        assert calibration["qx0_mean"][()] == pytest.approx(averages.centre_px[0]), "py4DSTEM's x is the first axis"


def test_arrays_have_only_the_classes_of_emdfile(demo_results, tmp_path):
    write_emd(demo_results, tmp_path)
    classes = set()
    with h5py.File(tmp_path / "arrays.emd.h5") as file:
        file.visititems(lambda _, item: classes.add(item.attrs.get("python_class")))
        assert classes == {None, "Root", "Array"}
        np.testing.assert_array_equal(file["averages_root/averages/data"], demo_results.averages.patterns)
        labels = file["averages_root/labels"]
        np.testing.assert_array_equal(labels["data"], demo_results.domains.labels)
        assert labels["dim1"].attrs["units"] == "nm"
        assert np.diff(labels["dim1"]) == pytest.approx(demo_results.domains.calibration.scan_step_nm)
        assert file["averages_root/averages/dim0"][0] == 1


def test_not_calibrated_is_pixels(plain_results, tmp_path):
    write_emd(plain_results, tmp_path)
    with h5py.File(tmp_path / "arrays.emd.h5") as file:
        axes = [file[f"averages_root/{name}"] for name in ("averages/dim1", "averages/dim2", "labels/dim0")]
        assert [axis.attrs["units"] for axis in axes] == ["pixels"] * 3
        assert axes[0][:2].tolist() == [0, 1]


@pytest.mark.parametrize(("flip", "degrees"), [(False, -12.0), (True, 78.0)])
def test_rotation_in_the_sense_of_py4dstem(demo_results, flip, degrees):
    """Its scan vector (row, column) is R (row, column) of the detector, after it has exchanged them if it flips."""
    calibration = Calibration(detector_rotation_deg=12.0, detector_flip=flip)
    values = _calibration_values(replace(demo_results.averages, calibration=calibration))
    assert values["QR_rotation_degrees"] == degrees
    assert values["QR_flip"] is flip
    angle = values["QR_rotation"]
    row, column = (5.0, 2.0) if flip else (2.0, 5.0)
    theirs = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ (row, column)
    k_y, k_x = (-2.0 if flip else 2.0), 5.0
    ours = np.arctan2(k_y, k_x) + np.radians(12.0)
    np.testing.assert_allclose(theirs, np.hypot(2, 5) * np.array([np.sin(ours), np.cos(ours)]))
