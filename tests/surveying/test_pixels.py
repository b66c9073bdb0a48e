import numpy as np
import pytest

from clustem.scan import Scan
from clustem.surveying import survey
from clustem.surveying.pixels import fill_pixels, find_bad_pixels, mend_pixels, mending_of


def spots_scan(sigma=0.6, background=1.0, shape=(8, 9), seed=0):
    """Sharp spots at sub-pixel places, a direct beam, and a weak background, Poisson."""
    y, x = np.indices((48, 48))
    generator = np.random.default_rng(seed)
    expected = np.full((48, 48), background) + 60 * (np.hypot(y - 23.5, x - 23.5) <= 4)
    for cy, cx in generator.uniform(4, 44, (14, 2)):
        expected += 80 * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * sigma**2))
    return generator.poisson(np.broadcast_to(expected, (*shape, 48, 48))).astype(np.uint16)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("sigma", [0.6, 1.0, 2.0])
def test_clean_data_has_no_bad_pixels(sigma, seed):
    found = survey(spots_scan(sigma, seed=seed))
    assert not found.hot_pixels.any()
    assert not found.dead_pixels.any()


@pytest.mark.parametrize("background", [0.02, 1.0])
def test_planted_hot_pixels_are_found(background):
    data = spots_scan(background=background)
    hot = np.zeros((48, 48), bool)
    hot[3, 40] = hot[0, 0] = hot[47, 20] = hot[30, 6] = hot[10, 25] = hot[10, 26] = True
    data[..., hot] += 50
    found = survey(data)
    assert np.array_equal(found.hot_pixels, hot)
    assert not found.dead_pixels.any()
    assert np.array_equal(found.detector_mask, ~hot)
    assert np.array_equal(found.usable, ~hot)
    assert "6 hot pixels were found and are left out." in found.warnings
    assert np.array_equal(found.total, data[..., ~hot].sum(-1))


def test_a_pixel_that_is_hot_in_few_patterns():
    data = spots_scan(background=0.05)
    data[2, 3, 44, 2] = 2000
    assert np.argwhere(survey(data).hot_pixels).tolist() == [[44, 2]]


def test_planted_dead_pixels_are_found():
    data = spots_scan(background=2.0)
    dead = np.zeros((48, 48), bool)
    dead[23, 23] = dead[5, 6] = dead[40, 40] = True
    data[..., dead] = 0
    found = survey(data)
    assert np.array_equal(found.dead_pixels, dead)
    assert not found.hot_pixels.any()
    assert np.array_equal(found.detector_mask, ~dead)
    np.testing.assert_allclose(found.centre_px, (23.5, 23.5), atol=0.1)


def test_few_counts_do_not_make_dead_pixels():
    data = np.random.default_rng(0).poisson(0.05, (5, 5, 32, 32)).astype(np.uint16)
    data[..., 14:18, 14:18] += 20
    found = survey(data)
    assert not found.dead_pixels.any()
    assert not found.hot_pixels.any()


def test_pixels_out_of_use_are_neither():
    mean, use = np.ones((9, 9)), np.ones((9, 9), bool)
    mean[4, 4], mean[2, 2] = 1000, 0
    use[4, 4] = use[2, 2] = False
    hot, dead = find_bad_pixels(mean, mean, 1000, use)
    assert not hot.any()
    assert not dead.any()
    hot, dead = find_bad_pixels(mean, mean, 1000, np.ones((9, 9), bool))
    assert np.argwhere(hot).tolist() == [[4, 4]]
    assert np.argwhere(dead).tolist() == [[2, 2]]


def test_the_gain_of_the_detector_does_not_matter():
    data = spots_scan()
    data[..., 3, 40] += 50
    data[..., 5, 6] = 0
    one, other = survey(data), survey(data * 37)
    assert one.hot_pixels.any()
    assert np.array_equal(one.hot_pixels, other.hot_pixels)
    assert np.array_equal(one.dead_pixels, other.dead_pixels)


def test_filling_takes_the_median_of_used_pixels_nearby():
    image = np.arange(49.0).reshape(7, 7)
    use = np.ones((7, 7), bool)
    assert fill_pixels(image, use) is image
    use[3, 3] = use[3, 4] = False
    filled = fill_pixels(image, use)
    around = [image[y, x] for y in range(1, 6) for x in range(1, 6) if use[y, x]]
    assert filled[3, 3] == np.median(around)
    assert np.array_equal(filled[use], image[use])
    corner = np.ones((7, 7), bool)
    corner[0, 0] = False
    assert fill_pixels(image, corner)[0, 0] == np.median([1, 2, 7, 8, 9, 14, 15, 16])
    assert not fill_pixels(image, np.zeros((7, 7), bool)).any()


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_mending_takes_the_median_in_every_pattern(dtype):
    data = spots_scan(shape=(3, 4)).astype(dtype)
    bad = np.zeros((48, 48), bool)
    bad[10, 12] = bad[0, 0] = bad[30, 31] = bad[30, 32] = True
    scan = Scan(data.shape, data.dtype, lambda a, b: data[a:b])
    assert mend_pixels(scan, np.zeros((48, 48), bool)) is scan
    mended = np.asarray(mend_pixels(scan, bad))
    assert mended.dtype == dtype
    assert np.array_equal(mended[..., ~bad], data[..., ~bad])
    for y, x in np.argwhere(bad):
        near = [(v, u) for v in range(max(0, y - 1), y + 2) for u in range(max(0, x - 1), x + 2) if not bad[v, u]]
        median = np.median([data[..., v, u] for v, u in near], axis=0)
        assert np.abs(mended[..., y, x] - median).max() <= (0.5 if dtype == np.uint16 else 0)
    assert (data[..., 10, 12] == spots_scan(shape=(3, 4))[..., 10, 12]).all(), "the source stays as it is"


def test_mending_looks_further_where_few_are_good():
    data = np.arange(49, dtype=np.uint16).reshape(1, 1, 7, 7) + np.zeros((2, 2, 1, 1), np.uint16)
    bad = np.zeros((7, 7), bool)
    bad[2:5, 2:5] = True
    mended = mend_pixels(Scan(data.shape, data.dtype, lambda a, b: data[a:b]), bad)
    ring = [data[0, 0, y, x] for y in range(1, 6) for x in range(1, 6) if not bad[y, x]]
    assert mended.pattern(1, 1)[3, 3] == np.median(ring)
    nothing_good = mend_pixels(Scan(data.shape, data.dtype, lambda a, b: data[a:b]), np.ones((7, 7), bool))
    assert not nothing_good.pattern(0, 0).any()


def test_which_pixels_are_mended_from_which():
    """Two bad pixels of 4×5: one in the corner, one that has three good neighbours, and nothing good at all."""
    bad = np.zeros((4, 5), bool)
    bad[0, 0] = bad[2, 3] = True
    mending = mending_of(bad)
    assert mending.lines.tolist() == [0, 1, 1, 2, 2]
    assert mending.columns.tolist() == [0, 3]
    assert mending.starts.tolist() == [0, 3, 11]
    around = list(zip(mending.around_y.tolist(), mending.around_x.tolist(), strict=True))
    assert around[:3] == [(0, 1), (1, 0), (1, 1)]
    assert around[3:] == [(y, x) for y in (1, 2, 3) for x in (2, 3, 4) if (y, x) != (2, 3)]
    nothing = mending_of(np.zeros((4, 5), bool))
    assert (nothing.lines.tolist(), nothing.columns.size, nothing.starts.tolist()) == ([0] * 5, 0, [0])
    none_good = mending_of(np.ones((4, 5), bool))
    assert (none_good.columns.size, none_good.starts[-1], none_good.around_y.size) == (20, 0, 0)


def test_a_spot_cut_by_the_edge_is_not_hot():
    """Its brightest pixel, at the edge, has one bright neighbour on the detector, and one more by mirroring."""
    mean = np.full((20, 20), 1.0)
    mean[0, 9:12] = 30, 100, 90
    mean[1, 9:12] = 3, 20, 15
    hot, _ = find_bad_pixels(mean, mean.copy(), 10_000, np.ones((20, 20), bool))
    assert not hot.any()
    mean[0, 9:12], mean[1, 9:12] = (1, 100, 1), 1
    assert find_bad_pixels(mean, mean.copy(), 10_000, np.ones((20, 20), bool))[0][0, 10]
