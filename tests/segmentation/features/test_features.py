from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustem.computing import execution
from clustem.errors import InputError
from clustem.formats import open_scan
from clustem.passes import column_parts
from clustem.scan import Scan
from clustem.segmentation.features import windows
from clustem.segmentation.features.binning import binning_of
from clustem.segmentation.features.features import (
    FeatureMaker,
    _binned,
    features_of_rows,
    measure_features,
    tile_grid,
    tiles_of,
)
from clustem.segmentation.features.rows import BinnedRows
from clustem.surveying import NoiseModel, outside_beam_mask, survey

from .patterns import BEAM_RADIUS, DETECTOR, DISTANCE, MIDDLE, beam, counts, crystal, halves, two_crystals

SCAN = (14, 16)
LABELS = halves(SCAN)


def measured(data, **options):
    scan = open_scan(data)
    return measure_features(scan, survey(scan), **options)


def bytes_of(features):
    """Everything in features, as bytes."""
    parts = [features.electrons]
    for found in features.windows:
        parts += [found.values, found.noise, found.basis.matrix, found.basis.weight, found.basis.back]
    return b"".join(part.tobytes() for part in parts)


@pytest.fixture
def small_windows(monkeypatch):
    """Windows of about 6 positions with a halo of 2, as if scans were large."""
    for name, length in (("CORE", 6), ("HALO", 2), ("_WHOLE", 8)):
        monkeypatch.setattr(windows, name, length)


@given(st.tuples(st.integers(1, 90), st.integers(1, 90)))
@settings(max_examples=60, deadline=None)
def test_tiles_fit_into_the_window(shape):
    (rows, columns), (high, wide) = tile_grid(shape)
    assert rows * high <= shape[0] < (rows + 1) * high
    assert columns * wide <= shape[1] < (columns + 1) * wide
    assert high == min(max(high, wide), shape[0])
    assert wide == min(max(high, wide), shape[1])


def test_sums_over_tiles():
    patterns = np.random.default_rng(0).poisson(3, (7, 5, 4, 3)).astype(np.float32)
    sums, positions = tiles_of(patterns)
    (rows, columns), (high, wide) = tile_grid((7, 5))
    assert positions == high * wide
    used = patterns[: rows * high, : columns * wide]
    assert np.array_equal(sums, used.reshape(rows, high, columns, wide, 4, 3).sum((1, 3)))


def maker_of(found):
    return FeatureMaker(found, binning_of(found), None)


def test_nothing_is_known_of_spots_and_smooth_scattering_before_patterns_were_seen():
    maker = maker_of(survey(two_crystals(SCAN)))
    with pytest.raises(RuntimeError, match="size of the spots"):
        _ = maker.spot
    with pytest.raises(RuntimeError, match="smooth scattering"):
        _ = maker.smooth
    maker.learn(two_crystals(SCAN).astype(np.float32))
    spot, smooth = maker.spot, maker.smooth
    maker.learn(10 * two_crystals(SCAN, seed=1).astype(np.float32))
    assert maker.spot is spot, "only the first patterns count"
    assert maker.smooth is smooth


def test_without_a_beam_smooth_scattering_may_have_any_centre():
    found, kinds = survey(two_crystals(SCAN)), []
    for radius in (BEAM_RADIUS, np.nan):
        maker = maker_of(replace(found, beam_radius_px=radius))
        maker.learn(two_crystals(SCAN).astype(np.float32))
        kinds.append(len(maker.smooth.kinds))
    assert kinds[1] > 4 * kinds[0], "one-sided and oval ones, and waves across the detector"


@pytest.mark.parametrize(("shape", "centre", "expected"), [(36, 17.5, 17.5), (256, 127.5, 31.5), (256, 1.5, 0.0)])
def test_smooth_scattering_is_about_the_centre_in_binned_px(shape, centre, expected):
    """The middle of a cell of four pixels is one and a half from its first."""
    found = replace(survey(two_crystals(SCAN)), mean=np.ones((shape, shape)), centre_px=np.full(2, centre))
    masks = dict.fromkeys(("hot_pixels", "dead_pixels", "misfit_pixels"), np.zeros((shape, shape), bool))
    maker = maker_of(replace(found, detector_mask=np.ones((shape, shape), bool), beam_radius_px=np.nan, **masks))
    assert maker.centre.tolist() == [expected, expected]


def test_the_mean_of_binned_patterns_is_in_electrons():
    """Of cells that are up to two pixels high and three wide."""
    binning = replace(
        binning_of(survey(two_crystals(SCAN))),
        cell_y=np.array([0, 0, 1]),
        cell_x=np.array([0, 0, 0, 1]),
        cells=(2, 2),
        offset=10.0,
        scale=0.5,
    )
    mean = 10 + np.array([[0.0, 2, 4, 6], [8, 10, 12, 14], [16, 18, 20, 22]])
    assert _binned(mean, binning).tolist() == [[36 / 2, 20 / 2], [54 / 2, 22 / 2]]


def test_two_crystals_are_far_above_the_noise():
    features = measured(two_crystals(SCAN))
    (found,) = features.windows
    assert features.structured
    assert found.counted
    assert features.shape == found.values.shape[:2] == found.noise.shape == features.electrons.shape == SCAN
    step = found.values[LABELS == 1].mean(axis=0) - found.values[LABELS == 0].mean(axis=0)
    assert np.linalg.norm(step) > 10
    means = np.stack([found.values[label == LABELS].mean(axis=0) for label in (0, 1)])
    inside = found.values - means[LABELS]
    assert np.mean(inside.var(axis=(0, 1))) == pytest.approx(1, rel=0.1)
    assert found.noise.mean() == pytest.approx(1, rel=0.1)


def test_electrons_are_those_outside_of_the_beam():
    data = two_crystals(SCAN)
    use = measured(data).windows[0].basis.matrix[:, -2].reshape(DETECTOR) > 0
    assert not use[DISTANCE < BEAM_RADIUS + 1].any()
    assert not (use & ~outside_beam_mask(survey(data), radii=1.0)).any()
    np.testing.assert_allclose(measured(data).electrons, data[..., use].sum(axis=2), rtol=1e-6)


def test_an_even_detector_has_no_structure():
    """Patterns of a beam and an even background: features are 0, and their noise is known all the same."""
    even = 1000 * beam() + 0.8
    features = measured(counts(np.broadcast_to(even, (*SCAN, *DETECTOR))))
    assert not features.structured
    assert not any(found.values.any() for found in features.windows)
    assert features.windows[0].noise.mean() == pytest.approx(1, rel=0.1)


def test_pixels_out_of_use_do_not_matter():
    data = two_crystals(SCAN)
    mask = np.ones(DETECTOR, bool)
    mask[:12, :12] = mask[14:22, 14:22] = False
    found = survey(data)
    changed = data.copy()
    changed[..., ~mask] = 999
    one, other = (measure_features(open_scan(d), found, detector_mask=mask) for d in (data, changed))
    assert bytes_of(one) == bytes_of(other)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32])
def test_types_of_the_same_values_agree(dtype):
    data = np.minimum(two_crystals(SCAN), 255)
    found = survey(data)
    one, other = (measure_features(open_scan(d), found) for d in (data, data.astype(dtype)))
    assert bytes_of(one) == bytes_of(other)


def test_the_unit_of_the_data_does_not_matter():
    data = two_crystals(SCAN)
    found = survey(data)
    one = measure_features(open_scan(data), found)
    scaled = replace(found, mean=40 + 4 * found.mean, noise=NoiseModel("gain", gain=4, offset=40))
    other = measure_features(open_scan(40 + 4 * data.astype(np.float32)), scaled)
    np.testing.assert_allclose(other.electrons, one.electrons, rtol=1e-5)
    np.testing.assert_allclose(other.windows[0].values, one.windows[0].values, atol=1e-2)
    np.testing.assert_allclose(other.windows[0].noise, one.windows[0].noise, rtol=1e-3)


def test_where_the_noise_model_does_not_fit_the_noise_is_measured():
    """Values of noise that neither follows the mean nor is known."""
    both = np.stack([crystal(0), crystal(25)])[LABELS]
    data = (50_000 * both + np.random.default_rng(0).normal(0, 40, both.shape)).astype(np.float32)
    found = replace(survey(open_scan(data)), noise=NoiseModel("unknown", gain=0.0))
    features = measure_features(open_scan(data), found)
    (window,) = features.windows
    assert features.structured
    assert not window.counted
    assert 0.1 < np.median(window.noise) < 1.5
    steps = np.diff(window.values[:, : SCAN[1] // 2], axis=0).reshape(-1, window.values.shape[2]) / np.sqrt(2)
    assert np.mean(steps.var(axis=0)) == pytest.approx(1, rel=0.4)
    step = window.values[LABELS == 1].mean(axis=0) - window.values[LABELS == 0].mean(axis=0)
    assert np.linalg.norm(step) > 10


def test_windows_cover_the_scan(small_windows):
    data = two_crystals((14, 21))
    features = measured(data)
    assert len(features.windows) > 4
    for found in features.windows:
        assert found.values.shape[:2] == found.noise.shape == found.window.shape
    use = features.windows[0].basis.matrix[:, -2].reshape(DETECTOR) > 0
    np.testing.assert_allclose(features.electrons, data[..., use].sum(axis=2), rtol=1e-6)


def test_read_noise_is_part_of_the_noise():
    """Of a beam that loses nine tenths of its electrons half way down the scan: read noise stays."""
    dose = np.where(np.arange(20) < 10, 4000, 400)[:, None, None, None]
    expected = counts(np.broadcast_to(dose * crystal(0), (20, 16, *DETECTOR)))
    data = (expected + np.random.default_rng(1).normal(0, 2, expected.shape)).astype(np.float32)
    known = NoiseModel("gain", gain=1, offset=0, read_noise=2)
    still = {"centre_px": np.full(2, MIDDLE), "beam_radius_px": BEAM_RADIUS, "descan_px": np.zeros((20, 16, 2))}
    (found,) = measure_features(open_scan(data), replace(survey(open_scan(data)), noise=known, **still)).windows
    for part in (slice(0, 10), slice(10, 20)):
        variance = found.values[part].reshape(160, -1).var(axis=0).mean()
        assert found.noise[part].mean() == pytest.approx(variance, rel=0.25)


def test_windows_do_not_depend_on_what_is_far_away(small_windows):
    data = two_crystals((14, 21))
    found = survey(data)
    changed = data.copy()
    changed[:, 18:] = changed[:, 18:, ::-1]
    one, other = (measure_features(open_scan(d), found) for d in (data, changed))
    same = [a.values.tobytes() == b.values.tobytes() for a, b in zip(one.windows, other.windows, strict=True)]
    far = [window.window.around_columns.stop <= 18 for window in one.windows]
    assert same == far
    assert 0 < sum(far) < len(far)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
@pytest.mark.parametrize("shape", [(14, 16), (19, 13)])
def test_the_same_bytes_for_any_block_size_and_number_of_threads(small_windows, dtype, shape):
    data = two_crystals(shape, dtype=dtype)
    scan = Scan(data.shape, data.dtype, lambda a, b: data[a:b])
    found, results = survey(scan), set()
    for options in ({"memory": 2**20, "threads": 1}, {"memory": 2**20, "threads": 2}, {"threads": 3}, {"inline": True}):
        with execution(**options):
            results.add(bytes_of(measure_features(scan, found)))
    assert len(results) == 1


def test_the_same_bytes_where_rows_are_read_in_parts(small_windows):
    """Of a scan so wide that neither its rows nor their binned patterns fit: strips of columns are read one by one."""
    data = np.tile(two_crystals((11, 16), dtype=np.float32), (1, 12, 1, 1))
    scan = open_scan(data)
    descan = np.zeros((11, 192, 2))
    descan[..., 0] = np.arange(192) % 3 - 1
    found, seen = replace(survey(scan), descan_px=descan), []
    with execution(inline=True):
        expected = measure_features(scan, found)
    with execution(memory=2**20, threads=2, observer=lambda *told: seen.append(told[:2])):
        assert len(column_parts(scan)) > 1
        result = measure_features(scan, found)
    assert bytes_of(result) == bytes_of(expected)
    assert seen.count(("features", 11)) > 1


def test_rows_that_are_held_are_like_a_scan_of_their_own(small_windows):
    """Rows 5 … 16 of a scan, of which only they are held."""
    data = two_crystals((17, 15))
    found = survey(data)
    rows = BinnedRows(14, 15, found)
    moves = np.zeros((17, 15, 2), np.int64)
    rows.add(data[:9], moves[:9])
    rows.drop(5)
    rows.add(data[9:], moves[9:])
    assert (rows.first, rows.count) == (5, 12)
    result = features_of_rows(rows, FeatureMaker(found, rows.binning, None))
    alone = replace(found, descan_px=np.zeros((12, 15, 2)))
    expected = measure_features(open_scan(data[5:]), alone)
    assert result.shape == (12, 15)
    assert bytes_of(result) == bytes_of(expected)
    assert [w.window for w in result.windows] == [w.window for w in expected.windows]


@pytest.mark.parametrize("model", ["counts", "measured"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 2), (1, 40), (40, 1), (3, 2)])
def test_narrow_scans(shape, model):
    data = two_crystals(shape, electrons=5000)
    found = replace(survey(data), centre_px=np.full(2, MIDDLE), beam_radius_px=BEAM_RADIUS)
    if model == "measured":
        found = replace(found, noise=NoiseModel("unknown", gain=0.0))
    features = measure_features(open_scan(data), found)
    (window,) = features.windows
    assert window.values.shape[:2] == features.electrons.shape == shape
    assert np.isfinite(window.values).all()
    assert (window.noise > 0).all()


def test_a_line_of_many_windows(small_windows):
    for shape in ((1, 50), (50, 1)):
        features = measured(two_crystals(shape, electrons=5000))
        assert len(features.windows) > 5
        assert all(np.isfinite(found.values).all() for found in features.windows)


def test_no_electron_is_counted():
    """Only the beam is bright, and the rest of the detector is dark."""
    data = counts(np.broadcast_to(2000 * beam(), (*SCAN, *DETECTOR)))
    found = replace(survey(two_crystals(SCAN)), beam_radius_px=BEAM_RADIUS, centre_px=np.full(2, MIDDLE))
    with pytest.raises(InputError, match="not one electron was counted on the pixels that are compared"):
        measure_features(open_scan(data), found)


@pytest.mark.parametrize("gain", [1.0, 0.0])
@pytest.mark.parametrize("columns", [9, 12, 20])
def test_a_window_without_an_electron(small_windows, columns, gain):
    """Nothing is known of it, and nothing in it is infinite; also if the noise is measured."""
    data = two_crystals((8, 41))
    found = replace(survey(data), noise=NoiseModel("unknown", gain=gain))
    data[:, :columns] = 0
    features = measure_features(open_scan(data), found)
    empty = features.windows[0]
    assert not empty.structured
    assert not empty.values.any()
    assert (empty.noise > 0).all()
    assert np.isfinite(empty.noise).all()
    assert features.structured


def test_no_pixel_is_left():
    with pytest.raises(InputError, match="detector_mask: no usable detector pixel is left"):
        measured(two_crystals(SCAN), detector_mask=np.zeros(DETECTOR, bool))


def test_a_beam_that_moves_makes_no_difference():
    """A beam that wanders by ±3 px over the scan, and the descan that is known."""
    expected = 4000 * np.stack([crystal(0), crystal(25)])[LABELS]
    descan = np.zeros((*SCAN, 2))
    descan[..., 0] = np.rint(np.linspace(-3, 3, SCAN[0]))[:, None]
    for y, x in np.ndindex(SCAN):
        expected[y, x] = np.roll(expected[y, x], int(descan[y, x, 0]), axis=0)
    scan = open_scan(counts(expected))
    found = replace(survey(scan), descan_px=descan, centre_px=np.full(2, MIDDLE), beam_radius_px=BEAM_RADIUS)
    centred = measure_features(scan, found)
    as_it_is = measure_features(scan, replace(found, descan_px=np.zeros_like(descan)))
    spread = [f.windows[0].values[:, : SCAN[1] // 2].astype(float).var(axis=(0, 1)).max() for f in (centred, as_it_is)]
    assert spread[0] < 3 < 30 < spread[1]


def test_large_patterns_are_binned():
    data = np.repeat(np.repeat(two_crystals(SCAN), 4, axis=2), 4, axis=3)
    found = replace(survey(data), noise=NoiseModel())
    features = measure_features(open_scan(data), found)
    assert len(features.windows[0].basis.matrix) == 72 * 72
    assert features.structured
