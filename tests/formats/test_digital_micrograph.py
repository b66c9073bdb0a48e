import struct

import numpy as np
import pytest

from clustem.errors import InputError
from clustem.formats import open_scan
from clustem.formats.dm_tags import Placed, read_tags

from .samples import COUNTS, flat, inside_out, write_dm

NEW, OLD = ["nm", "nm", "1/nm", "1/nm"], ["1/nm", "1/nm", "nm", "nm"]


@pytest.mark.parametrize(("ending", "version"), [("dm3", 3), ("dm4", 4)])
def test_the_tags(tmp_path, ending, version):
    path = write_dm(tmp_path / f"a.{ending}", COUNTS, units=NEW, version=version)
    tags, order = read_tags(path)
    image = tags["ImageList"]["0"]
    assert order == "<"
    assert isinstance(image["ImageData"]["Data"], Placed)
    assert image["ImageData"]["Dimensions"] == {"0": 8, "1": 8, "2": 4, "3": 3}
    assert image["ImageData"]["Calibrations"]["Dimension"]["3"] == {"Origin": 4.0, "Scale": 0.5, "Units": "nm"}
    assert image["ImageTags"]["Meta Data"] == {"Format": "Diffraction image", "Data Order Swapped": True}


@pytest.mark.parametrize(("ending", "version"), [("dm3", 3), ("dm4", 4)])
def test_detector_axes_inside(tmp_path, ending, version):
    scan = open_scan(write_dm(tmp_path / f"a.{ending}", COUNTS, units=NEW, version=version))
    assert (scan.shape, scan.dtype, scan.assumptions) == ((3, 4, 8, 8), np.uint16, ())
    assert np.array_equal(scan, COUNTS)
    assert scan.calibration.to_dict() == {
        "energy_keV": 200,
        "scan_step_nm": 0.5,
        "inv_angstrom_per_px": pytest.approx(0.05),
        "centre_px": (4, 4),
    }


@pytest.mark.parametrize(("units", "swapped"), [(OLD, True), (OLD, False), (None, False)])
def test_scan_axes_inside(tmp_path, units, swapped):
    """Units decide, and without them the tag."""
    scan = open_scan(write_dm(tmp_path / "a.dm4", inside_out(COUNTS), units=units, swapped=swapped))
    assert np.array_equal(scan, COUNTS)
    assert np.array_equal(scan.read(2, 3), COUNTS[2:])
    assert "it is read slowly" in scan.assumptions[0]
    assert np.array_equal(open_scan(write_dm(tmp_path / "b.dm4", COUNTS, units=NEW, swapped=False)), COUNTS)


def test_angles_are_converted_with_the_energy_in_the_file(tmp_path):
    scan = open_scan(write_dm(tmp_path / "a.dm4", COUNTS, units=["nm", "nm", "mrad", "mrad"]))
    assert scan.calibration.mrad_per_px == pytest.approx(0.5)


@pytest.mark.parametrize(("code", "dtype"), [(6, "u1"), (2, "f4")])
def test_other_types(tmp_path, code, dtype):
    scan = open_scan(write_dm(tmp_path / "a.dm4", COUNTS.astype(dtype), units=NEW, code=code))
    assert scan.dtype == np.dtype(dtype)
    assert np.array_equal(scan, COUNTS)


def test_a_stack(tmp_path):
    path = write_dm(tmp_path / "a.dm4", flat(COUNTS), units=["", "1/nm", "1/nm"])
    assert np.array_equal(open_scan(path, scan_shape=(3, 4)), COUNTS)
    assert np.array_equal(open_scan(path, scan_shape=(3, 4), dataset="0"), COUNTS)
    with pytest.raises(InputError, match="has 12 patterns in a row"):
        open_scan(path)
    with pytest.raises(InputError, match=r"has no image '7'; there are\n  /0  12×8×8  uint16"):
        open_scan(path, dataset="7")


def test_images_of_the_sample_are_no_scan(tmp_path):
    path = write_dm(tmp_path / "a.dm4", flat(COUNTS), units=["s", "nm", "nm"])
    with pytest.raises(InputError, match=r"images of the sample \(pixels in nm\)"):
        open_scan(path)
    with pytest.raises(InputError, match=r"not a scan(.|\n)*8×8"):
        open_scan(write_dm(tmp_path / "b.dm4", COUNTS[0, 0]))


@pytest.mark.parametrize("length", [3, 20, 300, 900, -1])
def test_truncated(tmp_path, length):
    path = write_dm(tmp_path / "a.dm4", COUNTS, units=NEW)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(InputError, match=r"it is incomplete or damaged: copy it again|does not end within the file"):
        open_scan(path)


def test_other_versions_and_endless_tags(tmp_path):
    (tmp_path / "a.dm4").write_bytes(struct.pack(">I", 5) + bytes(40))
    with pytest.raises(InputError, match="version 5, expected 3 or 4"):
        open_scan(tmp_path / "a.dm4")
    nested = b"".join(struct.pack(">BHQ", 20, 0, 0) + b"\1\0" + struct.pack(">Q", 1) for _ in range(200))
    head = struct.pack(">IQI", 4, 0, 1) + b"\1\0" + struct.pack(">Q", 1)
    (tmp_path / "b.dm4").write_bytes(head + nested)
    with pytest.raises(InputError, match="nested too deep"):
        open_scan(tmp_path / "b.dm4")
