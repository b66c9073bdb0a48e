from dataclasses import replace

import numpy as np
import pytest

from clustem import scratch
from clustem.computing import execution
from clustem.errors import InputError
from clustem.scan import Scan
from clustem.segmentation import NoiseAwareParameters, adjusted_rand_index, segment
from clustem.segmentation.noise_aware.confidence import Confidence
from clustem.segmentation.noise_aware.segmenting import _warnings
from clustem.surveying import survey
from tests.segmentation.scenes import (
    BEAM_RADIUS,
    DETECTOR,
    MIDDLE,
    beam,
    counts,
    crystal,
    diffuse,
    halves,
    quarters,
    scene,
    spots,
    vacuum,
)

SQUARE = (20, 20)
LONG = (12, 40)
ALONG = np.linspace(-1, 1, LONG[1])
FOUR = [crystal(angle) for angle in (0, 25, 45, 65)]
PARTICLES = np.zeros(SQUARE, np.int64)
PARTICLES[3:17, 3:10] = 1
PARTICLES[3:17, 10:17] = 2


def along(patterns, *, electrons=1000, seed=0):
    """A scan of 12 rows, all with the same pattern in a column."""
    expected = electrons * np.broadcast_to(np.stack(patterns), (*LONG, *DETECTOR))
    return counts(expected, seed=seed)


def same(domains, truth):
    """Whether a partition is the true one, however it is numbered."""
    return adjusted_rand_index(truth, domains.labels) == pytest.approx(1)


def single(domains):
    return (domains.labels == 1).all()


@pytest.mark.parametrize("electrons", [50, 200, 4000])
def test_two_crystals(electrons):
    truth = halves(SQUARE)
    domains = segment(scene(truth, FOUR[:2], electrons=electrons))
    assert domains.number == 2
    assert adjusted_rand_index(truth, domains.labels) > (0.95 if electrons < 100 else 0.999)
    assert (domains.confidence > 0.8).all()
    assert domains.warnings == ()


@pytest.mark.parametrize("electrons", [50, 1000])
def test_four_crystals_and_what_is_said_of_them(electrons):
    domains = segment(scene(quarters(SQUARE), FOUR, electrons=electrons))
    assert same(domains, quarters(SQUARE))
    assert domains.sizes.tolist() == [100] * 4
    assert domains.labels[0, 0] == 1, "of equal size: the first position comes first"
    assert domains.labels.dtype == np.int32
    assert (domains.method, domains.parameters) == ("noise-aware", NoiseAwareParameters())
    assert domains.reason.startswith("4 domains, 4 of them found again in both halves of the data; limited by overlap")
    assert f"{electrons * 0.48:.2g}"[0] in domains.reason
    assert domains.confidence.shape == (4,)
    assert "domains" in repr(domains)


def test_the_tree_and_the_mixture_belong_to_the_scan():
    domains = segment(scene(quarters(SQUARE), FOUR))
    assert domains.tree.shape == SQUARE
    assert domains.tree.usable.all()
    assert domains.tree.components(0.6).shape == SQUARE
    assert (np.diff(domains.tree.similarity) <= 0).all()
    assert np.array_equal(domains.mixture.labels[..., 0], domains.labels)
    assert domains.mixture.fractions[0, 0, 0] == 1
    assert not domains.mixture.unexplained.any()


def test_overlapping_columns_are_mixtures_and_belong_to_the_larger_share():
    expected = 4000 * np.stack(FOUR[:2])[halves(SQUARE)]
    expected[:, 9] = 4000 * (0.35 * FOUR[0] + 0.65 * FOUR[1])
    domains = segment(counts(expected))
    assert same(domains, np.broadcast_to(np.arange(20) >= 9, SQUARE))
    np.testing.assert_allclose(domains.mixture.fractions[:, 9, :2].mean(0), [0.65, 0.35], atol=0.1)


@pytest.mark.parametrize("level", [0.02, 0.2])
def test_noise_is_one_domain_with_a_warning(level):
    domains = segment(counts(np.full((*SQUARE, *DETECTOR), level)))
    assert single(domains)
    assert domains.confidence.tolist() == [1]
    assert any(text.startswith("Nothing in the patterns tells one part of the scan") for text in domains.warnings)
    assert domains.reason.startswith("no two regions differ beyond noise and gradients; ")


def test_a_scan_in_which_nothing_repeats_is_said_to_be_too_coarse():
    """Every position has a crystal of its own."""
    angles = np.random.default_rng(0).uniform(0, 90, SQUARE)
    domains = segment(counts(4000 * np.array([[crystal(angle) for angle in row] for row in angles])))
    assert domains.number > 1
    assert "crystals are hardly larger than the scan step" in domains.warnings[0]


@pytest.mark.parametrize("number", [0, 3])
def test_what_is_said_of_one_domain_depends_on_whether_anything_differs(number):
    one = _warnings(np.ones(SQUARE, np.int32), number, Confidence(np.ones(1), False, 0.0), 400)
    assert len(one) == 1
    assert ("is not the same in both halves" in one[0]) == (number > 1)


def test_a_scan_of_few_positions_is_said_to_be_too_small():
    domains = segment(scene(halves((3, 4)), FOUR[:2]))
    assert single(domains)
    assert domains.warnings[0].startswith("The scan has 12 usable positions, too few")


@pytest.mark.parametrize("pattern", [crystal(0), 0.5 * beam() + 0.5 * diffuse()], ids=["crystal", "amorphous"])
@pytest.mark.parametrize("electrons", [20, 100, 10_000])
def test_one_crystal_or_glass_is_one_domain(pattern, electrons):
    assert single(segment(scene(np.zeros(SQUARE, int), [pattern], electrons=electrons, seed=1)))


@pytest.mark.parametrize("bend", [0.01, 0.02])
def test_a_grain_that_bends_is_one_domain(bend):
    """Intensities change from one side of the pattern to the other over 40 positions, by up to exp(0.8)."""
    assert single(segment(along([crystal(0, tilt=(0, bend * t)) for t in ALONG])))


@pytest.mark.parametrize("bend", [0.02, 0.05])
def test_the_same_tilt_at_once_is_a_boundary(bend):
    domains = segment(along([crystal(0, tilt=(0, bend * np.sign(t))) for t in ALONG]))
    assert same(domains, halves(LONG))


def test_a_lattice_that_is_strained_bit_by_bit_is_one_domain():
    """Spots drift by 4 % of their distance."""
    assert single(segment(along([crystal(0, length=9 * (1 + 0.02 * t)) for t in ALONG])))


@pytest.mark.parametrize("fringes", [2, 4])
def test_thickness_fringes_are_one_domain(fringes):
    """What is scattered changes from 20 % to 60 % and back, the share of every spot in it does not."""
    shares = 0.4 + 0.2 * np.sin(np.pi * fringes * ALONG)
    patterns = [(1 - s) * beam() + s * (0.8 * spots(0) + 0.2 * diffuse()) for s in shares]
    assert single(segment(along(patterns)))


@pytest.mark.parametrize("electrons", [1000, 20_000])
def test_spots_that_fade_over_constant_diffuse_scattering_are_one_domain(electrons):
    """Spots hold 14 % to 45 % of the electrons, diffuse scattering 15 % everywhere."""
    shares = 0.14 + 0.31 * np.cos(1.5 * np.pi * ALONG) ** 2
    patterns = [(0.85 - s) * beam() + s * spots(0) + 0.15 * diffuse() for s in shares]
    assert single(segment(along(patterns, electrons=electrons)))


def test_thickness_fringes_do_not_hide_a_boundary():
    shares = 0.4 + 0.2 * np.sin(2 * np.pi * ALONG)
    patterns = [
        (1 - s) * beam() + s * (0.8 * spots(25 * (t > 0)) + 0.2 * diffuse()) for s, t in zip(shares, ALONG, strict=True)
    ]
    assert same(segment(along(patterns)), halves(LONG))


def test_vacuum_is_no_domain():
    domains = segment(scene(PARTICLES, [vacuum(), *FOUR[:2]], electrons=10_000))
    assert np.array_equal(domains.labels == 0, PARTICLES == 0)
    assert same(domains, PARTICLES)
    assert not domains.mixture.fractions[0, 0].any()


@pytest.mark.parametrize("electrons", [200, 2000])
def test_an_amorphous_patch_is_one_domain_at_most(electrons):
    patch = np.zeros(SQUARE, np.int64)
    patch[:, 10:] = 1
    patch[6:14, 5:15] = 2
    glass = 0.5 * beam() + 0.5 * diffuse()
    domains = segment(scene(patch, [*FOUR[:2], glass], electrons=electrons))
    assert same(domains, patch)


def test_a_beam_that_wanders():
    """By ±3 px over the scan, as the survey finds it."""
    expected = 4000 * np.stack(FOUR[:2])[halves(SQUARE)]
    for y, x in np.ndindex(SQUARE):
        expected[y, x] = np.roll(expected[y, x], (round((y - 9.5) / 3), round((x - 9.5) / 4)), axis=(0, 1))
    scan = counts(expected)
    found = survey(scan)
    assert np.abs(found.descan_px).max() > 2
    assert same(segment(scan, survey=found), halves(SQUARE))


def test_a_beam_stop():
    """Nothing is counted behind a bar over the beam, and the mask of the detector says so."""
    y, x = np.indices(DETECTOR)
    stop = (np.abs(x - MIDDLE) < 4) & (y < MIDDLE + 4)
    scan = scene(quarters(SQUARE), FOUR)
    scan[..., stop] = 0
    use = ~stop & (np.hypot(y - MIDDLE, x - MIDDLE) > 2 * BEAM_RADIUS)
    assert same(segment(scan, detector_mask=use), quarters(SQUARE))
    assert same(segment(scan), quarters(SQUARE))


def test_a_dose_that_falls_slowly():
    dose = np.linspace(1.5, 0.5, SQUARE[0])[:, None, None, None]
    one = counts(1000 * dose * np.broadcast_to(FOUR[0], (*SQUARE, *DETECTOR)))
    assert single(segment(one))
    four = counts(1000 * dose * np.stack(FOUR)[quarters(SQUARE)])
    assert same(segment(four), quarters(SQUARE))


@pytest.mark.parametrize("turn", [lambda a: a.swapaxes(0, 1), lambda a: a[::-1], lambda a: a[:, ::-1]])
def test_the_direction_of_the_scan_does_not_matter(turn):
    """Rows and columns of the scan, not of the patterns, on a scan of grains of different sizes."""
    truth = np.zeros((16, 18), np.int64)
    truth[4:, 7:], truth[11:, :12], truth[:6, 13:] = 1, 2, 3
    scan = scene(truth, FOUR, electrons=300)
    assert same(segment(scan), truth)
    assert same(segment(np.ascontiguousarray(turn(scan))), turn(truth))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_types_of_the_same_values_agree(dtype):
    scan = np.minimum(scene(quarters((12, 12)), FOUR, electrons=500), 255)
    expected = segment(scan).labels
    assert expected.max() == 4
    assert np.array_equal(segment(scan.astype(dtype)).labels, expected)


def test_counts_of_a_camera_with_gain_and_offset():
    electrons = scene(quarters(SQUARE), FOUR, electrons=1000, dtype=np.float64)
    read = np.random.default_rng(1).normal(0, 2, electrons.shape)
    camera = np.rint(40 + 7.3 * electrons + read).astype(np.uint16)
    assert same(segment(camera), quarters(SQUARE))


def bytes_of(domains):
    parts = (domains.labels, domains.confidence, domains.tree.similarity, domains.mixture.fractions)
    return b"".join(part.tobytes() for part in parts) + domains.reason.encode()


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_the_same_bytes_for_any_memory_and_number_of_threads(monkeypatch, dtype):
    data = scene(quarters((14, 15)), FOUR, electrons=60, dtype=dtype)
    scan = Scan(data.shape, data.dtype, lambda a, b: data[a:b])
    results = []
    for options in ({"memory": 2**20, "threads": 1}, {"memory": 2**20, "threads": 2}, {"threads": 2}, {"inline": True}):
        with execution(**options):
            results.append(bytes_of(segment(scan)))
    monkeypatch.setattr(scratch, "_SHARE", 0.0)  # all large arrays are in files
    results.append(bytes_of(segment(scan)))
    assert len(set(results)) == 1


@pytest.mark.parametrize("shape", [(1, 24), (24, 1)])
def test_one_row_or_column(shape):
    truth = halves((24, 24))[:1] if shape[0] == 1 else halves((24, 24))[:1].T
    domains = segment(scene(truth, FOUR[:2], electrons=4000))
    assert domains.labels.shape == shape
    assert domains.number in (1, 2)
    assert single(segment(scene(np.zeros(shape, int), FOUR[:1], electrons=4000)))


@pytest.mark.parametrize("shape", [(2, 2), (1, 1), (1, 2), (3, 1)])
def test_a_few_positions_are_one_domain(shape):
    domains = segment(scene(np.zeros(shape, int), FOUR[:1], electrons=4000))
    assert domains.labels.shape == shape
    assert single(domains)
    assert domains.mixture.labels.shape == (*shape, 3)
    assert len(domains.warnings) >= 1


@pytest.mark.parametrize("size", [2, 10])
def test_dead_positions_are_in_no_domain(size):
    truth = halves(SQUARE)
    scan = scene(truth, FOUR[:2])
    dead = np.zeros(SQUARE, bool)
    dead[4 : 4 + size, 8] = True
    scan[dead] = 0
    domains = segment(scan)
    assert np.array_equal(domains.labels == 0, dead)
    assert adjusted_rand_index(truth[~dead], domains.labels[~dead]) == 1
    assert not domains.tree.usable[dead].any()


def test_positions_out_of_use_are_in_no_domain_and_divide():
    mask = np.ones(SQUARE, bool)
    mask[:, 9:11] = False
    domains = segment(scene(halves(SQUARE), FOUR[:2]), scan_mask=mask)
    assert np.array_equal(domains.labels > 0, mask)
    assert same(domains, np.where(mask, halves(SQUARE) + 1, 0))
    half = np.zeros(SQUARE, bool)
    half[:, :10] = True
    left = segment(scene(halves(SQUARE), FOUR[:2]), scan_mask=half)
    assert np.array_equal(left.labels, half.astype(int)), "what remains is one crystal"


def test_not_a_number_is_refused():
    scan = scene(halves((8, 8)), FOUR[:2], dtype=np.float32)
    scan[3, 4, 10, 10] = np.nan
    with pytest.raises(InputError, match="finite"):
        segment(scan)


def test_nothing_counted_at_all_is_refused():
    with pytest.raises(InputError, match="empty"):
        segment(np.zeros((6, 6, *DETECTOR), np.uint16))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"similarity": 0.0}, r"similarity: expected a number between 0 and 1 \(both excluded\), got 0"),
        ({"similarity": 1}, "similarity: expected a number between 0 and 1"),
        ({"similarity": -0.5}, "similarity: expected a number"),
        ({"similarity": np.nan}, "similarity: expected a number"),
        ({"similarity": "0.5"}, "similarity: expected a number"),
        ({"similarity": True}, "similarity: expected a number"),
        ({"min_size": 0}, "min_size: expected a whole number of positions of at least 1"),
        ({"min_size": 2.5}, "min_size: expected a whole number"),
        ({"detector_mask": np.zeros(DETECTOR)}, "detector_mask: selects nothing"),
        ({"detector_mask": np.ones((8, 8))}, "detector_mask: expected an image of shape"),
        ({"scan_mask": np.zeros((8, 8))}, "scan_mask: selects nothing"),
        ({"scan_mask": np.ones((3, 8))}, "scan_mask: expected an image of shape"),
        ({"threshold": 0.5}, "threshold: method 'noise-aware' has no such option"),
        ({"smooth_sigma": 1.0}, "smooth_sigma: method 'noise-aware' has no such option"),
        ({"prefilter": True}, "prefilter: method 'noise-aware' has no such option"),
        ({"border": "published"}, "border: method 'noise-aware' has no such option"),
        ({"labels": np.ones((8, 8), int)}, "labels: method 'noise-aware' has no such option"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        segment(scene(halves((8, 8)), FOUR[:2]), **options)


def test_a_mask_of_pixels_that_are_all_out_of_order():
    scan = scene(halves((8, 8)), FOUR[:2])
    found = survey(scan)
    mask = np.zeros(DETECTOR, bool)
    mask[5, 5] = True
    usable = found.detector_mask & ~mask
    with pytest.raises(InputError, match="no usable detector pixel is left"):
        segment(scan, survey=replace(found, detector_mask=usable), detector_mask=mask)


def test_domains_are_never_smaller_than_asked_for():
    truth = np.zeros(SQUARE, np.int64)
    truth[8:12, 8:12] = 1
    scan = scene(truth, FOUR[:2], electrons=4000)
    assert same(segment(scan), truth)
    assert single(segment(scan, min_size=17))


def test_numbers_of_numpy_are_plain_parameters():
    parameters = NoiseAwareParameters(similarity=np.float32(0.5), min_size=np.int64(3))
    assert (parameters.similarity, parameters.min_size) == (0.5, 3)
    assert (type(parameters.similarity), type(parameters.min_size)) == (float, int)
