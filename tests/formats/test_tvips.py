import numpy as np
import pytest

from clustem.errors import InputError, MissingFileError
from clustem.formats import open_scan

from .samples import COUNTS, write_tvips

SQUARE = COUNTS[:, :3]


def test_a_stream(tmp_path):
    scan = open_scan(write_tvips(tmp_path / "a_000.tvips"), scan_shape=(3, 4))
    assert (scan.shape, scan.dtype, scan.assumptions) == ((3, 4, 8, 8), np.uint16, ())
    assert np.array_equal(scan, COUNTS)
    assert scan.calibration.to_dict() == {"energy_keV": 200}


@pytest.mark.parametrize(("bits", "version"), [(8, 2), (32, 2), (16, 1)])
def test_other_types_and_the_older_version(tmp_path, bits, version):
    path = write_tvips(tmp_path / "a_000.tvips", bits=bits, version=version)
    scan = open_scan(path, scan_shape=(3, 4))
    assert scan.dtype == np.dtype(f"u{bits // 8}")
    assert np.array_equal(scan, COUNTS)


def test_the_files_of_a_stream_are_one(tmp_path):
    path = write_tvips(tmp_path / "a_000.tvips", split=[5, 6, 1])
    scan = open_scan(path, scan_shape=(3, 4))
    assert np.array_equal(scan, COUNTS)
    assert np.array_equal(scan.read(1, 2), COUNTS[1:2])
    with pytest.raises(InputError, match=r"a_002.tvips: is a later part of a stream; open its first file, a_000.tvips"):
        open_scan(tmp_path / "a_002.tvips")
    (tmp_path / "a_001.tvips").unlink()
    with pytest.raises(MissingFileError, match=r"a_000.tvips: its part a_001.tvips is not there; copy it into"):
        open_scan(path, scan_shape=(3, 4))


def test_a_file_without_a_number(tmp_path):
    write_tvips(tmp_path / "a_000.tvips").rename(tmp_path / "scan.tvips")
    assert np.array_equal(open_scan(tmp_path / "scan.tvips", scan_shape=(3, 4)), COUNTS)


def test_frames_before_and_after_the_scan_are_left_out(tmp_path):
    path = write_tvips(tmp_path / "a_000.tvips", SQUARE, lead=3, trail=2, split=[4, 10])
    for options in ({}, {"scan_shape": (3, 3)}):
        scan = open_scan(path, **options)
        assert np.array_equal(scan, SQUARE)
        assert scan.assumptions[0].startswith("frames 3 to 11 of 14 are the scan")
    assert open_scan(path, scan_shape=(2, 7)).shape == (2, 7, 8, 8)
    with pytest.raises(InputError, match=r"scan_shape \(2, 2\) needs 4 patterns, but there are 14"):
        open_scan(path, scan_shape=(2, 2))


def test_a_number_that_fits_no_square(tmp_path):
    with pytest.raises(InputError, match=r"has 14 patterns in a row.*\(2, 7\)"):
        open_scan(write_tvips(tmp_path / "a_000.tvips", lead=2))


@pytest.mark.parametrize(
    ("length", "message"),
    [(100, "is incomplete: it holds 0 whole frames"), (30, "is incomplete: 30 bytes"), (-1, "11 whole frames")],
)
def test_truncated(tmp_path, length, message):
    path = write_tvips(tmp_path / "a_000.tvips")
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(InputError, match=message):
        open_scan(path, scan_shape=(3, 4))


def test_no_tvips_file(tmp_path):
    (tmp_path / "a_000.tvips").write_bytes(b"something else" * 9)
    with pytest.raises(InputError, match="expected a TVIPS header of version 1 or 2"):
        open_scan(tmp_path / "a_000.tvips")
