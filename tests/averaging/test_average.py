from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import erfc

from clustem.averaging import Averages, average, averaging
from clustem.averaging._kernels import add_patterns, add_shifted, add_whole, measure_signal, measure_whole
from clustem.averaging.averaging import example_positions
from clustem.calibration import Calibration
from clustem.errors import InputError
from clustem.formats import open_scan
from clustem.passes import execution
from clustem.scan import Scan
from clustem.segmentation import segment
from clustem.surveying import survey

LABELS = np.zeros((10, 12), np.int32)
LABELS[:5, :6], LABELS[:, 7:], LABELS[7:, :4], LABELS[9, 5] = 1, 2, 3, 4
DETECTOR = (36, 38)


def disk(centre, radius, height):
    y, x = np.indices(DETECTOR)
    return height * 0.5 * erfc(np.hypot(y - centre[0], x - centre[1]) - radius)


def counts_of(labels=LABELS, *, path=None, dose=1.0, seed=0):
    """Counts: a direct beam at `path` (Y, X, 2), which stands still without it, and a spot for every label."""
    generator = np.random.default_rng(seed)
    path = np.broadcast_to((17.0, 18.0), (*labels.shape, 2)) if path is None else path
    counts = np.empty((*labels.shape, *DETECTOR), np.uint16)
    for y, x in np.ndindex(labels.shape):
        cy, cx = path[y, x]
        angle = 1.5 * labels[y, x]
        expected = disk((cy, cx), 3.0, 20) + 0.2
        expected += disk((cy + 10 * np.sin(angle), cx + 10 * np.cos(angle)), 2.0, 8)
        counts[y, x] = generator.poisson(dose * expected)
    return counts


def ramp(shape=(10, 12), amplitude=2.0):
    y, x = np.meshgrid(np.linspace(-1, 1, shape[0]), np.linspace(-1, 1, shape[1]), indexing="ij")
    return np.stack([17 + amplitude * y, 18 + amplitude * (0.5 * y - x)], axis=-1)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.uint32, np.float32, np.float64])
def test_means_and_variances_are_those_of_numpy(dtype):
    counts = counts_of().astype(dtype)
    found = average(counts, LABELS)
    assert found.patterns.dtype == found.variance.dtype == np.float32
    for k in range(4):
        members = counts[k + 1 == LABELS].astype(float)
        assert np.array_equal(found.patterns[k], members.mean(0).astype(np.float32))
        if len(members) > 1:
            np.testing.assert_allclose(found.variance[k], members.var(0, ddof=1), rtol=1e-5, atol=1e-6)
        else:
            assert np.isnan(found.variance[k]).all()
        assert found.electrons[k] == members.sum()
    assert found.positions.tolist() == [30, 50, 12, 1]
    assert found.margin_px == 0
    assert found.bytes_in == counts.nbytes
    assert found.bytes_out == 4 * 36 * 38 * 4 + 10 * 12 * 4
    assert found.data_reduction == found.bytes_in / found.bytes_out
    assert found.warnings == ()


@pytest.mark.parametrize("moves", [False, True])
def test_one_pattern_explains_a_domain_and_not_two(moves):
    """χ²/n is 1 inside of a grain, also after moving by fractions of px, and more where two share a label."""
    counts = counts_of(path=ramp() if moves else None)
    apart = average(counts, LABELS).chi_squared
    np.testing.assert_allclose(apart[:3], 1, atol=0.15 if moves else 0.05)
    assert np.isnan(apart[3])
    together = average(counts, (LABELS > 0).astype(np.int32)).chi_squared
    assert together[0] > 1.3


def test_chi_squared_is_variance_over_noise_by_hand():
    counts = counts_of()
    gained = average(3 * counts, LABELS, survey=survey(3 * counts, gain=6.0)).chi_squared
    members = counts[LABELS == 2].astype(float)
    y, x = np.indices(DETECTOR)
    outside = np.hypot(y - 17, x - 18) > 1.5 * survey(counts).beam_radius_px
    expected = 9 * members.var(0, ddof=1)[outside].sum() / (6 * 3 * members.mean(0)[outside].sum())
    assert gained[1] == pytest.approx(expected, rel=0.02)


def test_real_numbers_on_a_high_floor_keep_their_variance():
    """float32 must not be squared in float32."""
    counts = counts_of()
    found = average((counts + 10_000).astype(np.float32), LABELS)
    for k in range(3):
        np.testing.assert_allclose(found.variance[k], counts[k + 1 == LABELS].var(0, ddof=1), rtol=1e-5, atol=1e-5)


def test_domains_labels_and_scans_are_taken_alike():
    counts = counts_of()
    domains = segment(counts, method="labels", labels=LABELS)
    scan = open_scan(counts, calibration=Calibration(scan_step_nm=2))
    first, other = average(counts, LABELS.astype(np.uint8)), average(scan, domains, survey=survey(scan))
    assert np.array_equal(first.patterns, other.patterns)
    assert np.array_equal(first.snr_domain, other.snr_domain)
    assert other.calibration == Calibration(scan_step_nm=2)


def test_several_reads_give_the_same(monkeypatch):
    counts = counts_of(path=ramp())
    for moved in (True, False):
        whole = average(counts, LABELS, centre=moved)
        stages = []
        with execution(observer=lambda stage, done, *_: stages.append((stage, done))):  # noqa: B023
            monkeypatch.setattr(averaging, "_SUMS_BYTES", 16 * 36 * 38 * 3)
            parts = average(counts, LABELS, centre=moved)
        monkeypatch.undo()
        assert stages.count(("averages", 0)) == 2
        for name in ("patterns", "variance", "electrons", "snr_single", "snr_domain", "examples", "example_positions"):
            assert np.array_equal(getattr(whole, name), getattr(parts, name), equal_nan=True), name
        assert whole.warnings == parts.warnings


@pytest.mark.parametrize("moved", [True, False])
def test_the_same_for_any_block_size_and_number_of_threads(moved):
    counts = counts_of(path=ramp())
    results = []
    for memory, threads in [(2**20, 1), (2**20, 2), (2**29, 2)]:
        with execution(memory=memory, threads=threads):
            found = average(counts, LABELS, centre=moved)
        results.append([getattr(found, name).tobytes() for name in ("patterns", "variance", "electrons", "snr_domain")])
    assert results[0] == results[1] == results[2]


def test_moving_keeps_every_count():
    counts = counts_of(path=ramp())
    found = average(counts, LABELS)
    assert found.margin_px == 2 or found.margin_px == 3
    np.testing.assert_allclose(found.patterns.sum((1, 2), dtype=float) * found.positions, found.electrons, rtol=1e-6)
    np.testing.assert_allclose(found.electrons, [counts[k == LABELS].sum() for k in (1, 2, 3, 4)], rtol=1e-12)


def test_moving_brings_the_patterns_together():
    """Spots of a moving beam are where a steady one has them, within the smoothed descan's error."""
    labels = np.ones((10, 12), np.int32)
    counts = counts_of(labels, path=ramp())
    found = survey(counts)
    moved, left = (average(counts, labels, survey=found, centre=centre) for centre in (True, False))

    def place(pattern):
        """Centre of mass and spread of the spot of label 1, about the beam."""
        y, x = np.indices(DETECTOR)
        spot = np.array([10 * np.sin(1.5), 10 * np.cos(1.5)]) + moved.centre_px
        weight = np.clip(pattern - 0.3, 0, None) * (np.hypot(y - spot[0], x - spot[1]) < 6)
        centre = np.array([(weight * y).sum(), (weight * x).sum()]) / weight.sum()
        spread = (weight * ((y - centre[0]) ** 2 + (x - centre[1]) ** 2)).sum() / weight.sum()
        return centre - spot, spread

    error, spread = place(moved.patterns[0])
    assert np.abs(error).max() < 0.15
    steady = average(counts_of(labels), labels)
    assert spread < place(steady.patterns[0])[1] * 1.2
    assert place(left.patterns[0])[1] > spread * 1.3
    np.testing.assert_allclose(moved.centre_px, (17, 18), atol=0.15)
    assert left.margin_px == 0
    assert np.array_equal(left.patterns[0], counts.mean((0, 1)).astype(np.float32))


def test_bad_pixels_are_filled_also_where_patterns_move():
    for path in (None, ramp()):
        clean = counts_of(path=path)
        counts = clean.copy()
        counts[..., 5, 30] += 500
        found = survey(counts)
        assert np.argwhere(found.hot_pixels).tolist() == [[5, 30]]
        filled, expected = average(counts, LABELS, survey=found), average(clean, LABELS, survey=survey(clean))
        assert filled.patterns[:, 5, 30].max() < 1
        assert np.abs(filled.patterns[:3] - expected.patterns[:3])[:, 2:9, 27:34].max() < 0.5
        np.testing.assert_allclose(filled.electrons, expected.electrons, rtol=1e-3)
        assert np.isfinite(filled.variance[:3]).all()
        assert filled.examples[0].max() >= 500, "examples are raw"


def test_a_pixel_masked_by_the_file_is_filled():
    counts = counts_of()
    mask = np.ones(DETECTOR, bool)
    mask[17, 18] = False
    found = average(Scan(counts.shape, counts.dtype, lambda a, b: counts[a:b], detector_mask=mask), LABELS)
    near = [found.patterns[:, y, x] for y in range(15, 20) for x in range(16, 21) if (y, x) != (17, 18)]
    np.testing.assert_allclose(found.patterns[:, 17, 18], np.median(near, axis=0), rtol=1e-6)
    assert found.electrons[0] == counts[LABELS == 1][:, mask].sum()


def test_examples_are_single_patterns_from_deep_inside():
    counts = counts_of()
    found = average(counts, LABELS)
    assert found.examples.dtype == np.uint16
    for k, (y, x) in enumerate(found.example_positions):
        assert LABELS[y, x] == k + 1
        assert np.array_equal(found.examples[k], counts[y, x])
    assert found.example_positions[3].tolist() == [9, 5]
    inner = np.array(
        [[LABELS[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2].min() for x in range(12)] for y in range(10)]
    )
    for k in (1, 2):
        y, x = found.example_positions[k - 1]
        assert inner[y, x] == k


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.integers(1, 8), st.integers(1, 4))
def test_example_positions_are_farthest_from_other_labels(seed, height, width, number):
    """By brute force: the distance to the nearest position of another label, or of the domain's own boundary."""
    labels = np.random.default_rng(seed).integers(0, number + 1, (height, width)).astype(np.int32)
    labels = np.unique(np.append(labels, 0), return_inverse=True)[1][:-1].reshape(height, width).astype(np.int32)
    places = example_positions(labels)
    assert places.shape == (labels.max(), 2)
    padded = np.pad(labels, 1, mode="edge")
    cross = [padded[1:-1, :-2], padded[1:-1, 2:], padded[:-2, 1:-1], padded[2:, 1:-1]]
    boundary = np.argwhere(np.any([part != labels for part in cross], axis=0))
    for k, (y, x) in enumerate(places, start=1):
        assert labels[y, x] == k
        if len(boundary):
            depth = {
                (int(v), int(u)): np.hypot(boundary[:, 0] - v, boundary[:, 1] - u).min()
                for v, u in np.argwhere(labels == k)
            }
            assert depth[int(y), int(x)] == max(depth.values())


def thinned(patterns, mask, generator, draws=120):
    """SNR from halves that are really drawn, of the sum over patterns (n, pixels) of covariance and variance."""
    covariance, variance = 0.0, 0.0
    for pattern in patterns[:, mask]:
        for _ in range(draws):
            half = generator.binomial(pattern, 0.5)
            other = pattern - half
            covariance += np.cov(half, other)[0, 1]
            variance += (half.var(ddof=1) + other.var(ddof=1)) / 2
    reliability = covariance / variance
    return np.sqrt(2 * reliability / (1 - reliability))


def test_signal_to_noise_against_thinning(monkeypatch):
    counts = counts_of(dose=2.0)
    found_survey = survey(counts)
    found = average(counts, LABELS, survey=found_survey)
    y, x = np.indices(DETECTOR)
    centre, radius = found_survey.centre_px, found_survey.beam_radius_px
    outside = np.hypot(y - centre[0], x - centre[1]) > 1.5 * radius + 1
    generator = np.random.default_rng(0)
    for k in range(4):
        members = counts[k + 1 == LABELS].astype(np.int64)
        assert found.snr_single[k] == pytest.approx(thinned(members[:12], outside, generator, 40), rel=0.08)
        assert found.snr_domain[k] == pytest.approx(thinned(members.sum(0)[None], outside, generator), rel=0.05)
    np.testing.assert_allclose(found.snr_gain[:3], np.sqrt(found.positions[:3]), rtol=0.1)
    assert found.snr_gain[3] == pytest.approx(1)
    assert "signal-to-noise gain" in repr(found)


def test_signal_to_noise_of_moved_patterns_against_thinning():
    """Halves are drawn from the raw counts and then averaged alike; moving by fractions lowers the noise of a pixel."""
    labels = np.ones((10, 12), np.int32)
    steady = average(counts_of(labels), labels)
    counts = counts_of(labels, path=ramp())
    found = survey(counts)
    moved = average(counts, labels, survey=found)
    assert moved.margin_px > 0
    assert moved.warnings == ()
    assert moved.snr_single[0] == pytest.approx(steady.snr_single[0], rel=0.1)
    y, x = np.indices(DETECTOR)
    reach = 1.5 * found.beam_radius_px + 1 + np.hypot(*np.moveaxis(found.descan_px, -1, 0)).max()
    outside = np.hypot(y - found.centre_px[0], x - found.centre_px[1]) > reach
    generator = np.random.default_rng(0)
    covariance, variance = 0.0, 0.0
    for _ in range(12):
        half = generator.binomial(counts, 0.5).astype(np.uint16)
        a, b = (average(part, labels, survey=found).patterns[0][outside] for part in (half, counts - half))
        covariance += np.cov(a, b)[0, 1]
        variance += (a.var(ddof=1) + b.var(ddof=1)) / 2
    reliability = covariance / variance
    assert moved.snr_domain[0] == pytest.approx(np.sqrt(2 * reliability / (1 - reliability)), rel=0.07)


def test_noise_without_signal_has_a_ratio_near_zero():
    counts = np.random.default_rng(0).poisson(2.0, (8, 8, 20, 20))
    found = average(counts, np.ones((8, 8), int))
    assert found.snr_single[0] < 0.15
    assert found.snr_domain[0] < 0.5


@pytest.mark.parametrize("change", [lambda c: 7 * c + 40, lambda c: 0.37 * c], ids=["gain and offset", "fractions"])
def test_values_that_are_no_counts_are_judged_by_their_scatter(change):
    counts = counts_of(dose=2.0)
    plain, scaled = average(counts, LABELS), average(change(counts), LABELS)
    assert plain.warnings == ()
    assert len(scaled.warnings) == 1
    assert "the values are not plain electron counts" in scaled.warnings[0]
    np.testing.assert_allclose(scaled.snr_single[:3], plain.snr_single[:3], rtol=0.1)
    np.testing.assert_allclose(scaled.snr_domain[:3], plain.snr_domain[:3], rtol=0.1)
    assert np.isnan(scaled.snr_single[3]), "one position has no scatter"
    np.testing.assert_allclose(scaled.electrons, [change(counts)[k == LABELS].sum() for k in (1, 2, 3, 4)])


@pytest.mark.parametrize("positions", [2, 3, 5, 10, 40])
@pytest.mark.parametrize("dose", [0.3, 10.0])
def test_small_domains_of_counts_are_counts(positions, dose):
    counts = counts_of(np.ones((10, 12), np.int32), dose=dose)
    found = average(counts, (np.arange(120) // positions + 1).reshape(10, 12))
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.where(LABELS == 2, 5, LABELS), "there is no position with label 2"),
        (np.where(LABELS == 4, 10**9, LABELS), "there is no position with label 4"),
        (LABELS - 1, r"labels must be 0 \(unassigned\) or positive"),
        (LABELS.T, r"expected an integer label image of shape \(10, 12\) as the scan, got int32 \(12, 10\)"),
        (LABELS.astype(float), r"expected an integer label image of shape \(10, 12\) as the scan, got float64"),
        (LABELS > 0, "expected an integer label image"),
    ],
)
def test_bad_labels(labels, message):
    with pytest.raises(InputError, match=f"domains: .*{message}"):
        average(counts_of(), labels)


def test_a_survey_of_another_scan():
    counts = counts_of()
    with pytest.raises(
        InputError, match=r"survey: is of a scan of shape \(9, 12, 36, 38\), expected \(10, 12, 36, 38\)"
    ):
        average(counts, LABELS, survey=survey(counts[:9]))


@pytest.mark.parametrize("path", [None, ramp()], ids=["steady", "moving"])
def test_no_domains_give_empty_arrays(path):
    found = average(counts_of(path=path), np.zeros((10, 12), int))
    assert found.patterns.shape == found.variance.shape == found.examples.shape == (0, 36, 38)
    assert found.patterns.dtype == np.float32
    for name in ("electrons", "positions", "snr_single", "snr_domain", "snr_gain"):
        assert getattr(found, name).shape == (0,)
    assert found.example_positions.shape == (0, 2)
    assert found.warnings == ()
    assert "Averages of 0 domains" in repr(found)


def test_a_scan_without_a_beam():
    expected = np.where(np.arange(12) < 6, 8.0, 2.0) + np.zeros((12, 1))
    counts = np.random.default_rng(0).poisson(expected, (6, 6, 12, 12))
    found = average(counts, np.ones((6, 6), int))
    assert np.isnan(survey(counts).beam_radius_px)
    expected = thinned(counts.reshape(36, 12, 12), np.ones((12, 12), bool), np.random.default_rng(2), 20)
    assert found.snr_single[0] == pytest.approx(expected, rel=0.08)


def test_dead_patterns_in_a_domain_count_as_they_are():
    counts = counts_of()
    counts[2, 2] = 0
    found = average(counts, LABELS)
    np.testing.assert_allclose(found.patterns[0], counts[LABELS == 1].mean(0), rtol=1e-6)
    assert found.positions[0] == 30


@settings(max_examples=15, deadline=None)
@given(st.permutations([1, 2, 3, 4]))
def test_renaming_domains_reorders_everything(names):
    counts = counts_of()
    found = survey(counts)
    renamed = np.array([0, *names])[LABELS]
    first, other = average(counts, LABELS, survey=found), average(counts, renamed, survey=found)
    order = np.array(names) - 1
    for name in ("patterns", "variance", "electrons", "positions", "snr_single", "snr_domain", "examples"):
        assert np.array_equal(getattr(other, name)[order], getattr(first, name), equal_nan=True), name
    assert isinstance(first, Averages)
    assert replace(first, margin_px=1.0).margin_px == 1


def test_kernel_of_sums_compiled_and_as_plain_python():
    patterns = np.random.default_rng(0).random((3, 4, 5)).astype(np.float32)
    slots = np.array([1, -1, 1])
    for kernel in (add_patterns, add_patterns.py_func):
        sums, squares = np.zeros((2, 4, 5)), np.zeros((2, 4, 5))
        kernel(patterns, slots, 1, 3, sums, squares)
        wide = patterns[[0, 2]].astype(float)
        assert np.array_equal(sums[1, 1:3], wide.sum(0)[1:3])
        assert np.array_equal(squares[1, 1:3], (wide**2).sum(0)[1:3])
        assert not sums[0].any()
        assert not sums[1, [0, 3]].any()


@pytest.mark.parametrize("move", [(0.0, 0.0), (1.0, -2.0), (0.25, 0.5), (-0.75, 3.5)])
def test_kernel_of_shifts_compiled_and_as_plain_python(move):
    pattern = np.random.default_rng(0).integers(0, 9, (5, 6)).astype(np.uint16)
    use = np.ones((5, 6), bool)
    use[1, 2] = False
    whole, part = np.floor(move).astype(int), np.array(move) - np.floor(move)
    expected, weight = np.zeros((5, 6)), np.zeros((5, 6))
    for dy, dx in np.ndindex(2, 2):
        share = abs(1 - dy - part[0]) * abs(1 - dx - part[1])
        expected += share * np.roll(pattern * use, -whole - (dy, dx), (0, 1))
        weight += share * np.roll(use, -whole - (dy, dx), (0, 1))
    for kernel in (add_shifted, add_shifted.py_func):
        sums, squares, exposure = (np.zeros((1, 5, 6)) for _ in range(3))
        kernel(pattern[None], np.array([0]), np.array([move]), use, 0, 5, sums, squares, exposure)
        np.testing.assert_allclose(sums[0], expected, atol=1e-12)
        np.testing.assert_allclose(squares[0], expected**2, atol=1e-12)
        np.testing.assert_allclose(exposure[0], weight, atol=1e-12)
        assert sums.sum() == pytest.approx((pattern * use).sum())


def test_kernel_of_signal_compiled_and_as_plain_python():
    patterns = np.arange(12.0).reshape(2, 2, 3)
    use = np.array([[True, True, False], [True, True, True]])
    outside = np.array([[False, True, False], [False, False, True]])
    for kernel in (measure_signal, measure_signal.py_func):
        total, sums, squares = np.zeros(2), np.zeros(2), np.zeros(2)
        kernel(patterns, use, outside, 1, 2, total, sums, squares)
        assert (total.tolist(), sums.tolist(), squares.tolist()) == ([0, 43], [0, 18], [0, 49 + 121])


@pytest.mark.parametrize("largest", [5, 60_000])
def test_kernel_of_whole_sums_compiled_and_as_plain_python(largest):
    patterns = np.random.default_rng(0).integers(0, largest, (40, 50)).astype(np.uint16)
    slots = np.repeat([1, -1, 0, 1], [19, 1, 3, 17])
    use, outside = np.array([[5, 20], [30, 45]]), np.array([[7, 9]])
    for kernel in (add_whole, add_whole.py_func):
        sums, squares, measured = np.zeros((2, 50)), np.zeros((2, 50)), np.zeros((3, 40))
        kernel(patterns, slots, 5, 45, use, outside, sums, squares, measured)
        wide = patterns.astype(float)
        assert np.array_equal(measured[0], wide[:, 5:20].sum(1) + wide[:, 30:45].sum(1))
        assert np.array_equal(measured[1:], [wide[:, 7:9].sum(1), (wide[:, 7:9] ** 2).sum(1)])
        kernel(patterns, slots, 5, 45, use[:0], outside[:0], np.zeros((2, 50)), np.zeros((2, 50)), measured)
        assert np.array_equal(measured[1], wide[:, 7:9].sum(1)), "nothing more"
        for slot in (0, 1):
            expected = patterns[slots == slot, 5:45].astype(float)
            assert np.array_equal(sums[slot, 5:45], expected.sum(0))
            assert np.array_equal(squares[slot, 5:45], (expected**2).sum(0))
        assert not sums[:, [4, 45]].any()


def test_kernel_of_whole_signal_compiled_and_as_plain_python():
    patterns = np.arange(12, dtype=np.uint16).reshape(2, 6)
    use, outside = np.array([[0, 2], [3, 6]]), np.array([[1, 2], [5, 6]])
    for kernel in (measure_whole, measure_whole.py_func):
        total, sums, squares = np.zeros(2), np.zeros(2), np.zeros(2)
        kernel(patterns, use, outside, 1, 2, total, sums, squares)
        assert (total.tolist(), sums.tolist(), squares.tolist()) == ([0, 43], [0, 18], [0, 49 + 121])


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint32, np.int64, np.float32])
@pytest.mark.parametrize("moving", [False, True])
def test_types_of_the_same_values_agree(dtype, moving):
    path = None
    if moving:
        path = np.stack(np.broadcast_arrays(17 + 0.3 * np.arange(10)[:, None], 18 - 0.2 * np.arange(12)), -1)
    counts = np.minimum(counts_of(path=path), 127)
    expected, found = average(counts, LABELS), average(counts.astype(dtype), LABELS)
    for name in ("patterns", "variance", "electrons", "snr_domain"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-6)
