import numpy as np
import pytest
from scipy.optimize import nnls

from clustem.segmentation.noise_aware._mixture_kernels import (
    add_column,
    explain_positions,
    hold_share,
    local_mean,
    near_labels,
    product_of,
    settle_labels,
    solve_bounded,
    solve_shares,
    spread_of,
    step_to_solution,
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
    doubt = options.get("doubt", 1e9)
    spans = spans or (0, labels.shape[0], 0, labels.shape[1])
    shape = spans[1] - spans[0], spans[3] - spans[2]
    near, rest = np.full((*shape, 4), -9, np.int32), np.full(shape, np.nan)
    shares, energies = np.full((2, *shape, 4), np.nan, np.float32)
    favour = np.ones(max(1, labels.max() + 1)) if favour is None else np.asarray(favour, float)
    reach, radius, least = (options.get(name, value) for name, value in (("reach", 2), ("radius", 3), ("least", 4)))
    given = patterns, labels, core, spans, reach, radius, least, favour, background, doubt, interior
    kernel(*given, near, shares, energies, rest)
    return near, shares, energies, rest


@pytest.mark.parametrize("kernel", both(solve_shares))
@pytest.mark.parametrize("number", [1, 2, 4, 6])
def test_shares_are_the_non_negative_least_squares(kernel, number):
    for seed in range(20):
        generator = np.random.default_rng(seed)
        columns, pattern = generator.uniform(size=(8, number)), generator.normal(0.2, 1, 8)
        shares = np.full(number + 1, np.nan)
        kernel(columns.T @ columns, columns.T @ pattern, number, shares)
        np.testing.assert_allclose(shares[:number], nnls(columns, pattern)[0], rtol=1e-6, atol=1e-6)
        assert np.isnan(shares[number]), "only so many are asked for"


@pytest.mark.parametrize("kernel", both(solve_shares))
@pytest.mark.parametrize("apart", [0.0, 1e-8, 1e-6, 1e-4, 1e-2])
def test_means_that_are_nearly_alike_explain_as_much_as_they_can(kernel, apart):
    """Which of them has the share may be a matter of rounding; what is left of the pattern is not."""
    for seed in range(20):
        generator = np.random.default_rng(seed)
        columns = 30 * (generator.uniform(size=(12, 1)) + apart * generator.normal(size=(12, 5)))
        pattern = columns @ np.maximum(generator.normal(size=5), 0) + generator.normal(size=12)
        shares = np.full(5, np.nan)
        kernel(columns.T @ columns, columns.T @ pattern, 5, shares)
        left = ((pattern - columns @ shares) ** 2).sum()
        assert (shares >= 0).all()
        assert left == pytest.approx(nnls(columns, pattern)[1] ** 2, abs=1e-8 * (pattern**2).sum())


@pytest.mark.parametrize("kernel", both(solve_shares))
def test_a_mean_of_nothing_has_no_share(kernel):
    shares = np.full(3, np.nan)
    kernel(np.diag([2.0, 0.0, 4.0]), np.array([1.0, 5.0, -1.0]), 3, shares)
    assert shares == pytest.approx([0.5, 0, 0], rel=1e-9)


@pytest.mark.parametrize("kernel", both(step_to_solution))
def test_a_step_ends_where_the_first_share_is_nothing(kernel):
    """The whole step is from (0.5, 0.5, 0.6) to (1, −1, −0.2): a third of it until the second is 0."""
    shares, used = np.array([0.5, 0.5, 0.6, 7.0]), np.array([True, True, True, False])
    product = np.array([1.0, -1.0, -0.2, 9.0])
    assert not kernel(np.eye(4), product, used, shares)
    assert shares == pytest.approx([2 / 3, 0, 1 / 3, 7], abs=1e-9), "the last is not in use"
    assert used.tolist() == [True, False, True, False]
    assert not kernel(np.eye(4), product, used, shares)
    assert used.tolist() == [True, False, False, False]
    assert kernel(np.eye(4), product, used, shares)
    assert shares == pytest.approx([1, 0, 0, 7], abs=1e-9)


@pytest.mark.parametrize("kernel", both(step_to_solution))
def test_a_step_without_shares_in_use_is_none(kernel):
    shares = np.ones(2)
    assert kernel(np.eye(2), np.full(2, 5.0), np.zeros(2, bool), shares)
    assert shares.tolist() == [1, 1]


@pytest.mark.parametrize("kernel", both(hold_share))
@pytest.mark.parametrize("held", [0, 2])
def test_the_others_explain_what_a_share_that_is_held_leaves(kernel, held):
    for seed in range(10):
        generator = np.random.default_rng(seed)
        columns, pattern = generator.uniform(size=(8, 3)), generator.normal(1, 1, 8)
        gram, product, shares = columns.T @ columns, columns.T @ pattern, np.full(4, np.nan)
        given = gram.copy(), product.copy()
        kernel(gram, product, 3, held, 0.4, shares)
        others = nnls(np.delete(columns, held, axis=1), pattern - 0.4 * columns[:, held])[0]
        np.testing.assert_allclose(shares[:3], np.insert(others, held, 0.4), rtol=1e-6, atol=1e-6)
        assert np.array_equal(gram, given[0])
        assert np.array_equal(product, given[1])


@pytest.mark.parametrize("kernel", both(solve_bounded))
def test_a_share_is_bounded_where_it_would_be_more(kernel):
    for seed in range(10):
        generator = np.random.default_rng(seed)
        columns, pattern = generator.uniform(size=(8, 3)), generator.uniform(0.5, 2, 8)
        free, shares = nnls(columns, pattern)[0], np.full(3, np.nan)
        for bounded in (-1, 0, 2):
            kernel(columns.T @ columns, columns.T @ pattern, 3, bounded, 0.3, shares)
            expected = free
            if bounded >= 0 and free[bounded] > 0.3:
                others = nnls(np.delete(columns, bounded, axis=1), pattern - 0.3 * columns[:, bounded])[0]
                expected = np.insert(others, bounded, 0.3)
            np.testing.assert_allclose(shares, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kernel", both(product_of))
def test_products_of_vectors(kernel):
    assert kernel(np.array([1.0, 2.0, -3.0]), np.array([4, 0.5, 2], np.float32)) == -1
    assert kernel(np.zeros(0), np.zeros(0)) == 0


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


@pytest.mark.parametrize("kernel", both(add_column))
def test_a_column_is_added_to_its_regions_and_taken_off_again(kernel):
    """Rows 1 to 3 of column 1: two of region 1, of which one is in its core, and one in no region."""
    labels = np.array([[0, 0], [0, 1], [0, 1], [0, -1], [1, 0]])
    core, patterns = np.zeros(labels.shape, bool), np.arange(20, dtype=np.float32).reshape(5, 2, 2)
    core[2, 1] = True
    sums, counts = np.zeros((2, 2, 2)), np.zeros((2, 2))
    kernel(patterns, labels, core, 1, (1, 4), 1.0, sums, counts)
    assert counts.tolist() == [[0, 0], [1, 1]]
    assert sums.tolist() == [[[0, 0], [0, 0]], [[10, 11], [6, 7]]]
    kernel(patterns, labels, core, 1, (1, 4), -1.0, sums, counts)
    assert not counts.any()
    assert not sums.any()


@pytest.mark.parametrize("kernel", both(local_mean))
@pytest.mark.parametrize(
    ("least", "kind", "expected"),
    [
        (3, 2, [4, 2]),  # (12, 6) of three in the core
        (3, 0, [18 / 4, 9 / 4]),  # without (2, 1) there are two: also the two others, that are (8, 4)
        (2, 0, [5, 2.5]),
        (3, 1, [4, 2]),  # not in the core, which is enough
        (4, 1, [18 / 4, 9 / 4]),
        (4, 2, [20 / 5, 10 / 5]),
    ],
)
def test_means_are_of_the_core_if_that_is_enough_and_without_the_own_pattern(kernel, least, kind, expected):
    sums, counts = np.array([[[99.0, 99], [99, 99]], [[12, 6], [8, 4]]]), np.array([[9.0, 9], [3, 2]])
    mean = np.full(2, np.nan)
    assert kernel(sums, counts, 1, kind, np.array([2, 1], np.float32), least, mean)
    assert mean == pytest.approx(expected)


@pytest.mark.parametrize("kernel", both(local_mean))
@pytest.mark.parametrize(("counts", "kind"), [([0, 0], 2), ([1, 0], 0), ([0, 1], 1)])
def test_there_is_no_mean_of_nothing(kernel, counts, kind):
    mean, pattern = np.full(1, np.nan), np.ones(1, np.float32)
    sums = np.array([[[float(counts[0])], [float(counts[1])]]])
    assert not kernel(sums, np.array([counts], float), 0, kind, pattern, 1, mean)
    assert np.isnan(mean).all()


def mean_around(patterns, labels, core, y, x, k, *, radius, least):
    """Mean of a region around a position without its own pattern, in the core if that is large enough; or none."""
    place = slice(max(0, y - radius), y + radius + 1), slice(max(0, x - radius), x + radius + 1)
    mine = labels == k
    mine[y, x] = False
    used = mine & core if (mine & core)[place].sum() >= least else mine
    part = patterns[place][used[place]].astype(float)
    return part.mean(axis=0) if len(part) else None


def labels_within(labels, y, x, reach):
    """Regions within reach of a position."""
    around = np.unique(labels[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1])
    return around[around >= 0].tolist()


@pytest.mark.parametrize("kernel", both(explain_positions))
@pytest.mark.parametrize(("radius", "least"), [(1, 2), (3, 4), (9, 1), (9, 99)])
@pytest.mark.parametrize("spans", [(0, 8, 0, 9), (2, 5, 3, 7), (0, 3, 0, 4), (6, 8, 5, 9)])
def test_every_pattern_is_explained_by_the_means_around_it(kernel, radius, least, spans):
    """Computed anew at every position, of a whole scan and of windows inside and at the rim of it."""
    generator = np.random.default_rng(0)
    labels = generator.integers(-1, 3, (8, 9))
    core, patterns = generator.random(labels.shape) < 0.6, mixed(labels, noise=5.0)
    options = {"reach": 1, "radius": radius, "least": least, "spans": spans}
    near, shares, energies, rest = explained(kernel, patterns, labels, core, **options)
    for row, column in np.ndindex(rest.shape):
        y, x = row + spans[0], column + spans[2]
        means = {k: mean_around(patterns, labels, core, y, x, k, radius=radius, least=least) for k in range(3)}
        present = [k for k in labels_within(labels, y, x, 1) if means[k] is not None]
        found = dict(zip(near[row, column].tolist(), shares[row, column].tolist(), strict=True))
        assert sorted(set(found) - {-1}) == present
        if present:
            expected, left = nnls(np.stack([means[k] for k in present], axis=1), patterns[y, x].astype(float))
            np.testing.assert_allclose([found[k] for k in present], expected, rtol=1e-5, atol=1e-5)
            assert rest[row, column] == pytest.approx(left**2, rel=1e-6, abs=1e-9)
            assert energies[row, column, shares[row, column].argmax()] == 0
            assert (energies[row, column] >= 0).all()


@pytest.mark.parametrize("kernel", both(explain_positions))
def test_a_part_of_the_positions_is_explained_alike(kernel):
    patterns = mixed(LABELS, noise=3.0)
    whole, part = (explained(kernel, patterns, LABELS, CORE, spans=s) for s in (None, (1, 4, 2, 5)))
    for one, other in zip(whole, part, strict=True):
        np.testing.assert_array_equal(one[1:4, 2:5], other)


@pytest.mark.parametrize("kernel", both(explain_positions))
def test_what_is_inside_of_regions_does_not_change_their_boundaries(kernel):
    """Also where a row goes from inside of a region to its boundary, and into another one."""
    labels = np.tile(np.arange(15) // 5, (6, 1))
    patterns, core = mixed(labels, noise=3.0), np.tile(np.arange(15) % 5 % 4 > 0, (6, 1))
    every, some = (explained(kernel, patterns, labels, core, reach=1, interior=i) for i in (True, False))
    boundary = ~core & (every[0][..., 1] >= 0)
    assert boundary.sum() == 6 * 4
    for one, other in zip(every, some, strict=True):
        np.testing.assert_array_equal(one[boundary], other[boundary])


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


@pytest.mark.parametrize("kernel", both(spread_of))
def test_the_spread_of_a_difference_of_shares(kernel):
    """It is that of least squares over both regions and those with a share."""
    columns, share = np.random.default_rng(0).normal(size=(9, 4)), np.array([0.5, 0.0, 0.7, 0.0, np.nan])
    for top, other, members in ((2, 0, [0, 2]), (2, 3, [0, 2, 3]), (0, 1, [0, 2, 1])):
        inverse = np.linalg.inv(columns[:, members].T @ columns[:, members])
        wanted = np.array([{top: 3.0, other: -2.0}.get(k, 0.0) for k in members])
        found = kernel(columns.T @ columns, share, 4, top, other, 3.0, 2.0)
        assert found == pytest.approx(wanted @ inverse @ wanted, rel=1e-6)


@pytest.mark.parametrize("kernel", both(explain_positions))
def test_two_means_that_are_alike_do_not_make_a_third_unsure(kernel):
    """A pattern as 1 and 2 have it is not as much of 0, although 2 and less of 1 are nearly that."""
    labels = np.array([[0, 1, -1, 2, 2]])
    patterns = np.array([[[0.0, 3], [50, 3], [60, 3.2], [48, 2.9], [48, 2.9]]], np.float32)
    options = {"least": 1, "reach": 2, "background": 0, "favour": [1.0, 6, 6], "doubt": 1.0}
    near, shares, energies, _ = explained(kernel, patterns, labels, np.zeros((1, 5), bool), **options)
    by_region = dict(zip(near[0, 2].tolist(), energies[0, 2].tolist(), strict=True))
    assert sum(shares[0, 2] > 0) == 1
    assert by_region[0] > 4


@pytest.mark.parametrize("kernel", both(explain_positions))
@pytest.mark.parametrize(
    ("doubt", "owner", "expected", "left"), [(3.0, 1, (1.3, 270 / 1700), 1586.12), (99, 0, (4, 0), 900)]
)
def test_what_scatters_several_times_the_background_is_a_crystal(kernel, doubt, owner, expected, left):
    """The background is (10, 0, 0), 10 standard errors long; four times as much of it, and more, is between it and a
    crystal (10, 40, 0) that counts 20 times: 1.3 of it leave (27, 0, 30), of which the crystal explains a little.
    """
    labels = np.array([[0, -1, 1]])
    patterns = np.array([[[10, 0, 0], [40, 0, 30], [10, 40, 0]]], np.float32)
    options = {"favour": [1.0, 20.0], "background": 0, "least": 1, "reach": 1, "doubt": doubt}
    near, shares, energies, rest = explained(kernel, patterns, labels, np.zeros((1, 3), bool), **options)
    assert near[0, 1].tolist() == [0, 1, -1, -1]
    np.testing.assert_allclose(shares[0, 1], [*expected, 0, 0], rtol=1e-5, atol=1e-8)
    assert rest[0, 1] == pytest.approx(left, rel=1e-5)
    assert energies[0, 1, owner] == 0
    assert energies[0, 1, 1 - owner] > 0


@pytest.mark.parametrize("kernel", both(explain_positions))
@pytest.mark.parametrize("background", [0, 2])
def test_there_is_no_more_of_the_background_behind_a_crystal_than_beside(kernel, background):
    """A third of the patterns are four times as strong: the others explain what the most of it leaves."""
    strength = np.where(np.random.default_rng(1).random((*LABELS.shape, 1)) < 0.3, 4, 1)
    patterns, held = (strength * mixed(LABELS, noise=3.0)).astype(np.float32), 0
    near, shares, *_ = explained(kernel, patterns, LABELS, CORE, background=background, doubt=2.0)
    for y, x in np.ndindex(LABELS.shape):
        present = labels_within(LABELS, y, x, 2)
        means = [mean_around(patterns, LABELS, CORE, y, x, k, radius=3, least=4) for k in present]
        columns, pattern = np.stack(means, axis=1), patterns[y, x].astype(float)
        expected = nnls(columns, pattern)[0]
        if background in present:
            place = present.index(background)
            most = 1 + 2 / np.linalg.norm(means[place])
            if expected[place] > most:
                others = nnls(np.delete(columns, place, axis=1), pattern - most * means[place])[0]
                expected, held = np.insert(others, place, most), held + 1
            expected[place] += max(1 - expected.sum(), 0)
        found = dict(zip(near[y, x].tolist(), shares[y, x].tolist(), strict=True))
        np.testing.assert_allclose([found[k] for k in present], expected, rtol=1e-5, atol=1e-5)
    assert held >= 3


@pytest.mark.parametrize("kernel", both(explain_positions))
def test_what_a_pattern_lacks_of_one_share_is_vacuum(kernel):
    """A tenth of the crystal beside it are tails of the probe, four tenths a thin rim; vacuum itself shows nothing."""
    labels, crystal = np.array([[0, -1, 1]]), np.array([40.0, 20, 0])
    for share, owner in ((0.1, 0), (0.4, 1)):
        patterns = np.array([[[0, 0, 1e-3], share * crystal, crystal]], np.float32)
        options = {"favour": [1.0, 4.0], "background": 0, "least": 1, "reach": 1, "doubt": 0.0}
        near, shares, energies, rest = explained(kernel, patterns, labels, np.zeros((1, 3), bool), **options)
        by_region = dict(zip(near[0, 1].tolist(), shares[0, 1].tolist(), strict=True))
        assert by_region[0] == pytest.approx(1 - share, abs=0.002)
        assert near[0, 1, energies[0, 1, :2].argmin()] == owner
        assert rest[0, 1] == pytest.approx(0, abs=1e-4), "of what its pattern explains"


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
