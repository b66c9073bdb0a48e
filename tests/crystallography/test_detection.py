import numpy as np
import pytest

from clustem import Probe
from clustem.crystallography._peak_kernels import match_template
from clustem.crystallography.counting import Counting, reached_pixels
from clustem.crystallography.detection import Template, candidates, least_intensity, least_significance, match

from .patterns import averages_of, disk

SHAPE = (48, 52)
USE = np.ones(SHAPE, bool)
PROBE = Probe.disk(4.0)


@pytest.mark.parametrize("plain", [True, False])
def test_kernel_against_least_squares(plain):
    kernel = match_template.py_func if plain else match_template
    generator = np.random.default_rng(0)
    pattern, misfit = generator.random((11, 12)), generator.random((11, 12))
    use = generator.random((11, 12)) < 0.85
    template = Template.of(Probe.disk(1.5))
    out = np.empty((3, 11, 12))
    kernel(pattern, misfit, use, template.image, template.window, 2.0, 0.3, 0.01, out)
    y, x, half = 6, 5, len(template.image) // 2
    around = np.zeros((11 + 2 * half, 12 + 2 * half), bool)
    around[y : y + 2 * half + 1, x : x + 2 * half + 1] = template.window
    inside = around[half:-half, half:-half] & use
    place = np.zeros(around.shape)
    place[y : y + 2 * half + 1, x : x + 2 * half + 1] = template.image
    known = place[half:-half, half:-half][inside]
    design = np.stack([known, np.ones(len(known))], axis=1)
    amplitude, ground = np.linalg.lstsq(design, pattern[inside], rcond=None)[0]
    centred = known - known.mean()
    variance = (centred**2 * (2.0 * max(ground, 0.01) + 0.3 + misfit[inside])).sum() / (centred**2).sum() ** 2
    expected = amplitude, np.sqrt(variance), np.corrcoef(known, pattern[inside])[0, 1]
    np.testing.assert_allclose(out[:, y, x], expected, rtol=1e-9)


def test_a_mean_disk_is_found_where_it_is_with_its_intensity():
    pattern = 0.2 * disk(SHAPE, (20, 30), 4.0) + 1
    matches = match(pattern, np.zeros(SHAPE), USE, Template.of(PROBE), Counting(), 1000)
    least = least_significance(USE, PROBE)
    assert candidates(matches, least, 4.0, np.zeros((0, 2))).tolist() == [[20, 30]]
    assert candidates(matches, least, 4.0, np.array([[21.0, 30]])).size == 0
    assert matches.intensity[20, 30] == pytest.approx(0.2 * np.pi * 16, rel=0.06)


@pytest.mark.parametrize("level", [0.002, 0.05, 1.0])
def test_noise_alone_makes_hardly_any_peak(level):
    generator = np.random.default_rng(0)
    least, template, found = least_significance(USE, PROBE), Template.of(PROBE), 0
    for _ in range(100):
        noise = generator.poisson(np.full(SHAPE, level * 20)) / 20
        matches = match(noise, np.zeros(SHAPE), USE, template, Counting(), 20)
        found += len(candidates(matches, least, 4.0, np.zeros((0, 2))))
    assert found <= 12


def test_the_least_intensity_is_what_is_just_found():
    matches = match(np.ones(SHAPE), np.zeros(SHAPE), USE, Template.of(PROBE), Counting(), 50)
    least = least_intensity(matches, USE, 5.0, 1 / 50)
    noise = (np.median(matches.sigma[np.isfinite(matches.sigma)]) * 50) ** 2
    assert 2 * (np.sqrt(least * 50 + noise + 0.375) - np.sqrt(noise + 0.375)) == pytest.approx(5)


@pytest.mark.parametrize("gain", [1.0, 7.3])
def test_gain_from_the_scatter(gain):
    generator = np.random.default_rng(0)
    patterns = generator.gamma(1, 2.0, (3, 40, 40)) * gain
    counting = Counting.of(averages_of(patterns, gain=gain), np.ones((40, 40), bool))
    assert counting.gain == pytest.approx(gain, rel=0.01)
    assert counting.floor == pytest.approx(0, abs=0.01)


def test_too_little_to_tell_is_counts():
    assert Counting.of(averages_of(np.ones((1, 8, 8)), gain=5.0), np.ones((8, 8), bool)) == Counting()


def test_read_noise_is_a_floor():
    averages = averages_of(np.random.default_rng(0).gamma(1, 2.0, (3, 40, 40)))
    averages.variance[:] += 3
    counting = Counting.of(averages, np.ones((40, 40), bool))
    assert counting.gain == pytest.approx(1, rel=0.02)
    assert counting.floor == pytest.approx(3, rel=0.02)


def test_only_large_dark_blocks_are_out_of_reach():
    patterns = np.ones((2, 30, 30))
    patterns[:, :10] = 0
    patterns[:, 20, 20] = 0
    averages = averages_of(patterns)
    reached = reached_pixels(averages, np.ones((30, 30), bool))
    assert not reached[:11].any()
    assert reached[11:].all()
    assert reached_pixels(averages, np.zeros((30, 30), bool)).all(), "nothing beside it tells"
    assert reached_pixels(averages_of(patterns * 1e-4, positions=1), np.ones((30, 30), bool)).all(), "by accident"


def test_what_lies_between_disks_is_within_reach():
    """Where there is no background, all is dark but the disks; a beam stop is told by the background that it takes."""
    random, y = np.random.default_rng(0), np.mgrid[:96, :96]
    patterns = np.zeros((8, 96, 96))
    for pattern in patterns:
        for centre in random.uniform(6, 90, (12, 2)):
            pattern[np.hypot(*(y - centre[:, None, None])) < 4] = 9
    everywhere = np.ones((96, 96), bool)
    for number in (1, 2, 8):
        assert reached_pixels(averages_of(patterns[:number]), everywhere).all()
    patterns += random.poisson(0.1, patterns.shape)
    patterns[:, 40:60, :50] = 0
    reached = reached_pixels(averages_of(patterns), everywhere)
    assert not reached[40:60, :50].any()
    assert reached.sum() > everywhere.sum() - 22 * 52
    limited = np.where(np.hypot(*(y - 47.5)) < 40, 9.0, 0.0)[None]  # by an aperture: not a disk between others
    assert not reached_pixels(averages_of(limited), everywhere)[0, 0]
