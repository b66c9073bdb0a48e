import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustem.calibration import Calibration
from clustem.computing import execution
from clustem.errors import InputError
from clustem.formats import open_scan
from clustem.scan import Scan
from clustem.surveying import preview, statistics, survey
from clustem.surveying._kernels import (
    add_aligned,
    add_large,
    add_pixel_sums,
    edge_balance,
    find_centres,
    mass_centre,
    measure_patterns,
    survey_whole,
)

ARRAYS = ("mean", "variance", "maximum", "total", "bright_field", "annular_dark_field", "centres_px", "descan_px")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.uint32, np.float32, np.float64])
def test_images_are_those_of_numpy(counts, dtype):
    data = counts.astype(dtype)
    found = survey(data)
    wide = data.astype(float)
    np.testing.assert_allclose(found.mean, wide.mean((0, 1)), rtol=1e-12)
    np.testing.assert_allclose(found.variance, wide.var((0, 1)), rtol=1e-9, atol=1e-9)
    assert np.array_equal(found.maximum, wide.max((0, 1)))
    assert np.array_equal(found.total, wide.sum((2, 3)))
    assert (found.shape, found.dtype, found.name) == (data.shape, np.dtype(dtype).name, "array")
    assert found.is_counts
    assert found.warnings == ()
    assert found.detector_mask.all()
    assert found.usable is None
    assert not found.dead_positions.any()


def test_virtual_images_are_sums_about_the_beam(counts):
    found = survey(counts)
    y, x = np.indices((40, 44))
    beam = preview(counts).beam
    distance = np.hypot(y - beam.centre[0], x - beam.centre[1])
    assert np.array_equal(found.bright_field, counts[..., distance <= beam.radius].sum(-1))
    assert np.array_equal(found.annular_dark_field, counts[..., distance > 1.5 * beam.radius].sum(-1))
    assert found.beam_radius_px == beam.radius == pytest.approx(5, abs=0.15)
    np.testing.assert_allclose(found.centre_px, (19.3, 21.6), atol=0.05)


def test_of_long_rows_a_part_is_looked_at_first(counts, monkeypatch):
    data = np.tile(counts, (1, 8, 1, 1))
    whole = preview(data)
    monkeypatch.setattr(statistics, "_PREVIEW_BYTES", data.nbytes // len(data))  # a fourth of four rows
    part = preview(data)
    assert 0 < part.sums.size < whole.sums.size / 2
    np.testing.assert_allclose(part.beam.centre, whole.beam.centre, atol=0.1)
    assert survey(data).noise.kind == "counts"


def test_real_numbers_on_a_high_floor_keep_their_variance(counts):
    """float32 must not be squared in float32."""
    data = (counts + 10_000).astype(np.float32)
    found = survey(data)
    np.testing.assert_allclose(found.variance, counts.var((0, 1)), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_the_same_for_any_block_size_and_number_of_threads(counts, dtype):
    data = np.tile(counts, (3, 1, 1, 1)).astype(dtype)
    results = []
    for memory, threads in [(2**20, 1), (2**20, 2), (2**29, 2)]:
        with execution(memory=memory, threads=threads):
            found = survey(data)
        results.append([found.fingerprint, *(getattr(found, name).tobytes() for name in ARRAYS)])
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_the_same_where_rows_are_read_in_parts(counts, dtype):
    data = np.tile(counts, (1, 40, 1, 1)).astype(dtype)
    expected = survey(data)
    with execution(memory=2**20, threads=2):
        found = survey(data)
    assert found.fingerprint == expected.fingerprint
    assert found.noise == expected.noise
    assert all(getattr(found, name).tobytes() == getattr(expected, name).tobytes() for name in ARRAYS)


def test_the_fingerprint_is_that_of_the_data(counts):
    first = survey(counts).fingerprint
    assert len(first) == 64
    changed = counts.copy()
    changed[2, 3, 20, 20] += 1
    assert survey(counts.copy()).fingerprint == first
    assert survey(changed).fingerprint != first
    assert survey(counts.astype(np.uint32)).fingerprint != first
    assert survey(counts.reshape(7, 6, 40, 44)).fingerprint != first


def test_dead_positions_are_left_out_of_the_means(counts):
    data = counts.copy()
    data[1, 2] = data[5, 0] = 0
    found = survey(data)
    live = np.ones((6, 7), bool)
    live[1, 2] = live[5, 0] = False
    assert np.array_equal(found.dead_positions, ~live)
    np.testing.assert_allclose(found.mean, data[live].mean(0))
    np.testing.assert_allclose(found.variance, data[live].var(0), atol=1e-9)
    assert np.isnan(found.centres_px[~live]).all()
    assert found.warnings == ("2 patterns are empty and stay unassigned.",)
    assert "dead positions         2" in repr(found)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("y", "x"), [(0, 0), (4, 6)])
def test_values_that_are_not_finite_are_an_error_that_names_the_place(counts, value, y, x):
    data = counts.astype(np.float32)
    data[y, x, 3, 5] = value
    with pytest.raises(InputError, match=rf"found {value} at scan position \({y}, {x}\), detector pixel \(3, 5\)"):
        survey(data)
    with execution(memory=2**20), pytest.raises(InputError, match=rf"scan position \({y}, {x + 210}\)"):
        survey(np.concatenate([*[counts.astype(np.float32)] * 30, data], axis=1))


def test_a_pixel_that_is_never_finite_is_an_error(counts):
    data = counts.astype(np.float32)
    data[:, :, 19, 21] = np.nan
    with pytest.raises(InputError, match=r"found nan at scan position \(0, 0\), detector pixel \(19, 21\)"):
        survey(data)


def test_values_that_are_not_finite_may_be_masked_by_the_file(counts):
    data = counts.astype(np.float32)
    data[..., 3, 5] = np.nan
    mask = np.ones((40, 44), bool)
    mask[3, 5] = False
    found = survey(Scan(data.shape, data.dtype, lambda a, b: data[a:b], detector_mask=mask))
    assert np.array_equal(found.detector_mask, mask)
    assert np.array_equal(found.usable, mask)
    assert np.isfinite(found.mean).all()
    np.testing.assert_array_equal(found.total, np.nansum(data, axis=(2, 3)))


def test_an_empty_scan_is_an_error():
    with pytest.raises(InputError, match=r"array: all 6 patterns are empty \(sum 0\); is it the right dataset\?"):
        survey(np.zeros((2, 3, 8, 8), np.uint16))


def test_negative_values_are_no_counts(counts):
    data = counts.astype(np.int32)
    data[0, 0, 0, 0] = data[3, 3, 1, 1] = -1
    found = survey(data)
    assert not found.is_counts
    assert found.warnings == ("2 patterns have negative values: not electron counts.",)
    assert "summed intensity per pattern" in repr(found)


def test_fractions_are_no_counts(counts):
    found = survey(counts * 0.37)
    assert not found.is_counts
    assert found.warnings == (
        "Values are not whole numbers: not electron counts, so numbers of electrons are in their units.",
    )


def test_without_a_beam_its_images_are_missing():
    data = np.random.default_rng(0).poisson(5, (4, 5, 24, 24)).astype(np.uint16)
    found = survey(data)
    assert np.isnan(found.beam_radius_px)
    assert np.isnan(found.bright_field).all()
    assert np.isnan(found.annular_dark_field).all()
    assert np.isnan(found.centres_px).all()
    assert not found.descan_px.any()
    assert found.centre_px.tolist() == [11.5, 11.5]
    assert len(found.warnings) == 1
    assert found.warnings[0].startswith("No direct beam was found: bright- and dark-field images are missing")
    assert "not found" in repr(found)
    expected = Calibration(centre_px=(3, 4))
    assert survey(open_scan(data, calibration=expected)).centre_px.tolist() == [3, 4]


def test_a_beam_far_from_where_it_is_expected_is_not_believed(counts):
    right = survey(open_scan(counts, calibration=Calibration(centre_px=(20, 20))))
    assert np.isfinite(right.beam_radius_px)
    wrong = survey(open_scan(counts, calibration=Calibration(centre_px=(35, 38))))
    assert np.isnan(wrong.beam_radius_px)
    assert wrong.centre_px.tolist() == [35, 38]


def behind_stop(disk, spot=(14.0, 25.0)):
    """Three grains behind a beam stop, each with a reflection of its own; that of the largest is the brightest disk."""
    grains = np.stack([disk(place, 3.0, (40, 44)) for place in (spot, (30.0, 12.0), (10.0, 9.0))])
    labels = np.repeat(np.repeat([[0, 1, 0], [0, 0, 2]], 5, axis=0), 5, axis=1)
    return np.random.default_rng(2).poisson(0.2 + 15 * grains[labels]).astype(np.uint16)


def test_a_reflection_that_most_patterns_do_not_have_is_no_beam(disk):
    data = behind_stop(disk)
    found = survey(data)
    assert preview(data).beam.found
    assert np.isnan(found.beam_radius_px)
    assert np.isnan(found.bright_field).all()
    assert found.centre_px.tolist() == [19.5, 21.5]
    assert not found.descan_px.any()
    assert [text.split(":")[0] for text in found.warnings] == [
        "No direct beam was found",
        "The brightest disk is missing in many patterns, so it is a reflection and not the direct beam",
    ]
    known = survey(open_scan(data, calibration=Calibration(centre_px=(14, 25))))
    assert known.beam_radius_px == pytest.approx(3, abs=0.2)
    assert known.warnings == ()


@pytest.mark.parametrize("electrons", [2.0, 5.0, 500.0])
def test_a_beam_of_few_electrons_is_one(disk, electrons):
    """Chance alone makes it faint, and its centre leap."""
    beam = disk((19.0, 21.0), 4.0, (40, 44))
    data = np.random.default_rng(0).poisson(np.broadcast_to(electrons * beam / beam.sum(), (24, 24, 40, 44)))
    found = survey(data.astype(np.uint16))
    assert np.isfinite(found.beam_radius_px)
    np.testing.assert_allclose(found.centre_px, (19, 21), atol=0.5)


def test_a_beam_that_moves_by_a_pixel_between_neighbours_is_one(disk):
    columns = [disk((19.0, 18.0 + x), 3.0, (40, 44)) for x in range(8)]
    found = survey(np.random.default_rng(0).poisson(5 * np.stack([columns] * 6)).astype(np.uint16))
    assert found.beam_radius_px == pytest.approx(3, abs=0.2)
    np.testing.assert_allclose(found.descan_px[3, :, 1], np.arange(8) - 3.5, atol=1.1)


def test_the_mask_of_a_file_holds(counts):
    mask = np.ones((40, 44), bool)
    mask[:, 30:33] = False
    scan = Scan(counts.shape, counts.dtype, lambda a, b: counts[a:b], detector_mask=mask)
    found = survey(scan)
    assert np.array_equal(found.detector_mask, mask)
    assert np.array_equal(found.total, counts[..., mask].sum(-1))
    assert not found.mean[~mask].any()
    assert not found.hot_pixels.any()
    assert not found.dead_pixels.any()


def test_assumptions_of_the_scan_are_warnings_of_the_survey(counts):
    scan = Scan(counts.shape, counts.dtype, lambda a, b: counts[a:b], assumptions=("Rows are scan_y.",))
    assert survey(scan).warnings == ("Rows are scan_y.",)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (3, 1)])
def test_scans_of_few_positions(counts, shape):
    data = counts[: shape[0], : shape[1]]
    found = survey(data)
    assert found.total.shape == shape
    np.testing.assert_allclose(found.mean, data.mean((0, 1)))
    np.testing.assert_allclose(found.centre_px, (19.3, 21.6), atol=0.25)


def test_kernel_of_pixel_sums_compiled_and_as_plain_python():
    patterns = np.random.default_rng(0).random((3, 4, 5)).astype(np.float32)
    live = np.array([True, False, True])
    for kernel in (add_pixel_sums, add_pixel_sums.py_func):
        total, squares, maximum = np.zeros((4, 5)), np.zeros((4, 5)), np.full((4, 5), -np.inf)
        kernel(patterns, live, 1, 3, total, squares, maximum)
        wide = patterns[live].astype(float)
        assert np.array_equal(total[1:3], wide.sum(0)[1:3])
        assert np.array_equal(squares[1:3], (wide**2).sum(0)[1:3])
        assert np.array_equal(maximum[1:3], wide.max(0)[1:3])
        assert not total[[0, 3]].any()


@pytest.mark.parametrize("largest", [6, 65535])
def test_kernel_of_whole_patterns_compiled_and_as_plain_python(largest):
    patterns = np.random.default_rng(0).integers(0, largest, (21, 40), endpoint=True).astype(np.uint16)
    patterns[[0, 7, 8, 20]] = 0
    everything, use = np.array([[0, 40]]), np.array([[0, 12], [14, 40]])
    bright, near = np.array([[20, 24]]), np.array([[19, 25]])
    live = patterns[1:20].astype(np.uint64)
    for kernel in (survey_whole, survey_whole.py_func):
        for pixels in (everything, use):
            measured = np.zeros((3, 21))
            sums, squares, carry = (np.zeros(40, np.uint64) for _ in range(3))
            maximum = np.zeros(40, np.uint16)
            kernel(patterns, pixels, bright, near, 1, 20, *measured, sums, squares, carry, maximum)
            total = live.sum(1) if pixels is everything else live.sum(1) - live[:, 12:14].sum(1)
            assert np.array_equal(measured[0, 1:20], total)
            assert np.array_equal(measured[1, 1:20], live[:, 20:24].sum(1))
            assert np.array_equal(measured[2, 1:20], total - live[:, 19:25].sum(1))
            assert not measured[:, [0, 20]].any()
            assert np.array_equal(sums, live.sum(0))
            assert np.array_equal(squares + carry * np.uint64(2**32), (live**2).sum(0))
            assert np.array_equal(maximum, live.max(0))


def test_kernel_of_large_numbers_compiled():
    line = np.array([0, 3, 2**16, 2**32 - 1], np.uint32)
    sums, squares, carry = (np.ones(4, np.uint64) for _ in range(3))
    add_large(sums, squares, carry, line)
    exact = [int(v) ** 2 for v in line]
    assert sums.tolist() == [1 + int(v) for v in line]
    assert squares.tolist() == [1 + v % 2**32 for v in exact]
    assert carry.tolist() == [1 + v // 2**32 for v in exact]


@pytest.mark.parametrize("scale", [1, 3000, 2**26])
def test_types_of_the_same_values_agree(counts, scale):
    """Unsigned integers are summed exactly, whatever their size, and as floating-point numbers are."""
    large = np.minimum(counts, 60).astype(np.uint32) * np.uint32(scale)
    expected = survey(large.astype(np.float64))
    for dtype in (np.uint32,) if scale > 1000 else (np.uint8, np.uint16, np.uint32, np.int16, np.float32):
        found = survey(large.astype(dtype))
        for name in ("mean", "variance", "maximum", "total", "bright_field", "annular_dark_field", "centres_px"):
            np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-7, atol=1e-9)


def test_kernel_of_patterns_compiled_and_as_plain_python():
    patterns = np.array([[[1, 2], [3, -4]], [[0.5, 1], [2, np.nan]], [[1, 1], [1, 1]]])
    use = np.array([[True, True], [True, False]])
    for kernel in (measure_patterns, measure_patterns.py_func):
        total, bright, dark, odd = np.zeros(3), np.zeros(3), np.zeros(3), np.zeros(3, np.uint8)
        kernel(patterns, 0, 2, use, np.array([0.0, 0.0]), 0.6, total, bright, dark, odd)
        assert total.tolist() == [6, 3.5, 0]
        assert bright.tolist() == [1, 0.5, 0]
        assert dark.tolist() == [5, 3, 0]
        assert odd.tolist() == [0, 5, 0], "a pixel out of use may be negative, but not NaN"
        kernel(patterns, 0, 1, np.ones((2, 2), bool), np.array([0.0, 0.0]), np.nan, total, bright, dark, odd)
        assert (total[0], bright[0], dark[0], odd[0]) == (2, 0, 0, 2), "without a beam nothing is bright or dark"


def test_kernels_of_the_beam_compiled_and_as_plain_python(disk):
    pattern = np.random.default_rng(0).poisson(30 * disk((10.3, 9.6), 4.0, (20, 21))).astype(np.uint16)
    use = np.ones(pattern.shape, bool)
    use[10, 3] = False
    centre = np.array([10.0, 10.0])
    arguments = pattern, use, 10.2, 9.8
    np.testing.assert_allclose(edge_balance(*arguments, 4.0, 1.5, 0.3), edge_balance.py_func(*arguments, 4.0, 1.5, 0.3))
    np.testing.assert_allclose(mass_centre(*arguments, 6.0), mass_centre.py_func(*arguments, 6.0))
    y, x = np.indices(pattern.shape)
    near = pattern * use * (np.hypot(y - 10.2, x - 9.8) <= 6)
    np.testing.assert_allclose(mass_centre(*arguments, 6.0), [(near * y).sum(), (near * x).sum()] / near.sum())
    assert mass_centre(np.zeros((20, 21)), *arguments[1:], 6.0) == (10.2, 9.8)
    results = []
    for aligned, found in ((add_aligned, find_centres), (add_aligned.py_func, find_centres.py_func)):
        total, centres = np.zeros(pattern.shape), np.zeros((2, 2))
        stack = np.stack([pattern, np.roll(pattern, (3, -2), (0, 1))])
        aligned(stack, use, centre, 8.0, total)
        found(stack, 0, 2, use, centre, np.array([4.0, 1.5, 0.0, 0.15]), centres)
        results.append((total, centres))
    np.testing.assert_allclose(results[0][0], results[1][0])
    np.testing.assert_allclose(results[0][1], results[1][1])
    assert np.array_equal(results[0][0][4:16, 4:16], 2 * pattern[4:16, 4:16])
    np.testing.assert_allclose(results[0][1][1] - results[0][1][0], (3, -2), atol=0.3)


@settings(max_examples=15, deadline=None)
@given(rows=st.permutations(range(6)), scale=st.integers(2, 9))
def test_the_order_of_patterns_and_the_unit_do_not_matter(rows, scale):
    counts = np.random.default_rng(0).poisson(3, (6, 4, 12, 12)).astype(np.uint16)
    counts[..., 4:8, 4:8] += 40
    first, other = survey(counts), survey(counts[rows] * scale)
    np.testing.assert_allclose(other.mean, scale * first.mean)
    np.testing.assert_allclose(other.variance, scale**2 * first.variance, rtol=1e-9)
    assert np.array_equal(other.total, scale * first.total[rows])


def test_values_that_are_all_negative_have_no_beam():
    found = survey(-np.random.default_rng(0).random((3, 3, 9, 9)) - 1)
    assert np.isnan(found.beam_radius_px)
    assert any("negative" in text for text in found.warnings)
