import itertools

import numpy as np
import pytest

from clustem.errors import InputError
from clustem.formats import open_scan

from .samples import COUNTS, write_prz

NAMES = ("ScanY", "ScanX", "CameraY", "CameraX")


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[::3])
def test_axes_come_in_any_order(tmp_path, order, compressed):
    kinds = [NAMES[k] for k in order][::-1]
    counts = np.ascontiguousarray(COUNTS.transpose(order))
    scan = open_scan(write_prz(tmp_path / "a.prz", counts, kinds=kinds, compressed=compressed))
    assert np.array_equal(scan, COUNTS)
    assert np.array_equal(scan.read(1, 2), COUNTS[1:2])
    assert (scan.calibration.energy_keV, scan.calibration.scan_step_nm) == (200, 2)
    assert scan.calibration.mrad_per_px == pytest.approx(0.5)


def test_without_a_description(tmp_path):
    scan = open_scan(write_prz(tmp_path / "a.prz", about=False))
    assert np.array_equal(scan, COUNTS)
    assert scan.calibration.to_dict() == {}


def test_a_message_does_not_hold_the_content_of_the_file(tmp_path):
    path = write_prz(tmp_path / "a.prz", np.zeros((3, 4, 64, 64), "u2"))
    content = bytearray(path.read_bytes())
    content[26:28] = b"\xff\x7f"  # length of the first name
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"cannot be read as .prz") as caught:
        open_scan(path)
    assert len(str(caught.value)) < 600


def test_no_scan(tmp_path):
    with pytest.raises(InputError, match=r"is one image of [0-9×]+, not a scan; open"):
        open_scan(write_prz(tmp_path / "a.prz", COUNTS[0, 0], kinds=("X", "Y")))
    np.savez(tmp_path / "b.npz", other=COUNTS)
    (tmp_path / "b.npz").rename(tmp_path / "b.prz")
    with pytest.raises(InputError, match="is no Panta Rhei file, which has an array named data"):
        open_scan(tmp_path / "b.prz")
    (tmp_path / "c.prz").write_bytes(b"PK nothing")
    with pytest.raises(InputError, match=r"cannot be read as .prz"):
        open_scan(tmp_path / "c.prz")


@pytest.mark.parametrize("text", ["{", "[", "[1]", "nothing", "[" * 100_000])
def test_a_damaged_description(tmp_path, text):
    with (tmp_path / "a.prz").open("wb") as file:
        np.savez(file, data=COUNTS, meta_data_json=np.array(text))
    if text == "[1]":
        assert np.array_equal(open_scan(tmp_path / "a.prz"), COUNTS)
    else:
        with pytest.raises(InputError, match="its description cannot be read"):
            open_scan(tmp_path / "a.prz")
