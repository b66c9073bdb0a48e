from dataclasses import fields

import numpy as np
import pytest

from clustem.segmentation.features.basis import _shown, find_basis
from clustem.segmentation.features.constants import FEATURES
from clustem.segmentation.features.filters import SpotFilter
from clustem.segmentation.features.smooth import SmoothScattering

from .patterns import DETECTOR, MIDDLE, USE, beam, counts, crystal, halves, smooth, spots

PER_TILE = 4
LABELS = halves((8, 10))
CRYSTALS = np.stack([crystal(0), crystal(25)])
SPOT = SpotFilter(USE, 1.0)
SMOOTH = SmoothScattering.of(SPOT, np.array([MIDDLE, MIDDLE]), 2000 * CRYSTALS.mean(axis=0), known=True)


def basis_of(tiles, *, read_variance=0.0, known=True):
    return find_basis(tiles, PER_TILE, SPOT, read_variance=read_variance, counts=known, smooth=SMOOTH)


def tiles_of(expected, *, seed=0):
    """Counts of tiles whose positions have these means (t_y, t_x, n_y, n_x)."""
    return counts(PER_TILE * expected, seed=seed, dtype=np.float32)


def found(electrons=2000.0, *, seed=0, **options):
    return basis_of(tiles_of(electrons * CRYSTALS[LABELS], seed=seed), **options)


def all_of(basis, patterns):
    """Contrasts, sum and noise of patterns (…, n_y, n_x)."""
    return patterns.reshape(*patterns.shape[:-2], -1) @ basis.matrix.astype(float)


def contrasts_of(basis, patterns):
    return all_of(basis, patterns)[..., :-2]


def drawn(number, *, electrons=2000.0, seed=1):
    """Poisson patterns of the mean of all positions."""
    return counts(np.broadcast_to(electrons * CRYSTALS.mean(axis=0), (number, *DETECTOR)), seed=seed)


def test_shapes():
    basis = found()
    size = len(basis.weight)
    assert basis.matrix.shape == (USE.size, size + 2)
    assert len(basis.ring) == len(basis.back) <= USE.sum()
    assert basis.back.shape[1] == size >= 1
    assert {getattr(basis, name).dtype for name in ("matrix", "weight", "back")} == {np.dtype(np.float32)}
    assert ((basis.weight > 0) & (basis.weight <= 1)).all()


def test_contrasts_have_independent_noise_of_variance_one():
    """Within what 6000 draws let it be told: 5 standard errors of a covariance."""
    basis = found()
    contrasts = contrasts_of(basis, drawn(6000))
    size = contrasts.shape[1]
    apart = np.cov(contrasts.T).reshape(size, size) - np.eye(size)
    assert np.abs(apart).max() < 5 * np.sqrt(2 / 6000)


def test_noise_is_independent_whatever_the_directions():
    """By what the variance of every pixel is, of four crystals at once."""
    four = np.stack([crystal(angle) for angle in (0, 7, 14, 21)])
    tiles = tiles_of(2000 * four[np.add.outer(4 * (np.arange(8) > 3), np.arange(10)) // 3 % 4])
    basis = basis_of(tiles)
    variance = tiles.mean(axis=(0, 1), dtype=float).ravel() / PER_TILE
    matrix = basis.matrix[:, :-2].T.astype(float)
    assert len(matrix) > 2
    np.testing.assert_allclose((matrix * variance) @ matrix.T, np.eye(len(matrix)), atol=1e-3)


@pytest.mark.parametrize("per_tile", [4, 16])
def test_weight_is_by_how_much_of_a_position_is_signal(per_tile):
    """At so few electrons that it is not all of it; however many positions are in a tile."""
    expected = 20 * CRYSTALS[LABELS]
    tiles = counts(per_tile * np.kron(expected, np.ones((2, 2, 1, 1))), dtype=np.float32)
    basis = find_basis(tiles, per_tile, SPOT, read_variance=0, counts=True, smooth=SMOOTH)
    signal = (contrasts_of(basis, expected) ** 2).mean(axis=(0, 1))
    weight = np.sqrt(signal / (signal + FEATURES.little_signal))
    assert 0.1 < signal[0] < 10
    assert basis.weight[0] == pytest.approx(weight[0], abs=0.05)
    found_signal = basis.weight[0] ** 2 / (1 - basis.weight[0] ** 2) * FEATURES.little_signal
    assert found_signal == pytest.approx(signal[0], rel=0.4)


def test_the_last_two_numbers_are_the_sum_and_the_noise():
    basis = found()
    *_, total, noise = all_of(basis, drawn(2000)).T
    expected = drawn(2000)[:, USE].sum(axis=1)
    np.testing.assert_allclose(total, expected, rtol=1e-6)
    assert noise.mean() == pytest.approx(1, rel=0.03)
    assert all_of(basis, 3 * drawn(500))[:, -1].mean() == pytest.approx(3, rel=0.05), "of thrice the dose"


def test_noise_grows_as_it_says():
    """Of patterns of a tenth of the dose, and of five times as much."""
    basis = found()
    for dose in (0.1, 5.0):
        patterns = drawn(3000, electrons=2000 * dose)
        variance = contrasts_of(basis, patterns).var(axis=0).mean()
        assert variance == pytest.approx(all_of(basis, patterns)[:, -1].mean(), rel=0.06)


def test_two_crystals_are_told_apart_in_few_directions():
    """What both share comes first, and what they differ in is far above the noise of single patterns."""
    basis = found()
    one, other = contrasts_of(basis, 2000 * CRYSTALS)
    assert np.linalg.norm((one - other)[:2]) > 20
    assert np.linalg.norm((one - other)[2:]) < 5
    assert (basis.weight[:2] > 0.9).all()
    assert (np.diff(basis.weight) <= 1e-6).all()


def test_back_gives_the_filtered_pattern():
    """Of the difference of two crystals, in units of the noise, what smooth scattering can leave aside."""
    basis = found(20_000.0)
    one, other = contrasts_of(basis, 20_000 * CRYSTALS)
    shown = basis.back.astype(float) @ (one - other)
    filtered = SPOT.apply(20_000 * (CRYSTALS[:1] - CRYSTALS[1:]))[0]
    noise = np.sqrt(SPOT.blurred(20_000 * CRYSTALS.mean(axis=0))[USE])
    expected = (filtered / noise)[None].astype(np.float32)
    SMOOTH.taken_off((1 / noise).astype(np.float32)).take_off(expected)
    expected = expected[0, _shown(USE)[0]]
    assert np.corrcoef(shown, expected)[0, 1] > 0.98
    assert np.linalg.norm(shown) == pytest.approx(np.linalg.norm(expected), rel=0.15)


def test_large_patterns_are_shown_on_fewer_pixels():
    use = np.ones((80, 80), bool)
    tiles = np.random.default_rng(0).poisson(5, (3, 4, 80, 80)).astype(np.float32)
    spot = SpotFilter(use, 1.0)
    scattering = SmoothScattering.of(spot, np.array([40.0, 40.0]), np.ones(use.shape), known=True)
    basis = find_basis(tiles, 4, spot, read_variance=0, counts=True, smooth=scattering)
    assert len(basis.back) == len(basis.ring) < use.sum()
    assert basis.ring.min() == 0


@pytest.mark.parametrize(("edge", "step"), [(20, 1), (60, 2)])
def test_pixels_that_patterns_are_shown_on(edge, step):
    use = np.ones((edge, edge), bool)
    use[3, 4] = False
    shown, place, found = _shown(use)
    pixels = np.argwhere(use)[shown]
    assert found == step
    assert (pixels == place * step).all()
    assert len(shown) == (edge // step) ** 2 - (step == 1)


def test_rings_are_those_about_the_centre():
    expected = np.rint(np.hypot(*(np.argwhere(USE) - MIDDLE).T))[_shown(USE)[0]]
    assert np.array_equal(found().ring, expected)


def test_the_energy_of_patterns_and_of_their_mean_over_rings():
    """Of any contrasts: what back shows, summed; and its mean over every ring, as often as the ring has pixels."""
    basis = found()
    contrasts = contrasts_of(basis, 2000 * CRYSTALS[0])
    shown = basis.back.astype(float) @ contrasts
    assert contrasts @ basis.whole @ contrasts == pytest.approx((shown**2).sum(), rel=1e-5)
    over_rings = sum(shown[basis.ring == ring].sum() ** 2 / (basis.ring == ring).sum() for ring in set(basis.ring))
    assert contrasts @ basis.radial @ contrasts == pytest.approx(over_rings, rel=1e-4)
    assert np.linalg.eigvalsh(basis.whole - basis.radial)[0] > -1e-6 * np.trace(basis.whole)
    assert over_rings < 0.1 * (shown**2).sum(), "spots fill little of a ring"


@pytest.mark.parametrize("strength", [1.0, 5.0, 20.0])
def test_smooth_background_of_any_strength_is_no_contrast(strength):
    """Not even twenty times what is in the spots: on single pixels it is then far more than they are."""
    basis = found()
    step = np.linalg.norm(np.subtract(*contrasts_of(basis, 2000 * CRYSTALS)))
    background = contrasts_of(basis, strength * 0.4 * 2000 * smooth())
    assert np.linalg.norm(background) < 0.02 * strength * step
    raw = np.linalg.norm(smooth()[USE]) / np.linalg.norm(np.subtract(spots(0), spots(25))[USE])
    assert raw > 0.2


def test_pixels_that_are_not_compared_do_not_count():
    basis = found()
    assert not basis.matrix[~USE.ravel()].any()
    tiles = tiles_of(2000 * CRYSTALS[LABELS])
    other = basis_of(tiles + np.float32(1e4) * ~USE)
    np.testing.assert_allclose(other.matrix, basis.matrix, rtol=1e-4, atol=1e-6)
    assert np.abs(contrasts_of(basis, 1e4 * beam() * ~USE)).max() == 0


def test_more_electrons_only_make_it_clearer():
    assert found(20_000.0).structure > 2 * found(2000.0).structure


def test_noise_alone_has_no_structure():
    """Of a detector that is lit evenly, whose patterns are the same everywhere."""
    alone = [basis_of(tiles_of(np.ones((8, 10, *DETECTOR)), seed=seed)) for seed in range(4)]
    assert max(basis.structure for basis in alone) < 1.5
    assert found().structure > 5
    assert all(np.isfinite(basis.matrix).all() for basis in alone)


def test_read_noise_is_part_of_the_noise():
    generator = np.random.default_rng(2)
    tiles = tiles_of(2000 * CRYSTALS[LABELS]) + generator.normal(0, np.sqrt(4 * PER_TILE), (*LABELS.shape, *DETECTOR))
    basis = basis_of(tiles.astype(np.float32), read_variance=4.0)
    contrasts = contrasts_of(basis, drawn(4000) + generator.normal(0, 2, (4000, *DETECTOR)))
    np.testing.assert_allclose(contrasts.var(axis=0), 1, atol=0.12)


def test_without_a_noise_model_the_unit_of_the_data_does_not_matter():
    tiles = tiles_of(2000 * CRYSTALS[LABELS])
    one, other = basis_of(tiles, known=False), basis_of(tiles * np.float32(64), known=False)
    assert other.structure == pytest.approx(one.structure, rel=1e-4)
    first = [np.ptp(contrasts_of(b, s * 2000 * CRYSTALS)[:, 0]) for b, s in ((one, 1), (other, 64))]
    assert first[1] == pytest.approx(64 * first[0], rel=1e-3), "noise 1 in the unit of the data"
    assert one.structure > 3


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (2, 2)])
@pytest.mark.parametrize("level", [0, 1])
def test_few_tiles_that_do_not_differ(shape, level, known):
    basis = basis_of(np.full((*shape, *DETECTOR), level, np.float32), known=known)
    assert all(np.isfinite(getattr(basis, field.name)).all() for field in fields(basis))
    assert len(basis.weight) == 1


def test_turning_the_scan_turns_nothing():
    tiles = tiles_of(2000 * CRYSTALS[LABELS])
    one, other = basis_of(tiles), basis_of(np.ascontiguousarray(tiles.swapaxes(0, 1)))
    assert other.structure == pytest.approx(one.structure, rel=0.2), "chance is drawn anew"
    steps = [np.ptp(contrasts_of(basis, 2000 * CRYSTALS)[:, 0]) for basis in (one, other)]
    assert steps[1] == pytest.approx(steps[0], rel=0.01)


@pytest.mark.parametrize("electrons", [1, 3])
def test_a_few_electrons_in_all(electrons):
    tiles = np.zeros((3, 4, *DETECTOR), np.float32)
    tiles.reshape(-1)[np.flatnonzero(np.broadcast_to(USE, tiles.shape))[:: 5000 // electrons]] = 1
    basis = basis_of(tiles)
    assert all(np.isfinite(getattr(basis, field.name)).all() for field in fields(basis))


def test_the_same_tiles_give_the_same_bytes():
    one, other = found(), found()
    assert one.matrix.tobytes() == other.matrix.tobytes()
    assert one.back.tobytes() == other.back.tobytes()
