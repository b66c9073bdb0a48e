import json
from dataclasses import replace

import numpy as np
import pytest
import shapely

from clustem.results.exports import write_geojson, write_outlines
from clustem.results.exports.geojson import feature_collection


def relabelled(results, labels):
    """The same results with domains of this shape: the first ones of the averages belong to them."""
    labels = np.asarray(labels, np.int32)
    number = int(labels.max())
    first = {
        name: getattr(results.averages, name)[:number]
        for name in ("patterns", "variance", "electrons", "positions", "snr_single", "snr_domain", "chi_squared")
    }
    domains = replace(results.domains, labels=labels, tree=None, mixture=None, confidence=None, similarity=None)
    return replace(results, domains=domains, averages=replace(results.averages, **first))


def geometries(collection):
    return [shapely.geometry.shape(feature["geometry"]) for feature in collection["features"]]


def test_files_tile_what_is_assigned(demo_results, tmp_path):
    write_geojson(demo_results, tmp_path)
    step = demo_results.domains.calibration.scan_step_nm
    for name in ("outlines.geojson", "outlines_smooth.geojson"):
        shapes = geometries(json.loads((tmp_path / name).read_text()))
        assert all(shape.is_valid and shape.geom_type == "MultiPolygon" for shape in shapes)
        assert sum(shape.area for shape in shapes) == pytest.approx(shapely.union_all(shapes).area), "no overlap"
    shapes = geometries(json.loads((tmp_path / "outlines.geojson").read_text()))
    np.testing.assert_allclose([shape.area / step**2 for shape in shapes], demo_results.domains.sizes)


def test_properties_are_the_row_of_the_table(demo_results):
    features = feature_collection(demo_results, smooth=False)["features"]
    rows = demo_results.table
    assert [feature["id"] for feature in features] == rows["label"].tolist()
    assert list(features[0]["properties"]) == list(rows.columns)
    assert [feature["properties"]["positions"] for feature in features] == rows["positions"].tolist()
    assert features[0]["properties"]["snr_gain"] == pytest.approx(rows["snr_gain"][0], rel=1e-5)


@pytest.mark.parametrize("smooth", [True, False])
def test_pieces_holes_and_corners(plain_results, smooth):
    """Domain 1 has three pieces, two of them touch at a corner; 2 is a ring, with 3 in its hole."""
    labels = np.zeros((7, 9), np.int32)
    labels[0, 0] = labels[1, 1] = labels[0, 8] = 1
    labels[2:7, 2:7] = 2
    labels[3:6, 3:6] = 3
    results = relabelled(plain_results, labels)
    one, ring, core = geometries(feature_collection(results, smooth=smooth))
    assert [len(shape.geoms) for shape in (one, ring, core)] == [3, 1, 1]
    assert one.is_valid
    assert ring.is_valid
    assert len(ring.geoms[0].interiors) == 1
    assert shapely.Polygon(ring.geoms[0].interiors[0]).equals(core.geoms[0])
    for part in (*one.geoms, *ring.geoms, *core.geoms):
        assert part.exterior.is_ccw, "RFC 7946"
        assert not any(hole.is_ccw for hole in part.interiors)


def test_y_points_up_and_the_unit_is_said(plain_results, demo_results):
    labels = np.zeros((4, 8), np.int32)
    labels[3, 1] = 1
    collection = feature_collection(relabelled(plain_results, labels), smooth=False)
    assert shapely.unary_union(geometries(collection)).bounds == (0.5, -3.5, 1.5, -2.5)
    assert collection["unit"] == "position"
    assert 'LENGTHUNIT["position",1]' in collection["crs"]["properties"]["name"]
    assert "nanometre" in feature_collection(demo_results, smooth=False)["crs"]["properties"]["name"]


def test_what_does_not_exist_is_null(plain_results, tmp_path):
    write_outlines(plain_results, tmp_path)
    text = (tmp_path / "outlines.geojson").read_text()
    assert "NaN" not in text
    assert json.loads(text)["features"][0]["properties"]["mean_similarity"] is None
