import numpy as np
import pytest

from clustem.errors import InputError
from clustem.formats import open_scan

from .samples import COUNTS, write_blo
from .samples_hdf5 import GUIDS, write_app5


def test_blo(tmp_path):
    scan = open_scan(write_blo(tmp_path / "a.blo"))
    assert (scan.shape, scan.dtype, scan.assumptions) == ((3, 4, 8, 8), np.uint8, ())
    assert np.array_equal(scan, COUNTS)
    assert np.array_equal(scan.read(1, 2), COUNTS[1:2])
    assert scan.calibration.to_dict() == {"scan_step_nm": (2.5, 2), "energy_keV": 200}


def test_blo_with_another_scan_shape(tmp_path):
    scan = open_scan(write_blo(tmp_path / "a.blo"), scan_shape=(6, 2))
    assert np.array_equal(scan, COUNTS.reshape(6, 2, 8, 8))
    with pytest.raises(InputError, match=r"scan_shape \(2, 2\) needs 4 patterns, but there are 12"):
        open_scan(tmp_path / "a.blo", scan_shape=(2, 2))


@pytest.mark.parametrize("step", [(0.0, 0.0), (np.nan, 1.0), (-1.0, 1.0)])
def test_blo_without_a_calibration(tmp_path, step):
    assert open_scan(write_blo(tmp_path / "a.blo", step=step, volts=0)).calibration.to_dict() == {}


def test_a_blo_that_was_stopped_says_what_it_holds(tmp_path):
    path = write_blo(tmp_path / "a.blo")
    content = path.read_bytes()
    path.write_bytes(content[: -6 * 70])
    with pytest.raises(InputError, match=r"announces 3×4 scan positions, but there are 6 patterns.*\(2, 3\)"):
        open_scan(path)
    assert np.array_equal(open_scan(path, scan_shape=(2, 3)), COUNTS.reshape(-1, 8, 8)[:6].reshape(2, 3, 8, 8))
    path.write_bytes(content[:-1])
    with pytest.raises(InputError, match=r"is incomplete: it holds 11 whole frames .* and 69 bytes more"):
        open_scan(path)
    path.write_bytes(content[:40])
    with pytest.raises(InputError, match="is incomplete: 40 bytes, but its header ends at 50"):
        open_scan(path)
    path.write_bytes(b"no block file" * 9)
    with pytest.raises(InputError, match="is not a block file although its name ends so"):
        open_scan(path)


def test_app5(tmp_path):
    scan = open_scan(write_app5(tmp_path / "a.app5"))
    assert (scan.shape, scan.dtype, scan.assumptions) == ((3, 4, 8, 8), np.float32, ())
    assert np.array_equal(scan, COUNTS)
    assert np.array_equal(scan.read(1, 3), COUNTS[1:3])
    assert scan.dataset == f"/{GUIDS[0]}/{GUIDS[1][:-1]}0"
    calibration = scan.calibration
    assert (calibration.scan_step_nm, calibration.energy_keV, calibration.centre_px) == ((4, 3), 300, (4, 4))
    assert calibration.mrad_per_px == pytest.approx(0.1)


def test_app5_scanned_as_a_snake(tmp_path):
    counts = COUNTS.copy()
    counts[1::2] = counts[1::2, ::-1]
    scan = open_scan(write_app5(tmp_path / "a.app5", counts, snake=True))
    assert np.array_equal(scan, COUNTS)
    assert scan.calibration.scan_step_nm == (4, 3)
    assert "run as a snake" in scan.assumptions[0]


def test_app5_without_positions_needs_the_scan_shape(tmp_path):
    path = write_app5(tmp_path / "a.app5", positions=False)
    with pytest.raises(InputError, match="has 12 patterns in a row"):
        open_scan(path)
    assert np.array_equal(open_scan(path, scan_shape=(3, 4)), COUNTS)


def test_app5_with_two_scans(tmp_path):
    path = write_app5(tmp_path / "a.app5", scans=2)
    with pytest.raises(InputError, match=r"expected one scan, got 2; choose one with dataset= of\n"):
        open_scan(path)
    assert np.array_equal(open_scan(path, dataset=f"{GUIDS[0]}/{GUIDS[1][:-1]}1"), COUNTS)


def test_app5_without_a_scan(tmp_path):
    with pytest.raises(InputError, match="expected one scan, got 0; there are only images in it"):
        open_scan(write_app5(tmp_path / "a.app5", scans=0))


def test_app5_with_a_lost_pattern(tmp_path):
    import h5py

    path = write_app5(tmp_path / "a.app5")
    with h5py.File(path, "a") as file:
        del file[f"{GUIDS[0]}/{GUIDS[1][:-1]}0/5/Data"]
    with pytest.raises(InputError, match=r"pattern 5 of 12 in .* is missing"):
        open_scan(path)
