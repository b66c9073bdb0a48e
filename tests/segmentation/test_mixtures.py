import numpy as np
import pytest
from scipy.optimize import nnls

from clustem.computing import execution
from clustem.segmentation import mixtures
from clustem.segmentation._mixture_kernels import mix_positions, near_labels, settle_labels, solve_shares
from clustem.segmentation.mixtures import Background, dissolve_mixtures, find_cores, mixture_of, refine_labels

from .scenes import halves

MEANS = 30 * np.eye(3, 6) + 5


def both(kernel):
    """A kernel, compiled and as plain Python."""
    return kernel, kernel.py_func


def mixed(shares, *, seed=0, noise=1.0):
    """Patterns (scan_y, scan_x, 6) with shares (scan_y, scan_x, 3) of three kinds, and noise."""
    patterns = shares @ MEANS
    return (patterns + noise * np.random.default_rng(seed).normal(size=patterns.shape)).astype(np.float32)


def one_of(labels):
    return np.eye(3)[labels]


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
    live = np.array([True, True, True, False, True])
    near = np.full(6, -9)
    assert kernel(labels, live, 1, 1, 1, near) == 3, "3 is not live, -1 no region, 4 out of reach"
    assert near[:3].tolist() == [2, 0, 1]
    assert kernel(labels, live, 1, 1, 2, near) == 4
    assert near[:4].tolist() == [2, 4, 0, 1], "equally many: the lower label first"
    short = np.full(2, -9)
    assert kernel(labels, live, 1, 1, 1, short) == 2
    assert set(short.tolist()) <= {0, 1, 2}
    assert kernel(labels, np.zeros(5, bool), 1, 1, 2, near) == 0


@pytest.mark.parametrize("kernel", both(mix_positions))
def test_every_pattern_is_explained_by_the_means_around_it(kernel):
    labels = np.array([[0, 0, 1, 1], [0, 0, 1, 1], [0, 2, 2, 1]])
    patterns = mixed(one_of(labels), noise=3.0)
    inside = np.ones(labels.shape, bool)
    inside[2, 1] = False
    members = np.array([5, 5, 1])
    means = np.stack([patterns[inside & (labels == k)].mean(0, dtype=float) for k in range(3)])
    shape = (*labels.shape, 4)
    near, shares, energies = np.full(shape, -9), np.full(shape, np.nan), np.full(shape, np.nan)
    rest = np.full(labels.shape, np.nan)
    regions = np.ones(3, bool), means, members, inside, np.ones(3), -1
    kernel(patterns, labels, *regions, 1, 0, 3, 0, near, shares, energies, rest)
    for y, x in np.ndindex(labels.shape):
        around = np.unique(labels[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2])
        columns = means.copy()
        k, pattern = labels[y, x], patterns[y, x].astype(float)
        if inside[y, x] and members[k] > 1:
            columns[k] = (members[k] * means[k] - pattern) / (members[k] - 1)
        expected, left = nnls(columns[around].T, pattern)
        found = dict(zip(near[y, x].tolist(), shares[y, x].tolist(), strict=True))
        assert sorted(set(found) - {-1}) == around.tolist()
        np.testing.assert_allclose([found[j] for j in around.tolist()], expected, atol=1e-4)
        assert rest[y, x] == pytest.approx(left**2, rel=1e-3, abs=1e-6)
        assert energies[y, x, np.nanargmax(shares[y, x])] == 0
        assert (energies[y, x] >= 0).all()


@pytest.mark.parametrize("kernel", both(mix_positions))
def test_half_the_rise_of_chi_squared_if_another_had_as_large_a_share(kernel):
    """Means 10 and 20 long at right angles: shares 0.9 and 0.2, whose difference has the variance 1/100 + 1/400."""
    labels, means = np.array([[0, 1]]), np.array([[10.0, 0.0], [0.0, 20.0]])
    patterns = np.array([[[9.0, 4.0], [9.0, 4.0]]], np.float32)
    near, shares, energies = np.empty((1, 2, 2), np.int32), np.empty((1, 2, 2)), np.empty((1, 2, 2))
    rest, nowhere = np.empty((1, 2)), np.zeros((1, 2), bool)
    for background, energy in ((-1, 0.5 * 0.7**2 / (1 / 100 + 1 / 400)), (0, 0.5 * 1.1**2 / (1 / 100 + 100 / 400))):
        kernel(
            patterns,
            labels,
            np.ones(2, bool),
            means,
            np.array([4, 4]),
            nowhere,
            np.array([7.0, 10.0]),
            background,
            1,
            0,
            1,
            0,
            near,
            shares,
            energies,
            rest,
        )
        by_region = dict(zip(near[0, 0].tolist(), energies[0, 0].tolist(), strict=True))
        assert by_region[0 if background == 0 else 1] == pytest.approx(energy, rel=1e-5)
        assert min(by_region.values()) == 0


@pytest.mark.parametrize("kernel", both(mix_positions))
def test_no_region_near_leaves_nothing(kernel):
    shape = (1, 3, 2)
    near, shares, energies, rest = np.full(shape, 7), np.ones(shape), np.ones(shape), np.ones((1, 3))
    labels, members = np.full((1, 3), -1), np.array([1])
    kernel(
        np.ones((1, 3, 4), np.float32),
        labels,
        members > 0,
        np.ones((1, 4)),
        members,
        labels == 0,
        np.ones(1),
        -1,
        2,
        0,
        1,
        0,
        near,
        shares,
        energies,
        rest,
    )
    assert (near == -1).all()
    assert not np.concatenate([shares.ravel(), energies.ravel(), rest.ravel()]).any()


@pytest.mark.parametrize("kernel", both(settle_labels))
@pytest.mark.parametrize(("energy", "expected"), [(0.5, 0), (50.0, 1)])
def test_a_label_alone_gives_way_unless_its_pattern_is_clear(kernel, energy, expected):
    """In the middle region 1 is better by `energy`; around it everything is 0."""
    near = np.broadcast_to(np.array([0, 1]), (3, 3, 2)).copy()
    energies = np.broadcast_to(np.array([0.0, 99.0]), (3, 3, 2)).copy()
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


def test_cores_are_what_has_only_its_own_around():
    """A wide region has a core of whole neighbourhoods, a cross one of its middle, a line is its own core."""
    labels = np.zeros((9, 12), np.int64)
    labels[:, 6:] = 1
    labels[0, :5] = 2
    labels[8, 10:] = -1
    patterns = np.arange(108, dtype=np.float32).reshape(9, 12, 1)
    cores = find_cores(patterns, labels)
    assert cores.whole.tolist() == [True, True, False]
    assert cores.inside[0].tolist() == [True] * 5 + [False] * 2 + [True] * 5
    assert cores.members.tolist() == [cores.inside[labels == k].sum() for k in range(3)]
    assert not cores.inside[:, 5:7].any()
    assert not cores.inside[7:, 9:].any()
    for k in range(3):
        assert cores.means[k, 0] == pytest.approx(patterns[cores.inside & (labels == k)].mean())


def test_regions_of_fewer_than_four_positions_have_no_mean():
    labels = np.full((3, 3), -1, np.int64)
    labels[0] = 0
    cores = find_cores(np.ones((3, 3, 2), np.float32), labels)
    assert (cores.members.tolist(), cores.whole.tolist(), cores.means.tolist()) == ([0], [False], [[0, 0]])
    empty = find_cores(np.ones((2, 2, 2), np.float32), np.full((2, 2), -1))
    assert (empty.members.size, empty.means.shape) == (0, (0, 2))


def test_positions_go_to_the_larger_share():
    truth = halves((8, 12))
    shares = one_of(truth)
    shares[:, 5] = 0.3, 0.7, 0
    shares[:, 6] = 0.35, 0.65, 0
    refined = refine_labels(mixed(shares), truth.copy(), least=2, rounds=2)
    assert np.array_equal(refined, np.broadcast_to(np.arange(12) >= 5, (8, 12)))


def test_holes_and_small_regions_are_given_away_and_labels_stay_in_place():
    truth = halves((8, 12))
    labels = truth.copy()
    labels[2, 2], labels[5, 9:11] = -1, 2
    given = labels.copy()
    refined = refine_labels(mixed(one_of(truth)), labels, least=3, rounds=1)
    assert np.array_equal(refined, truth)
    assert np.array_equal(labels, given)


def test_a_rim_of_the_background_belongs_to_the_crystal_on_it():
    truth = halves((8, 12))
    shares = one_of(truth)
    shares[:, 6] = 0.6, 0.4, 0
    patterns = mixed(shares)
    assert (refine_labels(patterns, truth.copy(), least=2, rounds=2)[:, 6] == 0).all()
    for crystal, rim in ((20.0, 1), (2.0, 0)):  # electrons at its whole share, beside 1 of the background
        background = Background(0, shares @ [1.0, crystal, 0.0])
        refined = refine_labels(patterns, truth.copy(), least=2, rounds=2, background=background)
        assert (refined[:, 6] == rim).all()


def test_a_background_without_positions_favours_nothing():
    """The last region, or one between others, that lost its last position while labels were refined."""
    truth = halves((8, 12))
    patterns = mixed(one_of(truth))
    for labels, region in ((truth, 2), (np.where(truth == 1, 2, 0), 1)):
        background = Background(region, np.ones(truth.shape))
        refined = refine_labels(patterns, labels.copy(), least=2, rounds=2, background=background)
        assert np.array_equal(refined, labels)


def test_a_trace_of_a_crystal_over_vacuum_is_not_one():
    """What the tails of the probe bring, 3 % here, is not the crystal however little else there is."""
    truth = halves((8, 12))
    shares = one_of(truth)
    shares[:, 5] = 0.97, 0.03, 0
    background = Background(0, shares @ [1e-6, 1.0, 0.0])
    refined = refine_labels(mixed(shares, noise=0.01), truth.copy(), least=2, rounds=2, background=background)
    assert np.array_equal(refined, truth)


@pytest.mark.parametrize(
    ("shares", "background", "gone"),
    [
        ((0.9, 0.1, 0.0), None, True),  # nearly all of one neighbour: its edge
        ((0.7, 0.2, 0.8), None, True),  # of both, with something else
        ((0.7, 0.07, 0.8), None, False),  # of one, with something else
        ((0.9, 0.1, 0.0), 0, True),  # the rim of a particle
        ((0.9, 0.0, 0.1), 0, False),  # that of another particle
    ],
)
def test_what_a_thin_region_is_a_mixture_of(shares, background, gone):
    labels = np.zeros((9, 13), np.int64)
    labels[:, 6:8], labels[:, 8:] = 2, 1
    parts = one_of(labels)
    parts[:, 6:8] = shares
    dissolved = dissolve_mixtures(mixed(parts) - 5 * parts.sum(axis=2)[..., None], labels, background)
    assert (dissolved[:, 6:8] == (-1 if gone else 2)).all()
    assert np.array_equal(dissolved[:, :6], labels[:, :6])


def test_shares_of_every_position():
    truth = halves((8, 12))
    shares = one_of(truth)
    shares[:, 5] = 0.7, 0.3, 0
    mixture, sure = mixture_of(mixed(shares, noise=0.3), (truth + 1).astype(np.int32))
    assert (mixture.labels[..., 0] == truth + 1).all()
    assert (mixture.labels[:, 5, 1] == 2).all()
    np.testing.assert_allclose(mixture.fractions[:, 5, :2], [[0.7, 0.3]] * 8, atol=0.05)
    assert (np.diff(mixture.fractions, axis=2) <= 0).all()
    np.testing.assert_allclose(mixture.fractions.sum(2), 1, rtol=1e-5)
    assert (mixture.fractions[:, 0, 0] == 1).all(), "the other is out of reach"
    assert not mixture.unexplained.any()
    assert (mixture.labels[mixture.fractions == 0] == 0).all()
    assert (sure[:, [0, 1, 10, 11]] > 0.99).all()


def test_what_no_mixture_explains():
    truth = halves((8, 12))
    patterns = mixed(one_of(truth))
    patterns[4, 3] = 40 * np.eye(6)[5]
    mixture, _ = mixture_of(patterns, (truth + 1).astype(np.int32))
    assert np.argwhere(mixture.unexplained).tolist() == [[4, 3]]


def test_no_domain_at_all():
    mixture, sure = mixture_of(np.ones((3, 4, 2), np.float32), np.zeros((3, 4), np.int32))
    assert not mixture.labels.any()
    assert not mixture.fractions.any()
    assert not mixture.unexplained.any()
    assert np.isnan(sure).all()


def test_settled_rows_are_not_looked_at_again():
    truth = halves((8, 12))
    patterns = mixed(one_of(truth), noise=0.3)
    labels = truth.copy()
    labels[:, 5:8] = 1 - labels[:, 5:8]
    refined = refine_labels(patterns, labels, least=2, rounds=2, settled_rows=3)
    assert np.array_equal(refined[:3], labels[:3])
    assert np.array_equal(refined[4:], truth[4:])
    whole, _ = mixture_of(patterns, (truth + 1).astype(np.int32))
    part, sure = mixture_of(patterns, (truth + 1).astype(np.int32), 3)
    assert np.array_equal(part.fractions[3:], whole.fractions[3:])
    assert (sure[3:] > 0.9).all()


def test_a_settled_region_stays_although_it_is_small_or_a_mixture():
    labels = np.zeros((9, 13), np.int64)
    labels[:, 6:8], labels[:, 8:] = 2, 1
    shares = one_of(labels)
    shares[:, 6:8] = 0.5, 0.5, 0
    patterns = mixed(shares) - 5 * 1
    assert np.array_equal(dissolve_mixtures(patterns, labels, None, 1), labels)
    assert (dissolve_mixtures(patterns, labels)[:, 6:8] == -1).all()
    labels = halves((8, 12))
    labels[:1, :3] = 2
    refined = refine_labels(mixed(one_of(halves((8, 12)))), labels, least=5, rounds=1, settled_rows=1)
    assert (refined[:1, :3] == 2).all()
    assert (refined[1:] < 2).all()


@pytest.mark.parametrize("overlap", [True, False])
def test_a_fragment_that_is_the_overlap_of_its_neighbours(overlap):
    labels = np.zeros((9, 13), np.int64)
    labels[:, 6:8], labels[:, 8:] = 2, 1
    shares = one_of(labels)
    if overlap:
        shares[:, 6:8] = 0.5, 0.5, 0
    dissolved = dissolve_mixtures(mixed(shares) - 5 * 1, labels)
    assert np.array_equal(dissolved, np.where(labels == 2, -1 if overlap else 2, labels))
    assert (labels[:, 6:8] == 2).all()


@pytest.mark.parametrize("settled", [0, 5])
def test_rows_that_are_explained_together_do_not_matter(monkeypatch, settled):
    truth = np.arange(180).reshape(12, 15) // 60
    patterns = mixed(one_of(truth), noise=2.0)
    results = []
    for together, rows in ((2**16, 32), (1, 1), (45, 2)):
        monkeypatch.setattr(mixtures, "_TOGETHER", together)
        monkeypatch.setattr(mixtures, "_ROWS", rows)
        labels = refine_labels(patterns, truth, least=2, rounds=2, settled_rows=settled)
        mixture, sure = mixture_of(patterns, (truth + 1).astype(np.int32), settled)
        parts = labels, mixture.labels, mixture.fractions, mixture.unexplained, sure
        results.append(b"".join(part.tobytes() for part in parts))
    assert len(set(results)) == 1


def test_settings_of_the_threads_do_not_matter():
    labels = np.random.default_rng(0).integers(0, 3, (40, 5))
    patterns = mixed(one_of(labels), noise=10.0)
    results = []
    for options in ({"threads": 1}, {"threads": 2}, {"inline": True}):
        with execution(**options):
            results.append(refine_labels(patterns, labels, least=1, rounds=2).tobytes())
    assert results[0] == results[1] == results[2]
