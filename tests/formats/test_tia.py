import numpy as np
import pytest

from clustem.errors import InputError, MissingFileError
from clustem.formats import open_scan

from .samples import COUNTS, write_tia


@pytest.mark.parametrize("name", ["a.emi", "a_2.ser"])
@pytest.mark.parametrize("version", [0x0210, 0x0220])
def test_the_patterns_among_the_signals(tmp_path, name, version):
    write_tia(tmp_path / "a.emi", version=version)
    scan = open_scan(tmp_path / name)
    assert (scan.shape, scan.dtype, scan.name, scan.assumptions) == ((3, 4, 8, 8), np.int32, name, ())
    assert np.array_equal(scan, COUNTS)
    assert np.array_equal(scan.read(1, 2), COUNTS[1:2])
    calibration = scan.calibration.to_dict()
    assert calibration.pop("scan_step_nm") == pytest.approx((3, 2))
    assert calibration == {"inv_angstrom_per_px": pytest.approx(0.02), "energy_keV": 200}


def test_spectra_and_lost_signals(tmp_path):
    path = write_tia(tmp_path / "a.emi")
    with pytest.raises(InputError, match=r"a_1.ser: holds spectra, not diffraction patterns; open the other .ser"):
        open_scan(tmp_path / "a_1.ser")
    (tmp_path / "a_2.ser").rename(tmp_path / "other.ser")
    with pytest.raises(InputError, match=r"expected one signal with diffraction patterns beside it, got none"):
        open_scan(path)
    (tmp_path / "a_1.ser").unlink()
    with pytest.raises(MissingFileError, match=r"its signals are in other files, a_1.ser and so on"):
        open_scan(path)
    assert open_scan(tmp_path / "other.ser").calibration.energy_keV is None


def test_two_signals_with_patterns(tmp_path):
    path = write_tia(tmp_path / "a.emi")
    (tmp_path / "a_3.ser").write_bytes((tmp_path / "a_2.ser").read_bytes())
    with pytest.raises(InputError, match=r"got 2 \(a_2.ser, a_3.ser\); open one of them"):
        open_scan(path)
    assert np.array_equal(open_scan(tmp_path / "a_3.ser"), COUNTS)


def test_images_of_the_sample_are_no_scan(tmp_path):
    path = write_tia(tmp_path / "a.emi", pixel=2e-9)
    with pytest.raises(InputError, match=r"holds images of the sample \(pixels in m\), not diffraction patterns"):
        open_scan(path)
    scan = open_scan(path, scan_shape=(3, 4))
    assert np.array_equal(scan, COUNTS)
    assert scan.calibration.inv_angstrom_per_px is None


def test_a_calibration_of_another_binning_is_said(tmp_path):
    path = write_tia(tmp_path / "a.emi")
    content = bytearray((tmp_path / "a_2.ser").read_bytes())
    first = content.index(np.array([-8e8, 2e8]).tobytes())
    content[first : first + 8] = np.array([-4e8]).tobytes()
    (tmp_path / "a_2.ser").write_bytes(content)
    assert "its pixel size, 0.02 1/Å, may be that of another binning" in open_scan(path).assumptions[0]


def test_a_scan_that_was_stopped(tmp_path):
    path = write_tia(tmp_path / "a.emi", valid=8)
    with pytest.raises(InputError, match=r"announces 3×4 scan positions, but there are 8 patterns"):
        open_scan(path)
    assert np.array_equal(open_scan(path, scan_shape=(2, 4)), COUNTS[:2])


@pytest.mark.parametrize(
    ("length", "message"),
    [
        (-100, "is incomplete: .* bytes do not hold 12 images"),
        (100, "is incomplete: 100 bytes, but its header ends"),
        (200, "is incomplete, or nothing was recorded: 12 images are announced"),
    ],
)
def test_incomplete(tmp_path, length, message):
    write_tia(tmp_path / "a.emi")
    path = tmp_path / "a_2.ser"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(InputError, match=message):
        open_scan(path)
    path.write_bytes(b"something else" * 9)
    with pytest.raises(InputError, match="is not a TIA series"):
        open_scan(path)
