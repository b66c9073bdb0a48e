import numpy as np
import pytest

from clustem.errors import InputError, MissingFileError
from clustem.formats import open_scan

from .samples import write_empad

VOLTS = "<source.get_voltage>300000</source.get_voltage>"
COUNTS = np.random.default_rng(0).normal(size=(2, 3, 128, 128)).astype("<f4")


def test_the_extra_rows_are_left_out(tmp_path):
    scan = open_scan(write_empad(tmp_path / "a.xml", COUNTS))
    assert (scan.shape, scan.dtype, scan.assumptions) == ((2, 3, 128, 128), np.float32, ())
    assert np.array_equal(scan, COUNTS)
    assert scan.calibration.to_dict() == {}


def test_the_scan_shape_from_the_name(tmp_path):
    assert np.array_equal(open_scan(write_empad(tmp_path / "a.xml", COUNTS, shape_in="name")), COUNTS)


def test_a_series_needs_the_scan_shape(tmp_path):
    path = write_empad(tmp_path / "a.xml", COUNTS, series=True)
    with pytest.raises(InputError, match=r"has 6 patterns in a row.*\(2, 3\)"):
        open_scan(path)
    assert np.array_equal(open_scan(path, scan_shape=(2, 3)), COUNTS)


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        (VOLTS, {"energy_keV": 300}),
        ("<high_voltage>200000.0</high_voltage>", {"energy_keV": 200}),
        ("<high_voltage>none</high_voltage>", {}),
        (
            "<optics.get_full_scan_field_of_view>[4e-06, 3e-06]</optics.get_full_scan_field_of_view>",
            {"scan_step_nm": (2000, 1000)},
        ),
        (
            "<full_scan_field_of_view><scale_factor>0.5</scale_factor><x>3e-7</x></full_scan_field_of_view>",
            {"scan_step_nm": 200},
        ),
        ("<calibrated_pixelsize>2e-10</calibrated_pixelsize>", {"inv_angstrom_per_px": 0.02}),
        (
            VOLTS + "<calibrated_diffraction_angle>0.00039375</calibrated_diffraction_angle>",
            {"energy_keV": 300, "inv_angstrom_per_px": 0.02},
        ),
    ],
)
def test_calibration(tmp_path, measured, expected):
    scan = open_scan(write_empad(tmp_path / "a.xml", COUNTS, measured=measured))
    found = scan.calibration.to_dict()
    assert found.keys() == expected.keys()
    assert all(found[name] == pytest.approx(value, rel=1e-4) for name, value in expected.items())


def test_a_file_that_contradicts_itself_is_not_calibrated(tmp_path):
    both = (
        VOLTS
        + "<calibrated_pixelsize>2e-10</calibrated_pixelsize>"
        + "<calibrated_diffraction_angle>0.0005</calibrated_diffraction_angle>"
    )
    scan = open_scan(write_empad(tmp_path / "a.xml", COUNTS, measured=both))
    assert scan.calibration.inv_angstrom_per_px is None
    assert "0.0254 1/Å per pixel by the angle and 0.02 by the pixel size: neither was used" in scan.assumptions[0]


def test_the_frames_alone(tmp_path):
    path = write_empad(tmp_path / "a.xml", COUNTS)
    with pytest.raises(InputError, match=r"scan_x3_y2.raw: is described by a.xml; open that"):
        open_scan(tmp_path / "scan_x3_y2.raw")
    path.unlink()
    with pytest.raises(
        InputError, match=r"size is that of 6 frames of EMPAD: detector_shape=\(130, 128\), dtype='<f4'"
    ):
        open_scan(tmp_path / "scan_x3_y2.raw")
    scan = open_scan(tmp_path / "scan_x3_y2.raw", scan_shape=(2, 3), detector_shape=(130, 128), dtype="<f4")
    assert np.array_equal(np.asarray(scan)[:, :, :128], COUNTS)


def test_missing_and_incomplete_frames(tmp_path):
    path = write_empad(tmp_path / "a.xml", COUNTS)
    raw = tmp_path / "scan_x3_y2.raw"
    content = raw.read_bytes()
    raw.write_bytes(content[: 4 * 66560])
    with pytest.raises(InputError, match="announces 2×3 scan positions, but there are 4 patterns"):
        open_scan(path)
    assert np.array_equal(open_scan(path, scan_shape=(2, 2)), COUNTS.reshape(-1, 128, 128)[:4].reshape(2, 2, 128, 128))
    raw.unlink()
    with pytest.raises(MissingFileError, match=r"a.xml: its patterns are in another file, scan_x3_y2.raw"):
        open_scan(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<root><other/></root>", "is no description of an EMPAD measurement"),
        ("<root>", "cannot be read as XML"),
        ('<?xml version="1.0" encoding="nonsense"?><root/>', "cannot be read as XML"),
    ],
)
def test_other_xml(tmp_path, text, message):
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(InputError, match=message):
        open_scan(tmp_path / "a.xml")
