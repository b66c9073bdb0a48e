import numpy as np
import pytest

from clustem import InputError, StreamingSegmenter, adjusted_rand_index, average, domain_table, segment, survey
from clustem.calibration import Calibration

from .scenes import BEAM_RADIUS, DETECTOR, MIDDLE, crystal, grains, record, vacuum

LARGE = (80, 48)
ANGLES = [7.0 * k for k in range(12)]


def streamed(scan, *, rows=5, **options):
    segmenter = StreamingSegmenter(scan.shape, **options)
    for start in range(0, len(scan), rows):
        segmenter.update(scan[start : start + rows])
    return segmenter


@pytest.fixture(scope="module")
def truth():
    return grains(LARGE, 12)


@pytest.fixture(scope="module")
def scan(truth):
    """Too many positions to be looked at as a whole."""
    return record(truth, [crystal(angle) for angle in ANGLES])


@pytest.fixture(scope="module")
def finished(scan):
    segmenter = streamed(scan)
    segmenter.finish()
    return segmenter


def test_it_ends_close_to_the_segmentation_of_the_whole(finished, scan, truth):
    domains = finished.finish()
    assert domains.number == 12
    assert adjusted_rand_index(truth, domains.labels) > 0.99
    assert adjusted_rand_index(segment(scan).labels, domains.labels) > 0.99
    assert (np.diff(domains.sizes) <= 0).all()
    assert domains.method == "noise-aware"
    assert domains.reason == "12 domains, found while the rows of the scan arrived"
    assert (finished.number, finished.rows_seen, finished.warnings) == (12, 80, ())
    assert np.array_equal(finished.labels, domains.labels)
    assert "80×48×32×32" in repr(finished)


def test_what_every_pattern_is_made_of(finished, truth):
    domains = finished.finish()
    assert (domains.mixture.labels[..., 0] == domains.labels).mean() > 0.99
    assert (np.diff(domains.mixture.fractions, axis=2) <= 0).all()
    np.testing.assert_allclose(domains.mixture.fractions.sum(axis=2), 1, atol=0.05)
    assert domains.mixture.labels.max() == 12
    assert not domains.mixture.unexplained.any()
    assert np.nanmin(domains.quality.positions[truth == truth[40, 24]]) > 0.5
    assert np.isnan(domains.quality.boundary_similarity).all()


def test_the_result_is_a_record_like_any_other(finished, scan):
    domains = finished.finish()
    table = domain_table(domains, average(scan, domains))
    assert table["positions"].sum() == scan.shape[0] * scan.shape[1]
    assert domains.merge([1, 2]).number == 11


@pytest.mark.parametrize("rows", [1, 33])
def test_how_many_rows_come_at_once_changes_nothing(finished, scan, rows):
    domains = streamed(scan, rows=rows).finish()
    expected = finished.finish()
    assert np.array_equal(domains.labels, expected.labels)
    assert domains.mixture.fractions.tobytes() == expected.mixture.fractions.tobytes()
    assert domains.quality.positions.tobytes() == expected.quality.positions.tobytes()


def test_looking_changes_nothing_and_shows_all_rows_seen(finished, scan, truth):
    segmenter = StreamingSegmenter(scan.shape)
    for start in range(0, 80, 16):
        labels = segmenter.update(scan[start : start + 16]).labels
        assert labels.shape == (start + 16, 48)
        assert labels.dtype == np.int32
        assert set(range(1, segmenter.number + 1)) == set(np.unique(labels))
        assert adjusted_rand_index(truth[: start + 16], labels) > 0.97
        assert np.array_equal(segmenter.labels, labels)
    domains = segmenter.domains()
    assert adjusted_rand_index(domains.labels, segmenter.labels) == 1
    assert np.array_equal(segmenter.finish().labels, finished.finish().labels)


def test_a_small_scan_ends_as_if_it_had_been_segmented_as_a_whole():
    labels = grains((24, 20), 4)
    scan = record(labels, [crystal(20 * k) for k in range(4)], electrons=300)
    segmenter = streamed(scan, rows=7)
    assert segmenter.domains().labels.shape == (24, 20)
    domains, expected = segmenter.finish(), segment(scan)
    assert np.array_equal(domains.labels, expected.labels)
    np.testing.assert_allclose(domains.confidence, expected.confidence)
    assert domains.reason == expected.reason
    assert domains.tree is not None


def test_domains_that_meet_further_down_become_one():
    """Two arms that are joined below row 50."""
    truth = np.zeros(LARGE, np.int64)
    truth[:50, 16:32] = 1
    scan = record(truth, [crystal(0), crystal(40)])
    segmenter = StreamingSegmenter(scan.shape).update(scan[:48])
    labels = segmenter.labels
    assert segmenter.number == 3
    assert labels[10, 5] != labels[10, 40]
    labels = segmenter.update(scan[48:]).labels
    assert segmenter.number == 2
    assert labels[10, 5] == labels[10, 40] == labels[70, 24]
    assert adjusted_rand_index(truth, segmenter.finish().labels) == 1


def test_vacuum_is_no_domain_once_crystals_are_known():
    truth = np.zeros(LARGE, np.int64)
    truth[40:70, 4:20], truth[45:65, 28:44] = 1, 2
    scan = record(truth, [vacuum(), crystal(0), crystal(30)], electrons=4000)
    segmenter = StreamingSegmenter(scan.shape).update(scan[:36])
    assert (segmenter.labels == 1).all(), "nothing to compare it with"
    domains = segmenter.update(scan[36:]).finish()
    assert np.array_equal(domains.labels == 0, truth == 0)
    assert domains.number == 2
    assert not domains.mixture.labels[:30].any()
    assert not domains.mixture.fractions[:30].any()
    assert np.isnan(domains.quality.positions[:30]).all()


@pytest.mark.parametrize("electrons", [50, 2000])
def test_one_crystal_is_one_domain(electrons):
    scan = record(np.zeros(LARGE, np.int64), [crystal(0)], electrons=electrons)
    assert (streamed(scan).finish().labels == 1).all()


def test_dead_rows_and_positions_are_in_no_domain(truth, scan):
    dead = scan.copy()
    dead[40:44], dead[:, 20:22] = 0, 0
    labels = streamed(dead).finish().labels
    use = dead.any(axis=(2, 3))
    assert not labels[~use].any()
    assert (labels[use] > 0).mean() > 0.998
    assert adjusted_rand_index(truth[:40, :20], labels[:40, :20]) > 0.98


def test_reflections_behind_a_beam_stop_are_no_beam_that_is_followed():
    """The reflection of the largest grain is the brightest disk."""
    truth = np.zeros(LARGE, np.int64)
    truth[:, 30:], truth[56:, 30:] = 1, 2
    y, x = np.indices(DETECTOR)
    disks = [np.hypot(y - MIDDLE - dy, x - MIDDLE - dx) <= 2.5 for dy, dx in ((-5, 4), (6, -3), (-4, -8))]
    scan = record(truth, [(disk / disk.sum() + 0.2 / disk.size) / 1.2 for disk in disks], electrons=300)
    assert any("beam stop" in text for text in survey(scan).warnings)
    segmenter = streamed(scan)
    assert any("beam stop" in text for text in segmenter.warnings)
    assert adjusted_rand_index(truth, segmenter.finish().labels) > 0.99


def test_a_beam_that_wanders():
    truth = grains((60, 40), 6)
    scan = record(truth, [crystal(15 * k) for k in range(6)])
    for y, x in np.ndindex(truth.shape):
        scan[y, x] = np.roll(scan[y, x], (round(2 * np.sin(y / 12)), round(2 * np.cos(x / 9))), axis=(0, 1))
    assert adjusted_rand_index(truth, streamed(scan).finish().labels) > 0.98


def test_types_of_the_same_values_agree(finished, scan):
    assert np.array_equal(streamed(scan.astype(np.float32)).finish().labels, finished.finish().labels)


def test_options_are_those_of_the_method(truth, scan):
    y, x = np.indices(DETECTOR)
    mask = np.hypot(y - MIDDLE, x - MIDDLE) > 2 * BEAM_RADIUS
    calibration = Calibration(scan_step_nm=2.0)
    domains = streamed(scan, detector_mask=mask, min_size=3, similarity=0.7, calibration=calibration).finish()
    assert adjusted_rand_index(truth, domains.labels) > 0.99
    assert (domains.parameters.similarity, domains.parameters.min_size) == (0.7, 3)
    assert domains.calibration == calibration


def test_a_scan_that_ends_early(scan, truth):
    domains = streamed(scan[:37], rows=3).finish()
    segmenter = StreamingSegmenter(scan.shape)
    for start in range(0, 37, 3):
        segmenter.update(scan[start : min(37, start + 3)])
    early = segmenter.finish()
    assert early.labels.shape == (37, 48)
    assert adjusted_rand_index(truth[:37], early.labels) > 0.98
    assert adjusted_rand_index(domains.labels, early.labels) > 0.97


def test_rows_may_be_overwritten_by_the_next_ones(finished, scan):
    segmenter, buffer = StreamingSegmenter(scan.shape), np.empty_like(scan[0])
    for row in scan:
        buffer[:] = row
        segmenter.update(buffer)
    assert np.array_equal(segmenter.finish().labels, finished.finish().labels)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            np.zeros((2, 47, *DETECTOR), np.uint16),
            r"rows: expected \(n, 48, 32, 32\), whole rows of the scan, got shape",
        ),
        (np.zeros((48, *DETECTOR[1:]), np.uint16), "rows: expected"),
        (np.zeros((81, 48, *DETECTOR), np.uint16), "the scan has 80 rows, 20 have arrived, so at most 60 can follow"),
        (np.full((1, 48, *DETECTOR), np.nan), r"expected finite values, found nan at scan position \(20, 0\)"),
        (np.zeros((1, 48, *DETECTOR), complex), "expected integer or real values"),
        ("rows", "rows: expected"),
    ],
)
def test_bad_rows_are_refused_and_change_nothing(finished, scan, rows, message):
    segmenter = StreamingSegmenter(scan.shape).update(scan[:20])
    with pytest.raises(InputError, match=message):
        segmenter.update(rows)
    assert segmenter.rows_seen == 20
    assert np.array_equal(segmenter.update(scan[20:]).finish().labels, finished.finish().labels)


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((4, 4, 32), {}, "shape: expected"),
        ((4, 0, 32, 32), {}, "shape: expected"),
        ((4, 4, 1, 32), {}, "shape: expected"),
        ((4, 4.5, 32, 32), {}, "shape: expected"),
        (7, {}, "shape: expected"),
        ((4, 4, 32, 32), {"similarity": 1.5}, "similarity: expected"),
        ((4, 4, 32, 32), {"min_size": 0}, "min_size: expected"),
        ((4, 4, 32, 32), {"detector_mask": np.ones((3, 3))}, "detector_mask: expected"),
    ],
)
def test_bad_options_are_refused(shape, options, message):
    with pytest.raises(InputError, match=message):
        StreamingSegmenter(shape, **options)


def test_nothing_has_arrived():
    segmenter = StreamingSegmenter((4, 4, 32, 32))
    assert segmenter.labels.shape == (0, 4)
    assert segmenter.number == 0
    for end in (segmenter.finish, segmenter.domains):
        with pytest.raises(InputError, match="none have arrived yet"):
            end()
    assert segmenter.update(np.zeros((0, 4, 32, 32), np.uint16)).rows_seen == 0


def test_a_detector_that_counts_nothing():
    """The rows that would settle that are refused; it may come to life."""
    scan = record(np.zeros(LARGE, np.int64), [crystal(0)])
    segmenter = StreamingSegmenter(scan.shape).update(np.zeros_like(scan[:40]))
    with pytest.raises(InputError, match="empty"):
        segmenter.update(np.zeros_like(scan[40:]))
    assert segmenter.rows_seen == 40
    labels = segmenter.update(scan[40:]).finish().labels
    assert not labels[:40].any()
    assert (labels[40:] == 1).all()


def test_no_row_follows_the_end(finished, scan):
    with pytest.raises(InputError, match="the segmentation is finished"):
        finished.update(scan[:1])
