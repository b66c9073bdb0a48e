import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustem.segmentation.noise_aware._boundary_kernels import (
    CORE,
    SHELLS,
    WHOLE,
    compare_pairs,
    core_positions,
    inner_changes,
    region_boxes,
    shared_reflections,
    sum_shells,
    sum_wholes,
)

SEEDS = st.integers(0, 2**32 - 1)
STEPS = ((0, 2), (2, 0), (2, 2), (2, -2))


def both(kernel):
    """A kernel, compiled and as plain Python."""
    return kernel, kernel.py_func


def random_scene(seed, shape=(13, 15), regions=4, size=3):
    """Values, noise and labels of a few straight regions and of some positions in none."""
    generator = np.random.default_rng(seed)
    y, x = np.indices(shape)
    places = generator.uniform(0, shape, (regions, 2))
    labels = np.argmin([(y - a) ** 2 + (x - b) ** 2 for a, b in places], axis=0).astype(np.int32)
    labels[generator.random(shape) < 0.05] = -1
    values = generator.normal(size=(*shape, size)).astype(np.float32)
    return values, generator.uniform(0.5, 2, shape).astype(np.float32), labels


def boxes_of(labels, number):
    boxes = np.empty((number, 4), np.int32)
    region_boxes(labels, boxes)
    return boxes


def around(labels, y, x):
    return labels[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]


def core_of(labels):
    """Positions of a region with no other label around."""
    return np.array(
        [[k >= 0 and (around(labels, y, x) == k).all() for x, k in enumerate(r)] for y, r in enumerate(labels)]
    )


def shells_of(labels, own, other):
    """Shell of every position of a region, −1 = in none."""
    result = np.full(labels.shape, -1)
    there = np.argwhere(labels == other)
    for y, x in np.argwhere(labels == own):
        third = (around(labels, y, x) >= 0) & (around(labels, y, x) != own) & (around(labels, y, x) != other)
        distance = np.sqrt(((there - (y, x)) ** 2).sum(axis=1)).min()
        if not third.any() and int(distance + 0.5) <= SHELLS:
            result[y, x] = int(distance + 0.5) - 1
    return result


def parts_of(labels, own, other):
    """Masks (SHELLS + 2, h, w) of what is summed of a region."""
    shells = shells_of(labels, own, other)
    parts = [shells == shell for shell in range(SHELLS)]
    return np.array([*parts, core_of(labels) & (labels == own), labels == own])


def summed(kernels, values, noise, labels, a, b):
    size, boxes = values.shape[2], boxes_of(labels, int(labels.max()) + 1)
    sums, counts, doses = np.full((2, SHELLS + 2, size), 7.0), np.ones((2, SHELLS + 2)), np.ones((2, SHELLS + 2))
    step = np.ones(2)
    for kernel in kernels:
        extra = (step,) if kernel is kernels[0] else ()
        kernel(values, noise, labels, boxes, a, b, sums, counts, doses, *extra)
    return sums, counts, doses, step


@pytest.mark.parametrize("kernel", both(region_boxes))
def test_boxes(kernel):
    labels, boxes = np.array([[-1, 0, 0], [2, 0, -1], [2, 2, 2]], np.int32), np.empty((3, 4), np.int32)
    kernel(labels, boxes)
    assert boxes[0].tolist() == [0, 1, 1, 2]
    assert boxes[2].tolist() == [1, 2, 0, 2]
    assert boxes[1, 0] > boxes[1, 1], "nothing"


@pytest.mark.parametrize("kernel", both(core_positions))
@pytest.mark.parametrize("seed", range(3))
def test_cores(kernel, seed):
    _, _, labels = random_scene(seed)
    core = np.empty(labels.shape, bool)
    kernel(labels, core)
    assert np.array_equal(core, core_of(labels))
    assert core.any()


@pytest.mark.parametrize("kernels", [(sum_shells, sum_wholes), (sum_shells.py_func, sum_wholes.py_func)])
@pytest.mark.parametrize("seed", range(4))
def test_sums_over_shells_cores_and_wholes(kernels, seed):
    values, noise, labels = random_scene(seed)
    for a, b in ((0, 1), (2, 1)):
        sums, counts, doses, _ = summed(kernels, values, noise, labels, a, b)
        for side, (own, other) in enumerate(((a, b), (b, a))):
            parts = parts_of(labels, own, other)
            np.testing.assert_allclose(counts[side], parts.sum(axis=(1, 2)))
            np.testing.assert_allclose(sums[side], [values[part].sum(0, dtype=float) for part in parts], atol=1e-5)
            np.testing.assert_allclose(doses[side], [noise[part].sum(dtype=float) for part in parts], rtol=1e-5)


@pytest.mark.parametrize("kernel", both(sum_shells))
def test_shells_of_two_halves_are_columns_and_the_step_is_across(kernel):
    labels = np.tile(np.repeat(np.arange(2, dtype=np.int32), 8), (5, 1))
    values = np.tile(np.arange(16, dtype=np.float32)[None, :, None], (5, 1, 1))
    sums, counts, _, step = summed((kernel,), values, np.ones((5, 16), np.float32), labels, 0, 1)
    assert step.tolist() == [0, 1]
    assert (counts[:, :SHELLS] == 5).all()
    assert sums[0, :SHELLS, 0].tolist() == [5 * (7 - k) for k in range(SHELLS)]
    assert sums[1, :SHELLS, 0].tolist() == [5 * (8 + k) for k in range(SHELLS)]


def means_of(values, noise, parts):
    """Mean, its noise variance, and the energy of its signal."""
    mean, dose = values[parts].mean(0, dtype=float), noise[parts].sum(dtype=float) / parts.sum() ** 2
    return mean, dose, mean @ mean - mean.size * dose


def compared(values, noise, labels, a, b, least, precise):
    """What pairs are compared by: ever wider strips without the first shell, then cores, then all."""
    one, two, size = parts_of(labels, a, b), parts_of(labels, b, a), values.shape[2]
    choices = [tuple(side[1 : 3 + k].any(axis=0) for side in (one, two)) for k in range(4)]
    choices += [(one[part], two[part]) for part in (CORE, WHOLE)]
    result = None
    for kind, sides in enumerate(choices):
        if min(side.sum() for side in sides) < least:
            continue
        (mean_a, dose_a, energy_a), (mean_b, dose_b, energy_b) = (means_of(values, noise, side) for side in sides)
        dose = dose_a + dose_b
        apart = ((mean_a - mean_b) ** 2).sum() - size * dose
        result = kind, (dose_a, dose_b, energy_a, energy_b, apart), (mean_a, mean_b)
        error = np.sqrt(2 * size) * dose + 2 * np.sqrt(max(apart, 0) * dose)
        if kind >= 4 or error < precise * max(energy_a + energy_b, 1e-300):
            break
    return result


@pytest.mark.parametrize("kernel", both(compare_pairs))
@pytest.mark.parametrize(("strength", "precise", "least"), [(0, 0.1, 4), (6, 0.1, 4), (6, 10.0, 4), (6, 0.1, 12)])
def test_pairs_are_compared_as_near_the_boundary_as_noise_allows(kernel, strength, precise, least):
    kinds = set()
    for seed in range(4):
        values, noise, labels = random_scene(seed, regions=3)
        values += strength * np.eye(3, dtype=np.float32)[labels]
        pairs = np.array([(0, 1), (0, 2), (1, 2)])
        means, numbers = np.zeros((3, 2, 3)), np.zeros((3, 8))
        kernel(values, noise, labels, boxes_of(labels, 3), pairs, float(least), precise, means, numbers)
        for n, pair in enumerate(pairs.tolist()):
            kind, expected, sides = compared(values, noise, labels, *pair, least, precise)
            assert numbers[n, 0] == kind
            np.testing.assert_allclose(numbers[n, 1:6], expected, rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(means[n], sides, rtol=1e-4, atol=1e-5)
            kinds.add(kind)
    assert (strength > 0) == (min(kinds) < 4), "with nothing but noise no strip is precise"


@pytest.mark.parametrize("kernel", both(compare_pairs))
def test_too_little_of_a_region_is_not_compared(kernel):
    labels = np.zeros((4, 9), np.int32)
    labels[0, 0] = 1
    means, numbers = np.zeros((1, 2, 2)), np.zeros((1, 8))
    values, noise = np.ones((4, 9, 2), np.float32), np.ones((4, 9), np.float32)
    kernel(values, noise, labels, boxes_of(labels, 2), np.array([(0, 1)]), 2.0, 0.1, means, numbers)
    assert numbers[0, 0] == -1


def changes_of(values, noise, labels, core):
    """Upper quartile of squared differences two positions apart, its error and the number of pairs."""
    number, size = int(labels.max()) + 1, values.shape[2]
    result = np.zeros((number, 4, 3))
    for k in range(number):
        for j, (dy, dx) in enumerate(STEPS):
            scale, found, variances = (1, 1, 0.5, 0.5)[j], [], []
            for y, x in np.argwhere(core & (labels == k)):
                u, v = y + dy, x + dx
                if not (u < labels.shape[0] and 0 <= v < labels.shape[1] and core[u, v] and labels[u, v] == k):
                    continue
                variance = float(noise[y, x]) + float(noise[u, v])
                steps = values[y, x].astype(float) - values[u, v]
                found.append(scale * (steps @ steps - size * variance))
                variances.append(2 * size * (scale * variance) ** 2)
            if found:
                chance = np.sqrt(np.mean(variances))
                upper = np.sort(found)[int(0.75 * (len(found) - 1) + 0.5)]
                result[k, j] = upper - 0.674 * chance, chance / np.sqrt(len(found)), len(found)
    return result


@pytest.mark.parametrize("kernel", both(inner_changes))
@pytest.mark.parametrize("seed", range(3))
def test_changes_inside_of_regions(kernel, seed):
    values, noise, labels = random_scene(seed, (14, 17), 3)
    core, change = core_of(labels), np.full((3, 4, 3), np.nan)
    kernel(values, noise, labels, core, change)
    np.testing.assert_allclose(change, changes_of(values, noise, labels, core), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kernel", both(inner_changes))
def test_a_ramp_changes_across_and_by_half_of_its_diagonal(kernel):
    """Three per column: six in two columns, whose square is 36."""
    values = np.tile(3 * np.arange(9, dtype=np.float32)[None, :, None], (7, 1, 1))
    change, labels = np.empty((1, 4, 3)), np.zeros((7, 9), np.int32)
    kernel(values, np.zeros((7, 9), np.float32), labels, np.ones((7, 9), bool), change)
    assert change[0, :, 0].tolist() == [36, 0, 18, 18]
    assert change[0, :, 2].tolist() == [7 * 7, 5 * 9, 5 * 7, 5 * 7]


def test_noise_alone_is_no_change_inside():
    values = np.random.default_rng(0).normal(size=(60, 60, 40)).astype(np.float32)
    change, flat = np.empty((1, 4, 3)), np.ones((60, 60), np.float32)
    inner_changes(values, flat, np.zeros((60, 60), np.int32), np.ones((60, 60), bool), change)
    assert (np.abs(change[0, :, 0]) < 8).all(), "squared differences are 80"


def reflections_of(mean, back, ring):
    shown = np.sqrt(np.maximum(back @ mean, 0))
    for k in np.unique(ring):
        shown[ring == k] -= shown[ring == k].mean()
    return shown


def cosine(one, two):
    return one @ two / np.sqrt((one @ one) * (two @ two))


def shared_of(kernel, means, variances, back, ring, draw, clear=0.02):
    shared = np.full(len(means), np.nan)
    kernel(np.asarray(means, float), np.asarray(variances, float), back, ring, draw, clear, shared)
    return shared


@pytest.mark.parametrize("kernel", both(shared_reflections))
@pytest.mark.parametrize("seed", range(3))
def test_what_reflections_have_in_common(kernel, seed):
    generator = np.random.default_rng(seed)
    back, ring = generator.normal(size=(40, 5)).astype(np.float32), generator.integers(0, 4, 40)
    means, draw = generator.normal(size=(6, 2, 5)), generator.normal(size=5)
    clear = shared_of(kernel, means, np.full((6, 2), 1e-9), back, ring, draw)
    expected = [cosine(*(reflections_of(mean, back, ring) for mean in pair)) for pair in means]
    np.testing.assert_allclose(clear, expected, rtol=1e-5, atol=1e-6)
    noisy = shared_of(kernel, means, np.full((6, 2), 0.09), back, ring, draw)
    for n, pair in enumerate(means):
        reliability = 1.0
        for mean in pair:
            half = cosine(*(reflections_of(mean + sign * 0.3 * draw, back, ring) for sign in (1, -1)))
            if 0.02 * mean @ mean <= 0.09 * 5:
                reliability *= 2 * max(half, 0.05) / (1 + max(half, 0.05))
        assert noisy[n] == pytest.approx(expected[n] / np.sqrt(reliability), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("kernel", both(shared_reflections))
def test_reflections_by_hand(kernel):
    """Four pixels on a ring, each with an axis: one is lit, then another; less their mean these are ¾ and −¼."""
    back, ring = np.eye(4, dtype=np.float32), np.zeros(4, np.int64)
    means = [np.eye(4)[[0, 0]], np.eye(4)[[0, 1]], [[9.0, 0, 0, 0], [1.0, 0, 0, 0]], [np.zeros(4), np.ones(4)]]
    found = shared_of(kernel, means, np.zeros((4, 2)), back, ring, np.zeros(4))
    np.testing.assert_allclose(found, [1, -1 / 3, 1, 0], atol=1e-6)


def test_noise_is_taken_off_what_reflections_share():
    """Two noisy measurements of one pattern share all of it, on average."""
    generator = np.random.default_rng(0)
    back, ring = np.eye(60, 30, dtype=np.float32), np.zeros(60, np.int64)
    pattern = np.where(np.arange(30) < 10, 10.0, 0.0)
    means = pattern + 3 * generator.normal(size=(400, 2, 30))
    found = shared_of(shared_reflections, means, np.full((400, 2), 9.0), back, ring, generator.normal(size=30))
    plain = shared_of(shared_reflections, means, np.zeros((400, 2)), back, ring, np.zeros(30))
    assert plain.mean() < 0.9
    assert abs(found.mean() - 1) < abs(plain.mean() - 1)


@given(seed=SEEDS, factor=st.floats(0.1, 50))
@settings(max_examples=25, deadline=None)
def test_the_brightness_of_either_pattern_does_not_matter(seed, factor):
    generator = np.random.default_rng(seed)
    back, ring = generator.normal(size=(30, 4)).astype(np.float32), generator.integers(0, 3, 30)
    means, draw = generator.normal(size=(1, 2, 4)), np.zeros(4)
    first = shared_of(shared_reflections, means, np.zeros((1, 2)), back, ring, draw)
    other = shared_of(shared_reflections, means * [[[1], [factor]]], np.zeros((1, 2)), back, ring, draw)
    np.testing.assert_allclose(other, first, rtol=1e-6, atol=1e-9)
