import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustem.surveying import survey
from clustem.surveying._kernels import find_centres, mass_centre
from clustem.surveying.beam import find_beam, smooth_descan

SHAPE = (64, 60)
USE = np.ones(SHAPE, bool)


@pytest.mark.parametrize("radius", [2.5, 5.0, 11.0])
@pytest.mark.parametrize("centre", [(31.5, 29.5), (30.27, 33.81), (34.75, 26.12), (28.0, 28.0)])
def test_centre_and_radius_of_a_soft_disk(disk, centre, radius):
    beam = find_beam(100 * disk(centre, radius, SHAPE) + 1, USE, None)
    np.testing.assert_allclose(beam.centre, centre, atol=0.05)
    assert beam.radius == pytest.approx(radius, abs=0.15)
    assert beam.found


@pytest.mark.parametrize("direction", [0.0, 1.0, 2.5, 4.0])
def test_what_is_bright_inside_the_disk_does_not_move_it(disk, direction):
    """A gradient inside that fades towards the edge moves the centre of mass by more than 0.3 px."""
    centre, radius = (31.3, 29.8), 12.0
    y, x = np.indices(SHAPE)
    distance = np.hypot(y - centre[0], x - centre[1])
    along = (np.sin(direction) * (y - centre[0]) + np.cos(direction) * (x - centre[1])) / radius
    inside = 1 + 0.6 * along * np.clip((radius - 2.5 - distance) / 2, 0, 1)
    image = 100 * disk(centre, radius, SHAPE) * inside
    mass = mass_centre(image, USE, *centre, radius + 4)
    assert np.hypot(*(np.array(mass) - centre)) > 0.3
    np.testing.assert_allclose(find_beam(image, USE, None).centre, centre, atol=0.12)
    counts = np.random.default_rng(0).poisson(np.broadcast_to(image / 10, (5, 5, *SHAPE))).astype(np.uint16)
    found = survey(counts)
    np.testing.assert_allclose(found.centre_px, centre, atol=0.15)
    np.testing.assert_allclose(np.median(found.centres_px, axis=(0, 1)), centre, atol=0.25)
    assert not found.descan_px.any()


@pytest.mark.parametrize("radius", [8.0, 12.0])
def test_a_gradient_up_to_the_rim_moves_it_little(disk, radius):
    """The centre of mass moves by 0.5 r/4, a pixel or more."""
    centre = (31.3, 29.8)
    x = np.indices(SHAPE)[1]
    image = 10 * disk(centre, radius, SHAPE) * np.clip(1 + 0.5 * (x - centre[1]) / radius, 0, None)
    moved = mass_centre(image, USE, *centre, radius + 4)[1] - centre[1]
    assert moved > 0.12 * radius
    beam = find_beam(image, USE, None)
    assert np.hypot(*(beam.centre - centre)) < 0.3 * moved
    even = find_beam(10 * disk(centre, radius, SHAPE), USE, None)
    counts = np.random.default_rng(0).poisson(np.broadcast_to(image, (60, *SHAPE))).astype(np.uint16)
    centres = np.empty((60, 2))
    find_centres(counts, 0, 60, USE, even.centre, even.disk, centres)
    np.testing.assert_allclose(centres.mean(axis=0), centre, atol=0.1)


def far_from(centre):
    return np.hypot(*(np.indices(SHAPE) - np.reshape(centre, (2, 1, 1))))


@pytest.mark.parametrize("bright", [2.0, 3.0])
@pytest.mark.parametrize("away", [0.0, 5.0])
def test_a_bright_part_of_a_broad_disk_is_not_the_beam(disk, bright, away):
    centre = (31.3, 29.8)
    part = disk((31.3 + away, 29.8), 4.0, SHAPE)
    beam = find_beam(100 * disk(centre, 12.0, SHAPE) * (1 + (bright - 1) * part) + 1, USE, None)
    np.testing.assert_allclose(beam.centre, centre, atol=0.1)
    assert beam.radius == pytest.approx(12, abs=0.15)


def test_the_brightest_fringe_of_a_broad_disk_is_not_the_beam(disk):
    """Of two crossed sets of fringes, 6 px apart, seven times as bright as the disk: one far from its middle."""
    centre = (31.3, 29.8)
    y, x = np.indices(SHAPE) - np.reshape(centre, (2, 1, 1))
    turned = np.sin(0.5) * y + np.cos(0.5) * x, np.cos(0.5) * y - np.sin(0.5) * x
    fringes = np.prod([(1 + np.cos(2 * np.pi * along / 6)) / 2 for along in turned], axis=0)
    beam = find_beam(100 * disk(centre, 12.0, SHAPE) * (1 + 6 * fringes) + 1, USE, None)
    assert not beam.found or beam.radius > 10


PEAKS = {
    "gaussian": lambda far: np.exp(-((far / 15) ** 2)),
    "wider": lambda far: np.exp(-((far / 18) ** 2)),
    "exponential": lambda far: np.exp(-far / 15),
}


@pytest.mark.parametrize("kind", PEAKS)
@pytest.mark.parametrize("share", [0.2, 0.3])
@pytest.mark.parametrize("radius", [2.0, 2.5, 5.0])
@pytest.mark.parametrize("centre", [(31.5, 29.5), (30.27, 33.81)])
def test_a_disk_on_bright_diffuse_scattering(disk, centre, radius, share, kind):
    image = 100 * disk(centre, radius, SHAPE) + 100 * share * PEAKS[kind](far_from(centre)) + 0.5
    beam = find_beam(image, USE, None)
    np.testing.assert_allclose(beam.centre, centre, atol=0.05)
    assert beam.radius == pytest.approx(radius, abs=0.15)


@pytest.mark.parametrize("kind", PEAKS)
@pytest.mark.parametrize("wider", [1.0, 1.5, 2.0])
@pytest.mark.parametrize("centre", [(31.5, 29.5), (30.27, 33.81)])
def test_a_smooth_peak_alone_is_no_beam(centre, wider, kind):
    assert not find_beam(100 * PEAKS[kind](far_from(centre) / wider), USE, None).found


@pytest.mark.parametrize("spots", [1, 3])
def test_weaker_spots_do_not_matter(disk, spots):
    image = 100 * disk((31.3, 29.8), 5.0, SHAPE) + 1
    for place in ((31, 45), (14, 20), (50, 40))[:spots]:
        image += 70 * disk(place, 5.0, SHAPE)
    np.testing.assert_allclose(find_beam(image, USE, None).centre, (31.3, 29.8), atol=0.05)


@pytest.mark.parametrize(
    "image",
    [
        np.ones(SHAPE),
        np.zeros(SHAPE),
        np.indices(SHAPE)[0] + 1.0,
        np.exp(-np.indices(SHAPE)[1] / 10),
        np.exp(-(((np.indices(SHAPE)[0] - 30) / 15) ** 2) - ((np.indices(SHAPE)[1] - 30) / 2) ** 2),
    ],
    ids=["flat", "empty", "ramp", "rim", "stripe"],
)
def test_what_is_no_beam(image):
    beam = find_beam(image, USE, None)
    assert not beam.found
    assert beam.centre.tolist() == [31.5, 29.5]
    assert find_beam(image, USE, (3.0, 4.0)).centre.tolist() == [3, 4]


def test_a_disk_wider_than_half_of_the_detector_is_no_beam(disk):
    assert find_beam(disk((31.5, 29.5), 14.0, SHAPE), USE, None).found
    assert not find_beam(disk((31.5, 29.5), 18.0, SHAPE), USE, None).found


def descan_scan(disk, amplitude, electrons=2000, shape=(16, 18), seed=0):
    """Patterns whose beam moves linearly over the scan by ± amplitude px; its path (Y, X, 2)."""
    y, x = np.meshgrid(np.linspace(-1, 1, shape[0]), np.linspace(-1, 1, shape[1]), indexing="ij")
    path = np.stack([24 + amplitude * (0.8 * y - 0.3 * x), 23 + amplitude * (0.2 * y + x)], axis=-1)
    generator = np.random.default_rng(seed)
    beams = np.stack([disk(tuple(c), 5.0, (48, 48)) for c in path.reshape(-1, 2)])
    counts = generator.poisson(beams * electrons / beams[0].sum()).reshape(*shape, 48, 48)
    return counts.astype(np.uint16), path


def test_centres_follow_a_descan(disk):
    counts, path = descan_scan(disk, 2.0)
    found = survey(counts)
    assert np.isfinite(found.centres_px).all()
    error = found.centres_px - path
    assert np.sqrt((error**2).mean((0, 1))).max() < 0.15
    assert np.abs(error.mean((0, 1))).max() < 0.05
    moved = found.centre_px + found.descan_px - path
    assert np.abs(moved[2:-2, 2:-2]).max() < 0.15
    assert "px at most" in repr(found)


@pytest.mark.parametrize("electrons", [300, 2000])
def test_a_steady_beam_has_no_descan_at_all(disk, electrons):
    counts, path = descan_scan(disk, 0.0, electrons)
    found = survey(counts)
    assert (found.descan_px == 0).all()
    np.testing.assert_allclose(found.centre_px, path[0, 0], atol=0.05)
    assert repr(found).split("beam moves")[1].split("\n")[0].strip() == "no"


def test_movements_below_half_a_pixel_are_left_alone(disk):
    counts, _ = descan_scan(disk, 0.25)
    assert (survey(counts).descan_px == 0).all()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), outliers=st.integers(0, 10))
def test_descan_is_smooth_in_spite_of_outliers(seed, outliers):
    generator = np.random.default_rng(seed)
    y, x = np.meshgrid(np.linspace(-2, 2, 12), np.linspace(-2, 2, 14), indexing="ij")
    path = np.stack([y, x], axis=-1)
    centres = path + 20 + generator.normal(0, 0.05, path.shape)
    where = generator.permutation(168)[:outliers]
    centres.reshape(-1, 2)[where] = np.nan
    smooth = smooth_descan(centres, np.array([20.0, 20.0]), 1e5)
    assert np.percentile(np.abs(smooth - path), 95) < 0.4
    assert np.isfinite(smooth).all()
    assert not smooth_descan(np.full_like(centres, np.nan), np.array([20.0, 20.0]), 1e5).any()
    far = centres.copy()
    far[6, 7] += 30
    assert np.abs(smooth_descan(far, np.array([20.0, 20.0]), 1e5)[6, 7]).max() < 1.5


def test_descan_needs_half_of_the_positions():
    centres = np.full((10, 10, 2), np.nan)
    centres[:4] = 25.0
    assert not smooth_descan(centres, np.array([20.0, 20.0]), 1e5).any()
    centres[:5] = 25.0
    assert (smooth_descan(centres, np.array([20.0, 20.0]), 1e5) == 5).all()
