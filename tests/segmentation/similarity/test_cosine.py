import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from clustem.computing import execution
from clustem.errors import InputError
from clustem.formats import open_scan
from clustem.scan import Scan
from clustem.segmentation import published_similarity
from clustem.segmentation.similarity._kernels import real_products, sharp_products, whole_products
from clustem.segmentation.similarity.blur import blur_plan
from clustem.segmentation.similarity.cosine import (
    NEIGHBOURS,
    UNIQUE,
    around_positions,
    edge_similarity,
    mean_similarity,
    overlap,
)

ORDER = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (1, 1), (1, 0), (1, -1), (0, 1)]


def has_neighbour(shape):
    """(Y, X, 8): whether the neighbour is inside the scan."""
    y, x = np.indices(shape)
    inside = [(y + dy >= 0) & (y + dy < shape[0]) & (x + dx >= 0) & (x + dx < shape[1]) for dy, dx in ORDER]
    return np.stack(inside, axis=-1)


def oracle(patterns, mask, sigma=0.0):
    """The published definition, one pair at a time."""
    height, width = patterns.shape[:2]
    around = np.full((height, width, 8), -1.0)
    centred = patterns.astype(float) - patterns.mean((2, 3), dtype=float)[..., None, None]
    vectors = gaussian_filter(centred, sigma, axes=(2, 3))[..., mask]
    for y, x, n in np.argwhere(has_neighbour((height, width))):
        a, b = vectors[y, x], vectors[y + ORDER[n][0], x + ORDER[n][1]]
        around[y, x, n] = a @ b / np.sqrt((a @ a) * (b @ b))
    return around


def random_patterns(seed, shape=(4, 5, 7, 6), mean=20, dtype=np.uint16):
    return np.random.default_rng(seed).poisson(mean, shape).astype(dtype)


def test_published_numbers(counts, group):
    scan_mask = None if group.r_mask is None else group.r_mask[:20, :20]
    similarity = published_similarity(
        counts, detector_mask=group.q_mask, scan_mask=scan_mask, smooth_sigma=group.smooth_sigma
    )
    inside = has_neighbour((20, 20))
    assert similarity.dtype == np.float64
    np.testing.assert_allclose(similarity[inside], group.similarity[:20, :20][inside], rtol=1e-5)
    assert (similarity[~inside] == -1).all()


def test_order_of_neighbours_by_hand():
    """Each pattern of 3×3 is 1 at a pixel of its own and at one it shares: two patterns share none or one."""
    patterns = np.zeros((3, 3, 2, 9))
    patterns.reshape(9, -1)[np.arange(9), np.arange(9)] = 1
    alike = published_similarity(patterns)[1, 1]
    # mean 1/18: a·b = -2/18 + 18/18² = -1/18, a·a = 1 - 2/18 + 1/18 = 17/18
    np.testing.assert_allclose(alike, -1 / 17)
    for n, (dy, dx) in enumerate(ORDER):
        changed = patterns.copy()
        changed[1 + dy, 1 + dx] = patterns[1, 1]
        similarity = published_similarity(changed)[1, 1]
        assert np.flatnonzero(np.isclose(similarity, 1)).tolist() == [n]
    assert list(NEIGHBOURS) == ORDER


def test_two_by_two_by_hand():
    a, b = np.array([[3.0, 0], [0, 1]]), np.array([[0.0, 2], [0, 2]])
    # about their mean 1: a = (2, -1, -1, 0), b = (-1, 1, -1, 1), so a·b = -2, a·a = 6, b·b = 4
    ab = -2 / np.sqrt(24)
    similarity = published_similarity(np.array([[a, b], [b, b]]))
    expected = np.full((2, 2, 8), -1.0)
    expected[0, 0, [4, 5, 7]] = ab  # (1,1), (1,0), (0,1)
    expected[0, 1, [3, 5, 6]] = ab, 1, 1  # (0,-1), (1,0), (1,-1)
    expected[1, 0, [1, 2, 7]] = ab, 1, 1  # (-1,0), (-1,1), (0,1)
    expected[1, 1, [0, 1, 3]] = ab, 1, 1  # (-1,-1), (-1,0), (0,-1)
    np.testing.assert_allclose(similarity, expected, atol=1e-15)


@pytest.mark.parametrize(
    ("dtype", "sigma"),
    [
        *((dtype, 0.0) for dtype in (np.uint8, np.int16, np.uint16, np.uint32, np.float32)),
        (np.uint16, 0.7),
        (np.float32, 0.7),
    ],
)
def test_definition(dtype, sigma):
    patterns = random_patterns(1, dtype=dtype)
    if patterns.dtype.kind in "if":
        patterns -= 18
    mask = np.random.default_rng(2).random((7, 6)) < 0.7
    similarity = published_similarity(patterns, detector_mask=mask, smooth_sigma=sigma)
    np.testing.assert_allclose(similarity, oracle(patterns, mask, sigma), atol=1e-6 if sigma else 1e-12)


def test_large_values_do_not_overflow():
    patterns = random_patterns(3, mean=60_000)
    mask = np.ones((7, 6), bool)
    expected = oracle(patterns, mask)
    np.testing.assert_allclose(published_similarity(patterns), expected, atol=1e-9)
    wide = patterns.astype(np.uint32) * 50_000
    np.testing.assert_allclose(published_similarity(wide), expected, atol=1e-9)


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (3, 1), (2, 2)])
def test_outside_of_small_scans(shape):
    patterns = random_patterns(4, (*shape, 4, 4))
    similarity = published_similarity(patterns)
    inside = has_neighbour(shape)
    assert (similarity[~inside] == -1).all()
    assert (np.abs(similarity[inside]) < 1).all()
    assert (~inside).sum() + inside.sum() == 8 * shape[0] * shape[1]


@pytest.mark.parametrize("value", [0, 7, 65535])
def test_a_constant_pattern_is_nan_to_all_its_neighbours_and_only_there(value):
    patterns = random_patterns(5, (5, 5, 6, 6))
    patterns[1, 2] = value
    similarity = published_similarity(patterns)
    dead = np.zeros((5, 5, 8), bool)
    dead[1, 2] = True
    for n, (dy, dx) in enumerate(ORDER):
        dead[1 - dy, 2 - dx, n] = True
    assert np.array_equal(np.isnan(similarity), dead & has_neighbour((5, 5)))


@pytest.mark.parametrize("value", [0.1, 1e-8, 1e8])
def test_constant_patterns_of_real_numbers_are_dead_in_spite_of_rounding(value):
    patterns = random_patterns(5, (3, 3, 6, 6)).astype(np.float64)
    patterns[1, 1] = value
    assert np.isnan(published_similarity(patterns)[1, 1]).all()


def test_a_pattern_that_is_not_finite_is_nan():
    patterns = random_patterns(5, (3, 4, 6, 6)).astype(np.float32)
    patterns[0, 0, 2, 2] = np.nan
    assert np.isnan(published_similarity(patterns)[0, 0, [4, 5, 7]]).all()
    assert np.isfinite(published_similarity(patterns)[:, 2:]).all()


def test_a_pattern_that_differs_only_outside_the_mask_is_dead_there():
    patterns = random_patterns(6, (2, 2, 4, 4))
    patterns[0, 0, :, :2] = 0
    patterns[0, 0, :, 2:] = 0
    patterns[0, 0, 0, 0] = 0
    mask = np.zeros((4, 4), bool)
    mask[:, 2:] = True
    assert np.isnan(published_similarity(patterns, detector_mask=mask)[0, 0, [4, 5, 7]]).all()


def test_scan_mask_multiplies_by_zero():
    patterns = random_patterns(7)
    mask = np.random.default_rng(8).random((4, 5)) < 0.5
    plain, masked = published_similarity(patterns), published_similarity(patterns, scan_mask=mask)
    assert np.array_equal(masked[mask], plain[mask])
    assert (masked[~mask] == 0).all()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), sigma=st.sampled_from([0.0, 0.8]))
def test_scaling_a_pattern_changes_nothing(seed, sigma):
    generator = np.random.default_rng(seed)
    patterns = random_patterns(seed, (3, 3, 6, 6), dtype=np.float64)
    scales = generator.uniform(0.01, 100, (3, 3, 1, 1))
    np.testing.assert_allclose(
        published_similarity(patterns * scales, smooth_sigma=sigma),
        published_similarity(patterns, smooth_sigma=sigma),
        atol=1e-5 if sigma else 1e-9,
    )


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), height=st.integers(1, 4), width=st.integers(1, 4))
def test_transposing_the_scan_permutes_the_neighbours(seed, height, width):
    patterns = random_patterns(seed, (height, width, 5, 5))
    swapped = [ORDER.index((dx, dy)) for dy, dx in ORDER]
    transposed = published_similarity(patterns.transpose(1, 0, 2, 3))
    assert np.array_equal(published_similarity(patterns), transposed.transpose(1, 0, 2)[..., swapped])


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_values_lie_between_minus_one_and_one_and_pairs_agree(seed):
    patterns = random_patterns(seed, (3, 4, 3, 3), mean=1)
    similarity = published_similarity(patterns)
    assert (np.abs(similarity[np.isfinite(similarity)]) <= 1).all()
    for y, x, n in np.argwhere(has_neighbour((3, 4))):
        dy, dx = ORDER[n]
        other = similarity[y + dy, x + dx, ORDER.index((-dy, -dx))]
        assert np.array_equal(similarity[y, x, n], other, equal_nan=True)


@pytest.mark.parametrize(
    ("dtype", "sigma"),
    [*((dtype, 0.0) for dtype in (np.uint8, np.uint16, np.uint32, np.float32)), (np.uint16, 1.0), (np.float32, 1.0)],
)
def test_the_same_bytes_for_any_block_size_and_number_of_threads(dtype, sigma):
    patterns = random_patterns(9, (9, 6, 128, 128), dtype=dtype)
    mask = np.random.default_rng(2).random((128, 128)) < 0.7
    reads = []

    def reader(start, stop):
        reads.append((start, stop))
        return patterns[start:stop]

    scan = Scan(patterns.shape, patterns.dtype, reader)
    results = []
    for memory, threads in [(2**20, 1), (2**20, 2), (4 * 2**20, 2), (2**30, 1), (2**30, 2)]:
        with execution(memory=memory, threads=threads):
            results.append(published_similarity(scan, detector_mask=mask, smooth_sigma=sigma).tobytes())
    assert len(set(results)) == 1
    sizes = {stop - start for start, stop in reads}
    assert min(sizes) < 9
    assert max(sizes) == 9


@pytest.mark.parametrize(("dtype", "sigma"), [(np.uint16, 0.0), (np.float32, 0.0), (np.uint16, 1.0)])
def test_the_same_bytes_where_rows_are_read_in_parts(dtype, sigma):
    patterns = random_patterns(9, (3, 40, 128, 128), dtype=dtype)
    expected = published_similarity(patterns, smooth_sigma=sigma).tobytes()
    with execution(memory=2**20, threads=2):
        assert published_similarity(patterns, smooth_sigma=sigma).tobytes() == expected


def test_integers_and_real_numbers_of_the_same_values_agree():
    patterns = random_patterns(10, (5, 5, 9, 9))
    expected = published_similarity(patterns)
    for dtype in (np.uint32, np.int64, np.float32, np.float64, np.float16, ">u2"):
        np.testing.assert_allclose(published_similarity(patterns.astype(dtype)), expected, rtol=0, atol=1e-12)


def test_a_pixel_masked_by_the_file_is_never_used():
    patterns = random_patterns(11, (3, 3, 6, 6))
    mask = np.ones((6, 6), bool)
    mask[2, 3] = False
    scan = Scan(patterns.shape, patterns.dtype, lambda a, b: patterns[a:b], detector_mask=mask)
    expected = oracle(patterns * mask, mask)
    np.testing.assert_allclose(published_similarity(scan), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"detector_mask": np.eye(1, 36).reshape(6, 6)}, "detector_mask: leaves 1 pixels to compare"),
        ({"detector_mask": np.zeros((6, 6))}, "detector_mask: selects nothing"),
        ({"detector_mask": np.ones((6, 5))}, r"detector_mask: expected an image of shape \(6, 6\), got \(6, 5\)"),
        ({"detector_mask": "nowhere.npy"}, "detector_mask: there is no file nowhere.npy"),
        ({"scan_mask": np.zeros((2, 3))}, "scan_mask: selects nothing"),
        ({"scan_mask": np.ones((3, 2))}, r"scan_mask: expected an image of shape \(2, 3\), got \(3, 2\)"),
        (
            {"smooth_sigma": -0.1},
            "smooth_sigma: expected a blur of 0 px or more and below the size of the detector, 6 px, got -0.1",
        ),
        ({"smooth_sigma": 6.0}, "smooth_sigma: expected a blur of 0 px or more and below .* 6 px, got 6.0"),
        ({"smooth_sigma": np.nan}, "smooth_sigma: expected a blur of 0 px or more"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        published_similarity(random_patterns(12, (2, 3, 6, 6)), **options)


def test_two_pixels_are_enough():
    mask = np.zeros((6, 6), bool)
    mask[1, 1] = mask[4, 3] = True
    patterns = random_patterns(12, (2, 3, 6, 6))
    np.testing.assert_allclose(published_similarity(patterns, detector_mask=mask), oracle(patterns, mask), atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(height=st.integers(1, 5), width=st.integers(1, 5), seed=st.integers(0, 1000))
def test_pairs_and_neighbours_tell_the_same(height, width, seed):
    """The overlaps of UNIQUE hold every pair of neighbours once; around_positions shows each from both sides."""
    index = np.arange(height * width).reshape(height, width)
    pairs = [
        pair
        for dy, dx in UNIQUE
        for pair in zip(*(index[part].ravel().tolist() for part in overlap(dy, dx)), strict=True)
    ]
    near = {
        (a, b)
        for a in range(height * width)
        for b in range(a + 1, height * width)
        if max(abs(a // width - b // width), abs(a % width - b % width)) == 1
    }
    assert {tuple(sorted(pair)) for pair in pairs} == near
    assert len(pairs) == len(near)
    values = np.random.default_rng(seed).random((4, height, width))
    around = around_positions(values)
    assert np.array_equal(around >= 0, has_neighbour((height, width)))
    for n, (dy, dx) in enumerate(UNIQUE):
        here = overlap(dy, dx)[0]
        assert np.array_equal(around[(*here, ORDER.index((dy, dx)))], values[(n, *here)])


def test_mean_similarity_counts_only_known_neighbours_inside():
    patterns = random_patterns(13, (3, 4, 5, 5))
    patterns[0, 0] = 0
    edges = edge_similarity(open_scan(patterns), detector_mask=None, smooth_sigma=0)
    around = around_positions(edges)
    known = has_neighbour((3, 4)) & np.isfinite(around)
    mean = mean_similarity(edges)
    assert np.isnan(mean[0, 0])
    for y, x in np.argwhere(known.any(-1)):
        assert mean[y, x] == pytest.approx(around[y, x][known[y, x]].mean())
    assert np.isfinite(mean).sum() == 11


@pytest.mark.parametrize("kernel", [whole_products, sharp_products])
def test_kernel_compiled_and_as_plain_python(kernel):
    patterns = random_patterns(14, (4, 3, 3, 4)).reshape(4, 3, 12)
    runs = np.array([[1, 4], [6, 11]])
    used = np.r_[1:4, 6:11]
    results = []
    for function in (kernel, kernel.py_func):
        sums, dots = np.full((3, 3, 3), np.nan), np.zeros((4, 4, 3))[:, :3]  # a part, as in a pass
        function(patterns, runs, 0, 3, *sums, dots)
        results.append((sums, dots))
    for compiled, plain in zip(*results, strict=True):
        assert np.array_equal(compiled, plain)
    check_products(patterns, used, *results[0])


def test_kernel_of_blurred_patterns_compiled_and_as_plain_python():
    patterns = random_patterns(15, (3, 4, 6, 5))
    plan = blur_plan((6, 5), 0.8)
    blurred = gaussian_filter(patterns.astype(float), 0.8, axes=(2, 3)).reshape(3, 4, 30)
    runs, used = np.array([[2, 9], [20, 30]]), np.r_[2:9, 20:30]
    for function in (real_products, real_products.py_func):
        sums, dots = np.full((3, 2, 4), np.nan), np.zeros((4, 3, 4))[:, :2]
        for columns in ((0, 2), (2, 4)):
            function(patterns, *plan, runs, *columns, *sums, dots)
        check_products(blurred, used, sums, dots, rtol=2e-6)


def check_products(patterns, used, sums, dots, rtol=0.0):
    """Compare with patterns (rows + halo, scan_x, k): whole sums, sums and squares of the used pixels, products."""
    rows = sums.shape[1]
    wide = patterns[..., used].astype(float)
    np.testing.assert_allclose(sums[0], patterns[:rows].sum(-1), rtol=rtol)
    np.testing.assert_allclose(sums[1], wide[:rows].sum(-1), rtol=rtol)
    np.testing.assert_allclose(sums[2], (wide[:rows] ** 2).sum(-1), rtol=rtol)
    for n, (dy, dx) in enumerate(UNIQUE):
        here, there = overlap(dy, dx)
        expected = np.full(patterns.shape[:2], np.nan)
        expected[here] = (wide[here] * wide[there]).sum(-1)
        known = np.isfinite(expected[:rows])
        np.testing.assert_allclose(dots[n][known], expected[:rows][known], rtol=rtol)


@pytest.mark.parametrize(
    ("dtype", "low", "high", "sigma"),
    [
        (np.uint8, 0, 255, 0.0),
        (np.uint16, 0, 65535, 0.0),
        (np.uint16, 0, 65535, 1.0),
        (np.uint32, 0, 2**32 - 1, 0.0),
        (np.int16, -300, 300, 0.0),
        (np.int32, -(2**31), 2**31 - 1, 0.0),
        (np.int64, -(2**40), 2**40, 0.0),
        (np.float32, -9, 9, 0.0),
        (np.float32, -9, 9, 1.0),
    ],
)
def test_integers_of_any_size(dtype, low, high, sigma):
    patterns = np.random.default_rng(16).integers(low, high, (4, 4, 9, 9), endpoint=True).astype(dtype)
    mask = np.ones((9, 9), bool)
    mask[3:5, 2:7] = False
    expected = oracle(patterns, mask, sigma)
    around = published_similarity(patterns, detector_mask=mask, smooth_sigma=sigma)
    np.testing.assert_allclose(around, expected, rtol=1e-5, atol=1e-5 if sigma else 1e-9)
