import h5py
import hdf5plugin
import numpy as np
import pytest

from clustem.errors import InputError, MissingFileError
from clustem.formats import open_scan

COUNTS = np.arange(12 * 6 * 5, dtype=np.uint32).reshape(12, 6, 5)
BAD = 2**32 - 1


def write(folder, counts=COUNTS, parts=(7, 12), mask=None, energy=300e3):
    """Write x_master.h5 and its data files, the second with fewer patterns than the first."""
    compression = hdf5plugin.Bitshuffle(cname="lz4")
    with h5py.File(folder / "x_master.h5", "w") as master:
        start = 0
        for number, stop in enumerate(parts, start=9):
            name = f"x_data_{number:06}.h5"
            with h5py.File(folder / name, "w") as file:
                file.create_dataset(
                    "entry/data/data", data=counts[start:stop], chunks=(1, 6, 5), maxshape=(None, 6, 5), **compression
                )
            master[f"entry/data/data_{number}"] = h5py.ExternalLink(name, "/entry/data/data")
            start = stop
        specific = master.create_group("entry/instrument/detector/detectorSpecific")
        specific["photon_energy"] = energy
        specific["pixel_mask"] = np.zeros((6, 5), np.uint32) if mask is None else mask
    return folder / "x_master.h5"


def test_two_data_files_in_numeric_order(tmp_path):
    scan = open_scan(write(tmp_path), scan_shape=(3, 4))
    assert (scan.shape, scan.dtype, scan.name) == ((3, 4, 6, 5), np.uint32, "x_master.h5")
    assert np.array_equal(scan.read(1, 2), COUNTS[4:8].reshape(1, 4, 6, 5))
    assert np.array_equal(scan, COUNTS.reshape(3, 4, 6, 5))
    assert scan.calibration.to_dict() == {"energy_keV": 300}
    assert scan.assumptions == ()


def test_the_pixel_mask(tmp_path):
    mask = np.zeros((6, 5), np.uint32)
    mask[1, 2], mask[2, 3], mask[3, 4] = 1, 1 << 31, (1 << 31) | 16
    counts = COUNTS.copy()
    counts[:, 1, 2] = BAD
    scan = open_scan(write(tmp_path, counts, mask=mask), scan_shape=(1, 12))
    assert np.argwhere(~scan.detector_mask).tolist() == [[1, 2], [3, 4]]
    values = scan.read(0, 1)[0]
    assert values.dtype == np.uint32
    assert not values[:, 1, 2].any()
    assert np.array_equal(values[:, 2, 3], COUNTS[:, 2, 3])
    assert values.max() < BAD


def test_a_mask_of_another_shape(tmp_path):
    scan = open_scan(write(tmp_path, mask=np.ones((192, 192), np.uint32)), scan_shape=(3, 4))
    assert scan.detector_mask is None
    assert "pixel mask has shape (192, 192), the patterns (6, 5): it was not applied" in scan.assumptions[0]


def test_the_scan_shape_from_beside_the_master(tmp_path):
    path = write(tmp_path, energy=12e3)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_group("STEM Metadata").attrs.update(
            {"NumPixelsX": 6, "NumPixelsY": 2, "High Tension": np.array([200e3])}
        )
    scan = open_scan(path)
    assert scan.scan_shape == (2, 6)
    assert scan.calibration.to_dict() == {"energy_keV": 200}
    assert open_scan(path, scan_shape=(4, 3)).scan_shape == (4, 3)
    with h5py.File(tmp_path / "x.h5", "a") as file:
        file["STEM Metadata"].attrs["NumPixelsY"] = 3
    with pytest.raises(InputError, match=r"says 3×6 scan positions, but there are 12 patterns.*\(3, 4\)"):
        open_scan(path)


def test_a_square_is_assumed_and_said(tmp_path):
    scan = open_scan(write(tmp_path, parts=(5, 9)))
    assert scan.scan_shape == (3, 3)
    assert "9 patterns were taken as 3×3" in scan.assumptions[0]
    with pytest.raises(InputError, match=r"needs 8 patterns, but there are 9"):
        open_scan(tmp_path / "x_master.h5", scan_shape=(2, 4))


def test_no_square(tmp_path):
    with pytest.raises(InputError, match=r"x_master.h5: has 12 patterns in a row .*\(3, 4\), \(4, 3\)"):
        open_scan(write(tmp_path))


def test_a_missing_data_file(tmp_path):
    path = write(tmp_path)
    (tmp_path / "x_data_000010.h5").unlink()
    with pytest.raises(MissingFileError, match=r"x_master.h5: .*x_data_000010.h5, which is not there; copy"):
        open_scan(path, scan_shape=(3, 4))


def test_a_truncated_data_file(tmp_path):
    path = write(tmp_path)
    content = (tmp_path / "x_data_000010.h5").read_bytes()
    (tmp_path / "x_data_000010.h5").write_bytes(content[:-100])
    with pytest.raises(InputError, match=r"x_data_000010.h5 that cannot be read"):
        open_scan(path, scan_shape=(3, 4))


def test_data_files_that_do_not_belong_together(tmp_path):
    path = write(tmp_path)
    with h5py.File(tmp_path / "x_data_000010.h5", "w") as file:
        file["entry/data/data"] = np.zeros((5, 4, 4), np.uint32)
    with pytest.raises(InputError, match=r"in /entry/data/data_10, got \(5, 4, 4\)"):
        open_scan(path, scan_shape=(3, 4))


def test_no_patterns(tmp_path):
    with pytest.raises(InputError, match="its data files hold no patterns"):
        open_scan(write(tmp_path, parts=(0,)))


def test_a_data_file_in_place_of_the_master(tmp_path):
    path = write(tmp_path)
    data = tmp_path / "x_data_000009.h5"
    with pytest.raises(InputError, match=r"is one data file of a measurement; open its master, x_master.h5, beside it"):
        open_scan(data)
    assert open_scan(f"{data}::/entry/data/data", scan_shape=(1, 7)).shape == (1, 7, 6, 5)
    path.unlink()
    with pytest.raises(InputError, match=r"x_master.h5, which is not beside it"):
        open_scan(data)


def test_a_master_that_is_only_named_so(tmp_path):
    with h5py.File(tmp_path / "my_master.h5", "w") as file:
        file["a"] = COUNTS.reshape(3, 4, 6, 5)
    assert open_scan(tmp_path / "my_master.h5").dataset == "/a"
