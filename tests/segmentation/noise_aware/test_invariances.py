"""What domains do not depend on: background, binning, gain, offset, scale, beam stop, contrast, crop, and dose."""

import numpy as np
import pytest
from scipy.special import erf

from clustem.segmentation import adjusted_rand_index, segment
from tests.segmentation.scenes import BEAM_RADIUS, DETECTOR, MIDDLE, counts, crystal, diffuse, halves, scene, vacuum

SHAPE = (24, 26)
GRAINS = np.zeros(SHAPE, np.int64)
GRAINS[:, 13:], GRAINS[15:, :17], GRAINS[:8, 18:] = 1, 2, 3
CRYSTALS = [crystal(angle) for angle in (0, 25, 45, 65)]
PARTICLES = np.zeros(SHAPE, np.int64)
PARTICLES[4:20, 3:13], PARTICLES[4:20, 13:23] = 1, 2
ALONG = np.linspace(-1, 1, 40)
DISTANCE = np.hypot(*(np.indices(DETECTOR) - MIDDLE))
WIDE = np.exp(-(DISTANCE**2) / (2 * 12**2))
BACKGROUNDS = {"cusp": diffuse(), "wide": WIDE / WIDE.sum(), "even": np.full(DETECTOR, 1 / DISTANCE.size)}
BAR = (np.abs(np.indices(DETECTOR)[1] - MIDDLE) < 4) & (np.indices(DETECTOR)[0] < MIDDLE + 4)
STOPS = {"none": np.zeros(DETECTOR, bool), "disk": DISTANCE < 2 * BEAM_RADIUS, "bar": BAR}
SCATTERED = 0.4  # of all electrons, what crystals scatter into their spots


def agreement(data, truth, **options):
    return adjusted_rand_index(truth, segment(data, **options).labels)


def under(patterns, background, times, *, electrons, seed=0):
    """Counts of patterns (scan_y, scan_x, k_y, k_x) under so many times what is scattered of a background."""
    return counts(electrons * (patterns + times * SCATTERED * BACKGROUNDS[background]), seed=seed, dtype=np.uint32)


@pytest.fixture(scope="module")
def grains():
    """Counts of four crystals."""
    return scene(GRAINS, CRYSTALS, seed=1)


@pytest.fixture(scope="module")
def particles():
    """Counts of two crystals in vacuum."""
    return scene(PARTICLES, [vacuum(), *CRYSTALS[:2]], electrons=2000, seed=1)


@pytest.mark.parametrize("times", [1, 5, 20])
@pytest.mark.parametrize("background", BACKGROUNDS)
def test_a_smooth_background_does_not_hide_boundaries(background, times):
    data = under(np.stack(CRYSTALS)[GRAINS], background, times, electrons=1000, seed=times)
    assert agreement(data, GRAINS) > 0.999


@pytest.mark.parametrize("times", [1, 5, 20])
@pytest.mark.parametrize("background", BACKGROUNDS)
def test_a_smooth_background_does_not_hide_particles(background, times):
    data = under(np.stack([vacuum(), *CRYSTALS[:2]])[PARTICLES], background, times, electrons=10_000)
    assert agreement(data, PARTICLES) > 0.99


@pytest.mark.parametrize("times", [1, 5, 20])
def test_vacuum_is_vacuum_under_an_even_background(times):
    data = under(np.stack([vacuum(), *CRYSTALS[:2]])[PARTICLES], "even", times, electrons=10_000)
    assert np.array_equal(segment(data).labels == 0, PARTICLES == 0)


@pytest.mark.parametrize("times", [0, 20])
@pytest.mark.parametrize("electrons", [100, 50_000])
def test_a_background_makes_no_boundaries(times, electrons):
    """Neither in one crystal nor in one that bends."""
    flat = np.broadcast_to(CRYSTALS[0], (*SHAPE, *DETECTOR))
    assert (segment(under(flat, "wide", times, electrons=electrons)).labels == 1).all()
    bent = np.stack([crystal(0, tilt=(0, 0.02 * t)) for t in ALONG])[None].repeat(12, axis=0)
    assert (segment(under(bent, "wide", times, electrons=electrons)).labels == 1).all()


@pytest.mark.parametrize("times", [0, 5, 20])
def test_a_bend_of_the_same_size_at_once_is_a_boundary_under_a_background(times):
    step = np.stack([crystal(0, tilt=(0, 0.05 * np.sign(t))) for t in ALONG])[None].repeat(12, axis=0)
    data = under(step, "wide", times, electrons=4000)
    assert agreement(data, halves((12, 40))) > 0.99


@pytest.mark.parametrize("electrons", [20, 1000, 50_000])
def test_one_crystal_is_one_for_any_noise(electrons):
    for seed in range(5):
        data = scene(np.zeros((16, 16), int), CRYSTALS[:1], electrons=electrons, seed=seed, dtype=np.uint32)
        assert (segment(data).labels == 1).all()


def test_pixels_that_are_summed_give_the_same_domains(grains, particles):
    for data, truth in ((grains, GRAINS), (particles, PARTICLES)):
        binned = data.reshape(*SHAPE, 24, 2, 24, 2).sum(axis=(3, 5)).astype(np.uint16)
        assert agreement(binned, truth) > 0.995


@pytest.mark.parametrize("read", [0, 2])
def test_gain_and_offset_of_a_camera(grains, particles, read):
    for data, truth in ((grains, GRAINS), (particles, PARTICLES)):
        noise = np.random.default_rng(0).normal(0, read, data.shape) if read else 0
        camera = np.rint(40 + 7.0 * data + noise).astype(np.uint16)
        assert agreement(camera, truth) > 0.99


@pytest.mark.parametrize(("factor", "dtype"), [(1e-9, np.float64), (0.013, np.float32), (1e4, np.float32)])
def test_values_that_are_scaled(grains, particles, factor, dtype):
    for data, truth in ((grains, GRAINS), (particles, PARTICLES)):
        assert agreement((data * factor).astype(dtype), truth) > 0.995


@pytest.mark.parametrize(("constant", "dtype"), [(1, np.float32), (5, np.float32), (5, np.int32)])
def test_a_constant_that_was_taken_off(grains, constant, dtype):
    """All values of dark pixels are below 0, and the offset is not known."""
    assert agreement(grains.astype(dtype) - dtype(constant), GRAINS) > 0.995


def test_a_beam_stop_over_the_middle(grains, particles):
    for stop in (STOPS["disk"], STOPS["bar"]):
        for data, truth in ((grains, GRAINS), (particles, PARTICLES)):
            assert agreement(np.where(stop, 0, data).astype(data.dtype), truth) > 0.98


@pytest.mark.parametrize("stop", ["disk", "bar"])
@pytest.mark.parametrize("background", BACKGROUNDS)
def test_a_beam_stop_under_a_strong_background(background, stop):
    """What the filter leaves of it at the edges of the stop is more than what is in the spots."""
    for patterns, truth in ((CRYSTALS, GRAINS), ([vacuum(), *CRYSTALS[:2]], PARTICLES)):
        data = under(np.stack(patterns)[truth], background, 20, electrons=10_000)
        assert agreement(np.where(STOPS[stop], 0, data), truth) > 0.99


def stretched(data, low, high):
    """8-bit patterns between two percentiles of each."""
    values = data.astype(np.float32)
    dark, bright = (np.percentile(values, q, axis=(2, 3), keepdims=True) for q in (low, high))
    return np.rint(255 * np.clip((values - dark) / np.maximum(bright - dark, 1), 0, 1)).astype(np.uint8)


@pytest.mark.parametrize(("low", "high"), [(0, 100), (0, 99.5), (2, 98)])
@pytest.mark.parametrize("electrons", [1000, 20_000])
def test_patterns_stretched_in_contrast_to_8_bit(low, high, electrons):
    data = scene(GRAINS, CRYSTALS, electrons=electrons, dtype=np.uint32)
    assert agreement(stretched(data, low, high), GRAINS) > 0.995


@pytest.mark.parametrize("stop", STOPS)
@pytest.mark.parametrize("background", ["cusp", "wide"])
def test_patterns_stretched_in_contrast_under_a_strong_background(background, stop):
    for patterns, truth in ((CRYSTALS, GRAINS), ([vacuum(), *CRYSTALS[:2]], PARTICLES)):
        data = under(np.stack(patterns)[truth], background, 20, electrons=5000)
        assert agreement(stretched(np.where(STOPS[stop], 0, data), 0, 100), truth) > 0.99


def test_a_crop_has_the_domains_of_the_whole(grains, particles):
    for data, truth in ((grains, GRAINS), (particles, PARTICLES)):
        whole = segment(data).labels
        assert adjusted_rand_index(truth, whole) > 0.995
        for part in ((slice(0, 18), slice(0, 20)), (slice(6, 24), slice(6, 26))):
            assert agreement(np.ascontiguousarray(data[part]), whole[part]) > 0.99


@pytest.mark.parametrize("seed", range(2))
def test_more_electrons_are_never_worse(seed):
    kinds = (
        (CRYSTALS, GRAINS, (30, 100, 1000, 1_000_000)),
        ([vacuum(), *CRYSTALS[:2]], PARTICLES, (30, 300, 3000, 30_000)),
    )
    for patterns, truth, doses in kinds:
        data = [scene(truth, patterns, electrons=dose, seed=seed, dtype=np.uint32) for dose in doses]
        scores = [agreement(counted, truth) for counted in data]
        assert (np.diff(scores) > -0.02).all()
        assert min(scores[2:]) > 0.995


@pytest.mark.parametrize("turn", [lambda a: a.swapaxes(0, 1), lambda a: a[::-1], lambda a: a[:, ::-1]])
def test_the_direction_of_the_scan_does_not_matter(grains, particles, turn):
    for data, truth in ((grains, GRAINS), (particles, PARTICLES)):
        assert agreement(np.ascontiguousarray(turn(data)), turn(truth)) > 0.995


def test_turning_or_mirroring_the_patterns_does_not_matter(grains):
    for turned in (grains.swapaxes(2, 3), grains[..., ::-1, :], np.rot90(grains, axes=(2, 3))):
        assert agreement(np.ascontiguousarray(turned), GRAINS) > 0.999


@pytest.mark.parametrize("electrons", [500, 2000, 20_000])
@pytest.mark.parametrize("angle", [6, 8])
def test_a_probe_that_is_wide_in_steps_excuses_no_boundary(electrons, angle):
    """It mixes two crystals over four positions and more: what changes there is no gradient inside of either."""
    share = 0.5 * (1 + erf((np.arange(40) - 19.5) / np.sqrt(8)))[:, None, None]
    expected = electrons * ((1 - share) * crystal(0) + share * crystal(angle))
    data = counts(np.tile(expected, (24, 1, 1, 1)), seed=1)
    assert agreement(data, np.tile(np.arange(40) >= 20, (24, 1))) > 0.9


def round_particle(tail):
    """Shares of a crystal that is thin at its rim, and of its tails in the vacuum, with what is crystal."""
    y, x = np.indices(SHAPE)
    distance = np.hypot(y - 11.5, x - 12.5)
    inside = distance <= 9
    shares = np.where(inside, np.clip((9 - distance) / 4, 0.15, 1), tail * np.exp(-(distance - 9) / 2))
    return shares[..., None, None], inside


@pytest.mark.parametrize("tail", [0.0, 0.01])
@pytest.mark.parametrize("electrons", [2000, 10_000])
def test_a_crystal_that_fades_at_its_rim_is_one_and_its_tails_are_vacuum(tail, electrons):
    share, inside = round_particle(tail)
    domains = segment(counts(electrons * (share * CRYSTALS[0] + (1 - share) * vacuum()), seed=1))
    assert domains.number == 1
    assert (domains.labels == inside).mean() > 0.99


@pytest.mark.parametrize("electrons", [2000, 20_000])
def test_tails_of_a_bright_crystal_are_no_domain_and_hide_no_faint_one(electrons):
    """The vacuum beside a crystal shows it at 0.2 %; another one of a tenth of the spots lies there, too."""
    truth = np.zeros(SHAPE, np.int64)
    truth[4:20, 3:12], truth[5:19, 16:23] = 1, 2
    x = np.indices(SHAPE)[1]
    tail = np.where((truth == 0) & (x < 16), 0.002 * np.exp(-np.abs(x - 11) / 3), 0)[..., None, None]
    faint = 0.1 * CRYSTALS[2] + 0.9 * vacuum()
    patterns = np.stack([vacuum(), CRYSTALS[0], faint])[truth]
    domains = segment(counts(electrons * ((1 - tail) * patterns + tail * CRYSTALS[0])))
    assert domains.number == 2
    assert adjusted_rand_index(truth, domains.labels) > 0.98
