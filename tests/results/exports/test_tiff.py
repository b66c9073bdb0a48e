from dataclasses import replace

import numpy as np
import pytest
import tifffile

from clustem.averaging import DarkFields
from clustem.calibration import Calibration
from clustem.results.exports import write_dark_fields, write_labels, write_tiff


def read(path):
    """Image, spacing (y, x), and what ImageJ is told."""
    with tifffile.TiffFile(path) as file:
        tags = file.pages[0].tags
        assert "DateTime" not in tags
        spacing = [tags[name].value[1] / tags[name].value[0] for name in ("YResolution", "XResolution")]
        return file.asarray(), spacing, file.imagej_metadata


def test_labels_in_nm(demo_results, tmp_path):
    step = (0.4, 0.8)
    calibration = replace(demo_results.domains.calibration, scan_step_nm=step)
    write_labels(replace(demo_results, domains=replace(demo_results.domains, calibration=calibration)), tmp_path)
    image, spacing, told = read(tmp_path / "labels.tif")
    assert image.dtype == np.uint16
    np.testing.assert_array_equal(image, demo_results.domains.labels)
    assert spacing == pytest.approx(step, rel=1e-5)
    assert told["unit"] == "nm"


def test_more_domains_than_sixteen_bits_hold(plain_results, tmp_path):
    labels = np.arange(1, 2**16 + 1, dtype=np.int32).reshape(256, 256)
    write_labels(replace(plain_results, domains=replace(plain_results.domains, labels=labels)), tmp_path)
    image, _, _ = read(tmp_path / "labels.tif")
    np.testing.assert_array_equal(image, labels)


def test_averages_in_inverse_nm_and_named(demo_results, tmp_path):
    write_tiff(demo_results, tmp_path)
    averages = demo_results.averages
    image, spacing, told = read(tmp_path / "averages.tif")
    np.testing.assert_array_equal(image, averages.patterns)
    assert spacing == pytest.approx([10 * averages.calibration.inv_angstrom_per_px] * 2, rel=1e-5)
    assert told["unit"] == "1/nm"
    assert told["Labels"][0] == f"domain 1, {averages.positions[0]} positions"


def test_maps_are_the_images_of_the_scan(demo_results, tmp_path):
    write_tiff(demo_results, tmp_path)
    names = {path.stem for path in (tmp_path / "maps").iterdir()}
    assert names == {"total", "bright_field", "annular_dark_field", "confidence", "largest_share"}
    total, _, told = read(tmp_path / "maps" / "total.tif")
    np.testing.assert_allclose(total, demo_results.survey.total, rtol=1e-6)
    assert told["unit"] == "nm"
    confidence, _, _ = read(tmp_path / "maps" / "confidence.tif")
    domains = demo_results.domains
    np.testing.assert_allclose(confidence[domains.labels == 2], domains.confidence[1], rtol=1e-6)


def test_not_calibrated_is_a_pixel(plain_results, tmp_path):
    write_labels(plain_results, tmp_path)
    _, spacing, told = read(tmp_path / "labels.tif")
    assert spacing == [1, 1]
    assert told.get("unit", "pixel") == "pixel"
    assert plain_results.domains.calibration == Calibration()


def test_dark_fields(demo_results, tmp_path):
    number, shape = demo_results.domains.number, demo_results.domains.labels.shape
    images = np.arange(number * np.prod(shape), dtype=float).reshape(number, *shape)
    apertures = demo_results.averages.patterns > 10
    write_dark_fields(demo_results, DarkFields(images, apertures), tmp_path)
    np.testing.assert_array_equal(read(tmp_path / "dark_fields.tif")[0], images.astype(np.float32))
    np.testing.assert_array_equal(read(tmp_path / "apertures.tif")[0], apertures * 255)
