import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from clustem.computing import execution
from clustem.errors import InputError
from clustem.scan import Scan
from clustem.segmentation import published_similarity, similarity_map
from clustem.surveying import NoiseModel, survey

SHAPE = (48, 48)
EVERYTHING = np.ones(SHAPE, bool)
CAMERA = NoiseModel("gain", gain=7.3, offset=40.0, read_noise=2.02)


def disks(seed=1, number=9):
    """Pattern of sum 1: disks on a weak background."""
    generator = np.random.default_rng(seed)
    y, x = np.indices(SHAPE)
    pattern = np.full(SHAPE, 0.01)
    for cy, cx, height in zip(*generator.uniform(5, 43, (2, number)), generator.gamma(2, 1, number), strict=True):
        pattern += height * (np.hypot(y - cy, x - cx) < 3)
    return pattern / pattern.sum()


def draws(a, b, electrons, pairs=300, seed=0):
    """Independent pairs: a scan (pairs, 2, k_y, k_x)."""
    generator = np.random.default_rng(seed)
    expected = np.stack([a, b]) * electrons
    return generator.poisson(expected, (pairs, 2, *SHAPE)).astype(np.uint16)


def camera(counts):
    read = np.random.default_rng(9).normal(0, 2, counts.shape)
    return np.rint(counts * 7.3 + 40 + read).astype(np.uint16)


def pairs_of(scan, noise=None, *, detector_mask=EVERYTHING, **options):
    """Similarities and standard errors of the pairs of :func:`draws`."""
    noise = NoiseModel() if noise is None else noise
    found = similarity_map(scan, noise=noise, detector_mask=detector_mask, centre=False, **options)
    return found.edges[:, 0, 0], found.standard_error[:, 0, 0]


def true_similarity(a, b, sigma):
    return np.corrcoef(*(gaussian_filter(pattern, sigma).ravel() for pattern in (a, b)))[0, 1]


@pytest.mark.parametrize("sigma", [0.0, 1.0])
@pytest.mark.parametrize("electrons", [100, 1000, 10_000])
def test_two_draws_of_one_pattern_are_alike_at_any_dose(electrons, sigma):
    pattern = disks()
    scan = draws(pattern, pattern, electrons)
    edges, errors = pairs_of(scan, smooth_sigma=sigma)
    known = np.isfinite(edges)
    assert known.mean() > 0.85
    assert np.mean(edges[known]) == pytest.approx(1, abs=max(5e-4, 3.5 * np.std(edges[known]) / known.sum() ** 0.5))
    assert np.sqrt(np.mean(errors[known] ** 2)) == pytest.approx(np.std(edges[known]), rel=0.2)


@pytest.mark.parametrize("electrons", [100, 1000, 10_000])
def test_without_correction_the_dose_is_what_is_measured(electrons):
    pattern = disks()
    share = electrons * ((pattern**2).sum() - 1 / pattern.size)
    cosine = published_similarity(draws(pattern, pattern, electrons))[:, 0, 7]
    assert cosine.mean() == pytest.approx(share / (1 + share), rel=0.05)


@pytest.mark.parametrize("sigma", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_patterns_that_differ(share, sigma):
    a = disks(1)
    b = share * a + (1 - share) * disks(2)
    edges, errors = pairs_of(draws(a, b, 1500), smooth_sigma=sigma)
    truth = true_similarity(a, b, sigma)
    assert edges.mean() == pytest.approx(truth, abs=4 * edges.std() / edges.size**0.5)
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(edges.std(), rel=0.15)


@pytest.mark.parametrize("sigma", [0.0, 1.0])
def test_gain_offset_and_read_noise(sigma):
    pattern = disks()
    edges, errors = pairs_of(camera(draws(pattern, pattern, 1000)), CAMERA, smooth_sigma=sigma)
    assert edges.mean() == pytest.approx(1, abs=4 * edges.std() / edges.size**0.5)
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(edges.std(), rel=0.2)
    wrong, _ = pairs_of(camera(draws(pattern, pattern, 1000)), NoiseModel("gain", gain=7.3), smooth_sigma=sigma)
    assert np.isnan(wrong).all() or wrong[np.isfinite(wrong)].mean() > 1.1


@pytest.mark.parametrize(
    "options",
    [
        {"binning": 2},
        {"binning": 5, "smooth_sigma": 0},
        {"detector_mask": np.hypot(*(np.indices(SHAPE) - 23.5)) > 9},
        {"weights": 1 / np.sqrt(gaussian_filter(disks(), 2) + 1e-4)},
        {"weights": np.random.default_rng(0).uniform(0.5, 2, SHAPE), "smooth_sigma": 0},
    ],
    ids=["bin 2", "bin 5", "mask", "smooth weights", "rough weights"],
)
def test_masks_weights_and_bins(options):
    pattern = disks()
    edges, errors = pairs_of(draws(pattern, pattern, 1000), **options)
    assert edges.mean() == pytest.approx(1, abs=4 * edges.std() / edges.size**0.5)
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(edges.std(), rel=0.2)


def test_counts_shared_between_neighbours():
    pattern = disks()
    counts = draws(pattern, pattern, 300).astype(np.float32)
    shared = 0.76 * counts
    for axis in (2, 3):
        for step in (-1, 1):
            shared += 0.06 * np.roll(counts, step, axis)
    variance = 0.76**2 + 4 * 0.06**2
    both = (2 * 0.76 * 0.06 / variance, 2 * 0.06**2 / variance)
    model = NoiseModel("unknown", gain=variance, covariance=(both[0], both[1], both[0], both[1]))
    edges, errors = pairs_of(shared, model)
    assert edges.mean() == pytest.approx(1, abs=0.01)  # pixels two apart share a little, which the model leaves out
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(edges.std(), rel=0.25)
    alone, _ = pairs_of(shared, NoiseModel("unknown", gain=variance))
    assert alone.mean() < edges.mean() - 0.015


def moving_scan(electrons=2000, amplitude=1.6):
    """One pattern with a direct beam, moved by fractions of a pixel, and survey."""
    y, x = np.indices((16, 16))
    fy, fx = np.fft.fftfreq(48)[:, None], np.fft.fftfreq(48)
    base = gaussian_filter(disks(3) + 0.006 * (np.hypot(*(np.indices(SHAPE) - 23.5)) < 4), 0.7)
    spectrum = np.fft.fft2(base / base.sum() * electrons)
    dy, dx = amplitude * np.sin(y / 5)[..., None, None], amplitude * np.cos(x / 6)[..., None, None]
    moved = np.fft.ifft2(spectrum * np.exp(-2j * np.pi * (fy * dy + fx * dx))).real
    return np.random.default_rng(0).poisson(np.maximum(moved, 0)).astype(np.uint16)


def test_patterns_are_centred_where_the_beam_moves():
    scan = moving_scan(20_000)
    found = survey(scan)
    assert found.descan_px.any()
    centred = similarity_map(scan, survey=found)
    left = similarity_map(scan, survey=found, centre=False)
    inside = np.isfinite(centred.edges)
    assert np.nanmean(centred.edges) == pytest.approx(1, abs=0.006)
    assert np.nanmean(left.edges) < np.nanmean(centred.edges)
    assert inside.sum() == 4 * 16 * 16 - 16 - 16 - 2 * 31


def test_bad_pixels_are_never_used():
    scan = np.random.default_rng(0).poisson(disks() * 1000, (8, 9, *SHAPE)).astype(np.uint16)
    scan[..., 4, 40] = 5000
    scan[..., 30, 11] = np.random.default_rng(1).choice([0, 4000], (8, 9))
    found = survey(scan)
    assert found.bad_pixels[[4, 30], [40, 11]].all()
    alike = similarity_map(scan, survey=found)
    changed = scan.copy()
    changed[..., 4, 40] = changed[..., 30, 11] = 7
    assert np.array_equal(similarity_map(changed, survey=found).edges, alike.edges, equal_nan=True)
    assert np.nanmean(alike.edges) == pytest.approx(1, abs=0.01)


def test_no_signal_is_not_a_similarity():
    generator = np.random.default_rng(0)
    scan = generator.poisson(disks() * 2000, (6, 7, *SHAPE)).astype(np.uint16)
    scan[2, 3] = 0
    scan[4, 4] = generator.poisson(0.5, SHAPE)
    found = similarity_map(scan, detector_mask=EVERYTHING)
    assert np.isnan(found.edges[2, 3]).all()
    assert np.isnan(found.mean[2, 3])
    assert np.isnan(found.edges[1, 3, 2])
    assert np.isnan(found.mean[4, 4])
    assert (found.signal[[2, 4], [3, 4]] < 2).all()
    assert (found.signal > 2).sum() == 40
    assert np.isfinite(found.mean).sum() == 40
    assert np.isnan(found.edges[:, -1, [0, 3]]).all()
    assert np.isnan(found.edges[-1, :, 1:]).all()
    assert np.isnan(found.edges[:, 0, 1]).all()
    assert "positions without signal  2" in repr(found)


def test_pure_noise_has_no_similarity():
    scan = np.random.default_rng(0).poisson(0.2, (7, 8, *SHAPE)).astype(np.uint16)
    found = similarity_map(scan, smooth_sigma=0)
    assert np.isfinite(found.mean).mean() < 0.1
    assert (np.abs(found.signal) < 5).all()
    single = similarity_map(scan[:1, :1])
    assert np.isnan(single.edges).all()
    assert "none is known" in repr(single)


def test_the_direct_beam_is_left_out_by_default():
    y, x = np.indices(SHAPE)
    beam = np.hypot(y - 23.5, x - 23.5) < 4
    ring = np.hypot(y - 23.5, x - 23.5) > 9
    scan = np.empty((8, 8, *SHAPE), np.uint16)
    for n, seed in enumerate((1, 2)):
        expected = 40.0 * beam + 1500 * disks(seed) * ring
        scan[:, 4 * n : 4 * n + 4] = np.random.default_rng(n).poisson(expected, (8, 4, *SHAPE))
    assert similarity_map(scan).edges[:, 3, 0].mean() < 0.35
    assert similarity_map(scan, detector_mask=EVERYTHING).edges[:, 3, 0].mean() > 0.8


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_the_same_bytes_for_any_block_size_and_number_of_threads(dtype):
    patterns = np.random.default_rng(0).poisson(disks() * 800, (9, 11, *SHAPE)).astype(dtype)
    scan = Scan(patterns.shape, patterns.dtype, lambda a, b: patterns[a:b])
    found = survey(scan)
    results = []
    for memory, threads in [(2**20, 1), (2**20, 2), (2**29, 2)]:
        with execution(memory=memory, threads=threads):
            one = similarity_map(scan, survey=found)
            results.append((one.edges.tobytes(), one.standard_error.tobytes(), one.mean.tobytes()))
    assert results[0] == results[1] == results[2]


def test_the_same_bytes_where_rows_are_read_in_parts():
    patterns = np.random.default_rng(0).poisson(disks() * 800, (3, 90, *SHAPE)).astype(np.uint16)
    found = survey(patterns)
    expected = similarity_map(patterns, survey=found)
    with execution(memory=2**20, threads=2):
        again = similarity_map(patterns, survey=found)
    assert again.edges.tobytes() == expected.edges.tobytes()
    assert again.standard_error.tobytes() == expected.standard_error.tobytes()


def test_the_unit_of_the_data_does_not_matter():
    pattern = disks()
    counts = draws(pattern, disks(2), 1000, pairs=20)
    first, errors = pairs_of(counts)
    other, other_errors = pairs_of(counts.astype(np.float32) * 0.25, NoiseModel("unknown", gain=0.25))
    np.testing.assert_allclose(other, first, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(other_errors, errors, rtol=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"binning": 0}, "binning: expected a whole number of pixels of at least 1, got 0"),
        ({"binning": 1.5}, "binning: expected a whole number"),
        ({"binning": 49}, "binning: expected a whole number"),
        ({"smooth_sigma": -1}, "smooth_sigma: expected a blur of 0 px or more"),
        ({"weights": np.ones((3, 3))}, "weights: expected finite numbers, not negative, of shape"),
        ({"weights": -np.ones(SHAPE)}, "weights: expected finite numbers"),
        ({"weights": np.zeros(SHAPE)}, "leaves 0 pixels to compare"),
        ({"detector_mask": np.eye(48) * (np.arange(48) == 3)}, "leaves 1 pixels to compare"),
        ({"detector_mask": np.ones((3, 3))}, "detector_mask: expected an image of shape"),
    ],
)
def test_bad_options(options, message):
    scan = draws(disks(), disks(), 500, pairs=3)
    with pytest.raises(InputError, match=message):
        similarity_map(scan, **options)


def test_a_survey_of_another_scan():
    scan = draws(disks(), disks(), 500, pairs=3)
    with pytest.raises(InputError, match="survey: is of a scan of shape"):
        similarity_map(scan[:2], survey=survey(scan))
