import numpy as np
import pytest

from clustem.errors import InputError, MissingFileError
from clustem.formats import numpy_files, open_scan

COUNTS = np.arange(3 * 4 * 9 * 8, dtype=np.uint16).reshape(3, 4, 9, 8)


def test_npy_is_memory_mapped(tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", COUNTS)
    monkeypatch.chdir(tmp_path)
    scan = open_scan("a.npy")
    assert (scan.name, scan.path, scan.dataset) == ("a.npy", tmp_path / "a.npy", None)
    assert isinstance(scan.reader(0, 1).base, np.memmap)
    assert np.array_equal(scan, COUNTS)


def test_npy_big_endian_fortran_and_3d(tmp_path):
    np.save(tmp_path / "a.npy", np.asfortranarray(COUNTS.astype(">i4")))
    scan = open_scan(tmp_path / "a.npy")
    assert scan.dtype == np.dtype("int32")
    assert scan.dtype.isnative
    assert np.array_equal(scan, COUNTS)
    np.save(tmp_path / "b.npy", COUNTS.reshape(12, 9, 8))
    assert np.array_equal(open_scan(tmp_path / "b.npy", scan_shape=(3, 4)), COUNTS)
    with pytest.raises(InputError, match=r"b.npy: has 12 patterns in a row.*\(3, 4\)"):
        open_scan(tmp_path / "b.npy")
    np.save(tmp_path / "c.npy", COUNTS.reshape(12, 9, 8)[:9])
    scan = open_scan(tmp_path / "c.npy")
    assert scan.scan_shape == (3, 3)
    assert "the scan is square" in scan.assumptions[0]


@pytest.mark.parametrize("length", [1, 6, 7, 20, 100, 127, 128, 500, -1])
def test_truncated_npy(tmp_path, length):
    np.save(tmp_path / "a.npy", COUNTS)
    content = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(content[:length])
    with pytest.raises(InputError, match=r"a\.npy: (cannot be read as|is not a) \.npy"):
        open_scan(tmp_path / "a.npy")


def test_npy_of_objects_and_text(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}, {}]), allow_pickle=True)
    with pytest.raises(InputError, match="Python objects in dtype"):
        open_scan(tmp_path / "a.npy")
    (tmp_path / "b.npy").write_text("hello")
    with pytest.raises(InputError, match=r"is not a .npy file although its name ends so"):
        open_scan(tmp_path / "b.npy")


def test_npz_with_calibration(tmp_path):
    np.savez_compressed(
        tmp_path / "a.npz", counts=COUNTS, labels=np.zeros((3, 4)), energy_keV=200.0, centre_px=[4.0, 3.5], seed=3
    )
    scan = open_scan(tmp_path / "a.npz")
    assert scan.dataset == "counts"
    assert scan.calibration.to_dict() == {"energy_keV": 200, "centre_px": (4, 3.5)}
    assert np.array_equal(scan, COUNTS)


def test_npz_choice(tmp_path):
    np.savez(tmp_path / "a.npz", first=COUNTS, second=COUNTS + 1)
    with pytest.raises(InputError, match=r"2 arrays can be the scan(.|\n)*second  3×4×9×8  uint16"):
        open_scan(tmp_path / "a.npz")
    assert open_scan(tmp_path / "a.npz", dataset="second").pattern(0, 0)[0, 0] == 1
    assert open_scan(f"{tmp_path}/a.npz::second").dataset == "second"
    with pytest.raises(InputError, match=r"has no array 'third'; there are"):
        open_scan(tmp_path / "a.npz", dataset="third")
    np.savez(tmp_path / "b.npz", image=COUNTS[0, 0])
    with pytest.raises(InputError, match=r"not a scan(.|\n)*image  9×8  uint16"):
        open_scan(tmp_path / "b.npz")


def test_npz_must_fit_into_memory(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "a.npz", counts=COUNTS)
    monkeypatch.setattr(numpy_files, "available_memory", lambda: 2000)
    with pytest.raises(InputError, match=r"counts needs 1\.73 kB of memory, 2 kB are free"):
        open_scan(tmp_path / "a.npz")


def test_available_memory_is_known_here():
    memory = numpy_files.available_memory()
    assert memory is None or memory > 2**20


@pytest.mark.parametrize("length", [1, 4, 60, 300, 900, -30, -1])
def test_truncated_npz(tmp_path, length):
    np.savez(tmp_path / "a.npz", counts=COUNTS)
    content = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(content[:length])
    with pytest.raises(InputError, match=r"cannot be read as .npz"):
        open_scan(tmp_path / "a.npz")


def test_raw(tmp_path):
    path = tmp_path / "a.RAW"
    COUNTS.astype(">u2").tofile(path)
    scan = open_scan(path, scan_shape=(3, 4), detector_shape=(9, 8), dtype=">u2")
    assert np.array_equal(scan, COUNTS)
    assert isinstance(scan.reader(1, 2).base, np.memmap)


def test_raw_needs_its_options(tmp_path):
    path = tmp_path / "a.bin"
    COUNTS.tofile(path)
    with pytest.raises(InputError, match="give scan_shape, detector_shape, dtype, for example"):
        open_scan(path)
    with pytest.raises(InputError, match="give detector_shape, dtype, for example"):
        open_scan(path, scan_shape=(3, 4))
    with pytest.raises(InputError, match="dtype: expected a number type"):
        open_scan(path, scan_shape=(3, 4), detector_shape=(9, 8), dtype="what")
    with pytest.raises(InputError, match="dtype: expected a type of integer or real numbers"):
        open_scan(path, scan_shape=(3, 4), detector_shape=(9, 8), dtype="complex64")
    with pytest.raises(InputError, match="detector_shape: expected two positive whole numbers"):
        open_scan(path, scan_shape=(3, 4), detector_shape=(9, 0), dtype="u2")
    with pytest.raises(InputError, match="dataset: cannot be used with raw binary"):
        open_scan(path, scan_shape=(3, 4), detector_shape=(9, 8), dtype="u2", dataset="/a")


def test_raw_of_the_wrong_size(tmp_path):
    path = tmp_path / "a.dat"
    COUNTS.tofile(path)
    with pytest.raises(InputError, match=r"expected 2160 bytes .* has 1728 bytes \(it holds exactly 12 such patterns"):
        open_scan(path, scan_shape=(3, 5), detector_shape=(9, 8), dtype="u2")
    with pytest.raises(InputError, match=r"has 1728 bytes \(no whole number fits"):
        open_scan(path, scan_shape=(3, 4), detector_shape=(9, 9), dtype="u2")


def test_options_for_raw_only(tmp_path):
    np.save(tmp_path / "a.npy", COUNTS)
    for option in ({"dtype": "u2"}, {"detector_shape": (9, 8)}, {"dataset": "/a"}):
        with pytest.raises(InputError, match="cannot be used with NumPy array files; leave it out"):
            open_scan(tmp_path / "a.npy", **option)


def test_paths(tmp_path, monkeypatch):
    with pytest.raises(MissingFileError, match="there is no such file"):
        open_scan(tmp_path / "nothing.npy")
    with pytest.raises(FileNotFoundError):
        open_scan(tmp_path / "nothing.h5::/data")
    with pytest.raises(InputError, match="expected a path, got ''"):
        open_scan("")
    with pytest.raises(InputError, match="cannot be reached"):
        open_scan("a\0b")
    (tmp_path / "empty.h5").touch()
    with pytest.raises(InputError, match=r"empty.h5: is empty"):
        open_scan(tmp_path / "empty.h5")
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(InputError, match=r"notes.txt: the format is not known; supported are .*HDF5 \(.h5"):
        open_scan(tmp_path / "notes.txt")
    with pytest.raises(InputError, match="does not agree with the address"):
        open_scan(f"{tmp_path}/notes.txt::/a", dataset="/b")
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(InputError, match="may not be read by this user"):
        open_scan(tmp_path / "notes.txt")


def test_a_file_with_colons_in_its_name(tmp_path):
    np.save(tmp_path / "a::b.npy", COUNTS)
    assert open_scan(tmp_path / "a::b.npy").name == "a::b.npy"
