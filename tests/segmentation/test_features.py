from dataclasses import replace

import numpy as np
import pytest

from clustem.computing import execution
from clustem.errors import InputError
from clustem.formats import open_scan
from clustem.passes import column_parts
from clustem.scan import Scan
from clustem.segmentation import features
from clustem.segmentation._feature_kernels import (
    add_products,
    add_steps,
    add_tiles,
    bin_pattern,
    bin_patterns,
    project_patterns,
)
from clustem.segmentation.features import measure_features, sums_of_regions
from clustem.surveying import NoiseModel, mend_pixels, mending_of, outside_beam_mask, survey

from .scenes import BEAM_RADIUS, DETECTOR, MIDDLE, counts, crystal, diffuse, halves, scene

LABELS = halves((12, 14))


def both(kernel):
    """A kernel, compiled and as plain Python."""
    return kernel, kernel.py_func


def two_crystals(**options):
    return scene(LABELS, [crystal(0), crystal(25)], **options)


def measured(data, **options):
    scan = open_scan(data)
    return measure_features(scan, survey(scan), **options)


def moved(pattern, dy, dx):
    """A pattern moved by (−dy, −dx), with zeros coming in."""
    result = np.zeros_like(pattern)
    height, width = pattern.shape
    for y, x in np.ndindex(height, width):
        if 0 <= y + dy < height and 0 <= x + dx < width:
            result[y, x] = pattern[y + dy, x + dx]
    return result


@pytest.mark.parametrize("kernel", both(bin_pattern))
@pytest.mark.parametrize("move", [(0, 0), (1, -2), (-3, 1), (9, 0)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.float32])
def test_kernel_of_bins(kernel, move, dtype):
    """A 6×5 pattern in bins of two pixels; the last column is in none."""
    pattern = np.random.default_rng(0).integers(0, 200, (6, 5)).astype(dtype)
    binned = np.full((3, 2), np.nan, np.float32)
    cells = np.arange(6) // 2, np.array([0, 0, 1, 1, -1])
    kernel(pattern, *move, *cells, 0.0, 0.5, binned)
    expected = 0.5 * moved(pattern.astype(float), *move)[:, :4].reshape(3, 2, 2, 2).sum((1, 3))
    np.testing.assert_allclose(binned, expected, rtol=1e-6)


@pytest.mark.parametrize("kernel", both(bin_patterns))
@pytest.mark.parametrize("step", [1, 2, 3])
@pytest.mark.parametrize("move", [(0, 0), (1, -2), (-3, 1), (9, 0)])
def test_kernel_of_bins_line_by_line(kernel, step, move):
    """The second of three 6×5 patterns."""
    patterns = np.random.default_rng(0).integers(0, 200, (3, 6, 5)).astype(np.uint16)
    binned = np.full((3, -(-6 // step), -(-5 // step)), np.nan, np.float32)
    nothing_bad = mending_of(np.zeros((6, 5), bool))
    kernel(patterns, np.array([(0, 0), move, (1, 1)]), 1, 2, step, 3.0, 0.5, nothing_bad, binned)
    expected = np.full(binned.shape[1:], np.nan, np.float32)
    bin_pattern(patterns[1], *move, np.arange(6) // step, np.arange(5) // step, 3.0, 0.5, expected)
    np.testing.assert_allclose(binned[1], expected, rtol=1e-6)
    assert np.isnan(binned[[0, 2]]).all()


@pytest.mark.parametrize("kernel", both(bin_patterns))
@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float32, np.uint32])
@pytest.mark.parametrize("move", [(0, 0), (1, -2), (-3, 1), (0, 4)])
def test_kernel_of_bins_mends(kernel, dtype, move):
    """A line of bad pixels, one near it, and two in corners; all are far too bright."""
    patterns = np.random.default_rng(1).integers(0, 60, (2, 9, 8)).astype(dtype)
    patterns = patterns - patterns.dtype.type(20 if np.dtype(dtype).kind in "if" else 0)
    bad = np.zeros((9, 8), bool)
    bad[4] = bad[0, 0] = bad[8, 7] = bad[6, 3] = True
    patterns[:, bad] = np.iinfo(dtype).max if np.dtype(dtype).kind in "ui" else 1e30
    mended = np.asarray(mend_pixels(Scan((2, 1, 9, 8), patterns.dtype, lambda a, b: patterns[a:b, None]), bad))[:, 0]
    binned = np.empty((2, 2, 5, 4), np.float32)
    for values, pixels, out in ((patterns, bad, binned[0]), (mended, np.zeros_like(bad), binned[1])):
        kernel(values, np.array([(0, 0), move]), 0, 2, 2, 1.0, 0.5, mending_of(pixels), out)
    assert np.array_equal(binned[0], binned[1])
    assert np.abs(binned).max() < 150


@pytest.mark.parametrize("kernel", both(bin_patterns))
def test_where_no_pixel_is_good_all_are_nothing(kernel):
    binned = np.full((1, 2, 2), np.nan, np.float32)
    everything = mending_of(np.ones((4, 4), bool))
    kernel(np.full((1, 4, 4), 9, np.uint8), np.zeros((1, 2), np.int64), 0, 1, 2, 0.0, 1.0, everything, binned)
    assert not binned.any()


def test_kernels_of_lines():
    line = np.array([-1, 1, 3, 5, 7, 9], np.float32)
    for steps, products in ((add_steps, add_products), (k.py_func for k in (add_steps, add_products))):
        row, out = np.empty(2, np.float32), np.full(2, np.nan, np.float32)
        steps(line, 3, row)
        assert row.tolist() == [3, 21]
        products(row, np.array([[1, 2], [0, 1]], np.float32), out)
        assert out.tolist() == [3, 27]


@pytest.mark.parametrize("kernel", both(bin_pattern))
def test_what_is_not_finite_counts_nothing(kernel):
    pattern = np.array([[7.0, np.nan], [np.inf, 5.0]], np.float32)
    binned = np.full((1, 1), np.nan, np.float32)
    kernel(pattern, 0, 0, np.zeros(2, int), np.zeros(2, int), 2.0, 3.0, binned)
    assert binned[0, 0] == 3 * (5 + 3), "less the offset, times the scale"


@pytest.mark.parametrize("kernel", both(project_patterns))
def test_kernel_of_projections(kernel):
    generator = np.random.default_rng(0)
    patterns = generator.poisson(2, (4, 6, 6)).astype(np.uint16)
    moves = np.array([[0, 0], [1, 0], [0, -1], [2, 2]])
    matrix = generator.normal(size=(9, 3)).astype(np.float32)
    values, cells = np.full((4, 3), np.nan, np.float32), np.arange(6) // 2
    kernel(patterns, moves, 1, 4, cells, cells, 0.0, 1.0, (3, 3), matrix, values)
    assert np.isnan(values[0]).all(), "not asked for"
    for n in (1, 2, 3):
        binned = moved(patterns[n], *moves[n]).reshape(3, 2, 3, 2).sum((1, 3))
        np.testing.assert_allclose(values[n], binned.ravel() @ matrix, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kernel", both(add_tiles))
def test_kernel_of_tiles(kernel):
    patterns = np.random.default_rng(0).poisson(3, (5, 6, 4, 4)).astype(np.uint8)
    tiles = np.zeros((2, 3, 4, 4), np.float32)
    moves, cells = np.zeros((5, 6, 2), np.int64), np.arange(4)
    kernel(patterns, moves, 1, 3, cells, cells, 0.0, 1.0, (2, 2), tiles)
    assert not tiles[:, 0].any(), "not asked for"
    expected = patterns[:4].reshape(2, 2, 3, 2, 4, 4).sum((1, 3))
    assert np.array_equal(tiles[:, 1:], expected[:, 1:])


def test_the_difference_of_two_crystals_is_far_above_the_noise():
    features = measured(two_crystals())
    assert features.values.shape == (12, 14, features.basis.size + 1)
    step = features.values[LABELS == 1].mean(0) - features.values[LABELS == 0].mean(0)
    assert np.abs(step[:-1]).max() > 5
    inside = features.values[..., 0] - step[0] * LABELS
    assert inside.std() < 0.2 * abs(step[0])
    assert features.cells == DETECTOR
    np.testing.assert_allclose(features.centre, MIDDLE, atol=0.3)


def test_the_sum_is_that_of_the_counts_outside_the_beam():
    data = two_crystals(electrons=20_000)
    features = measured(data)
    outside = outside_beam_mask(survey(data), radii=2.0)
    mean = data.astype(float)[..., outside].sum(2).mean()
    assert features.values[..., -1].mean() == pytest.approx(mean, rel=0.1), "blurred at the edge of the beam"
    assert features.noise.mean() == pytest.approx(1, rel=0.1)


def test_whitened_features_have_even_noise():
    """The noise of differences between positions of the same crystal."""
    whitened = measured(two_crystals(electrons=4000)).whitened
    steps = np.diff(whitened[:, :6], axis=1).reshape(-1, whitened.shape[2]) / np.sqrt(2)
    assert np.mean(steps.var(0)) == pytest.approx(1, rel=0.35)


def test_outside_of_the_beam():
    found = survey(two_crystals())
    use = outside_beam_mask(found)
    y, x = np.indices(DETECTOR)
    assert not use[np.hypot(y - MIDDLE, x - MIDDLE) < BEAM_RADIUS + 1].any()
    assert use[np.hypot(y - MIDDLE, x - MIDDLE) > 3 * BEAM_RADIUS].all()
    assert outside_beam_mask(replace(found, beam_radius_px=np.nan)).all()


def test_pixels_out_of_use_do_not_matter():
    data = two_crystals()
    mask = np.ones(DETECTOR, bool)
    mask[:20, :20] = mask[20:28, 20:28] = False
    scan = open_scan(data)
    found = survey(scan)
    first = measure_features(scan, found, detector_mask=mask)
    changed = data.copy()
    changed[..., ~mask] = 999
    other = measure_features(open_scan(changed), found, detector_mask=mask)
    assert np.array_equal(first.values, other.values)


def test_no_pixel_is_left():
    with pytest.raises(InputError, match="detector_mask: no usable detector pixel is left"):
        measured(two_crystals(), detector_mask=np.zeros(DETECTOR, bool))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_types_of_the_same_values_agree(dtype):
    data = np.minimum(two_crystals(), 255)
    found = survey(data)
    first, other = (measure_features(open_scan(d), found) for d in (data, data.astype(dtype)))
    np.testing.assert_allclose(other.values, first.values, rtol=1e-5, atol=1e-4)


def test_the_unit_of_the_data_does_not_matter():
    data = two_crystals()
    found = survey(data)
    first = measure_features(open_scan(data), found)
    scaled = replace(found, noise=NoiseModel("gain", gain=7, offset=40))
    other = measure_features(open_scan(40 + 7 * data.astype(np.float32)), scaled)
    np.testing.assert_allclose(other.values, first.values, rtol=1e-3, atol=1e-2)
    np.testing.assert_allclose(other.noise, first.noise, rtol=1e-3)


def test_large_patterns_are_binned():
    data = np.repeat(np.repeat(two_crystals(), 3, axis=2), 3, axis=3)
    features = measured(data)
    assert features.cells == (72, 72)
    np.testing.assert_allclose(features.centre, 36, atol=0.6)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_the_same_bytes_for_any_block_size_and_number_of_threads(dtype):
    data = two_crystals(dtype=dtype)
    scan = Scan(data.shape, data.dtype, lambda a, b: data[a:b])
    found = survey(scan)
    results = []
    for options in ({"memory": 2**20, "threads": 1}, {"memory": 2**20, "threads": 2}, {"threads": 2}, {"inline": True}):
        with execution(**options):
            features = measure_features(scan, found)
        results.append(features.values.tobytes() + features.noise.tobytes())
    assert len(set(results)) == 1


def test_sums_of_chosen_positions_are_taken_in_their_order(monkeypatch):
    generator = np.random.default_rng(4)
    values = generator.normal(1e4, 1e3, (9, 7, 3)).astype(np.float32)
    where = generator.random((9, 7)) < 0.6
    expected = values[where].sum(axis=0, dtype=np.float64)
    assert (features.sum_where(values, where) == expected).all()
    monkeypatch.setattr(features, "_PIECE", 14)
    assert (features.sum_where(values, where) == expected).all()
    assert not features.sum_where(values, where & False).any()


@pytest.mark.parametrize("shape", [(12, 14), (7, 9), (1, 30)])
def test_long_rows_of_the_sample_are_read_one_by_one(monkeypatch, shape):
    data = scene(halves(shape), [crystal(0), crystal(25)])
    reads = []

    def reader(start, stop):
        reads.append(stop - start)
        return data[start:stop]

    expected = measured(data)
    found = survey(data)
    monkeypatch.setattr(features, "_SAMPLE_SHARE", 1e-9)
    with execution(memory=2**20):
        result = measure_features(Scan(data.shape, data.dtype, reader), found)
    assert reads[: shape[0] // 2 * 2] == [1] * (shape[0] // 2 * 2)
    assert result.values.tobytes() == expected.values.tobytes()


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_the_same_bytes_where_rows_are_read_in_parts(dtype):
    data = np.tile(two_crystals(dtype=dtype)[:3], (1, 12, 1, 1))
    found = survey(data)
    expected = measured(data)
    with execution(memory=2**20, threads=2):
        assert len(column_parts(open_scan(data))) > 1
        result = measure_features(open_scan(data), found)
    assert result.values.tobytes() == expected.values.tobytes()


def test_a_beam_that_moves_makes_no_difference():
    """A beam that wanders by ±3 px over the scan, and the descan that is known."""
    expected = 4000 * np.stack([crystal(0), crystal(25)])[LABELS]
    descan = np.zeros((*LABELS.shape, 2))
    descan[..., 0] = np.rint(np.linspace(-3, 3, 12))[:, None]
    for y, x in np.ndindex(LABELS.shape):
        expected[y, x] = np.roll(expected[y, x], int(descan[y, x, 0]), axis=0)
    scan = open_scan(counts(expected))
    found = replace(survey(scan), descan_px=descan, centre_px=np.full(2, MIDDLE), beam_radius_px=BEAM_RADIUS)
    features = measure_features(scan, found)
    still = measure_features(scan, replace(found, descan_px=np.zeros_like(descan)))
    rows = [np.ptp(f.values[2:-2, 3, 0].astype(float)) for f in (features, still)]
    assert rows[0] < 10 < rows[1]


def test_what_a_moving_pattern_loses_is_not_compared():
    """The beam wanders by ±2 px along k_x: over two masked pixels, and over the edge."""
    scan = open_scan(two_crystals())
    good = np.ones(DETECTOR, bool)
    good[8, 30:32] = False
    found = survey(replace(scan, detector_mask=good))
    descan = np.zeros((*LABELS.shape, 2))
    descan[..., 1] = np.rint(np.linspace(-2, 2, 14))[None, :]
    for moves, lost in ((descan, [0, 1, *range(28, 34), 46, 47]), (np.zeros_like(descan), [30, 31])):
        features = measure_features(scan, replace(found, descan_px=moves))
        used = features.basis.matrix.any(axis=1).reshape(features.cells)
        assert np.flatnonzero(~used[8]).tolist() == lost


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2)])
def test_narrow_scans(shape):
    features = measured(scene(np.zeros(shape, int), [diffuse()], electrons=3000))
    assert features.values.shape[:2] == shape
    assert np.isfinite(features.values).all()
    assert np.isfinite(features.whitened).all()
    assert (features.noise > 0).all()


def test_sums_of_regions_by_hand(monkeypatch):
    """Regions 0 and 2 of three; what is in none counts nothing; pieces of one row give the same."""
    values = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    labels = np.array([[0, -1], [2, 0], [2, 2]])
    expected = [[0 + 6, 1 + 7], [0, 0], [4 + 8 + 10, 5 + 9 + 11]]
    assert np.array_equal(sums_of_regions(values, labels, 3), expected)
    monkeypatch.setattr("clustem.segmentation.features._PIECE", 2)
    assert np.array_equal(sums_of_regions(values, labels, 3), expected)
