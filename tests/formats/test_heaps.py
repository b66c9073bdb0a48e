"""A file is damaged where its texts are: the HDF5 library would never come back from some of it."""

import struct

import h5py
import numpy as np
import pytest

from clustem.errors import InputError, MissingFileError
from clustem.formats import open_scan
from clustem.formats.heaps import _CheckedFile, heap_checks

PATTERNS = np.arange(3 * 4 * 8 * 8, dtype=np.uint16).reshape(3, 4, 8, 8)
HEADER = 16  # bytes of a collection before its objects, and of an object before its text


def write(path):
    """Write a scan with the units of its axes as texts of variable length."""
    with h5py.File(path, "w") as file:
        file["scan/data"] = PATTERNS
        for axis, unit in enumerate(("nm", "nm", "A^-1", "A^-1")):
            file[f"scan/dim{axis}"] = [0.0, 0.25]
            file[f"scan/dim{axis}"].attrs["units"] = unit
    return path


def objects(content):
    """Return the places of the objects of the first collection, that of free space last."""
    start = content.index(b"GCOL")
    places = [start + HEADER]
    while struct.unpack_from("<H", content, places[-1])[0]:
        size = struct.unpack_from("<Q", content, places[-1] + 8)[0]
        places.append(places[-1] + HEADER + (size + 7) // 8 * 8)
    return places


def damage(path, place, size):
    """Put a size where an object, or the collection, has its own."""
    content = bytearray(path.read_bytes())
    struct.pack_into("<Q", content, place + 8, size)
    path.write_bytes(content)


def test_sound_texts(tmp_path):
    calibration = open_scan(write(tmp_path / "a.h5")).calibration
    assert (calibration.scan_step_nm, calibration.inv_angstrom_per_px) == (0.25, 0.25)


@pytest.mark.parametrize("which", range(5))
@pytest.mark.parametrize("size", [2**64 - 16, 2**64 - 1, 5000])
def test_a_size_that_leads_out_of_the_collection(tmp_path, which, size):
    path = write(tmp_path / "a.h5")
    damage(path, objects(path.read_bytes())[which], size)
    with pytest.raises(InputError, match=r"a\.h5.*global heap.*damaged"):
        open_scan(path)


@pytest.mark.parametrize("size", [0, 8, 2**63, 100_000])
def test_a_wrong_size_of_the_collection(tmp_path, size):
    path = write(tmp_path / "a.h5")
    damage(path, path.read_bytes().index(b"GCOL"), size)
    with pytest.raises(InputError, match="damaged"):
        open_scan(path)


def test_free_space_that_goes_nowhere(tmp_path):
    path = write(tmp_path / "a.h5")
    damage(path, objects(path.read_bytes())[-1], 0)
    with pytest.raises(InputError, match=r"a\.h5.*global heap.*damaged"):
        open_scan(path)


def test_texts_that_are_not_needed_do_no_harm(tmp_path):
    path = write(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        for axis in range(4):
            del file[f"scan/dim{axis}"]
    damage(path, objects(path.read_bytes())[-1], 0)
    np.testing.assert_array_equal(open_scan(path), PATTERNS)


def write_virtual(path):
    """Write a scan whose patterns are in another file; where they are is an object of the heap."""
    source = path.with_name(f"source_of_{path.name}")
    with h5py.File(source, "w") as file:
        file["data"] = PATTERNS
    layout = h5py.VirtualLayout(PATTERNS.shape, PATTERNS.dtype)
    layout[:] = h5py.VirtualSource(source.name, "data", PATTERNS.shape)
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("data", layout)
    return path


def test_a_virtual_dataset(tmp_path):
    path = write_virtual(tmp_path / "virtual.h5")
    np.testing.assert_array_equal(open_scan(path), PATTERNS)
    damage(path, objects(path.read_bytes())[-1], 0)
    for source in (path, f"{path}::/data"):
        with pytest.raises(InputError, match=r"virtual\.h5: .*cannot be read"):
            open_scan(source)


def test_a_virtual_dataset_in_a_linked_file(tmp_path):
    path = write_virtual(tmp_path / "virtual.h5")
    with h5py.File(tmp_path / "main.h5", "w") as file:
        file["linked"] = h5py.ExternalLink(path.name, "/data")
    np.testing.assert_array_equal(open_scan(tmp_path / "main.h5"), PATTERNS)
    damage(path, objects(path.read_bytes())[-1], 0)
    with pytest.raises(InputError):
        open_scan(tmp_path / "main.h5")
    path.unlink()
    with pytest.raises(MissingFileError, match=r"virtual\.h5"):
        open_scan(tmp_path / "main.h5")


def write_links(folder):
    """Write a file that leads to a virtual dataset in another one by links to it, to its group, and to such links."""
    (folder / "far").mkdir()
    path = write_virtual(folder / "far" / "virtual.h5")
    with h5py.File(folder / "middle.h5", "w") as file:
        file["group"] = h5py.ExternalLink("far/virtual.h5", "/")
        file["soft"] = h5py.SoftLink("/group/data")
        file["near/soft"] = h5py.SoftLink("again")
        file["near/again"] = h5py.SoftLink("./further")
        file["near/further"] = h5py.ExternalLink("middle.h5", "soft")
    with h5py.File(folder / "main.h5", "w") as file:
        file["a"] = h5py.ExternalLink("middle.h5", "group")
        file["b"] = h5py.SoftLink("a/data")
        file["c"] = h5py.ExternalLink("middle.h5", "/near/soft")
        file["d"] = h5py.SoftLink("/e")
        file["e"] = h5py.SoftLink("/d")
    return path


@pytest.mark.parametrize("address", [None, "/a", "/a/data", "b", "/c"])
def test_a_virtual_dataset_behind_links(tmp_path, address):
    path = write_links(tmp_path)
    scan = open_scan(tmp_path / "main.h5", dataset=address)
    np.testing.assert_array_equal(scan, PATTERNS)
    if address == "/a":
        assert scan.dataset == "/a/data"
    damage(path, objects(path.read_bytes())[-1], 0)
    with pytest.raises(InputError, match=r"main\.h5"):
        open_scan(tmp_path / "main.h5", dataset=address)
    path.unlink()
    with pytest.raises(MissingFileError, match=r"main\.h5: .*virtual\.h5, which is not there; copy .* into .*far"):
        open_scan(tmp_path / "main.h5", dataset=address)


def test_links_in_a_circle(tmp_path):
    write_links(tmp_path)
    for address in ("d", "e/f"):
        with pytest.raises(InputError, match=r"main\.h5: (/d leads|has nothing)"):
            open_scan(tmp_path / "main.h5", dataset=address)


def test_a_virtual_dataset_of_virtual_ones(tmp_path):
    path = write_virtual(tmp_path / "virtual.h5")
    layout = h5py.VirtualLayout(PATTERNS.shape, PATTERNS.dtype)
    layout[:] = h5py.VirtualSource(path.name, "data", PATTERNS.shape)
    with h5py.File(tmp_path / "main.h5", "w") as file:
        file.create_virtual_dataset("data", layout)
    np.testing.assert_array_equal(open_scan(tmp_path / "main.h5"), PATTERNS)
    damage(path, objects(path.read_bytes())[-1], 0)
    with pytest.raises(InputError, match=r"main\.h5: .* in virtual\.h5 .*cannot be read"):
        open_scan(tmp_path / "main.h5")


def test_a_virtual_dataset_whose_source_has_no_patterns(tmp_path):
    path = write_virtual(tmp_path / "virtual.h5")
    with h5py.File(tmp_path / "source_of_virtual.h5", "w") as file:
        file["other"] = PATTERNS
    with pytest.raises(InputError, match=r"virtual\.h5: .* in source_of_virtual\.h5 .*cannot be read"):
        open_scan(path)


def test_files_that_were_moved_together_are_found(tmp_path):
    path = write_virtual(tmp_path / "virtual.h5")
    with h5py.File(tmp_path / "main.h5", "w") as file:
        file["linked"] = h5py.ExternalLink("/elsewhere/virtual.h5", "/data")
    assert open_scan(tmp_path / "main.h5").shape == PATTERNS.shape
    path.unlink()
    with pytest.raises(MissingFileError, match=r"virtual\.h5, which is not there"):
        open_scan(tmp_path / "main.h5")


def test_units_are_read_beside_the_link_and_beside_the_data(tmp_path):
    write(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file["detector/data"] = file.pop("scan/data")
        file["scan/data"] = h5py.SoftLink("/detector/data")
    for address in ("/scan/data", "scan"):
        assert open_scan(tmp_path / "a.h5", dataset=address).calibration.scan_step_nm == 0.25


@pytest.mark.parametrize("options", [{}, {"userblock_size": 512}, {"libver": "latest"}])
@pytest.mark.parametrize("count", [1, 170, 3000])
def test_every_sound_collection_is_accepted(tmp_path, options, count):
    texts = ["x" * (number % 40) for number in range(count)]
    with h5py.File(tmp_path / "ä.h5", "w", **options) as file:
        file["texts"] = texts
        file.attrs["long"] = ["y" * 10_000] * 8
    with heap_checks() as checks:
        file = checks.file(tmp_path / "ä.h5")
        assert list(file["texts"].asstr()[()]) == texts
        assert list(file.attrs["long"]) == ["y" * 10_000] * 8


def test_narrow_sizes(tmp_path):
    properties = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    properties.set_sizes(4, 4)
    path = tmp_path / "narrow.h5"
    with h5py.File(h5py.h5f.create(bytes(path), fcpl=properties)) as file:
        file.attrs["text"] = "of variable length"
    with heap_checks() as checks:
        assert checks.file(path).attrs["text"] == "of variable length"
    content = path.read_bytes()
    assert struct.unpack_from("<I", content, content.index(b"GCOL") + 8)[0] == 4096


def test_what_is_beyond_the_end_is_zero(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    buffer = bytearray(b"......")
    with _CheckedFile(tmp_path / "a") as file:
        assert file.readinto(buffer) == 3
    assert buffer == b"abc\0\0\0"


def test_a_place_beyond_all_files(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    with _CheckedFile(tmp_path / "a") as file, pytest.raises(OSError, match="no place"):
        file.seek(2**64 - 1)


@pytest.mark.parametrize("content", [b"GCOL\1", b"GCOL\1\0\0\0" + b"\x20", b"GCOL\1\0\0\0" + struct.pack("<Q", 32)])
def test_a_cut_collection_is_zero(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    buffer = bytearray(len(content))
    with _CheckedFile(tmp_path / "a") as file:
        file.readinto(buffer)
    assert not any(buffer)


def test_too_many_objects(tmp_path):
    count = 2**16 + 1
    objects = struct.pack("<HHIQ", 1, 0, 0, 0) * count
    (tmp_path / "a").write_bytes(b"GCOL\1\0\0\0" + struct.pack("<Q", HEADER + len(objects)) + objects)
    buffer = bytearray(HEADER)
    with _CheckedFile(tmp_path / "a") as file:
        file.readinto(buffer)
    assert not any(buffer)
