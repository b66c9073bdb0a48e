import shutil
import tomllib
from pathlib import Path

import h5py
import numpy as np
import pytest

import clustem

PUBLISHED = {"method": "published", "detector_mask": "outside-beam", "smooth_sigma": 1}
FILES = {"results.h5", "recipe.toml", "report.html", "domains.csv", "labels.tif", "outlines.geojson", "run.log"}


@pytest.fixture(scope="module")
def three_domains():
    """A scan 12×14×24×24 of three domains with a direct beam, and its truth."""
    generator = np.random.default_rng(0)
    y, x = np.indices((24, 24)) - 11.5
    beam = 40.0 * (np.hypot(y, x) < 2.3)
    spots = [beam + 8 * (np.hypot(y - 7 * np.sin(a), x - 7 * np.cos(a)) < 2.3) + 0.2 for a in (0.3, 1.5, 2.7)]
    truth = np.ones((12, 14), int)
    truth[:, 7:] = 2
    truth[6:, 7:] = 3
    return generator.poisson(np.array(spots)[truth - 1]).astype(np.uint16), truth


@pytest.fixture
def scan_file(three_domains, tmp_path):
    path = tmp_path / "data" / "scan.h5"
    path.parent.mkdir()
    with h5py.File(path, "w") as file:
        file["entry/data"] = three_domains[0]
        file["entry/data"].attrs["scan_step_nm"] = 0.5
    return path


def assert_same_files(first: Path, second: Path):
    names = {path.relative_to(first) for path in first.rglob("*") if path.is_file()}
    assert names == {path.relative_to(second) for path in second.rglob("*") if path.is_file()}
    differ = {str(name) for name in names if (first / name).read_bytes() != (second / name).read_bytes()}
    assert differ <= {"run.log"}


@pytest.mark.parametrize("options", [{}, PUBLISHED], ids=["noise-aware", "published"])
def test_run_finds_the_domains_and_writes_everything(three_domains, scan_file, tmp_path, options):
    results = clustem.run(scan_file, output=tmp_path / "out", **options)
    assert clustem.adjusted_rand_index(results.domains.labels, three_domains[1]) > 0.98
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES
    assert results.path == tmp_path / "out"
    assert clustem.open_results(tmp_path / "out").survey.fingerprint == results.survey.fingerprint
    assert results.survey.calibration.scan_step_nm == 0.5
    log = (tmp_path / "out" / "run.log").read_text()
    assert "3 domains" in log


def test_recipe_gives_the_same_bytes_also_elsewhere(three_domains, scan_file, tmp_path):
    options = {"method": "published", "threshold": 0.5, "detector_mask": np.hypot(*(np.indices((24, 24)) - 11.5)) > 4}
    clustem.run(scan_file, output=tmp_path / "out", scan_mask=three_domains[1] > 1, **options)
    clustem.run(tmp_path / "out" / "recipe.toml", output=tmp_path / "again")
    assert_same_files(tmp_path / "out", tmp_path / "again")
    text = (tmp_path / "out" / "recipe.toml").read_text()
    assert 'source = "../data/scan.h5"' in text
    assert 'detector_mask = "inputs/detector_mask.npy"' in text
    shutil.copytree(tmp_path, tmp_path.with_name(tmp_path.name + "-moved"))
    moved = tmp_path.with_name(tmp_path.name + "-moved")
    clustem.run(moved / "out" / "recipe.toml", output=moved / "third")
    assert_same_files(tmp_path / "out", moved / "third")


@pytest.mark.parametrize("options", [{}, {"method": "published", "threshold": 0.5}], ids=["noise-aware", "published"])
def test_bytes_do_not_depend_on_blocks_or_threads(scan_file, tmp_path, options):
    clustem.run(scan_file, output=tmp_path / "a", **options)
    with clustem.execution(memory=2**20, threads=1):
        clustem.run(scan_file, output=tmp_path / "b", **options)
    assert_same_files(tmp_path / "a", tmp_path / "b")


@pytest.mark.parametrize("options", [{"similarity": 0.7, "min_size": 4}, PUBLISHED], ids=["noise-aware", "published"])
def test_a_recipe_holds_the_options_of_its_method(scan_file, tmp_path, options):
    first = clustem.run(scan_file, output=tmp_path / "out", **options)
    table = tomllib.loads((tmp_path / "out" / "recipe.toml").read_text())["segmentation"]
    known = {"min_size", "method"} | ({"similarity"} if "similarity" in options else {"border", "prefilter"})
    assert set(table) == known | set(options)
    assert table | options == table
    clustem.run(tmp_path / "out" / "recipe.toml", output=tmp_path / "again")
    assert_same_files(tmp_path / "out", tmp_path / "again")
    assert clustem.open_results(tmp_path / "again").domains.parameters == first.domains.parameters


def test_options_take_the_place_of_the_recipe(scan_file, tmp_path):
    clustem.run(scan_file, output=tmp_path / "out", method="published", threshold=0.5)
    results = clustem.run(tmp_path / "out" / "recipe.toml", threshold=0.25)
    assert results.domains.parameters.threshold == 0.25


def test_recipe_of_an_opened_scan_opens_it_again(three_domains, tmp_path):
    path = tmp_path / "scan.raw"
    three_domains[0].astype(">u2").tofile(path)
    scan = clustem.open_scan(path, scan_shape=(12, 14), detector_shape=(24, 24), dtype=">u2")
    first = clustem.run(
        scan.with_calibration(clustem.Calibration(energy_keV=200)),
        output=tmp_path / "out",
        method="published",
        threshold=0.5,
    )
    again = clustem.run(tmp_path / "out" / "recipe.toml")
    assert again.survey.fingerprint == first.survey.fingerprint
    assert again.survey.calibration.energy_keV == 200


def test_how_it_was_scanned_is_in_the_recipe(three_domains, tmp_path):
    rows = [row[::-1] if y % 2 else row for y, row in enumerate(three_domains[0])]
    blank = np.zeros_like(three_domains[0][0, :2])
    np.save(tmp_path / "scan.npy", np.concatenate([np.concatenate([row, blank]) for row in rows]))
    how = {"scan_shape": (12, 14), "snake": True, "flyback": 2}
    labels = {"labels": three_domains[1]}
    first = clustem.run(tmp_path / "scan.npy", output=tmp_path / "out", **how, **labels)
    recipe = tomllib.loads((tmp_path / "out" / "recipe.toml").read_text())
    assert recipe["input"] == {"source": "../scan.npy", "scan_shape": [12, 14], "snake": True, "flyback": 2}
    again = clustem.run(tmp_path / "out" / "recipe.toml")
    assert again.survey.fingerprint == first.survey.fingerprint
    assert again.survey.fingerprint == clustem.survey(clustem.open_scan(three_domains[0])).fingerprint


def test_data_in_memory_cannot_be_run_again_by_its_recipe(three_domains, tmp_path):
    clustem.run(three_domains[0], output=tmp_path / "out", method="published", threshold=0.5)
    with pytest.raises(clustem.InputError, match="its data was in memory"):
        clustem.run(tmp_path / "out" / "recipe.toml")


def test_labels_of_the_user(three_domains, tmp_path):
    np.save(tmp_path / "labels.npy", three_domains[1] * 10)
    results = clustem.run(three_domains[0], labels=tmp_path / "labels.npy", output=tmp_path / "out")
    assert results.domains.method == "labels"
    np.testing.assert_array_equal(results.domains.labels, three_domains[1])
    np.testing.assert_allclose(
        results.averages.patterns[1], three_domains[0][three_domains[1] == 2].mean(axis=0), rtol=1e-6
    )
    assert "labels = " in (tmp_path / "out" / "recipe.toml").read_text()


def test_words_for_masks(three_domains):
    patterns = three_domains[0].copy()
    plain = clustem.run(patterns, method="published", threshold=0.5)
    annulus = clustem.run(patterns, method="published", threshold=0.5, detector_mask="annulus:4-12")
    assert annulus.domains.number == 3
    assert plain.domains.similarity.mean() > annulus.domains.similarity.mean()
    patterns[:, :4] = np.random.default_rng(1).poisson(
        60 * (np.hypot(*(np.indices((24, 24)) - 11.5)) < 2.3), (12, 4, 24, 24)
    )
    sample = clustem.run(patterns, method="published", threshold=0.5, detector_mask="annulus:4-12", scan_mask="sample")
    assert not sample.domains.labels[:, :3].any()
    with pytest.raises(clustem.InputError, match="no shadow of a beam stop"):
        clustem.run(patterns, detector_mask="beam-stop")
    with pytest.raises(clustem.InputError, match="needs a direct beam"):
        clustem.run(np.random.default_rng(0).poisson(5, (4, 4, 12, 12)), detector_mask="outside-beam")


@pytest.mark.parametrize("options", [{}, PUBLISHED], ids=["noise-aware", "published"])
def test_hot_pixels_are_left_out(three_domains, options):
    patterns = three_domains[0].copy()
    patterns[:, :, 3, 20] = 5000
    results = clustem.run(patterns, **options)
    assert clustem.adjusted_rand_index(results.domains.labels, three_domains[1]) > 0.95
    assert results.averages.patterns[:, 3, 20].max() < 10
    assert any("1 hot pixel" in text for text in results.warnings)


def test_noise_that_is_given_is_kept(scan_file, tmp_path):
    results = clustem.run(scan_file, output=tmp_path / "out", gain=2, read_noise=0.5, method="published", threshold=0.5)
    assert results.recipe["noise"] == {"gain": 2.0, "read_noise": 0.5}
    assert (results.survey.noise.kind, results.survey.noise.gain, results.survey.noise.read_noise) == ("gain", 2, 0.5)
    assert clustem.open_results(tmp_path / "out").survey.noise == results.survey.noise
    again = clustem.run(tmp_path / "out" / "recipe.toml")
    assert again.survey.noise == results.survey.noise
    page = (tmp_path / "out" / "report.html").read_text()
    assert results.survey.noise.summary in page
    assert "gain, read_noise given" in page


def test_words_that_need_a_direct_beam_say_so():
    even = np.random.default_rng(0).poisson(5, (4, 5, 16, 16))
    for name, word in (("scan_mask", "sample"), ("detector_mask", "outside-beam")):
        with pytest.raises(clustem.InputError, match=f"{name}: '{word}' needs a direct beam"):
            clustem.run(even, **{name: word})


def test_wrong_image_shapes_are_found_before_reading(three_domains):
    with pytest.raises(clustem.InputError, match=r"scan_mask: expected an image of shape \(12, 14\)"):
        clustem.run(three_domains[0], scan_mask=np.ones((3, 3)))


def test_existing_output_is_refused_before_reading(scan_file, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(clustem.OutputError, match="exists"):
        clustem.run(scan_file, output=tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_signals_of_other_programs(three_domains):
    class Signal:
        data = three_domains[0]

    results = clustem.run(Signal(), method="published", threshold=0.5)
    assert results.survey.shape == three_domains[0].shape
