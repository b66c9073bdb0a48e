import json
import struct
from dataclasses import fields, is_dataclass, replace

import h5py
import numpy as np
import pandas as pd
import pytest

import clustem
from clustem.crystallography import Crystal, Orientations, Peaks, PositionMaps, Site, Strain
from clustem.results.storage import save_results


def found_of(number):
    """Crystallography of so many domains, of which every second one has no answer."""
    some = np.where(np.arange(number) % 2, np.nan, np.arange(number) / 7)
    texts = np.where(np.isnan(some), "none – fewer than 3 peaks in a long sentence that says why", "")
    label = np.arange(1, number + 1)
    crystals = (
        Crystal("Au", (4.08,) * 3 + (90.0,) * 3, "F m -3 m", (Site("Au", (0, 0, 0)),)),
        Crystal("α Ti", (2.95, 2.95, 4.69, 90, 90, 120), "P 63/m m c", (Site("Ti", (1 / 3, 2 / 3, 0.25)),)),
    )
    peaks = Peaks(
        table=pd.DataFrame({"label": label, "k_y": some}),
        centres=np.ones((number, 2)),
        calibration=clustem.Calibration(energy_keV=200),
        shape=(5, 6),
        mask=np.eye(5, 6) > 0,
        radius=2.5,
        noise_intensity=some,
        warnings=("one", "two"),
    )
    numbers = ("score", "probability", "reliability", "explained", "scale", "thickness_nm")
    angles = ("angle_error_in_plane_deg", "angle_error_out_of_plane_deg")
    orientations = Orientations(
        rotation=np.full((number, 3, 3), np.nan),
        phase=np.where(np.isnan(some), "", "α Ti"),
        ambiguous=np.isnan(some),
        **dict.fromkeys((*numbers, *angles), some),
        candidates=pd.DataFrame({"label": label, "phase": np.where(label % 2, "Au", "α Ti").astype(object)}),
        indexed=pd.DataFrame({"peak": label[:0], "g_y": some[:0]}),
        crystals=crystals,
        reason=texts,
    )
    components = ("e_xx", "e_yy", "e_xy", "omega")
    errors = tuple(f"{name}_error" for name in components)
    strain = Strain(
        **dict.fromkeys((*components, *errors), some),
        deformation=np.ones((number, 2, 2)),
        reflections=label,
        residual=some,
        indexed=pd.DataFrame({"peak": label, "weight": some}),
        reference="median",
        reason=tuple(texts.tolist()),
    )
    image = some.reshape(-1, 10)
    maps = PositionMaps(
        rotation=np.full((*image.shape, 3, 3), np.nan),
        **dict.fromkeys((*angles, *components, *errors, "score"), image),
        averaged=np.ones(image.shape, np.int32),
        reference="median",
    )
    return {"peaks": peaks, "orientations": orientations, "strain": strain, "position_maps": maps}


def assert_same(first, second):
    assert type(first) is type(second)
    for item in fields(first):
        a, b = getattr(first, item.name), getattr(second, item.name)
        if isinstance(a, np.ndarray):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)
        elif isinstance(a, pd.DataFrame):
            pd.testing.assert_frame_equal(a, b)
        elif is_dataclass(a):
            assert_same(a, b)
        elif isinstance(a, float) and np.isnan(a):
            assert np.isnan(b)
        elif item.name not in ("path", "recipe", "provenance"):
            assert a == b, item.name


@pytest.mark.parametrize("method", ["demo", "published"])
def test_round_trip(method, request, tmp_path):
    results = request.getfixturevalue(f"{method}_results")
    save_results(results, tmp_path / "results.h5")
    again = clustem.open_results(tmp_path)
    for name in ("survey", "domains", "averages"):
        assert_same(getattr(results, name), getattr(again, name))
    assert again.recipe == results.recipe
    assert again.provenance == results.provenance
    assert again.path == tmp_path
    assert again.table.equals(results.table)
    np.testing.assert_array_equal(again.domains.tree.cut(number=5), results.domains.tree.cut(number=5))


def test_what_only_the_default_finds_comes_back(demo_results, tmp_path):
    save_results(demo_results, tmp_path / "results.h5")
    again = clustem.open_results(tmp_path).domains
    assert again.parameters == clustem.segmentation.NoiseAwareParameters()
    assert again.confidence.shape == (again.number,)
    assert again.mixture.labels.shape == again.mixture.fractions.shape == (*again.labels.shape, 3)
    assert again.mixture.unexplained.dtype == bool
    with h5py.File(tmp_path / "results.h5") as file:
        assert file["domains/mixture"].attrs["record"] == "Mixture"
        assert file["domains/mixture/fractions"].dtype == np.float32


def test_file_opens_by_path_and_says_its_conventions(demo_results, tmp_path):
    save_results(demo_results, tmp_path / "results.h5")
    assert clustem.open_results(tmp_path / "results.h5").domains.number == demo_results.domains.number
    with h5py.File(tmp_path / "results.h5") as file:
        assert "0 is unassigned" in file.attrs["conventions"]
        assert json.loads(file.attrs["recipe"])["segmentation"]["method"] == "noise-aware"
        assert file["averages/patterns"].shape == demo_results.averages.patterns.shape


def test_results_without_tree_or_beam_come_back(tmp_path):
    patterns = np.random.default_rng(0).poisson(5, (4, 5, 12, 12))
    results = clustem.run(patterns, labels=np.arange(20).reshape(4, 5) % 3)
    assert np.isnan(results.survey.beam_radius_px)
    save_results(results, tmp_path / "results.h5")
    again = clustem.open_results(tmp_path)
    assert_same(results.domains, again.domains)
    assert again.domains.tree is None
    assert np.isnan(again.survey.beam_radius_px)


def test_crystallography_comes_back(tmp_path, plain_results):
    results = replace(plain_results, **found_of(400))
    save_results(results, tmp_path / "results.h5")
    again = clustem.open_results(tmp_path)
    for name in ("peaks", "orientations", "strain", "position_maps"):
        assert_same(getattr(results, name), getattr(again, name))
    assert again.orientations.crystals[1].sites[0].element == "Ti"


def test_results_of_the_version_before_are_read(tmp_path, plain_results):
    save_results(plain_results, tmp_path / "results.h5")
    with h5py.File(tmp_path / "results.h5", "r+") as file:
        file.attrs["version"] = 2
    again = clustem.open_results(tmp_path)
    assert_same(again.averages, plain_results.averages)
    assert again.peaks is None


def test_missing_foreign_newer_and_damaged(demo_results, tmp_path):
    with pytest.raises(clustem.MissingFileError, match=r"expected a folder made by 'clustem run'"):
        clustem.open_results(tmp_path)
    path = tmp_path / "results.h5"
    with h5py.File(path, "w") as file:
        file.attrs["format"] = "other"
    with pytest.raises(clustem.InputError, match="another program"):
        clustem.open_results(tmp_path)
    save_results(demo_results, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(clustem.InputError, match="cannot be read as results"):
        clustem.open_results(tmp_path)
    path.write_bytes(whole)
    with h5py.File(path, "r+") as file:
        file.attrs["version"] = 99
    with pytest.raises(clustem.InputError, match="upgrade clustem"):
        clustem.open_results(tmp_path)
    with h5py.File(path, "r+") as file:
        file.attrs["version"] = 1
    with pytest.raises(clustem.InputError, match=r"of an earlier clustem.*run the recipe"):
        clustem.open_results(tmp_path)


def test_a_text_whose_damaged_size_leads_nowhere(demo_results, tmp_path):
    path = tmp_path / "results.h5"
    save_results(demo_results, path)
    content = bytearray(path.read_bytes())
    struct.pack_into("<Q", content, content.index(b"GCOL") + 24, 2**64 - 16)
    path.write_bytes(content)
    with pytest.raises(clustem.InputError, match="cannot be read as results"):
        clustem.open_results(tmp_path)


def test_repr_names_what_matters(demo_results):
    text = repr(demo_results)
    assert "data reduction" in text
    assert str(demo_results.domains.number) in text
