import numpy as np
import pytest

from clustem.segmentation.features.filters import SpotFilter
from clustem.segmentation.features.smooth import SmoothScattering, _profile

SHAPE, MIDDLE, SIZE = (64, 64), np.array([31.5, 31.5]), 1.5


def distance(centre=MIDDLE):
    return np.hypot(*(np.indices(SHAPE) - np.reshape(centre, (2, 1, 1))))


def spot(radius, angle):
    """A spot of height 1, so far from the middle."""
    return np.exp(-(distance(MIDDLE + radius * np.array([np.sin(angle), np.cos(angle)])) ** 2) / (2 * 1.2**2))


DISTANCE = distance()
STALK = (np.abs(np.indices(SHAPE)[1] - MIDDLE[1]) < 4) & (np.indices(SHAPE)[0] < MIDDLE[0])
MASKS = {"beam": DISTANCE > 5, "stop": (DISTANCE > 6) & ~STALK, "none": np.ones(SHAPE, bool)}
SCATTERING = {
    "exponential": np.exp(-DISTANCE / 12),
    "wide": np.exp(-(DISTANCE**2) / (2 * 14**2)),
    "off centre": np.exp(-distance((32.56, 30.44)) / 12),
    "without centre": np.exp(-(distance((10, 50)) ** 2) / (2 * 30**2)),
}
SPOTS = sum(spot(radius, angle) for radius in (11, 20, 28) for angle in np.arange(7) * 0.9)
KINDS = [("exponential", True), ("wide", True), *((kind, False) for kind in SCATTERING)]


def scattering_of(use, mean, *, known=False):
    """What smooth scattering leaves, about the middle, which is known well or not."""
    return SmoothScattering.of(SpotFilter(use, SIZE), MIDDLE, mean, known=known)


def left(use, mean, patterns, *, known=False):
    """Patterns that are filtered and weighed by their noise, and what is left when the smooth part is taken off."""
    filtering = SpotFilter(use, SIZE)
    weight = (1 / np.sqrt(filtering.blurred(mean) + 0.02 * mean.mean()))[use].astype(np.float32)
    filtered = filtering.apply(np.asarray(patterns, np.float32)) * weight
    rest = filtered.copy()
    scattering_of(use, mean, known=known).taken_off(weight).take_off(rest)
    return filtered, rest


def of_energy(patterns):
    return np.sqrt((patterns.astype(float) ** 2).sum(axis=1))


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize(("kind", "known"), KINDS)
@pytest.mark.parametrize("strength", [1, 100])
def test_smooth_scattering_of_any_strength_leaves_next_to_nothing(mask, kind, known, strength):
    """Less than 3 % of what the filter leaves of it, under spots that are there as well."""
    smooth = strength * SCATTERING[kind]
    filtered, rest = left(MASKS[mask], smooth + 0.1 * SPOTS, smooth[None], known=known)
    assert of_energy(rest)[0] < 0.03 * of_energy(filtered)[0]


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize(("kind", "known"), KINDS)
def test_twenty_times_what_is_in_twenty_spots_leaves_little_of_one(mask, kind, known):
    """Where the filter alone leaves twice as much of it as of the spot, and more."""
    use, weak = MASKS[mask], spot(20, 2.0)
    smooth = 400 * weak.sum() * SCATTERING[kind] / SCATTERING[kind][use].sum()
    filtered, rest = left(use, smooth + SPOTS, [smooth, weak], known=known)
    before, after = of_energy(filtered), of_energy(rest)
    assert before[0] > 2 * before[1]
    assert after[0] < 0.2 * after[1]


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize(("known", "kept"), [(True, 0.9), (False, 0.77)])
def test_a_spot_keeps_most_of_its_energy(mask, known, kept):
    """Outside of the innermost rings, and away from a stalk."""
    patterns = [spot(radius, angle) for radius in (16, 20, 24, 28) for angle in (-0.7, 0.0, 0.4, 1.3, 2.5, 3.5)]
    filtered, rest = left(MASKS[mask], SCATTERING["exponential"], patterns, known=known)
    shares = (of_energy(rest) / of_energy(filtered)) ** 2
    assert shares.min() > kept


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("kind", SCATTERING)
def test_axes_are_at_right_angles_to_each_other_and_to_means_over_rings(mask, kind):
    use = MASKS[mask]
    smooth = scattering_of(use, SCATTERING[kind])
    weight = np.random.default_rng(0).uniform(0.5, 2, use.sum()).astype(np.float32)
    axes = smooth.taken_off(weight).axes.astype(float)
    np.testing.assert_allclose(axes @ axes.T, np.eye(len(axes)), atol=1e-3)
    np.testing.assert_allclose(axes @ smooth.share, 0, atol=1e-5)


@pytest.mark.parametrize("mask", MASKS)
def test_what_was_taken_off_once_is_off(mask):
    use = MASKS[mask]
    part = scattering_of(use, SCATTERING["exponential"]).taken_off(np.ones(use.sum(), np.float32))
    given = np.random.default_rng(0).normal(size=(3, use.sum())).astype(np.float32)
    once = given.copy()
    part.take_off(once)
    twice = once.copy()
    part.take_off(twice)
    assert np.abs(once - given).max() > 0.1
    np.testing.assert_allclose(twice, once, atol=1e-3)


def test_rings_of_few_pixels_have_no_mean():
    """About (2, 2) of 5 × 5 pixels: 1, 8, and 12 at distances that round to 2, and 4 in the corners."""
    smooth = SmoothScattering.of(
        SpotFilter(np.ones((5, 5), bool), 1.0), np.array([2.0, 2.0]), np.ones((5, 5)), known=True
    )
    rings = np.array([[3, 2, 2, 2, 3], [2, 1, 1, 1, 2], [2, 1, 0, 1, 2], [2, 1, 1, 1, 2], [3, 2, 2, 2, 3]])
    assert np.array_equal(smooth.ring, rings.ravel())
    np.testing.assert_allclose(smooth.share, np.where(rings.ravel()[:, None] == 2, [0, 0, 1 / 12, 0], 0), rtol=1e-6)


def test_the_profile_is_the_median_of_every_ring_and_does_not_see_spots():
    use = MASKS["stop"]
    ring = np.rint(DISTANCE[use]).astype(int)
    filtering, slope = SpotFilter(use, SIZE), 100 - 2 * np.rint(DISTANCE)
    profile = _profile(filtering, ring, slope[use])
    assert len(profile) == ring.max() + 1
    np.testing.assert_allclose(profile[15:35], 100 - 2 * np.arange(15, 35), rtol=1e-6)
    spotty = _profile(filtering, ring, (slope + 1000 * (SPOTS > 0.5))[use])
    np.testing.assert_allclose(spotty, profile, rtol=1e-9)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("known", [True, False])
def test_of_mirrored_patterns_the_mirrored_part_is_taken_off(mask, known):
    """Even scattering leaves nothing but rounding, which is no part of them."""
    use, mean = MASKS[mask], SCATTERING["exponential"] + 0.1 * SPOTS
    drawn, rest = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32), []
    for turn in (slice(None), slice(None, None, -1)):
        shown, given = np.zeros(SHAPE), drawn[:, turn][use[:, turn]][None]
        smooth = scattering_of(use[:, turn], mean[:, turn], known=known)
        smooth.taken_off(np.ones(use.sum(), np.float32)).take_off(given)
        shown[use[:, turn]] = given[0]
        rest.append(shown[:, turn])
    np.testing.assert_allclose(rest[1], rest[0], atol=1e-3)
