import numpy as np
import pytest
from hypothesis import strategies as st

from clustem.segmentation.noise_aware._boundary_kernels import (
    CORE,
    FAR,
    SHELLS,
    WHOLE,
    change_inside,
    compare_pairs,
    empty_sums,
    sum_shells,
    sum_wholes,
    take_tails_off,
)
from tests.segmentation.noise_aware.views import around, both, core_of, random_scene, view_of

SEEDS = st.integers(0, 2**32 - 1)


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


def summed(kernels, view, a, b):
    found, step = empty_sums(SHELLS + 2, view.values.shape[2]), np.ones(2)
    found.sums[:], found.counts[:], found.doses[:] = 7, 1, 1
    kernels[0](view, a, b, np.empty(view.labels.shape, np.int32), found, step)
    for kernel in kernels[1:]:
        kernel(view, a, b, found)
    return found, step


@pytest.mark.parametrize("kernels", [(sum_shells, sum_wholes), (sum_shells.py_func, sum_wholes.py_func)])
@pytest.mark.parametrize("seed", range(4))
def test_sums_over_shells_cores_and_wholes(kernels, seed):
    values, noise, labels = random_scene(seed)
    for a, b in ((0, 1), (2, 1)):
        found, _ = summed(kernels, view_of(values, noise, labels), a, b)
        for side, (own, other) in enumerate(((a, b), (b, a))):
            parts = parts_of(labels, own, other)
            parts[0] = False
            np.testing.assert_allclose(found.counts[side], parts.sum(axis=(1, 2)))
            np.testing.assert_allclose(found.sums[side], [values[p].sum(0, dtype=float) for p in parts], atol=1e-5)
            np.testing.assert_allclose(found.doses[side], [noise[p].sum(dtype=float) for p in parts], rtol=1e-5)


@pytest.mark.parametrize("kernel", both(sum_shells))
def test_shells_of_two_halves_are_columns_and_the_step_is_across(kernel):
    labels = np.tile(np.repeat(np.arange(2, dtype=np.int32), 8), (5, 1))
    values = np.tile(np.arange(16, dtype=np.float32)[None, :, None], (5, 1, 1))
    found, step = summed((kernel,), view_of(values, np.ones((5, 16), np.float32), labels), 0, 1)
    assert step.tolist() == [0, 1]
    assert (found.counts[:, 1:SHELLS] == 5).all()
    assert found.sums[0, 1:SHELLS, 0].tolist() == [5 * (7 - k) for k in range(1, SHELLS)]
    assert found.sums[1, 1:SHELLS, 0].tolist() == [5 * (8 + k) for k in range(1, SHELLS)]
    assert not found.counts[:, 0].any(), "the probe mixes there"


def means_of(values, noise, parts):
    """Mean, its noise variance, and the energy of its signal."""
    mean, dose = values[parts].mean(0, dtype=float), noise[parts].sum(dtype=float) / parts.sum() ** 2
    return mean, dose, mean @ mean - mean.size * dose


def error_of(apart, dose, size):
    return np.sqrt(2 * size) * dose + 2 * np.sqrt(max(apart, 0) * dose)


def changed(values, noise, labels, a, b, least, first, shells):
    """Energy and error of the change from a shell to those farther in, scaled to three positions: the largest."""
    result, sides = np.full(4, np.nan), [parts_of(labels, a, b), parts_of(labels, b, a)]
    if min(parts[first].sum() for parts in sides) < least:
        return result
    for side, parts in enumerate(sides):
        found = []
        for shell in range(shells[0], shells[1] + 1):
            if parts[shell].sum() >= least:
                (near, dose, _), (far, more, _) = (means_of(values, noise, parts[k]) for k in (first, shell))
                apart, scale = ((near - far) ** 2).sum() - near.size * (dose + more), (3 / (shell - first)) ** 2
                found.append((scale * apart, scale * error_of(apart, dose + more, near.size)))
        if found:
            result[2 * side : 2 * side + 2] = max(found, key=lambda pair: pair[0] - pair[1])
    return result


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
        if kind >= 4 or error_of(apart, dose, size) < precise * max(energy_a + energy_b, 1e-300):
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
        means, numbers, change = np.zeros((3, 2, 3)), np.zeros((3, 8)), np.zeros((3, 2, 4))
        kernel(view_of(values, noise, labels), pairs, float(least), float(least), precise, means, numbers, change)
        for n, pair in enumerate(pairs.tolist()):
            kind, expected, sides = compared(values, noise, labels, *pair, least, precise)
            assert numbers[n, 0] == kind
            np.testing.assert_allclose(numbers[n, 1:6], expected, rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(means[n], sides, rtol=1e-4, atol=1e-5)
            inside = [changed(values, noise, labels, *pair, least, *part) for part in ((2, (4, 5)), (1, (2, 4)))]
            np.testing.assert_allclose(change[n], inside, rtol=1e-4, atol=1e-5)
            kinds.add(kind)
    assert (strength > 0) == (min(kinds) < 4), "with nothing but noise no strip is precise"


@pytest.mark.parametrize("kernel", both(compare_pairs))
def test_too_little_of_a_region_is_not_compared(kernel):
    labels = np.zeros((4, 9), np.int32)
    labels[0, 0] = 1
    means, numbers, change = np.zeros((1, 2, 2)), np.zeros((1, 8)), np.zeros((1, 2, 4))
    values, noise = np.ones((4, 9, 2), np.float32), np.ones((4, 9), np.float32)
    kernel(view_of(values, noise, labels), np.array([(0, 1)]), 2.0, 2.0, 0.1, means, numbers, change)
    assert numbers[0, 0] == -1
    assert np.isnan(change).all()


@pytest.mark.parametrize("kernel", both(change_inside))
@pytest.mark.parametrize(
    ("right", "expected"),
    [
        (8, (18, 18)),  # three positions apart, both values change by 3
        (5, (18, 18)),  # the fourth shell from the first is the last column
        (4, (18, 18)),  # two apart, and scaled to three
        (3, (18, 18)),  # one apart
        (2, (18, np.nan)),
        (1, (np.nan, np.nan)),  # without a first shell nothing is compared there
    ],
)
def test_a_ramp_changes_by_so_much_over_the_distance_of_both_first_shells(kernel, right, expected):
    labels = np.tile(np.repeat(np.arange(2, dtype=np.int32), (9, right)), (5, 1))
    values = np.repeat(np.tile(np.arange(9.0 + right, dtype=np.float32), (5, 1))[..., None], 2, axis=2)
    view = view_of(values, np.zeros(labels.shape, np.float32), labels)
    found, _ = summed((sum_shells,), view, 0, 1)
    change = np.zeros(4)
    kernel(found, 1, (2, 4), 4.0, np.zeros(2), np.zeros(2), change)
    np.testing.assert_allclose(change[::2], expected)
    np.testing.assert_allclose(change[1::2], np.array(expected) * 0, atol=1e-9)
    assert FAR == 3, "positions, as far as the first shells of both sides are from each other"


@pytest.mark.parametrize("kernel", both(take_tails_off))
def test_what_bright_regions_scatter_is_taken_off(kernel):
    """Of the first pair the first axis, of the second both, of the third nothing as it has no span."""
    generator = np.random.default_rng(0)
    means, noise = generator.normal(size=(3, 2, 5)), np.array([0.01, 0.02, 0.03])
    axes = np.linalg.qr(generator.normal(size=(2, 5, 2)))[0]
    energies, span, limit = np.array([[9.0, 1.0], [9.0, 8.0]]), np.array([0, 1, -1]), np.array([2.0, 2.0, 2.0])
    apart, both_energies = np.full(3, 7.0), np.full(3, 7.0)
    kernel(means, noise, axes, energies, span, limit, apart, both_energies)
    for m, basis in enumerate((axes[0, :, :1], axes[1])):
        one, two = means[m] - means[m] @ basis @ basis.T
        expected = (5 - basis.shape[1]) * noise[m]
        assert apart[m] == pytest.approx(((one - two) ** 2).sum() - expected)
        assert both_energies[m] == pytest.approx(one @ one + two @ two - expected)
    assert (apart[2], both_energies[2]) == (7, 7)
