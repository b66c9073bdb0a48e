import numpy as np
import pytest
from scipy.optimize import nnls

from clustem.segmentation.noise_aware._mixture_kernels import (
    explain_positions,
    local_means,
    near_labels,
    settle_labels,
    solve_shares,
)

MEANS = 30 * np.eye(3, 6) + 5
LABELS = np.array([[0, 0, 0, 1, 1], [0, 0, 0, 1, 1], [0, 0, 0, 1, 1], [0, 2, 2, 2, 1], [-1, 2, 2, 2, 1]])
CORE = np.zeros(LABELS.shape, bool)
CORE[0:2, 0:2], CORE[4, 1:3] = True, True


def both(kernel):
    """A kernel, compiled and as plain Python."""
    return kernel, kernel.py_func


def mixed(labels, *, seed=0, noise=1.0):
    """Patterns (scan_y, scan_x, 6) of three kinds, and noise."""
    patterns = MEANS[labels]
    return (patterns + noise * np.random.default_rng(seed).normal(size=patterns.shape)).astype(np.float32)


def explained(kernel, patterns, labels, core, *, favour=None, background=-1, interior=True, spans=None, **options):
    """Regions near, shares, energies and χ² of positions; by default of all."""
    spans = spans or (0, labels.shape[0], 0, labels.shape[1])
    shape = spans[1] - spans[0], spans[3] - spans[2]
    near, rest = np.full((*shape, 4), -9, np.int32), np.full(shape, np.nan)
    shares, energies = np.full((2, *shape, 4), np.nan, np.float32)
    favour = np.ones(max(1, labels.max() + 1)) if favour is None else np.asarray(favour, float)
    reach, radius, least = (options.get(name, value) for name, value in (("reach", 2), ("radius", 3), ("least", 4)))
    kernel(
        patterns, labels, core, spans, reach, radius, least, favour, background, interior, near, shares, energies, rest
    )
    return near, shares, energies, rest


@pytest.mark.parametrize("kernel", both(solve_shares))
@pytest.mark.parametrize("seed", range(5))
def test_shares_are_the_non_negative_least_squares(kernel, seed):
    generator = np.random.default_rng(seed)
    columns, pattern = generator.uniform(size=(8, 4)), generator.normal(size=8)
    shares = np.full(4, np.nan)
    kernel(columns.T @ columns, columns.T @ pattern, 4, shares)
    np.testing.assert_allclose(shares, nnls(columns, pattern)[0], atol=1e-4)


@pytest.mark.parametrize("kernel", both(solve_shares))
def test_a_mean_of_nothing_has_no_share(kernel):
    shares = np.full(3, np.nan)
    kernel(np.diag([2.0, 0.0, 4.0]), np.array([1.0, 5.0, -1.0]), 3, shares)
    assert shares.tolist() == [0.5, 0, 0]


@pytest.mark.parametrize("kernel", both(near_labels))
def test_labels_around_by_how_many_there_are(kernel):
    labels = np.array([[2, 2, 0, 4], [2, 1, 0, 4], [-1, 3, 3, 4]])
    near = np.full(6, -9)
    assert kernel(labels, 1, 1, 1, near) == 4, "-1 is no region, 4 out of reach"
    assert near[:4].tolist() == [2, 0, 3, 1], "equally many: the lower label first"
    assert kernel(labels, 1, 1, 2, near) == 5
    assert near[:5].tolist() == [2, 4, 0, 3, 1]
    short = np.full(2, -9)
    assert kernel(labels, 1, 1, 1, short) == 2
    assert set(short.tolist()) <= {0, 1, 2, 3}
    assert kernel(np.full((3, 3), -1), 1, 1, 2, near) == 0


@pytest.mark.parametrize("kernel", both(near_labels))
def test_labels_around_against_counting(kernel):
    labels = np.random.default_rng(0).integers(-1, 5, (9, 10))
    for y, x in np.ndindex(labels.shape):
        around = labels[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3]
        values, counts = np.unique(around[around >= 0], return_counts=True)
        near = np.full(6, -9)
        assert kernel(labels, y, x, 2, near) == values.size
        assert near[: values.size].tolist() == values[np.lexsort((values, -counts))].tolist()


def mean_around(patterns, labels, core, y, x, k, *, radius, least):
    """Mean of a region around a position without its own pattern, in the core if that is large enough."""
    place = slice(max(0, y - radius), y + radius + 1), slice(max(0, x - radius), x + radius + 1)
    mine = labels == k
    mine[y, x] = False
    counts = (mine & core)[place].sum(), mine[place].sum()
    used = mine & core if counts[0] >= least else mine
    part = patterns[place][used[place]].astype(float)
    return part.mean(axis=0) if len(part) else np.zeros(patterns.shape[2]), counts


@pytest.mark.parametrize("kernel", both(local_means))
@pytest.mark.parametrize(("radius", "least"), [(1, 2), (3, 4), (9, 1), (9, 99)])
def test_means_around_a_position_without_its_own_pattern(kernel, radius, least):
    patterns = mixed(LABELS, noise=5.0)
    for y, x in np.ndindex(LABELS.shape):
        means, counts = np.full((3, 6), np.nan), np.zeros((2, 3), np.int64)
        kernel(patterns, LABELS, CORE, y, x, radius, least, np.arange(3), 3, means, counts)
        for k in range(3):
            expected, members = mean_around(patterns, LABELS, CORE, y, x, k, radius=radius, least=least)
            np.testing.assert_allclose(means[k], expected, rtol=1e-5, atol=1e-5)
            assert counts[:, k].tolist() == list(members)


@pytest.mark.parametrize("kernel", both(explain_positions))
def test_every_pattern_is_explained_by_the_means_around_it(kernel):
    patterns = mixed(LABELS, noise=3.0)
    near, shares, energies, rest = explained(kernel, patterns, LABELS, CORE, reach=1)
    for y, x in np.ndindex(LABELS.shape):
        around = np.unique(LABELS[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2])
        around = around[around >= 0]
        columns = np.stack([mean_around(patterns, LABELS, CORE, y, x, k, radius=3, least=4)[0] for k in around], axis=1)
        expected, left = nnls(columns, patterns[y, x].astype(float))
        found = dict(zip(near[y, x].tolist(), shares[y, x].tolist(), strict=True))
        assert sorted(set(found) - {-1}) == around.tolist()
        np.testing.assert_allclose([found[j] for j in around.tolist()], expected, atol=1e-4)
        assert rest[y, x] == pytest.approx(left**2, rel=1e-3, abs=1e-6)
        assert energies[y, x, np.nanargmax(shares[y, x])] == 0
        assert (energies[y, x] >= 0).all()


@pytest.mark.parametrize("kernel", both(explain_positions))
def test_a_part_of_the_positions_is_explained_alike(kernel):
    patterns = mixed(LABELS, noise=3.0)
    whole, part = (explained(kernel, patterns, LABELS, CORE, spans=s) for s in (None, (1, 4, 2, 5)))
    for one, other in zip(whole, part, strict=True):
        np.testing.assert_array_equal(one[1:4, 2:5], other)


@pytest.mark.parametrize("kernel", both(explain_positions))
def test_half_the_rise_of_chi_squared_if_another_had_as_large_a_share(kernel):
    """Means 10 and 20 long at right angles: shares 0.9 and 0.2, whose difference has the variance 1/100 + 1/400.

    Against a background, the share of the other counts ten times: 2 to 0.9.
    """
    labels = np.array([[0, -1, 1]])
    patterns = np.array([[[10.0, 0.0], [9.0, 4.0], [0.0, 20.0]]], np.float32)
    nowhere = np.zeros((1, 3), bool)
    for background, energy in ((-1, 0.5 * 0.7**2 / (1 / 100 + 1 / 400)), (0, 0.5 * 1.1**2 / (1 / 100 + 100 / 400))):
        options = {"favour": [7.0, 10.0], "background": background, "least": 1, "reach": 1}
        near, shares, energies, rest = explained(kernel, patterns, labels, nowhere, **options)
        by_region = dict(zip(near[0, 1].tolist(), energies[0, 1].tolist(), strict=True))
        assert by_region[0 if background == 0 else 1] == pytest.approx(energy, rel=1e-5)
        assert min(by_region.values()) == 0
        np.testing.assert_allclose(sorted(shares[0, 1]), [0, 0, 0.2, 0.9], rtol=1e-5)
        assert rest[0, 1] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("kernel", both(explain_positions))
def test_own_counts_are_left_out(kernel):
    """The middle of three positions of one region is something else, which its own mean would explain in part."""
    labels, patterns = np.zeros((1, 3), np.int64), np.array([[[10.0, 0], [0, 10.0], [10.0, 0]]], np.float32)
    near, shares, _, rest = explained(kernel, patterns, labels, np.zeros((1, 3), bool), least=1)
    assert near[0, 1, 0] == 0
    assert shares[0, 1, 0] == 0
    assert rest[0, 1] == pytest.approx(100)


@pytest.mark.parametrize("kernel", both(explain_positions))
@pytest.mark.parametrize("interior", [True, False])
def test_where_only_its_own_region_is_near(kernel, interior):
    labels = np.zeros((5, 5), np.int64)
    patterns = mixed(labels)
    near, shares, energies, rest = explained(kernel, patterns, labels, labels == 0, interior=interior)
    assert (near[..., 0] == 0).all()
    assert (near[..., 1:] == -1).all()
    assert not energies.any()
    if interior:
        np.testing.assert_allclose(shares[..., 0], 1, atol=0.15)
        assert (rest > 0).all()
    else:
        assert (shares[..., 0] == 1).all()
        assert not rest.any()


@pytest.mark.parametrize("kernel", both(explain_positions))
def test_no_region_near_leaves_nothing(kernel):
    labels = np.full((1, 3), -1)
    near, *others = explained(kernel, np.ones((1, 3, 4), np.float32), labels, labels == 0)
    assert (near == -1).all()
    assert not any(values.any() for values in others)


@pytest.mark.parametrize("kernel", both(settle_labels))
@pytest.mark.parametrize(("energy", "expected"), [(0.5, 0), (50.0, 1)])
def test_a_label_alone_gives_way_unless_its_pattern_is_clear(kernel, energy, expected):
    """In the middle region 1 is better by `energy`; around it everything is 0."""
    near = np.tile(np.array([0, 1]), (3, 3, 1))
    energies = np.tile(np.array([0.0, 99.0]), (3, 3, 1))
    energies[1, 1] = energy, 0
    labels = np.full((3, 3), -1)
    kernel(near, energies, 1.0, 4, labels)
    assert labels[1, 1] == expected
    assert (np.delete(labels.ravel(), 4) == 0).all()


@pytest.mark.parametrize("kernel", both(settle_labels))
def test_a_position_without_regions_keeps_its_label(kernel):
    labels = np.array([[5, -1]])
    kernel(np.full((1, 2, 3), -1), np.zeros((1, 2, 3)), 1.0, 4, labels)
    assert labels.tolist() == [[5, -1]]


def settled_by_hand(near, energies, attraction, sweeps):
    """Sweeps over positions, one after the other, until nothing changes."""
    first = np.where(near >= 0, energies, np.inf).argmin(axis=2)
    labels = np.take_along_axis(near, first[..., None], axis=2)[..., 0]
    for _ in range(sweeps):
        before = labels.copy()
        for y, x in np.ndindex(labels.shape):
            place = slice(max(0, y - 1), y + 2), slice(max(0, x - 1), x + 2)
            costs = {}
            for label, energy in zip(near[y, x].tolist(), energies[y, x].tolist(), strict=True):
                if label >= 0:
                    alike = (labels[place] == label).sum() - (labels[y, x] == label)
                    costs.setdefault(label, energy - attraction * alike)
            if len(costs) > 1:
                labels[y, x] = min(costs, key=costs.get)
        if np.array_equal(before, labels):
            break
    return labels


@pytest.mark.parametrize("kernel", both(settle_labels))
@pytest.mark.parametrize("sweeps", [0, 1, 5])
def test_sweeps_against_plain_ones(kernel, sweeps):
    generator = np.random.default_rng(0)
    near = np.argsort(generator.random((8, 9, 4)), axis=2)
    near[generator.random((8, 9)) < 0.3, 2:] = -1
    near[generator.random((8, 9)) < 0.1, 1:] = -1
    energies = generator.exponential(3, near.shape)
    labels = np.full((8, 9), -1)
    kernel(near, energies, 0.7, sweeps, labels)
    assert np.array_equal(labels, settled_by_hand(near, energies, 0.7, sweeps))
