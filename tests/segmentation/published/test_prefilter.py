import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from clustem.calibration import Calibration
from clustem.computing import execution
from clustem.errors import InputError
from clustem.formats import open_scan
from clustem.scan import Scan
from clustem.segmentation import published_prefilter, segment
from clustem.segmentation.published._prefilter_kernels import (
    make_features,
    neighbour_weights,
    pair_products,
    sharpen_products,
    weighted_sums,
)
from clustem.segmentation.published.prefilter import filtered_strips
from clustem.segmentation.similarity import blur_plan

SMALL = {"radius": 2, "sigma": 1.0, "edge": 1, "corr_range": (0.2, 0.7)}


def patterns_of(seed=0, shape=(6, 7, 10, 11), dtype=np.uint16):
    """Two kinds of pattern, left and right, and noise."""
    generator = np.random.default_rng(seed)
    kinds = generator.gamma(0.3, 40, (2, *shape[2:]))
    left = (np.arange(shape[1]) < shape[1] // 2).astype(int)
    return generator.poisson(np.broadcast_to(kinds[left], shape)).astype(dtype)


def weights_of(patterns, *, corr_range, radius, sigma, edge, mask=True):
    """Correlations of every pattern with every other, as weights (n, n), by the formula; NaN for empty patterns."""
    height, width, *detector = patterns.shape
    y, x = (np.arange(n) - (n - 1) / 2 for n in detector)
    weight = (y[:, None] ** 2 + x**2) / np.prod(detector)
    inside = np.zeros(detector, bool)
    inside[edge : detector[0] - edge, edge : detector[1] - edge] = True
    weight = weight * inside * mask
    blurred = gaussian_filter(patterns.astype(float), sigma, axes=(2, 3), mode="reflect")
    features = weight * (blurred - (weight * blurred).sum((2, 3), keepdims=True) / weight.sum())
    features = features.reshape(height * width, -1)
    with np.errstate(invalid="ignore"):
        features /= np.linalg.norm(features, axis=1)[:, None]
    alike = np.clip((features @ features.T - corr_range[0]) / (corr_range[1] - corr_range[0]), 0, 1)
    place = np.stack(np.indices((height, width)), -1).reshape(-1, 2)
    distance = np.hypot(*(place[:, None] - place[None]).transpose(2, 0, 1))
    return np.where((alike > 1e-3) & (distance <= radius + 0.5) & (distance > 0), alike, 0)


def oracle(patterns, **parameters):
    flat = patterns.reshape(-1, *patterns.shape[2:]).astype(float)
    weights = weights_of(patterns, **parameters)
    sums = flat + np.einsum("rn,nyx->ryx", weights, flat)
    return (sums / (1 + weights.sum(1))[:, None, None]).reshape(patterns.shape)


def test_published_numbers(counts, prefiltered):
    positions, expected = prefiltered
    filtered = published_prefilter(counts, border="published")
    rows = {int(y): filtered.read(y, y + 1)[0] for y in np.unique(positions[:, 0])}
    result = np.stack([rows[y][x] for y, x in positions.tolist()])
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)
    full = published_prefilter(counts)
    inner = positions.tolist().index([10, 10])
    differs = np.abs(full.pattern(10, 10) - expected[inner]).max()
    assert differs > 1e-3, "the own pattern counts once with border='full'"


def test_the_formula():
    patterns = patterns_of()
    expected = oracle(patterns, **SMALL)
    assert np.abs(expected - patterns).max() > 5, "nothing was averaged"
    np.testing.assert_allclose(np.asarray(published_prefilter(patterns, **SMALL)), expected, rtol=1e-5, atol=1e-5)


def test_the_published_border():
    """The own pattern is one of its neighbours, and row 0 and column 0 give nothing, not even to themselves."""
    patterns = patterns_of(1)
    weights = weights_of(patterns, **SMALL) + np.eye(42)
    place = np.indices((6, 7)).reshape(2, -1)
    weights[:, (place == 0).any(0)] = 0
    flat = patterns.reshape(42, 10, 11).astype(float)
    sums = flat + np.einsum("rn,nyx->ryx", weights, flat)
    expected = (sums / (1 + weights.sum(1))[:, None, None]).reshape(patterns.shape)
    result = np.asarray(published_prefilter(patterns, border="published", **SMALL))
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)


@settings(max_examples=10, deadline=None)
@given(start=st.integers(0, 5), rows=st.integers(1, 6), border=st.sampled_from(["full", "published"]))
def test_rows_do_not_depend_on_how_many_are_read(start, rows, border):
    filtered = published_prefilter(patterns_of(2), border=border, **SMALL)
    stop = min(start + rows, 6)
    with execution(threads=2):
        whole = filtered.read(0, 6)
    with execution(threads=1, memory=2**20):
        filtered = published_prefilter(patterns_of(2), border=border, **SMALL)
        assert filtered.read(start, stop).tobytes() == whole[start:stop].tobytes()


@pytest.mark.parametrize("dtype", [np.uint32, np.float32])
def test_types_of_the_same_values_agree(dtype):
    expected = np.asarray(published_prefilter(patterns_of(3) % 256, **SMALL))
    result = np.asarray(published_prefilter((patterns_of(3) % 256).astype(dtype), **SMALL))
    np.testing.assert_allclose(result, expected, rtol=1e-5)


def test_it_is_lazy_and_keeps_what_the_scan_is():
    patterns = patterns_of(4)
    reads = []
    mask = np.ones((10, 11), bool)
    mask[3, 4] = False

    def reader(start, stop):
        reads.append((start, stop))
        return patterns[start:stop]

    scan = Scan(
        patterns.shape,
        patterns.dtype,
        reader,
        calibration=Calibration(energy_keV=200),
        name="film",
        detector_mask=mask,
        assumptions=("assumed",),
    )
    filtered = published_prefilter(scan, **SMALL)
    assert reads == []
    assert (filtered.shape, filtered.dtype, filtered.name) == (patterns.shape, np.float32, "film (prefiltered)")
    assert (filtered.calibration, filtered.assumptions) == (scan.calibration, ("assumed",))
    rows = filtered.read(3, 4)
    assert reads == [(1, 6)], "two rows of halo"
    assert rows.dtype == np.float32
    expected = oracle(patterns * mask, **SMALL, mask=mask)
    np.testing.assert_allclose(rows, expected[3:4], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("low", [-0.5, 0.2])
def test_empty_patterns_neither_give_nor_take(low):
    patterns = patterns_of(5)
    patterns[2, 3] = 0
    result = np.asarray(published_prefilter(patterns, **{**SMALL, "corr_range": (low, 0.7)}))
    assert not result[2, 3].any()
    with np.errstate(invalid="ignore"):
        expected = oracle(patterns, **{**SMALL, "corr_range": (low, 0.7)})
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)


def test_identical_patterns_stay_as_they_are():
    patterns = np.broadcast_to(patterns_of(6)[0, 0], (3, 3, 10, 11))
    np.testing.assert_allclose(np.asarray(published_prefilter(patterns, **SMALL)), patterns, rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"edge": 5}, "edge: a frame of 5 px leaves nothing of the 10×11 detector to compare; choose a smaller edge"),
        ({"edge": 50}, "edge: a frame of 50 px leaves nothing"),
        ({"edge": -1}, "edge: expected at least 0, got -1"),
        ({"edge": 1.5}, "edge: expected"),
        ({"radius": 0}, "radius: expected at least 1, got 0"),
        ({"radius": np.nan}, "radius: expected at least 1"),
        ({"sigma": -1.0}, "sigma: expected at least 0, got -1.0"),
        ({"corr_range": (0.9, 0.9)}, r"corr_range: expected -1 ≤ low < high ≤ 1, got \(0.9, 0.9\)"),
        ({"corr_range": (0.5, 1.1)}, "corr_range: expected -1 ≤ low < high ≤ 1"),
        ({"border": "none"}, "border: expected 'full' or 'published', got 'none'"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        published_prefilter(patterns_of(), **{**SMALL, **options})


def test_the_published_defaults_do_not_fit_a_tiny_detector():
    with pytest.raises(InputError, match="edge: a frame of 12 px leaves nothing of the 10×11 detector"):
        published_prefilter(patterns_of())


def test_kernel_of_products_compiled_and_as_plain_python():
    """Rows 5 to 7 of a scan, in rings of three rows."""
    features = np.random.default_rng(0).random((3, 4, 5), np.float32)
    offsets = np.array([[0, 1], [1, -2], [2, 0]])
    at = {y: features[y % 3].astype(float) for y in (5, 6, 7)}
    for products_of, sharpen in ((pair_products, sharpen_products), (pair_products.py_func, sharpen_products.py_func)):
        products = np.full((3, 3, 4), np.nan)
        for rows in (np.array([5]), np.array([6, 7])):
            for columns in ((0, 3), (3, 4)):
                products_of(features, offsets, rows, 5, *columns, products)
        sharp = products.copy()
        sharpen(features, offsets, np.array([5, 6, 7]), 5, 0.0, 1.2, 0, 4, sharp)
        for m, y, x in np.ndindex(3, 3, 4):
            u, v = 5 + y + offsets[m, 0], x + offsets[m, 1]
            place = m, (5 + y) % 3, x
            if u <= 7 and 0 <= v < 4:
                exact = at[5 + y][x] @ at[u][v]
                assert products[place] == pytest.approx(exact, rel=1e-6)
                assert sharp[place] == (pytest.approx(exact, rel=1e-14) if exact <= 1.19 else products[place])
            else:
                assert np.isnan(products[place])


def test_kernel_of_features_compiled_and_as_plain_python():
    patterns = np.random.default_rng(0).poisson(3, (3, 6, 7)).astype(np.uint16)
    patterns[1] = 0
    weight = np.random.default_rng(1).random(12)
    runs, used = np.array([[3, 10], [20, 25]]), np.r_[3:10, 20:25]
    plan = blur_plan((6, 7), 1.0)
    flat = gaussian_filter(patterns.astype(float), 1.0, axes=(1, 2)).reshape(3, 42)[:, used]
    centred = weight * (flat - (flat @ weight)[:, None] / weight.sum())
    for kernel in (make_features, make_features.py_func):
        features, alive = np.zeros((3, 12), np.float32), np.zeros(3, bool)
        kernel(patterns, *plan, weight, runs, 0, 3, features, alive)
        assert alive.tolist() == [True, False, True]
        assert np.isnan(features[1]).all()
        for n in (0, 2):
            np.testing.assert_allclose(features[n], centred[n] / np.linalg.norm(centred[n]), atol=2e-6)


@pytest.mark.parametrize(
    ("products", "donor", "own", "expected"),
    [
        ((0.875, 0.95), True, 1, np.array([1, 1, 0.25])),
        ((0.875, 2.0), False, 2, np.array([2, 0, 0.25])),
        ((0.85 + 1e-5, np.nan), True, 1, np.array([1, 0, 0])),
    ],
)
def test_kernel_of_weights_compiled_and_as_plain_python(products, donor, own, expected):
    """A column of three patterns, the middle one wanted; low 0.85, high 0.95."""
    given_products = np.array([[[products[0]], [products[1]], [np.nan]]])
    donors = np.array([[True], [True], [donor]])
    for kernel in (neighbour_weights, neighbour_weights.py_func):
        weights = np.full((1, 1, 3), np.nan, np.float32)
        kernel(given_products, np.array([[1, 0]]), 0.85, 0.95, donors, np.array([[float(own)]]), 1, weights)
        np.testing.assert_allclose(weights[0, 0], expected, rtol=1e-6)


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("same", [0.0, 0.5, 1.0])
def test_kernel_of_sums_compiled_and_as_plain_python(exact, same):
    """Rows 5 and 6 of a scan, in a ring of four rows, where a part of the weights is 1."""
    generator = np.random.default_rng(0)
    patterns = generator.poisson(5, (4, 7, 30)).astype(np.uint16)
    offsets = np.array([[0, 1], [1, -1], [1, 0], [1, 1]])
    places = np.array([(0, 0), *(sign * offset for offset in offsets for sign in (1, -1))])
    weights = generator.random((2, 7, 9)).astype(np.float32)
    weights[generator.random(weights.shape) < same] = 1
    weights[0, 2, 3:] = 0
    weights[:, [0, 6], 1:] = 0
    for kernel in (weighted_sums, weighted_sums.py_func):
        filtered = np.full((2, 7, 30), np.nan, np.float32)
        kernel(patterns, weights, offsets, exact, 5, 1, 7, filtered)
        assert np.isnan(filtered[:, 0]).all(), "not asked for"
        for row, x in np.ndindex(2, 7):
            if x:
                around = [(w, p) for w, p in zip(weights[row, x].astype(float), places, strict=True) if w]
                expected = sum(w * patterns[(5 + row + p[0]) % 4, x + p[1]] for w, p in around)
                np.testing.assert_allclose(filtered[row, x], expected / weights[row, x].sum(), rtol=1e-5)


def test_sums_on_the_way_leave_no_trace_of_brighter_patterns():
    """The sum of a dark grain behind a bright one is exact although it was reached by taking the bright one away."""
    patterns = np.full((12, 24, 9, 8), 60_000, np.uint16)
    patterns += np.arange(72, dtype=np.uint16).reshape(9, 8)
    patterns[:, 12:] = np.where(np.arange(72).reshape(9, 8) % 7 == 3, 1, 0)
    filtered = np.asarray(published_prefilter(patterns, edge=0, sigma=0.5))
    np.testing.assert_allclose(filtered, patterns, rtol=3e-7)  # nothing at all where nothing was counted


def test_rows_in_order_are_read_once():
    patterns = patterns_of(7, (20, 4, 10, 11))
    reads = []

    def reader(start, stop):
        reads.append((start, stop))
        return patterns[start:stop]

    expected = np.asarray(published_prefilter(patterns, **SMALL))
    filtered = published_prefilter(Scan(patterns.shape, patterns.dtype, reader, rows_per_chunk=3), **SMALL)
    rows = [filtered.read(start, min(start + 4, 20)) for start in range(0, 20, 3)]
    assert all(np.array_equal(block, expected[3 * n : 3 * n + 4]) for n, block in enumerate(rows))
    assert sorted(row for start, stop in reads for row in range(start, stop)) == list(range(20))
    assert np.array_equal(filtered.read(12, 14), expected[12:14]), "back, which starts anew"
    assert np.array_equal(filtered.read(2, 3), expected[2:3])


def test_an_error_of_the_source_leaves_nothing_half_done():
    patterns = patterns_of(8, (12, 4, 10, 11))
    broken = {7}

    def reader(start, stop):
        if broken & set(range(start, stop)):
            raise OSError("disk trouble")
        return patterns[start:stop]

    filtered = published_prefilter(Scan(patterns.shape, patterns.dtype, reader), **SMALL)
    with pytest.raises(InputError, match="disk trouble"):
        filtered.read(0, 12)
    broken.clear()
    assert np.array_equal(filtered, np.asarray(published_prefilter(patterns, **SMALL)))


@pytest.mark.parametrize("border", ["full", "published"])
def test_a_wide_scan_is_filtered_in_strips(border):
    """Strips hold less memory than the whole, tile the columns, and hold the same numbers, one column on each side."""
    patterns = patterns_of(9, (3, 150, 32, 32))
    scan = open_scan(patterns)
    ((everything, same, whole),) = filtered_strips(scan, border=border)
    assert everything == same == slice(0, 150)
    expected = np.asarray(whole)
    with execution(memory=2**20):
        strips = list(filtered_strips(scan, border=border))
        assert len(strips) > 2
        assert all(strip.held_bytes < 2**20 < whole.held_bytes for _, _, strip in strips)
        assert [x for columns, _, _ in strips for x in range(150)[columns]] == list(range(150))
        for columns, inside, strip in strips:
            left, right = int(columns.start > 0), int(columns.stop < 150)
            wide = slice(inside.start - left, inside.stop + right)
            here = slice(columns.start - left, columns.stop + right)
            np.testing.assert_array_equal(np.asarray(strip)[:, wide], expected[:, here])


def test_strips_do_not_change_the_domains():
    patterns = patterns_of(10, (6, 150, 32, 32))
    options = {"method": "published", "prefilter": True, "threshold": 0.5}
    expected = segment(patterns, **options)
    with execution(memory=2**20):
        found = segment(patterns, **options)
    assert expected.number == 2
    assert np.array_equal(found.labels, expected.labels)
    np.testing.assert_array_equal(found.similarity, expected.similarity)
