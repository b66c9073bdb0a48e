from pathlib import Path

import numpy as np
import pytest

from clustem.calibration import Calibration
from clustem.errors import InputError, MissingFileError
from clustem.formats import open_scan
from clustem.segmentation import Domains, LabelsParameters, PublishedParameters, segment
from clustem.surveying import survey

COUNTS = np.random.default_rng(0).poisson(8, (5, 6, 8, 8)).astype(np.uint16)


PUBLISHED = {"method": "published"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "magic"}, "method: expected one of noise-aware, published, labels, got 'magic'"),
        (
            PUBLISHED | {"threshold": 1},
            r"threshold: expected a cosine similarity between -1 and 1 \(both excluded\), got 1",
        ),
        (PUBLISHED | {"threshold": -1.0}, "threshold: expected a cosine similarity"),
        (PUBLISHED | {"threshold": np.nan}, "threshold: expected a cosine similarity"),
        (PUBLISHED | {"threshold": "0.5"}, "threshold: expected a cosine similarity"),
        (PUBLISHED | {"threshold": True}, "threshold: expected a cosine similarity"),
        (PUBLISHED | {"smooth_sigma": -1}, "smooth_sigma: expected a number of at least 0, got -1"),
        (PUBLISHED | {"smooth_sigma": np.inf}, "smooth_sigma: expected a number of at least 0"),
        (PUBLISHED | {"smooth_sigma": "1"}, "smooth_sigma: expected a number"),
        ({"min_size": 0}, "min_size: expected a whole number of positions of at least 1 and below 2147483648, got 0"),
        ({"min_size": 10**20}, "min_size: expected a whole number"),
        ({"min_size": 2.5}, "min_size: expected a whole number"),
        ({"min_size": True}, "min_size: expected a whole number"),
        (PUBLISHED | {"min_size": 0}, "min_size: expected a whole number"),
        ({"similarity": 0}, r"similarity: expected a number between 0 and 1 \(both excluded\), got 0"),
        ({"similarity": 1.0}, "similarity: expected a number between 0 and 1"),
        ({"similarity": np.nan}, "similarity: expected a number between 0 and 1"),
        ({"similarity": "0.5"}, "similarity: expected a number between 0 and 1"),
        ({"similarity": True}, "similarity: expected a number between 0 and 1"),
        (PUBLISHED | {"border": "open"}, "border: expected 'full' or 'published', got 'open'"),
        (PUBLISHED | {"prefilter": "yes"}, "prefilter: expected True or False, got 'yes'"),
        (PUBLISHED | {"prefilter": 1}, "prefilter: expected True or False, got 1"),
        (PUBLISHED | {"prefilter": True}, "edge: a frame of 12 px leaves nothing of the 8×8 detector"),
        ({"scan_mask": np.zeros((5, 6))}, "scan_mask: selects nothing"),
        (PUBLISHED | {"scan_mask": np.zeros((5, 6))}, "scan_mask: selects nothing"),
        ({"scan_mask": np.ones((6, 5))}, r"scan_mask: expected an image of shape \(5, 6\), got \(6, 5\)"),
        ({"detector_mask": np.ones((5, 6))}, r"detector_mask: expected an image of shape \(8, 8\), got \(5, 6\)"),
        (
            {"labels": np.ones((5, 6), int)},
            "labels: method 'noise-aware' has no such option; choose method 'labels', or leave it out",
        ),
        ({"method": "labels"}, "labels: method 'labels' needs a label image"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        segment(COUNTS, **options)


@pytest.mark.parametrize(
    ("name", "value", "owners"),
    [
        ("similarity", 0.5, "'noise-aware'"),
        ("threshold", 0.5, "'published'"),
        ("smooth_sigma", 1.0, "'published'"),
        ("min_size", 4, "'noise-aware' or 'published'"),
        ("border", "published", "'published'"),
        ("prefilter", True, "'published'"),
        ("detector_mask", np.ones((8, 8)), "'noise-aware' or 'published'"),
        ("scan_mask", np.ones((5, 6)), "'noise-aware' or 'published'"),
    ],
)
def test_options_of_another_method(name, value, owners):
    message = f"{name}: method 'labels' has no such option; choose method {owners}, or leave it out$"
    with pytest.raises(InputError, match=message):
        segment(COUNTS, method="labels", labels=np.ones((5, 6), int), **{name: value})
    if owners != "'published'":
        return
    with pytest.raises(
        InputError, match=f"{name}: method 'noise-aware' has no such option; choose method 'published', or "
    ):
        segment(COUNTS, **{name: value})


def test_the_similarity_belongs_to_the_default():
    with pytest.raises(InputError, match="similarity: method 'published' has no such option; choose method 'noise"):
        segment(COUNTS, method="published", similarity=0.5)


def test_labels_are_renumbered_in_rising_order():
    image = np.zeros((5, 6), np.uint16)
    image[0], image[1], image[2:4] = 700, 3, 12
    domains = segment(open_scan(COUNTS, calibration=Calibration(scan_step_nm=2)), method="labels", labels=image)
    assert domains.labels.dtype == np.int32
    assert domains.labels[:, 0].tolist() == [3, 1, 2, 2, 0]
    assert domains.sizes.tolist() == [6, 12, 6]
    assert (domains.method, domains.parameters, domains.tree) == ("labels", LabelsParameters(), None)
    assert domains.calibration == Calibration(scan_step_nm=2)


def test_labels_without_unassigned_positions_and_of_whole_real_numbers():
    image = np.tile([2.0, 5.0, 9.0], (5, 2))
    assert segment(COUNTS, method="labels", labels=image).labels[0].tolist() == [1, 2, 3, 1, 2, 3]
    assert (segment(COUNTS, method="labels", labels=np.ones((5, 6), bool)).labels == 1).all()


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.full((5, 6), 0.5), "labels: expected whole numbers from 0"),
        (np.full((5, 6), -1), "labels: expected whole numbers from 0"),
        (np.full((5, 6), np.nan), "labels: expected whole numbers from 0"),
        (np.full((5, 6), np.inf), "labels: expected whole numbers from 0"),
        (np.zeros((5, 6), int), "labels: the image is 0 everywhere"),
        (np.ones((6, 5), int), r"labels: expected shape \(5, 6\) as the scan, got \(6, 5\)"),
        (np.ones(30, int), "labels: expected a two-dimensional image of numbers"),
        (np.full((5, 6), "a"), "labels: expected a two-dimensional image of numbers"),
    ],
)
def test_label_images_that_do_not_fit(image, message):
    with pytest.raises(InputError, match=message):
        segment(COUNTS, method="labels", labels=image)


@pytest.mark.parametrize("ending", ["npy", "tif", "png"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_label_images_from_files(tmp_path, ending, dtype):
    image = np.repeat(np.array([0, 1, 2, 7, 200], dtype)[:, None], 6, axis=1)
    path = tmp_path / f"labels.{ending}"
    if ending == "npy":
        np.save(path, image)
    else:
        from skimage.io import imsave

        imsave(path, image, check_contrast=False)
    assert segment(COUNTS, method="labels", labels=path).labels[:, 0].tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(MissingFileError, match="labels: there is no file"):
        segment(COUNTS, method="labels", labels=Path("nowhere.png"))


def test_positions_out_of_use_are_unassigned():
    mask = np.ones((5, 6), bool)
    mask[:2, :4] = False
    domains = segment(COUNTS, **PUBLISHED, scan_mask=mask, min_size=1, threshold=-0.99)
    assert np.array_equal(domains.labels > 0, mask)
    assert np.array_equal(domains.tree.usable, mask)


@pytest.mark.parametrize("border", ["full", "published"])
def test_a_wall_out_of_use_divides_what_is_alike(border):
    alike = np.broadcast_to(COUNTS[0, 0], (7, 11, 8, 8))
    mask = np.ones((7, 11), bool)
    mask[:, 5] = False
    labels = segment(alike, **PUBLISHED, scan_mask=mask, threshold=0.5, border=border).labels
    assert labels.max() == 2
    assert len({int(labels[3, 3]), int(labels[3, 7])}) == 2
    assert not labels[:, 5].any()


@pytest.mark.parametrize("border", ["full", "published"])
@pytest.mark.parametrize("dead", [0, np.nan])
def test_dead_patterns_never_join(border, dead):
    counts = COUNTS.astype(np.float32)
    counts[2, 3] = dead
    labels = segment(counts, **PUBLISHED, threshold=-0.99, min_size=1, border=border).labels
    assert labels[2, 3] == 0
    assert (labels > 0).sum() == 29


@pytest.mark.parametrize("shape", [(1, 9), (9, 1), (2, 2)])
def test_narrow_scans(shape):
    counts = np.random.default_rng(1).poisson(8, (*shape, 8, 8)).astype(np.uint16)
    domains = segment(counts, **PUBLISHED, threshold=-0.99, min_size=1)
    assert (domains.labels == 1).all()
    for method in ("noise-aware", "published"):
        assert segment(counts, method=method).labels.shape == shape
    published = segment(counts, **PUBLISHED, threshold=-0.99, min_size=1, border="published")
    assert published.number == np.prod(shape), "all are in the frame"


def test_a_scan_of_one_position_has_nothing_to_compare():
    domains = segment(COUNTS[:1, :1], **PUBLISHED)
    assert domains.labels.tolist() == [[0]]
    assert domains.labels.dtype == np.int32
    assert "no two neighbours could be compared" in domains.reason
    assert np.isnan(domains.similarity).all()
    assert any(text.startswith("No cluster reaches 5 positions") for text in domains.warnings)


def test_types_and_the_table():
    domains = segment(COUNTS, **PUBLISHED, threshold=0.0, min_size=2)
    assert isinstance(domains, Domains)
    assert domains.labels.dtype == np.int32
    assert domains.parameters == PublishedParameters(threshold=0.0, min_size=2)
    assert np.array_equal(domains.sizes, np.bincount(domains.labels.ravel())[1:])
    assert domains.number == len(domains.sizes)
    assert "threshold 0, as given" in repr(domains)


def test_numbers_of_numpy_are_plain_parameters():
    parameters = PublishedParameters(threshold=np.float32(0.5), smooth_sigma=np.int64(1), min_size=np.int64(3))
    assert (parameters.threshold, parameters.smooth_sigma, parameters.min_size) == (0.5, 1.0, 3)
    assert [type(v) for v in (parameters.threshold, parameters.smooth_sigma, parameters.min_size)] == [
        float,
        float,
        int,
    ]
    assert parameters.with_threshold(0.25) == PublishedParameters(threshold=0.25, smooth_sigma=1, min_size=3)


@pytest.mark.parametrize("method", ["noise-aware", "published"])
def test_the_survey_of_another_scan(method):
    data = np.random.default_rng(0).poisson(5, (6, 7, 16, 16)).astype(np.uint16)
    with pytest.raises(InputError, match=r"survey: is of a scan of shape \(5, 7, 16, 16\), expected \(6, 7, 16, 16\)"):
        segment(data, method=method, survey=survey(data[:5]))
