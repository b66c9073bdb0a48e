import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from clustem.segmentation.basis import MOST, find_basis, find_basis_after

from .scenes import DETECTOR, beam, counts, crystal, diffuse, halves, spots

LABELS = halves((8, 10))
CRYSTALS = np.stack([crystal(0), crystal(25)])
USE = np.hypot(*(np.indices(DETECTOR) - 23.5)) > 7
PER_TILE = 4
CENTRE = np.array([23.5, 23.5])


def strips_of(expected, *, seed=0):
    """One strip of tiles with the given mean pattern per position (t_y, t_x, n_y, n_x)."""
    return [counts(PER_TILE * expected, seed=seed, dtype=np.float32)]


def found(electrons=1000.0, *, read_variance=0.0, **options):
    return find_basis(strips_of(electrons * CRYSTALS[LABELS], **options), PER_TILE, USE, read_variance, CENTRE)


def values_of(basis, patterns):
    """Contrasts and sum of patterns (…, n_y, n_x)."""
    return (patterns.reshape(*patterns.shape[:-2], -1) @ basis.matrix)[..., :-1]


def test_shapes():
    basis = found()
    assert 1 <= basis.size <= MOST
    assert basis.matrix.shape == (USE.size, basis.size + 2)
    assert basis.matrix.dtype == np.float32
    assert basis.covariance.shape == basis.whitening.shape == (basis.size + 1,) * 2
    assert basis.back.shape == (basis.size + 1, USE.size)


def test_the_first_direction_tells_two_crystals_apart():
    basis = found()
    assert basis.spectrum[0] > 10
    assert (np.diff(basis.spectrum) <= 1e-9).all()
    one, two = values_of(basis, 1000 * CRYSTALS)
    step = one - two
    assert abs(step[0]) > 10
    assert abs(step[0]) > 3 * np.abs(step[1:-1]).max(initial=0)
    assert basis.weight[0] > 0.9
    assert ((basis.weight > 0) & (basis.weight <= 1)).all()


def test_diffuse_scattering_is_what_rings_have_everywhere():
    """Spots fill a small part of every ring; without it, diffuse scattering is nothing and spots stay."""
    basis = found()
    glass, lattice = values_of(basis, np.stack([diffuse(), spots(0)]))
    along, other = (
        abs(basis.whitening @ values) / np.linalg.norm(basis.whitening @ values) for values in (basis.diffuse, glass)
    )
    assert along @ other > 0.95
    left = [np.linalg.norm(basis.without_diffuse @ v) / np.linalg.norm(basis.whitening @ v) for v in (glass, lattice)]
    assert left[0] < 0.25 < 0.4 < left[1]
    assert basis.without_diffuse.shape == (basis.size, basis.size + 1)


def test_contrasts_have_noise_one():
    basis = found()
    drawn = counts(np.broadcast_to(1000 * CRYSTALS.mean(0), (4000, *DETECTOR)), seed=1)
    noise = values_of(basis, drawn.astype(float))
    np.testing.assert_allclose(np.diag(basis.covariance)[:-1], 1, rtol=1e-3)
    np.testing.assert_allclose(np.cov(noise.T)[0, 0], basis.covariance[0, 0], rtol=0.15)
    np.testing.assert_allclose(noise[:, -1].var(), basis.covariance[-1, -1], rtol=0.15)
    energy = (drawn.reshape(4000, -1) @ basis.matrix)[:, -1]
    assert energy.mean() == pytest.approx(1, rel=0.05)


def test_whitening_makes_the_noise_independent():
    basis = found()
    np.testing.assert_allclose(
        basis.whitening @ basis.covariance @ basis.whitening.T, np.eye(basis.size + 1), atol=1e-5
    )


def test_pixels_that_are_not_compared_do_not_count():
    basis = found()
    assert not basis.matrix[~USE.ravel()].any()
    assert not basis.back[:, ~USE.ravel()].any()
    brighter = [strip + 1e4 * ~USE for strip in strips_of(1000 * CRYSTALS[LABELS])]
    other = find_basis(brighter, PER_TILE, USE, 0.0, CENTRE)
    np.testing.assert_allclose(other.matrix, basis.matrix, rtol=1e-4, atol=1e-6)


def test_the_mean_pattern_is_no_contrast_however_bright():
    basis = found()
    for bright in (1, 3):
        *contrasts, total = values_of(basis, bright * 1000 * CRYSTALS.mean(0))
        assert np.abs(contrasts).max() < 0.05 * bright * 30
        assert total == pytest.approx(bright * 1000 * gaussian_filter(CRYSTALS.mean(0) * USE, 1)[USE].sum(), rel=0.05)


def test_back_gives_the_blurred_pattern():
    basis = found(20_000.0)
    one, two = values_of(basis, 20_000 * CRYSTALS)
    difference = ((one - two) @ basis.back).reshape(DETECTOR)
    expected = gaussian_filter((CRYSTALS[0] - CRYSTALS[1]) * USE, 1) * USE * 20_000
    inner = np.hypot(*(np.indices(DETECTOR) - 23.5)) > 10
    assert np.corrcoef(difference[inner], expected[inner])[0, 1] > 0.97
    assert np.linalg.norm(difference[inner]) == pytest.approx(np.linalg.norm(expected[inner]), rel=0.1)


def test_more_electrons_only_make_it_clearer():
    assert found(4000.0).spectrum[0] > found(400.0).spectrum[0]


def test_read_noise_is_part_of_the_noise():
    silent = found(read_variance=4.0)
    drawn = np.random.default_rng(0).normal(0, 2, (3000, *DETECTOR)) + counts(
        1000 * np.stack([CRYSTALS.mean(0)] * 3000)
    )
    assert values_of(silent, drawn)[:, 0].var() == pytest.approx(silent.covariance[0, 0], rel=0.15)


def test_noise_alone_has_no_direction_that_stands_out():
    basis = find_basis(strips_of(np.full((8, 10, *DETECTOR), 0.3)), PER_TILE, USE, 0.0, CENTRE)
    assert basis.spectrum[0] < 3
    assert not basis.structured
    assert found().structured
    assert np.isfinite(basis.matrix).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (2, 2)])
def test_few_tiles_that_do_not_differ(shape):
    tiles = np.ones((*shape, *DETECTOR), np.float32)
    basis = find_basis([tiles], PER_TILE, USE, 0.0, CENTRE)
    for values in (basis.matrix, basis.weight, basis.covariance, basis.whitening, basis.back, basis.spectrum):
        assert np.isfinite(values).all()
    assert basis.size >= 1


def test_strips_that_are_not_neighbours_are_not_compared():
    """The same tiles, one strip or two, differ only in the pairs across the cut."""
    tiles = strips_of(1000 * CRYSTALS[LABELS])[0]
    one, two = (find_basis(list(strips), PER_TILE, USE, 0.0, CENTRE) for strips in ([tiles], [tiles[:4], tiles[4:]]))
    assert not np.array_equal(one.spectrum, two.spectrum)
    first = [values_of(basis, 1000 * CRYSTALS)[:, 0] for basis in (one, two)]
    np.testing.assert_allclose(np.abs(np.diff(first[0])), np.abs(np.diff(first[1])), rtol=0.05)


def test_turning_the_scan_turns_nothing():
    tiles = strips_of(1000 * CRYSTALS[LABELS])[0]
    one, two = (find_basis([strip], PER_TILE, USE, 0.0, CENTRE) for strip in (tiles, tiles.swapaxes(0, 1)))
    assert one.size == two.size
    np.testing.assert_allclose(two.spectrum, one.spectrum, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(two.weight, one.weight, rtol=1e-5)


def test_the_beam_is_where_no_direction_looks():
    basis = found()
    assert np.abs(values_of(basis, 1e3 * beam())).max() < 0.5


def after(past, expected, *, share=1.0, seed=0):
    return find_basis_after(past, strips_of(1000.0 * expected, seed=seed), PER_TILE, USE, 0.0, CENTRE, share=share)


def told_apart(basis, one, two):
    """How many standard deviations of a pattern two mean patterns differ by in the contrasts."""
    return float(np.linalg.norm((values_of(basis, one) - values_of(basis, two))[:-1]))


def test_a_part_of_a_scan_without_rows_before_it_is_like_a_scan():
    basis, past = after(None, CRYSTALS[LABELS], share=0.5)
    whole = found()
    assert abs(told_apart(basis, *(1000 * CRYSTALS)) / told_apart(whole, *(1000 * CRYSTALS)) - 1) < 0.02
    assert past.positions == pytest.approx(0.5 * LABELS.size * PER_TILE)
    np.testing.assert_allclose(past.mean[USE.ravel()], 1000 * CRYSTALS[LABELS].mean(axis=(0, 1))[USE], rtol=0.1, atol=1)


def test_what_rows_before_differed_in_is_not_forgotten():
    """Rows of two crystals, then rows of two others: all four are told apart as by a scan of all rows."""
    four = [crystal(angle) for angle in (0, 25, 50, 75)]
    parts = [np.stack(four[:2])[LABELS], np.stack(four[2:])[LABELS]]
    strips = [strips_of(1000.0 * part, seed=seed)[0] for seed, part in enumerate(parts)]
    whole = find_basis(strips, PER_TILE, USE, 0.0, CENTRE)
    _, past = after(None, parts[0])
    basis, _ = after(past, parts[1], seed=1)
    alone, _ = after(None, parts[1], seed=1)
    first, second = 1000 * four[0], 1000 * four[1]
    assert told_apart(basis, first, second) == pytest.approx(told_apart(whole, first, second), rel=0.05)
    assert told_apart(alone, first, second) < 0.8 * told_apart(whole, first, second)
    np.testing.assert_allclose(np.sort(basis.weight)[-3:], np.sort(whole.weight)[-3:], atol=0.02)


def test_rows_that_are_not_settled_are_not_kept():
    _, past = after(None, CRYSTALS[LABELS])
    _, same = after(past, np.stack([crystal(50), crystal(75)])[LABELS], share=0.0, seed=1)
    assert same.positions == past.positions
    assert same.pairs == past.pairs
    np.testing.assert_allclose(same.mean, past.mean)
    np.testing.assert_allclose(same.chance, past.chance)


def test_rows_without_any_contrast_leave_the_past_as_it_is():
    _, past = after(None, CRYSTALS[LABELS])
    even = np.tile(PER_TILE * past.mean.reshape(DETECTOR), (8, 10, 1, 1)).astype(np.float32)
    basis, kept = find_basis_after(past, [even], PER_TILE, USE, 0.0, CENTRE, share=1.0)
    assert basis.structured
    assert kept.positions == past.positions + LABELS.size * PER_TILE
    largest = [np.linalg.eigvalsh(one.covariance)[-1] for one in (past, kept)]
    assert largest[1] == pytest.approx(largest[0], rel=0.01)
