import json
import shutil

import numpy as np
import pytest
import zarr

from clustem.errors import InputError, MissingFileError
from clustem.formats import open_scan

COUNTS = np.arange(3 * 4 * 9 * 8, dtype=np.uint16).reshape(3, 4, 9, 8)
ZARR_3 = int(zarr.__version__.split(".")[0]) >= 3
FORMATS = [{"zarr_format": 2}, {"zarr_format": 3}] if ZARR_3 else [{}]


def write(path, arrays, attributes=None, **options):
    """Write arrays by address; the address "" makes the store a single array."""
    if "" in arrays:
        array = zarr.open_array(
            str(path), mode="w", shape=arrays[""].shape, chunks=(2, 4, 9, 8), dtype=arrays[""].dtype, **options
        )
        array[:] = arrays[""]
        return path
    root = zarr.open_group(str(path), mode="w", **options)
    root.attrs.update(attributes or {})
    create = root.create_array if ZARR_3 else root.create_dataset
    for address, data in arrays.items():
        create(address, shape=data.shape, chunks=(2, *data.shape[1:]), dtype=data.dtype)[:] = data
    return path


@pytest.mark.parametrize("options", FORMATS)
def test_a_single_array(tmp_path, options):
    scan = open_scan(write(tmp_path / "a.zarr", {"": COUNTS}, **options))
    assert (scan.shape, scan.rows_per_chunk, scan.name) == (COUNTS.shape, 2, "a.zarr")
    assert np.array_equal(scan.read(1, 3), COUNTS[1:3])
    assert np.array_equal(open_scan(zarr.open(str(tmp_path / "a.zarr"), mode="r")), COUNTS)


@pytest.mark.parametrize("options", FORMATS)
def test_a_group(tmp_path, options):
    path = write(
        tmp_path / "scan",
        {"deep/counts": COUNTS, "labels": np.zeros((3, 4))},
        {"energy_keV": 200, "centre_px": [4, 3]},
        **options,
    )
    scan = open_scan(path)
    assert scan.dataset == "/deep/counts"
    assert scan.calibration.to_dict() == {"energy_keV": 200, "centre_px": (4, 3)}
    assert np.array_equal(scan, COUNTS)
    assert not any(file.name.startswith("test") for file in path.iterdir())


@pytest.mark.parametrize("options", FORMATS)
def test_choice(tmp_path, options):
    path = write(tmp_path / "a.zarr", {"one/counts": COUNTS, "two/counts": COUNTS + 1}, **options)
    with pytest.raises(InputError, match=r'a\.zarr::/one/counts" or dataset="/one/counts"(.|\n)*/two/counts  3×4×9×8'):
        open_scan(path)
    for address in ("/two/counts", "two/counts", "/two"):
        assert open_scan(path, dataset=address).pattern(0, 0)[0, 0] == 1
    with pytest.raises(InputError, match=r"has nothing at '/three'; there are\n  /one/counts"):
        open_scan(f"{path}::/three")


def test_patterns_in_a_row(tmp_path):
    path = write(tmp_path / "a.zarr", {"stack": COUNTS.reshape(12, 9, 8)})
    assert np.array_equal(open_scan(path, scan_shape=(3, 4)), COUNTS)
    with pytest.raises(InputError, match="has 12 patterns in a row"):
        open_scan(path)
    with pytest.raises(InputError, match="not a scan"):
        open_scan(write(tmp_path / "b.zarr", {"image": COUNTS[0, 0]}))


def test_zspy_axes(tmp_path):
    path = write(tmp_path / "a.zspy", {"Experiments/scan/data": COUNTS})
    root = zarr.open_group(str(path), mode="a")
    units = ["nm", "nm", "1/nm", "1/nm"]
    for k, unit in enumerate(units):
        axis = root.create_group(f"Experiments/scan/axis-{k}")
        axis.attrs.update({"scale": 0.5, "units": unit, "offset": -1.0, "size": COUNTS.shape[k], "navigate": k < 2})
    calibration = open_scan(path).calibration
    assert calibration.to_dict() == {
        "inv_angstrom_per_px": pytest.approx(0.05),
        "scan_step_nm": 0.5,
        "centre_px": (2, 2),
    }


def test_folders_that_are_no_store(tmp_path):
    with pytest.raises(MissingFileError, match="is a folder without a Zarr store; name a file"):
        open_scan(tmp_path)
    (tmp_path / "a.zarr").mkdir()
    with pytest.raises(MissingFileError, match="expected a Zarr store, but the folder has none of"):
        open_scan(tmp_path / "a.zarr")
    with pytest.raises(MissingFileError, match="there is no such file"):
        open_scan(tmp_path / "b.zarr")
    (tmp_path / "c.zarr").write_text("hello")
    with pytest.raises(InputError, match=r"c.zarr: cannot be read as a Zarr store"):
        open_scan(tmp_path / "c.zarr")


@pytest.mark.parametrize("text", ["", "hello", "{}", json.dumps({"zarr_format": 9, "node_type": "array"})])
def test_damaged_metadata(tmp_path, text):
    path = write(tmp_path / "a.zarr", {"": COUNTS})
    for name in ("zarr.json", ".zarray"):
        if (path / name).exists():
            (path / name).write_text(text)
    with pytest.raises(InputError, match=r"a.zarr: cannot be (read|opened)"):
        open_scan(path)


def test_damaged_chunk(tmp_path):
    path = write(tmp_path / "a.zarr", {"": COUNTS})
    for file in path.rglob("*"):
        if file.is_file() and file.name not in ("zarr.json", ".zarray", ".zattrs"):
            file.write_bytes(b"damaged")
    scan = open_scan(path)
    with pytest.raises(InputError, match="scan rows 0 to 2 cannot be read"):
        scan.read(0, 3)


def test_a_zip_store(tmp_path):
    path = write(tmp_path / "folder.zarr", {"": COUNTS})
    shutil.make_archive(str(tmp_path / "a"), "zip", path)
    (tmp_path / "a.zip").rename(tmp_path / "a.zarr")
    assert np.array_equal(open_scan(tmp_path / "a.zarr"), COUNTS)
