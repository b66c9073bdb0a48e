import h5py
import hdf5plugin
import numpy as np
import pytest

from clustem.calibration import Calibration
from clustem.errors import InputError, MissingFileError
from clustem.formats import open_scan

COUNTS = np.arange(3 * 4 * 9 * 8, dtype=np.uint16).reshape(3, 4, 9, 8)


def write(path, **datasets):
    with h5py.File(path, "w") as file:
        for address, data in datasets.items():
            file[address.replace("__", "/")] = data
    return path


@pytest.mark.parametrize("compression", [{}, {"compression": "gzip"}, hdf5plugin.Bitshuffle(cname="lz4")])
def test_compressed_or_not(tmp_path, compression):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("entry/counts", data=COUNTS, chunks=(2, 4, 9, 8), **compression)
        file["entry/labels"] = np.zeros((3, 4))
    scan = open_scan(tmp_path / "a.h5")
    assert (scan.shape, scan.dtype, scan.dataset) == (COUNTS.shape, np.uint16, "/entry/counts")
    assert (scan.name, scan.path, scan.rows_per_chunk) == ("a.h5", tmp_path / "a.h5", 2)
    assert np.array_equal(scan.read(1, 3), COUNTS[1:3])
    assert np.array_equal(scan, COUNTS)


def test_recognised_by_content(tmp_path):
    write(tmp_path / "a.h5", counts=COUNTS).rename(tmp_path / "a.measurement")
    assert open_scan(tmp_path / "a.measurement").shape == COUNTS.shape


def test_a_single_row(tmp_path):
    write(tmp_path / "a.h5", counts=COUNTS[:1])
    assert np.array_equal(open_scan(tmp_path / "a.h5"), COUNTS[:1])


def test_several_are_listed(tmp_path):
    path = write(tmp_path / "a.h5", one__counts=COUNTS, two__counts=COUNTS + 1, two__image=COUNTS[0, 0])
    with pytest.raises(InputError) as caught:
        open_scan(path)
    assert 'choose one, for example with "a.h5::/one/counts" or dataset="/one/counts"' in str(caught.value)
    assert "/two/counts  3×4×9×8  uint16" in str(caught.value)
    assert "image" not in str(caught.value)
    for source, option in [
        (path, {"dataset": "two/counts"}),
        (f"{path}::/two/counts", {}),
        (path, {"dataset": "/two"}),
        (f"{path}::/two/counts", {"dataset": "two/counts"}),
    ]:
        scan = open_scan(source, **option)
        assert scan.dataset == "/two/counts"
        assert scan.pattern(0, 0)[0, 0] == 1


def test_a_long_list_is_cut(tmp_path):
    path = write(tmp_path / "a.h5", **{f"f{k:03}": COUNTS for k in range(30)})
    with pytest.raises(InputError, match="and 10 more") as caught:
        open_scan(path)
    assert len(str(caught.value).splitlines()) == 22


def test_a_wrong_address_lists_what_there_is(tmp_path):
    path = write(tmp_path / "a.h5", counts=COUNTS)
    with pytest.raises(InputError, match=r"has nothing at '/other'; there are\n  /counts  3×4×9×8  uint16"):
        open_scan(path, dataset="/other")


def test_no_scan(tmp_path):
    path = write(
        tmp_path / "a.h5", image=COUNTS[0, 0], line=COUNTS[0, 0, 0], six=COUNTS[None, None], threshold=COUNTS[..., :1]
    )
    with pytest.raises(InputError, match="not a scan: expected a numeric array with four axes") as caught:
        open_scan(path)
    assert "/six  1×1×3×4×9×8  uint16" in str(caught.value)
    assert "/threshold  3×4×9×1  uint16" in str(caught.value)
    with pytest.raises(InputError, match="is one image of 9×8, not a scan"):
        open_scan(path, dataset="image")
    with pytest.raises(InputError, match=r"(?s)/few  3×4×4 .*give scan_shape=\(y, x\); for /few, 3 patterns"):
        open_scan(write(tmp_path / "c.h5", few=COUNTS[0, :3, :4, :4]))
    with pytest.raises(InputError, match="there is no array in it"):
        open_scan(write(tmp_path / "b.h5"))


def test_what_cannot_be_numbers(tmp_path):
    with pytest.raises(InputError, match=r"abs\(data\)\*\*2"):
        open_scan(write(tmp_path / "a.h5", wave=COUNTS.astype(complex)))
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file.create_dataset("text", (3, 4, 9, 8), dtype=h5py.string_dtype())
        file["empty"] = h5py.Empty("f")
        file.create_dataset("nothing", (0, 4, 9, 8), dtype="f4")
    with pytest.raises(InputError, match=r"not a scan(.|\n)*/nothing  0×4×9×8(.|\n)*/text  3×4×9×8  object"):
        open_scan(tmp_path / "b.h5")


def test_patterns_in_a_row(tmp_path):
    path = write(tmp_path / "a.h5", stack=COUNTS.reshape(12, 9, 8), image=COUNTS[0, 0])
    assert np.array_equal(open_scan(path, scan_shape=(3, 4)), COUNTS)
    with pytest.raises(InputError, match=r"has 12 patterns in a row.*\(3, 4\)"):
        open_scan(path)
    with pytest.raises(InputError, match=r"needs 15 patterns, but there are 12"):
        open_scan(path, scan_shape=(3, 5))
    square = write(tmp_path / "b.h5", stack=COUNTS.reshape(12, 9, 8)[:4], matrices=np.zeros((9, 3, 3)))
    scan = open_scan(square)
    assert scan.scan_shape == (2, 2)
    assert scan.assumptions == ("the scan is square: 4 patterns were taken as 2×2; give scan_shape if that is wrong",)


def test_several_stacks(tmp_path):
    path = write(tmp_path / "a.h5", a=COUNTS.reshape(12, 9, 8), b=COUNTS.reshape(12, 9, 8)[:9])
    with pytest.raises(InputError, match=r"not a scan(.|\n)*choose it with dataset= .* for /a, 12 patterns"):
        open_scan(path)
    assert open_scan(path, scan_shape=(3, 3)).dataset == "/b"
    with pytest.raises(InputError, match="2 arrays can be the scan"):
        open_scan(path, scan_shape=(5, 5))


def test_chunks_of_patterns_in_a_row(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("a", data=COUNTS.reshape(12, 9, 8), chunks=(8, 9, 8))
    assert open_scan(tmp_path / "a.h5", scan_shape=(3, 4)).rows_per_chunk == 2
    assert open_scan(tmp_path / "a.h5", scan_shape=(1, 12)).rows_per_chunk == 1


def test_links_are_followed_and_counted_once(tmp_path):
    write(tmp_path / "other.h5", deep__counts=COUNTS)
    with h5py.File(tmp_path / "other.h5", "a") as file:
        file["deep"].attrs["energy_keV"] = 300.0
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["entry/scan"] = h5py.ExternalLink("other.h5", "/deep/counts")
        file["entry"].attrs["scan_step_nm"] = 2.0
        file["again"] = h5py.SoftLink("/entry/scan")
        file["entry/loop"] = h5py.SoftLink("/")
        file["broken"] = h5py.SoftLink("/nowhere")
        file["lost"] = h5py.ExternalLink("lost.h5", "/a")
    scan = open_scan(tmp_path / "a.h5")
    assert scan.dataset in ("/entry/scan", "/again")
    assert np.array_equal(scan, COUNTS)
    linked = open_scan(tmp_path / "a.h5::/entry/scan")
    assert linked.calibration.to_dict() == {"energy_keV": 300, "scan_step_nm": 2}


def test_a_broken_external_link_names_the_file(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["scan"] = h5py.ExternalLink("lost.h5", "/a")
        file["soft"] = h5py.SoftLink("/nowhere")
    for option in ({}, {"dataset": "/scan"}):
        with pytest.raises(MissingFileError, match=r"a.h5: its data are in another file, lost.h5.*copy lost.h5 into"):
            open_scan(tmp_path / "a.h5", **option)
    with pytest.raises(InputError, match="/soft leads to data that cannot be read"):
        open_scan(tmp_path / "a.h5", dataset="/soft")


def test_a_virtual_dataset_with_a_missing_source(tmp_path):
    write(tmp_path / "part.h5", a=COUNTS)
    layout = h5py.VirtualLayout(COUNTS.shape, COUNTS.dtype)
    layout[:] = h5py.VirtualSource("part.h5", "a", COUNTS.shape)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_virtual_dataset("scan", layout)
    assert np.array_equal(open_scan(tmp_path / "a.h5"), COUNTS)
    (tmp_path / "part.h5").unlink()
    with pytest.raises(MissingFileError, match=r"part.h5"):
        open_scan(tmp_path / "a.h5")


def test_a_missing_filter_is_named(tmp_path, monkeypatch):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("a", data=COUNTS, **hdf5plugin.Bitshuffle(cname="lz4"))
    monkeypatch.setattr(h5py.h5z, "filter_avail", lambda _: False)
    with pytest.raises(InputError, match=r"/a is compressed with HDF5 filter 32008 .*not installed; update hdf5plugin"):
        open_scan(tmp_path / "a.h5")


@pytest.mark.parametrize("length", [1, 8, 100, 500, 1000, -500, -1])
def test_truncated(tmp_path, length):
    content = write(tmp_path / "a.h5", counts=COUNTS).read_bytes()
    (tmp_path / "a.h5").write_bytes(content[:length])
    with pytest.raises(InputError, match=r"a\.h5: cannot be opened"):
        open_scan(tmp_path / "a.h5")


def test_text_named_h5(tmp_path):
    (tmp_path / "a.h5").write_text("hello " * 100)
    with pytest.raises(InputError, match="it is not an HDF5 file although it is named like one"):
        open_scan(tmp_path / "a.h5")


def test_damaged_data_are_reported_when_read(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset = file.create_dataset("a", data=COUNTS, chunks=(1, 4, 9, 8), compression="gzip")
        offset = dataset.id.get_chunk_info(2).byte_offset
    with (tmp_path / "a.h5").open("r+b") as file:
        file.seek(offset)
        file.write(b"xxxxxxxx")
    scan = open_scan(tmp_path / "a.h5")
    assert np.array_equal(scan.read(0, 2), COUNTS[:2])
    with pytest.raises(InputError, match="scan rows 2 to 2 cannot be read"):
        scan.read(2, 3)


def test_attributes_nearest_wins_and_the_caller_above_all(tmp_path):
    path = write(tmp_path / "a.h5", frame__counts=COUNTS)
    with h5py.File(path, "a") as file:
        file.attrs.update({"energy_keV": 200.0, "scan_step_nm": 0.4, "semiangle_mrad": 0.0, "other": "text"})
        file["frame"].attrs.update({"scan_step_nm": [0.5, 0.6], "centre_px": 4.0})
        file["frame/counts"].attrs["inv_angstrom_per_px"] = 0.0375
        file["frame/counts"].attrs["detector_flip"] = True
    scan = open_scan(path, calibration=Calibration(energy_keV=300))
    assert scan.calibration.to_dict() == {
        "inv_angstrom_per_px": 0.0375,
        "scan_step_nm": (0.5, 0.6),
        "energy_keV": 300,
        "centre_px": (4, 4),
        "detector_flip": True,
    }
    assert "semiangle_mrad: expected a positive finite number" in scan.assumptions[0]


def write_emd(path, units="A^-1", **values):
    with h5py.File(path, "w") as file:
        file.attrs.update({"emd_group_type": "file", "version_major": 1, "version_minor": 0})
        cube = file.create_group("root/datacube")
        cube["data"] = COUNTS
        dims = [("nm", 2.0), ("nm", 2.0), (units, 0.05), (units, 0.05)]
        for k, (unit, step) in enumerate(dims):
            cube[f"dim{k}"] = np.array([0, step])
            cube[f"dim{k}"].attrs["units"] = unit
        if values:
            group = file.create_group("root/metadatabundle/calibration")
            for name, value in values.items():
                group[name] = value
    return path


def test_emd_as_py4dstem_writes_it(tmp_path):
    path = write_emd(
        tmp_path / "a.h5",
        Q_pixel_size=0.02,
        Q_pixel_units="A^-1",
        R_pixel_size=0.5,
        R_pixel_units="nm",
        QR_rotation=np.radians(10),
        QR_flip=True,
        qx0_mean=4.5,
        qy0_mean=3.5,
    )
    calibration = open_scan(path).calibration
    assert calibration.to_dict() == {
        "inv_angstrom_per_px": 0.02,
        "scan_step_nm": 0.5,
        "centre_px": (4.5, 3.5),
        "detector_rotation_deg": pytest.approx(80),
        "detector_flip": True,
    }


def test_the_rotation_of_py4dstem_in_our_terms():
    # There: (row', column') = R(θ)(row, column), after exchanging the two where the file says flip.
    # Here: angles from x towards y, after reversing y where detector_flip, plus detector_rotation_deg.
    from clustem.formats.layouts import emd_calibration

    theta = np.radians(25)
    matrix = np.array([[np.cos(theta), -np.sin(theta)], [np.sin(theta), np.cos(theta)]])
    for flip in (False, True):
        values = {"QR_rotation": theta, "QR_flip": flip}
        calibration, _ = emd_calibration(values.get)
        x, y = 0.8, 0.3
        row, column = matrix @ ((x, y) if flip else (y, x))
        angle = np.degrees(np.arctan2(-y if calibration.detector_flip else y, x)) + calibration.detector_rotation_deg
        assert np.allclose([np.cos(np.radians(angle)), np.sin(np.radians(angle))], [column, row] / np.hypot(x, y))


def test_emd_with_axes_only(tmp_path):
    calibration = open_scan(write_emd(tmp_path / "a.emd")).calibration
    assert calibration.to_dict() == {"inv_angstrom_per_px": 0.05, "scan_step_nm": 2}


def test_emd_not_calibrated(tmp_path):
    path = write_emd(tmp_path / "a.h5", "pixels", Q_pixel_size=1, Q_pixel_units="pixels", QR_flip=False)
    assert open_scan(path).calibration == Calibration(scan_step_nm=2)


def test_emd_in_mrad_needs_the_energy(tmp_path):
    path = write_emd(tmp_path / "a.h5", "pixels", Q_pixel_size=0.5, Q_pixel_units="mrad")
    assert open_scan(path).calibration.inv_angstrom_per_px is None
    scan = open_scan(path, calibration=Calibration(energy_keV=200))
    assert scan.calibration.mrad_per_px == pytest.approx(0.5)


def write_hspy(path, units="1/nm"):
    with h5py.File(path, "w") as file:
        file.attrs["file_format"] = "HyperSpy"
        group = file.create_group("Experiments/scan")
        group["data"] = COUNTS
        axes = [("µm", 0.002, 0, 3), ("µm", 0.002, 0, 4), (units, 0.1, -0.4, 9), (units, 0.1, -0.35, 8)]
        for k, (unit, scale, offset, size) in enumerate(axes):
            group.create_group(f"axis-{k}").attrs.update(
                {"units": unit, "scale": scale, "offset": offset, "size": size, "navigate": k < 2}
            )
        tem = group.create_group("metadata/Acquisition_instrument/TEM")
        tem.attrs.update({"beam_energy": 200.0, "convergence_angle": 1.2})
    return path


def test_hspy(tmp_path):
    scan = open_scan(write_hspy(tmp_path / "a.hspy"))
    assert scan.dataset == "/Experiments/scan/data"
    assert scan.calibration.to_dict() == {
        "inv_angstrom_per_px": pytest.approx(0.01),
        "scan_step_nm": pytest.approx(2),
        "energy_keV": 200,
        "semiangle_mrad": 1.2,
        "centre_px": pytest.approx((4, 3.5)),
    }


def test_hspy_in_mrad(tmp_path):
    assert open_scan(write_hspy(tmp_path / "a.hspy", "mrad")).calibration.mrad_per_px == pytest.approx(0.1)


def test_the_sample_of_the_package():
    scan = open_scan("clustem:film_au")
    assert (scan.name, scan.path) == ("clustem:film_au", None)
    assert scan.calibration.inv_angstrom_per_px == pytest.approx(0.0375, rel=1e-3)
    assert scan.read(0, 1).sum() > 0
    with pytest.raises(InputError, match="there is no such sample; there are clustem:film_au"):
        open_scan("clustem:film")
    with pytest.raises(InputError, match="scan_shape: cannot be used with the sample"):
        open_scan("clustem:film_au", scan_shape=(1, 1))
