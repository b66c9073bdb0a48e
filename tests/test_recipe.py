import pytest

from clustem.calibration import Calibration
from clustem.errors import InputError, MissingFileError
from clustem.recipe import Recipe, given_options, load_recipe


def test_round_trip(tmp_path):
    recipe = Recipe(
        source="scan.h5",
        scan_shape=(3, 4),
        calibration=Calibration(scan_step_nm=(0.4, 0.5), centre_px=(1, 2), detector_flip=True),
        method="published",
        threshold=0.9,
        detector_mask="annulus:3-9",
        scan_mask="inputs/scan_mask.npy",
        prefilter=True,
        gain=7.3,
        offset=40.0,
        read_noise=2.0,
        crystal=("inputs/Au.cif", "clustem:Au"),
        probe="disk:3.5",
        precession_deg=0.5,
        strain_reference="median",
        per_position=True,
    )
    path = tmp_path / "recipe.toml"
    path.write_text(recipe.to_toml())
    loaded = load_recipe(path)
    assert loaded.source == str(tmp_path / "scan.h5")
    assert loaded.scan_mask == str(tmp_path / "inputs" / "scan_mask.npy")
    assert loaded.crystal == (str(tmp_path / "inputs" / "Au.cif"), "clustem:Au")
    moved = {name: getattr(loaded, name) for name in ("source", "scan_mask", "crystal")}
    assert loaded == Recipe(**{**vars(recipe), **moved})


def test_sample_and_words_are_not_paths(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(Recipe(source="clustem:film_au", detector_mask="outside-beam", scan_mask="sample").to_toml())
    loaded = load_recipe(path)
    assert (loaded.source, loaded.detector_mask, loaded.scan_mask) == ("clustem:film_au", "outside-beam", "sample")


def test_changed_takes_what_is_given_as_numbers_of_one_kind():
    recipe = Recipe(threshold=0.5, calibration=Calibration(energy_keV=200))
    changed = recipe.changed({"threshold": None, "smooth_sigma": 1, "calibration": Calibration(scan_step_nm=1)})
    assert changed.threshold == 0.5
    assert repr(changed.smooth_sigma) == "1.0"
    assert changed.calibration == Calibration(energy_keV=200, scan_step_nm=1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense [", "cannot be read as a recipe"),
        ("[foo]\na = 1", r"unknown table \[foo\]"),
        ("[segmentation]\nfoo = 1", "unknown name 'foo'"),
        ("[segmentation]\nthreshold = 'high'", "threshold: expected float"),
        ("[segmentation]\nmin_size = true", "min_size: expected int"),
        ("[averaging]\ncentre = 1", "centre: expected bool"),
        ("[noise]\ngain = '7'", "gain: expected float"),
        ("[input]\nsource = 3", "source: expected str"),
        ("[calibration]\nfoo = 1", "unknown field 'foo'"),
        ("[crystallography]\ncrystal = [3]", "crystal: expected a list of texts"),
        ("[crystallography]\ncrystal = 'Au.cif'", "crystal: expected tuple"),
        ("[segmentation]\nmethod = 'published'", "names no source"),
    ],
)
def test_bad_recipes(tmp_path, text, message):
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        load_recipe(path)


def test_missing_recipe(tmp_path):
    with pytest.raises(MissingFileError, match="no such recipe"):
        load_recipe(tmp_path / "recipe.toml")


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (Recipe(method="guess"), "method: expected one of"),
        (Recipe(method="published", threshold=1.0), "threshold: expected a cosine"),
        (Recipe(detector_mask="sample"), "detector_mask: expected an image or one of"),
        (Recipe(scan_mask="outside-beam"), "scan_mask: expected an image or one of"),
        (Recipe(detector_mask="annulus:3"), "expected annulus:INNER-OUTER"),
        (Recipe(gain=-1.0), "gain: expected a finite number of at least 0"),
        (Recipe(similarity=1.5), "similarity: expected a number between 0 and 1"),
        (Recipe(threshold=0.5), "threshold: method 'noise-aware' has no such option; choose method 'published'"),
        (Recipe(method="published", similarity=0.5), "similarity: method 'published' has no such option"),
        (Recipe(method="labels"), "needs a label image"),
        (Recipe(method="labels", labels="l.npy", threshold=0.5), "threshold: method 'labels'"),
        (Recipe(method="labels", labels="l.npy", scan_mask="sample"), "scan_mask: method 'labels'"),
    ],
)
def test_check(recipe, message):
    with pytest.raises(InputError, match=message):
        recipe.check()


def test_options_of_a_call_are_kept_as_the_recipe_has_them():
    call = {"scan": 1, "output": "out", "threshold": 0.9, "gain": None, "dtype": "<u2", "strain_reference": 3}
    given = given_options({**call, "labels": "labels.tif", "crystal": "Au.cif", "calibration": Calibration()})
    assert given == {"threshold": 0.9, "dtype": "<u2", "strain_reference": "3", "calibration": Calibration()}
    with pytest.raises(InputError, match="dtype"):
        given_options({"dtype": "nonsense"})
