from dataclasses import replace

import numpy as np
import pytest

import clustem
from clustem.averaging._kernels import sum_in_apertures
from clustem.averaging.dark_field import find_apertures
from clustem.computing import execution

LABELS = np.repeat([[1, 1, 1, 1, 2, 2, 2, 2]], 6, axis=0)
SPOTS = {1: (18, 32), 2: (30, 18)}  # of a beam at (18, 18)
Y, X = np.indices((37, 39))


def counts_of(labels, moves=None):
    """Direct beam and a spot per label, each of 3 px; moved by `moves` (Y, X, 2)."""
    moves = np.zeros((*labels.shape, 2), int) if moves is None else moves
    expected = np.full((*labels.shape, *Y.shape), 0.05)
    for y, x in np.ndindex(labels.shape):
        for centre, height in (((18, 18), 30.0), (SPOTS.get(labels[y, x], (18, 18)), 5.0)):
            there = np.add(centre, moves[y, x])
            expected[y, x] += height * (np.hypot(Y - there[0], X - there[1]) <= 3)
    return np.random.default_rng(1).poisson(expected).astype(np.uint16)


def made(counts, labels=LABELS):
    scan = clustem.open_scan(counts)
    survey = clustem.survey(scan)
    domains = clustem.segment(scan, survey=survey, method="labels", labels=labels)
    return scan, survey, clustem.average(scan, domains, survey=survey)


@pytest.fixture(scope="module")
def still():
    return made(counts_of(LABELS))


def test_apertures_are_the_spots_of_the_domain(still):
    _, survey, averages = still
    for aperture, spot in zip(find_apertures(averages, survey), SPOTS.values(), strict=True):
        distance = np.hypot(Y - spot[0], X - spot[1])
        assert aperture[distance <= 2].all()
        assert not aperture[distance > 5.5].any()


def test_an_image_is_the_sum_of_the_counts_and_bright_in_its_domain(still):
    scan, survey, averages = still
    found = clustem.dark_fields(scan, averages, survey=survey)
    counts = np.asarray(scan).astype(float)
    for image, aperture in zip(found.images, found.apertures, strict=True):
        np.testing.assert_array_equal(image, (counts * (aperture & survey.detector_mask)).sum((2, 3)))
    for label, image in enumerate(found.images, start=1):
        assert image[label == LABELS].min() > 5 * image[label != LABELS].max()
    assert "2 domains" in repr(found)


def test_apertures_move_with_the_beam():
    moves = np.zeros((*LABELS.shape, 2), int)
    moves[..., 1] = np.arange(8) - 4
    scan, survey, averages = made(counts_of(LABELS, moves))
    assert np.ptp(survey.descan_px[..., 1]) > 6
    found = clustem.dark_fields(scan, averages, survey=survey)
    for label, image in enumerate(found.images, start=1):
        inside = image[label == LABELS]
        assert inside.min() > 0.7 * inside.max()
        assert inside.min() > 5 * image[label != LABELS].max()


def test_the_only_domain_is_compared_with_its_rings():
    labels = np.ones((4, 4), int)
    _, survey, averages = made(counts_of(labels), labels)
    (aperture,) = find_apertures(averages, survey)
    assert aperture[SPOTS[1]]
    assert not aperture[SPOTS[2]]


def test_without_a_spot_it_is_not_a_number():
    labels = np.where(LABELS == 1, 3, LABELS)  # 3 has no spot of its own
    scan, survey, averages = made(counts_of(labels), LABELS)
    found = clustem.dark_fields(scan, averages, survey=survey)
    empty = ~found.apertures.any((1, 2))
    assert empty[0]
    assert np.isnan(found.images[0]).all()
    assert np.isfinite(found.images[1]).all()


def test_blocks_threads_and_survey_do_not_matter(still):
    scan, survey, averages = still
    once = clustem.dark_fields(scan, averages, survey=survey).images
    np.testing.assert_array_equal(clustem.dark_fields(np.asarray(scan), averages).images, once)
    tall = np.tile(np.asarray(scan), (24, 1, 1, 1))
    of_tall = clustem.survey(tall)
    whole = clustem.dark_fields(tall, averages, survey=of_tall).images
    with execution(memory=2**20, threads=2):
        np.testing.assert_array_equal(clustem.dark_fields(tall, averages, survey=of_tall).images, whole)
    wide = np.tile(np.asarray(scan), (1, 24, 1, 1))
    of_wide = clustem.survey(wide)
    whole = clustem.dark_fields(wide, averages, survey=of_wide).images
    with execution(memory=2**20, threads=2):
        np.testing.assert_array_equal(clustem.dark_fields(wide, averages, survey=of_wide).images, whole)


def test_averages_of_another_scan(still):
    scan, survey, averages = still
    with pytest.raises(clustem.InputError, match=r"averages: expected patterns of \(37, 39\)"):
        clustem.dark_fields(scan, replace(averages, patterns=averages.patterns[:, 1:]), survey=survey)


@pytest.mark.parametrize("kernel", [sum_in_apertures, sum_in_apertures.py_func])
def test_kernel_by_hand(kernel):
    patterns = np.arange(2 * 3 * 3).reshape(2, 3, 3)
    places, starts = np.array([[0, 0], [2, 2], [1, 1]]), np.array([0, 2, 3, 3])
    use = np.ones((3, 3), bool)
    use[1, 1] = False
    sums = np.full((2, 3), np.nan)
    kernel(patterns, places, starts, np.array([[0, 0], [1, 0]]), use, sums)
    # the first as it is; in the second (0, 0) moves to (1, 0), (2, 2) out of the detector, (1, 1) to (2, 1)
    assert sums.tolist() == [[8, 0, 0], [12, 16, 0]]
