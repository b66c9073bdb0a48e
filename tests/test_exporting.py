"""Results as files of other programs."""

import numpy as np
import pytest
from typer.testing import CliRunner

import clustem
from clustem import exporting
from clustem.cli import app
from clustem.errors import OutputError

ALL = {
    "apertures.tif",
    "arrays.emd.h5",
    "averages.emd.h5",
    "averages.hspy",
    "averages.tif",
    "dark_fields.tif",
    "domains.csv",
    "figures",
    "labels.hspy",
    "labels.tif",
    "maps",
    "outlines.geojson",
    "outlines_smooth.geojson",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A results folder beside the scan that it is made of."""
    place = tmp_path_factory.mktemp("results")
    labels = np.repeat([[1, 1, 1, 2, 2, 2]], 5, axis=0)
    y, x = np.indices((24, 24))
    spots = [8 * (np.hypot(y - 12 - a, x - 12 - b) < 2.5) for a, b in ((0, 0), (0, 7), (7, 0))]
    expected = 3 * spots[0] + np.array(spots)[labels] + 0.1
    np.save(place / "scan.npy", np.random.default_rng(0).poisson(expected).astype(np.uint16))
    clustem.run(place / "scan.npy", labels=labels, output=place / "out")
    return place / "out"


def files(place):
    return {path.relative_to(place): path.read_bytes() for path in place.rglob("*") if path.is_file()}


def test_all_of_them_twice_are_the_same_bytes(folder, tmp_path):
    written = clustem.export(folder, to="all", output=tmp_path / "first")
    assert {path.name for path in written} == ALL
    assert all(path.exists() and path.parent == tmp_path / "first" for path in written)
    clustem.export(clustem.open_results(folder), to=["csv", "all"], output=tmp_path / "again")
    assert files(tmp_path / "first") == files(tmp_path / "again")


def test_the_command_writes_beside_the_results(folder):
    result = CliRunner().invoke(app, ["export", str(folder), "--to", "csv", "--to", "geojson"])
    assert result.exit_code == 0, result.output
    names = {"domains.csv", "outlines.geojson", "outlines_smooth.geojson"}
    assert {path.name for path in (folder / "exports").iterdir()} == names
    assert all(name in result.output for name in names)
    again = CliRunner().invoke(app, ["export", str(folder), "--to", "csv"])
    assert again.exit_code == 2
    assert "--force" in again.output
    assert "Traceback" not in again.output


def test_what_is_asked_for_wrongly(folder, tmp_path):
    with pytest.raises(clustem.InputError, match=r"to: expected one or more of emd, .*got 'pdf'"):
        clustem.export(folder, to=["csv", "pdf"], output=tmp_path)
    with pytest.raises(clustem.InputError, match="got nothing"):
        clustem.export(folder, to=[], output=tmp_path)
    with pytest.raises(clustem.InputError, match="output: these results have no folder"):
        clustem.export(clustem.run(np.ones((3, 3, 8, 8), int), labels=np.ones((3, 3), int)), to="csv")
    with pytest.raises(clustem.InputError, match="expected a folder made by 'clustem run'"):
        clustem.export(tmp_path / "none", to="csv")
    assert list(tmp_path.iterdir()) == []


def test_one_that_fails_leaves_none(folder, tmp_path, monkeypatch):
    def full(results, place):
        (place / "domains.csv").write_text("half")
        raise OSError("no")

    monkeypatch.setitem(exporting._TARGETS, "csv", exporting._Target(("domains.csv",), full))
    with pytest.raises(OutputError, match="nothing was left behind"):
        clustem.export(folder, to=["emd", "csv"], output=tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_dark_fields_of_a_scan_that_is_opened_with_options(folder, tmp_path):
    """The scan is read as it was for the results, also where it has moved: every option has an effect here."""
    plain = np.load(folder.parent / "scan.npy")
    series = np.stack([plain, 0 * plain])[:, :, [0, 1, 2, 3, 4, 5, 5]]
    series[:, 1::2, :6] = series[:, 1::2, 5::-1]
    np.savez(tmp_path / "scan.npz", series=series, other=plain)
    labels = np.repeat([[1, 1, 1, 2, 2, 2]], 5, axis=0)
    options = {"dataset": "series", "snake": True, "flyback": 1, "frame": 0}
    clustem.run(tmp_path / "scan.npz", labels=labels, output=tmp_path / "out", **options)
    clustem.export(tmp_path / "out", to="dark-fields")
    clustem.export(folder, to="dark-fields", output=tmp_path / "expected")
    assert files(tmp_path / "out" / "exports") == files(tmp_path / "expected")
    (tmp_path / "scan.npz").rename(tmp_path / "moved.npz")
    for place in ("moved.npz", "moved.npz::series"):
        clustem.export(tmp_path / "out", to="dark-fields", scan=tmp_path / place, force=True)
        assert files(tmp_path / "out" / "exports") == files(tmp_path / "expected")


def test_without_a_domain_files_of_domains_are_left_out(folder, tmp_path):
    scan = np.load(folder.parent / "scan.npy")[:, :5]
    results = clustem.run(scan, method="published", threshold=0.9999, min_size=20)
    assert results.domains.number == 0
    clustem.export(results, to="all", output=tmp_path / "all")
    of_domains = {"apertures.tif", "averages.emd.h5", "averages.hspy", "averages.tif", "dark_fields.tif"}
    assert {path.name for path in (tmp_path / "all").iterdir()} == ALL - of_domains
    with pytest.raises(clustem.InputError, match="there is none in these results"):
        clustem.export(results, to="dark-fields", output=tmp_path / "none")


def test_dark_fields_of_data_in_memory(folder, tmp_path):
    plain = np.load(folder.parent / "scan.npy")
    clustem.run(plain, labels=np.repeat([[1, 1, 1, 2, 2, 2]], 5, axis=0), output=tmp_path / "out")
    with pytest.raises(clustem.InputError, match="not known where they are; give it"):
        clustem.export(tmp_path / "out", to="dark-fields")
    written = clustem.export(tmp_path / "out", to="dark-fields", scan=plain)
    assert [path.name for path in written] == ["apertures.tif", "dark_fields.tif"]


def test_dark_fields_when_the_scan_has_moved(folder, tmp_path):
    scan = folder.parent / "scan.npy"
    moved = scan.rename(tmp_path / "moved.npy")
    try:
        with pytest.raises(clustem.InputError, match="give it where it is now"):
            clustem.export(folder, to="dark-fields", output=tmp_path / "out")
        written = clustem.export(folder, to="dark-fields", output=tmp_path / "out", scan=moved)
        assert [path.name for path in written] == ["apertures.tif", "dark_fields.tif"]
    finally:
        moved.rename(scan)
