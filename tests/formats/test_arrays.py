from types import SimpleNamespace

import dask.array as da
import h5py
import numpy as np
import pytest

from clustem.calibration import Calibration
from clustem.errors import InputError
from clustem.formats import open_scan

COUNTS = np.arange(3 * 4 * 5 * 6, dtype=np.uint16).reshape(3, 4, 5, 6)


class Watched:
    """An array-like that remembers what was asked of it."""

    def __init__(self, data):
        self.shape, self.dtype, self._data, self.asked = data.shape, data.dtype, data, []

    def __getitem__(self, key):
        self.asked.append(key)
        return self._data[key]


def test_an_array_is_read_by_rows():
    array = Watched(COUNTS)
    scan = open_scan(array)
    assert (scan.shape, scan.dtype, scan.name, scan.path) == (COUNTS.shape, np.uint16, "array", None)
    assert array.asked == []
    assert np.array_equal(scan.read(1, 3), COUNTS[1:3])
    assert array.asked == [slice(1, 3)]


def test_patterns_in_a_row():
    scan = open_scan(COUNTS.reshape(12, 5, 6), scan_shape=(3, 4))
    assert np.array_equal(scan, COUNTS)
    assert np.array_equal(open_scan(COUNTS.reshape(12, 5, 6), scan_shape=[1, 12]), COUNTS.reshape(1, 12, 5, 6))
    with pytest.raises(InputError, match=r"has 3 axes: 12 patterns in a row; give scan_shape.*\(3, 4\)"):
        open_scan(COUNTS.reshape(12, 5, 6))
    with pytest.raises(InputError, match=r"needs 15 patterns, but there are 12"):
        open_scan(COUNTS.reshape(12, 5, 6), scan_shape=(3, 5))


def test_scan_shape_of_4d_data_must_agree():
    assert open_scan(COUNTS, scan_shape=(3, 4)).shape == COUNTS.shape
    with pytest.raises(InputError, match=r"scan_shape \(4, 3\) does not agree.*\(3, 4\)"):
        open_scan(COUNTS, scan_shape=(4, 3))


@pytest.mark.parametrize("shape", [(5,), (5, 6), (1, 1, 2, 3, 4, 5), (), (0, 4, 5, 6), (3, 0, 5, 6)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(InputError, match=r"expected a scan|is one image of 5×6"):
        open_scan(np.zeros(shape))


@pytest.mark.parametrize("dtype", [complex, object, "U3", "datetime64[s]", [("a", int)]])
def test_other_types_are_refused(dtype):
    with pytest.raises(InputError, match="expected integer or real values"):
        open_scan(np.zeros((2, 2, 4, 4), dtype=dtype))


@pytest.mark.parametrize("scan_shape", [(3,), (3, 4, 1), (3.0, 4), (0, 4), (-3, -4), "ab", 12, (True, 4), ("3", "4")])
def test_scan_shape_is_two_positive_whole_numbers(scan_shape):
    with pytest.raises(InputError, match="scan_shape: expected two positive whole numbers"):
        open_scan(COUNTS, scan_shape=scan_shape)


def test_dask_is_read_lazily():
    scan = open_scan(da.from_array(COUNTS, chunks=(2, 4, 5, 6)))
    assert scan.rows_per_chunk == 2
    assert np.array_equal(scan, COUNTS)
    unknown = da.from_array(COUNTS.reshape(12, 5, 6))[da.from_array(np.arange(12)) > 2]
    with pytest.raises(InputError, match="compute_chunk_sizes"):
        open_scan(unknown, scan_shape=(3, 3))


def test_an_hdf5_dataset_and_a_closed_one(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset = file.create_dataset("a", data=COUNTS, chunks=(2, 4, 5, 6))
        scan = open_scan(dataset)
        assert scan.rows_per_chunk == 2
        assert np.array_equal(scan, COUNTS)
    with pytest.raises(InputError):
        open_scan(dataset)


def test_masked_arrays_are_refused():
    with pytest.raises(InputError, match="filled"):
        open_scan(np.ma.MaskedArray(COUNTS))


@pytest.mark.parametrize("source", [None, 3, [[1]], {"data": 1}, SimpleNamespace(data=3)])
def test_anything_else_is_refused(source):
    with pytest.raises(InputError, match="source: expected a path, an array"):
        open_scan(source)


def test_an_object_with_data():
    assert np.array_equal(open_scan(SimpleNamespace(data=COUNTS)), COUNTS)


def test_a_scan_is_returned_with_the_calibration():
    scan = open_scan(COUNTS, calibration=Calibration(energy_keV=200, scan_step_nm=1))
    again = open_scan(scan, calibration=Calibration(energy_keV=300))
    assert again.calibration == Calibration(energy_keV=300, scan_step_nm=1)
    assert open_scan(scan).calibration == scan.calibration
    with pytest.raises(InputError, match="scan_shape: cannot be used with a Scan"):
        open_scan(scan, scan_shape=(3, 4))


def test_options_of_files_are_refused_for_arrays():
    for option in ({"dataset": "/a"}, {"detector_shape": (5, 6)}, {"dtype": "u2"}):
        with pytest.raises(InputError, match="cannot be used with an array"):
            open_scan(COUNTS, **option)
    with pytest.raises(InputError, match="calibration: expected a clustem"):
        open_scan(COUNTS, calibration={"energy_keV": 200})


def hyperspy_signal(**changes):
    axes = [
        SimpleNamespace(scale=2.0, units="nm", offset=5.0, size=3, navigate=True),
        SimpleNamespace(scale=2.0, units="nm", offset=5.0, size=4, navigate=True),
        SimpleNamespace(scale=0.1, units="$A^{-1}$", offset=-0.2, size=5, navigate=False),
        SimpleNamespace(scale=0.1, units="$A^{-1}$", offset=-0.3, size=6, navigate=False),
    ]
    for axis in axes[2:]:
        vars(axis).update(changes)
    tem = SimpleNamespace(beam_energy=200.0, convergence_angle=1.5)
    metadata = SimpleNamespace(
        General=SimpleNamespace(title="my scan"), Acquisition_instrument=SimpleNamespace(TEM=tem)
    )
    return SimpleNamespace(data=COUNTS, axes_manager=SimpleNamespace(_axes=axes), metadata=metadata)


def test_a_hyperspy_signal():
    scan = open_scan(hyperspy_signal())
    assert scan.name == "my scan"
    assert scan.calibration.to_dict() == {
        "inv_angstrom_per_px": pytest.approx(0.1),
        "scan_step_nm": 2,
        "energy_keV": 200,
        "semiangle_mrad": 1.5,
        "centre_px": pytest.approx((2, 3)),
    }


def test_a_hyperspy_signal_in_mrad_uses_the_beam_energy():
    assert open_scan(hyperspy_signal(units="mrad")).calibration.mrad_per_px == pytest.approx(0.1)


def test_a_hyperspy_signal_with_undefined_units():
    calibration = open_scan(hyperspy_signal(units="<undefined>", scale=1.0)).calibration
    assert calibration.inv_angstrom_per_px is None
    assert calibration.centre_px is None


def test_a_transposed_hyperspy_signal_is_refused():
    with pytest.raises(InputError, match="two signal axes"):
        open_scan(hyperspy_signal(navigate=True))


class Py4dstemCalibration:
    def get_Q_pixel_size(self):  # noqa: N802
        return 0.02

    def get_Q_pixel_units(self):  # noqa: N802
        return "A^-1"

    def get_R_pixel_size(self):  # noqa: N802
        return 5

    def get_R_pixel_units(self):  # noqa: N802
        return "A"

    def get_QR_rotation_degrees(self):  # noqa: N802
        return 20

    def get_qx0_mean(self):
        return 2.5

    def get_qy0_mean(self):
        return 3.0


def test_a_py4dstem_datacube():
    cube = SimpleNamespace(data=COUNTS, shape=COUNTS.shape, calibration=Py4dstemCalibration(), name="cube")
    scan = open_scan(cube)
    assert scan.name == "cube"
    assert scan.calibration.to_dict() == {
        "inv_angstrom_per_px": 0.02,
        "scan_step_nm": 0.5,
        "centre_px": (2.5, 3.0),
        "detector_rotation_deg": -20,
        "detector_flip": False,
    }
