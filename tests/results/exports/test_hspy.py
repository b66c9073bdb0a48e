import errno
from pathlib import Path

import numpy as np
import pytest
from rsciio.hspy import file_reader

from clustem.results.exports import write_hspy


def test_averages_come_back_with_axes(demo_results, tmp_path):
    write_hspy(demo_results, tmp_path)
    (signal,) = file_reader(str(tmp_path / "averages.hspy"))
    averages = demo_results.averages
    pixel = averages.calibration.inv_angstrom_per_px
    np.testing.assert_array_equal(signal["data"], averages.patterns)
    assert [(axis["name"], axis["units"], axis["navigate"]) for axis in signal["axes"]] == [
        ("label", "", True),
        ("ky", "1/Å", False),
        ("kx", "1/Å", False),
    ]
    assert [axis["scale"] for axis in signal["axes"]] == pytest.approx([1, pixel, pixel])
    assert [axis["offset"] for axis in signal["axes"][1:]] == pytest.approx(-averages.centre_px * pixel)
    assert signal["axes"][0]["offset"] == 1, "the first label"
    assert signal["metadata"]["Signal"]["signal_type"] == "electron_diffraction"
    np.testing.assert_array_equal(signal["original_metadata"]["clustem"]["positions"], averages.positions)


def test_labels_come_back_in_nm(demo_results, tmp_path):
    write_hspy(demo_results, tmp_path)
    (signal,) = file_reader(str(tmp_path / "labels.hspy"))
    np.testing.assert_array_equal(signal["data"], demo_results.domains.labels)
    step = demo_results.domains.calibration.scan_step_nm
    assert [(axis["name"], axis["units"], axis["scale"]) for axis in signal["axes"]] == [
        ("y", "nm", step),
        ("x", "nm", step),
    ]


def test_not_calibrated_is_px(plain_results, tmp_path):
    write_hspy(plain_results, tmp_path)
    (signal,) = file_reader(str(tmp_path / "averages.hspy"))
    assert [(axis["units"], axis["scale"]) for axis in signal["axes"][1:]] == [("px", 1.0)] * 2


def test_a_full_disk_is_an_error_and_no_half_file(plain_results, tmp_path, monkeypatch):
    def full(path, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        write_hspy(plain_results, tmp_path)
    assert list(tmp_path.iterdir()) == []
