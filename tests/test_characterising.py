"""Crystallography as a part of a run."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from typer.testing import CliRunner

import clustem
from clustem.cli import app
from clustem.crystallography import Crystal, Probe, Site
from clustem.crystallography.rotations import misorientation_deg

GOLD = Crystal("Gold", (4.0782, 4.0782, 4.0782, 90, 90, 90), "F m -3 m", (Site("Au", (0, 0, 0)),))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with `scan.npy`, two grains of the sample, and `labels.npy`."""
    folder = tmp_path_factory.mktemp("crystallography")
    scan = clustem.open_scan("clustem:film_au")
    np.save(folder / "scan.npy", np.asarray(scan.read(4, 8))[:, 4:24])
    np.save(folder / "labels.npy", np.repeat([[1] * 9 + [0] * 2 + [2] * 9], 4, axis=0))
    return folder


@pytest.fixture(scope="module")
def calibration():
    return clustem.open_scan("clustem:film_au").calibration


@pytest.fixture(scope="module")
def out(place, calibration):
    """Results of these with a crystal from memory and a probe from memory."""
    y, x = np.indices((89, 89)) - 44
    vacuum = np.clip(3 - np.hypot(y, x), 0, 1)
    options = {"labels": place / "labels.npy", "crystal": GOLD, "probe": vacuum, "strain_reference": "ideal"}
    options["per_position"] = True
    return clustem.run(place / "scan.npy", output=place / "out", calibration=calibration, **options)


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_orientations_and_strain_come_with_the_results(out):
    assert out.orientations.phase.tolist() == ["Gold", "Gold"]
    assert out.peaks.probe == "measured"
    assert out.strain.reference == "crystal"
    assert out.table["phase"].tolist() == ["Gold", "Gold"]
    np.testing.assert_array_equal(out.table["Phi_deg"], out.orientations.euler_deg[:, 1])
    np.testing.assert_array_equal(out.table["e_xx_error"], out.strain.e_xx_error)
    np.testing.assert_array_equal(out.to_xarray()["peaks"], out.peaks.counts)
    text = repr(out)
    for part in ("2 of 2 domains", "Gold 2, none 0", "relative to its crystal"):
        assert part in text


def test_every_position_is_oriented_like_its_domain(out):
    maps, labels = out.position_maps, out.domains.labels
    assert (maps.oriented == (labels > 0)).mean() > 0.95
    for label in (1, 2):
        here = maps.oriented & (labels == label)
        apart = misorientation_deg(maps.rotation[here], out.orientations.rotation[label - 1], GOLD.rotations)
        assert np.median(apart) < 0.7
    assert "means of up to" in repr(out)


def test_maps_of_positions_and_phases_go_through_xarray(out, tmp_path):
    dataset = out.to_xarray()
    np.testing.assert_array_equal(dataset.position_e_xx, out.position_maps.e_xx)
    assert dataset.position_quaternion.dims == ("scan_y", "scan_x", "component")
    dataset.to_netcdf(tmp_path / "all.nc")
    assert xr.load_dataset(tmp_path / "all.nc").phase.values.tolist() == ["Gold", "Gold"]


def test_the_recipe_gives_the_same_bytes_also_elsewhere(place, out):
    text = (place / "out" / "recipe.toml").read_text()
    assert '"inputs/Gold.cif"' in text
    assert 'probe = "inputs/probe.npy"' in text
    moved = place.with_name("moved")
    shutil.copytree(place, moved)
    clustem.run(moved / "out" / "recipe.toml", output=moved / "again")
    first, again = files(place / "out"), files(moved / "again")
    assert first.keys() == again.keys()
    assert {str(name) for name in first if first[name] != again[name]} <= {"run.log"}


def test_tables_of_the_folder(place, out):
    rows = {path.name: path.read_text().splitlines() for path in (place / "out").glob("*.csv")}
    assert set(rows) == {"domains.csv", "peaks.csv", "orientations.csv", "candidates.csv", "boundaries.csv"}
    assert len(rows["peaks.csv"]) == 1 + len(out.peaks.table)
    assert len(rows["candidates.csv"]) == 1 + len(out.orientations.candidates)
    assert rows["orientations.csv"][1].startswith("1,Gold,")
    assert rows["boundaries.csv"][0].startswith("label,neighbour,edges,length_positions,length_nm,phase,")
    assert len(rows["boundaries.csv"]) == 1  # unassigned positions are between the two


def test_the_table_of_boundaries_comes_back(out, tmp_path):
    domains = replace(out.domains, labels=np.repeat([[1] * 10 + [2] * 10], 4, axis=0).astype(np.int32))
    clustem.export(replace(out, domains=domains), to="csv", output=tmp_path)
    (row,) = pd.read_csv(tmp_path / "boundaries.csv", keep_default_na=False).to_dict("records")
    (expected,) = clustem.misorientation_table(out.orientations, domains).to_dict("records")
    assert (row["label"], row["neighbour"], row["edges"]) == (1, 2, 4)
    assert row["length_nm"] == pytest.approx(4 * out.domains.calibration.scan_step_nm, rel=0.2)  # it ends at the edge
    assert row["coincidence"] == expected["coincidence"]
    for name in ("misorientation_deg", "misorientation_error_deg", "axis_x", "axis_y", "axis_z"):
        assert row[name] == pytest.approx(expected[name], rel=1e-5)


def test_exports_of_orientations(place, out, tmp_path):
    written = clustem.export(place / "out", to=["ang", "ctf", "csv"], output=tmp_path)
    names = [
        "boundaries.csv",
        "candidates.csv",
        "domains.csv",
        "orientations.ang",
        "orientations.csv",
        "orientations.ctf",
        "peaks.csv",
    ]
    assert [path.name for path in written] == names
    rows = (tmp_path / "orientations.ctf").read_text().splitlines()
    assert len(rows) == out.domains.labels.size + 1 + rows.index(next(row for row in rows if row.startswith("Phase\t")))
    assert "GRID: SqrGrid" in (tmp_path / "orientations.ang").read_text()


def test_export_of_a_crystal_map(place, tmp_path):
    orix = pytest.importorskip("orix.io")
    clustem.export(place / "out", to="crystalmap", output=tmp_path)
    assert "Gold" in orix.load(str(tmp_path / "orientations.h5")).phases.names


def test_exports_hold_orientations_of_positions_unless_those_of_domains_are_asked_for(place, out, tmp_path):
    orix = pytest.importorskip("orix.io")
    command = ["export", str(place / "out"), "--to", "ang", "--to", "crystalmap", "-o"]
    for name, option in (("positions", []), ("domains", ["--orientations", "domains"])):
        result = CliRunner().invoke(app, [*command, str(tmp_path / name), *option])
        assert result.exit_code == 0, result.output
    labels = out.domains.labels[out.domains.labels > 0]
    for file, accuracy in (("orientations.ang", 3e-5), ("orientations.h5", 1e-6)):
        own, shared = (
            np.swapaxes(orix.load(str(tmp_path / name / file))["indexed"].rotations.to_matrix(), 1, 2)
            for name in ("positions", "domains")
        )
        np.testing.assert_allclose(shared, out.orientations.rotation[labels - 1], atol=accuracy)
        maps = out.position_maps
        measured = maps.oriented[out.domains.labels > 0]
        np.testing.assert_allclose(own[measured], maps.rotation[maps.oriented], atol=accuracy)
        np.testing.assert_array_equal(own[~measured], shared[~measured])
    with pytest.raises(clustem.InputError, match="orientations: expected one of positions, domains; got 'grains'"):
        clustem.export(out, to="ang", orientations="grains")


def test_without_a_crystal_the_lattices_are_strained(place, tmp_path, monkeypatch):
    monkeypatch.setattr("clustem.reporting.render_report", lambda _: "")  # other tests draw it
    command = ["run", str(place / "scan.npy"), "-o", str(tmp_path / "out"), "--labels", str(place / "labels.npy")]
    result = CliRunner().invoke(app, [*command, "--strain-reference", "1", "--probe", "disk:2.3", "--per-position"])
    assert result.exit_code == 0, result.output
    assert "relative to domain 1" in result.output
    found = clustem.open_results(tmp_path / "out")
    assert found.orientations is None
    assert found.peaks.unit == "px"
    assert found.strain.e_xx[0] == pytest.approx(0, abs=1e-12)
    assert found.position_maps.measured[:, :9].all()
    with pytest.raises(clustem.InputError, match="ang, ctf, crystalmap need orientations"):
        clustem.export(found, to="ctf")


def test_averages_without_peaks_make_whole_results(tmp_path, calibration):
    """Vacuum, and a single spot in it: what is missing is said everywhere, and every export works."""
    y, x = np.indices((64, 64)) - 32
    beam = 0.1 + 120 * (np.hypot(y, x) < 2.3)
    spot = beam + 40 * (np.hypot(y, x - 14) < 2.3)
    data = np.random.default_rng(0).poisson(np.array([beam] * 3 + [spot] * 3)[None].repeat(3, axis=0)).astype(np.uint16)
    labels = np.array([[1, 1, 1, 2, 2, 2]] * 3)
    here = calibration.updated(clustem.Calibration(centre_px=(32, 32)))
    clustem.run(data, labels=labels, crystal=GOLD, output=tmp_path / "out", calibration=here, per_position=True)
    found = clustem.open_results(tmp_path / "out")
    assert (found.peaks.counts < 3).all()
    assert found.orientations.reason.tolist() == ["fewer than 3 peaks"] * 2
    assert found.strain.reason == ("no orientation",) * 2
    assert not found.position_maps.oriented.any()
    assert not found.position_maps.measured.any()
    assert "0 of 2 domains" in repr(found)
    assert found.to_xarray()["peaks"].values.tolist() == found.peaks.counts.tolist()
    report = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "No domain of 2 has an orientation. 2 without (1, 2): fewer than 3 peaks." in report
    assert (
        "No domain of 2 has a strain, relative to the cell of the crystal. 2 without (1, 2): no orientation." in report
    )
    kinds = ["emd", "hspy", "tiff", "csv", "geojson", "ang", "ctf"]
    assert "boundaries.csv" in {path.name for path in clustem.export(found, to=kinds)}
    (row,) = pd.read_csv(tmp_path / "out" / "boundaries.csv").to_dict("records")
    assert np.isnan(row["misorientation_deg"])


def test_no_domains_no_peaks(place, calibration):
    published = {"method": "published", "threshold": 0.5, "min_size": 1000}
    found = clustem.run(place / "scan.npy", crystal=GOLD, calibration=calibration, **published)
    assert found.peaks is None
    assert found.table.empty


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crystal": "none.cif"}, "crystal: there is no file none.cif"),
        ({"crystal": GOLD}, r"crystal: the size of a detector pixel is not calibrated.*calibrate_detector"),
        ({"crystal": [GOLD, GOLD]}, "crystal: two have the same name, Gold"),
        ({"crystal": Crystal("a/b", GOLD.cell, "F m -3 m", GOLD.sites)}, "'a/b' cannot be the name of a file"),
        ({"probe": np.ones((3, 3))}, r"probe: expected a vacuum pattern of shape \(89, 89\), got \(3, 3\)"),
        ({"probe": np.ones((89, 89))}, "no compact direct beam in the vacuum pattern"),
        ({"probe": "disk:wide"}, "probe: expected disk: and a number of px"),
        ({"probe": "spot:-1"}, "probe sigma: expected a positive number of px"),
        ({"probe": Probe.spot(1.0)}, "expected a vacuum pattern, its file"),
        ({"strain_reference": "best"}, "strain_reference: expected 'crystal', 'median' or a label, got 'best'"),
        ({"strain_reference": 0}, "strain_reference: expected 'crystal', 'median' or a label, got '0'"),
        ({"strain_reference": "-1"}, "strain_reference: expected 'crystal', 'median' or a label, got '-1'"),
        ({"strain_reference": 1.5}, "strain_reference: expected 'crystal', 'median' or a label, got '1.5'"),
        ({"strain_reference": "ideal"}, "strain_reference: 'crystal' needs a crystal"),
        ({"precession_deg": 1.0}, "precession_deg: .* there is none; give --crystal"),
        ({"precession_deg": 1.0, "probe": "disk:3"}, "precession_deg: .* there is none; give --crystal"),
        ({"per_position": True}, "per_position: .* there is none"),
        ({"crystal": GOLD, "precession_deg": 9.0}, "precession_deg: expected 0 to 5 degrees"),
    ],
)
def test_what_cannot_be_used_is_found_before_the_first_read(place, options, message, monkeypatch):
    monkeypatch.setattr("clustem.pipeline.survey_scan", None)
    with pytest.raises(clustem.InputError, match=message):
        clustem.run(place / "scan.npy", labels=place / "labels.npy", **options)


def test_a_reference_that_is_no_domain_is_found_before_averages_are_made(place, tmp_path, monkeypatch):
    monkeypatch.setattr("clustem.pipeline.average", None)
    command = ["run", str(place / "scan.npy"), "-o", str(tmp_path / "out"), "--labels", str(place / "labels.npy")]
    result = CliRunner().invoke(app, [*command, "--strain-reference", "3"])
    assert result.exit_code == 2
    text = " ".join(result.output.split())
    assert "strain_reference: expected a label from 1 to 2, as there are 2 domains, got 3; look" in text
    assert list(tmp_path.iterdir()) == []
    one = np.minimum(np.load(place / "labels.npy"), 1)
    with pytest.raises(clustem.InputError, match="expected a label 1, as there is one domain, got 2"):
        clustem.run(place / "scan.npy", labels=one, strain_reference=2)


def test_the_energy_is_asked_for(place):
    pixel = clustem.Calibration(inv_angstrom_per_px=0.0375)
    with pytest.raises(clustem.InputError, match=r"crystal: the energy .* give --energy-keV"):
        clustem.run(place / "scan.npy", crystal=GOLD, calibration=pixel)
