import numpy as np
import pytest

from clustem import Probe
from clustem.crystallography._peak_kernels import COLUMNS, add_disks, disk_columns, normal_equations
from clustem.crystallography._skyline_kernels import factorise, first_entries, inverse_diagonal, substitute
from clustem.crystallography.background import Background
from clustem.crystallography.disks import DiskFitter
from clustem.crystallography.probe import OVERSAMPLING

from .patterns import disk

SHAPE = (44, 50)


def fit(pattern, places, radius, *, variance=1e-4, use=None, rounds=40):
    fitter = DiskFitter(Probe.disk(radius, blur=0.1), np.ones(SHAPE, bool) if use is None else use)
    places = np.array(places, float)
    start = fitter.start(pattern, places, np.full(len(places), pattern[fitter.use].max() * np.pi * radius**2))
    return fitter, fitter.fit(pattern, np.full(SHAPE, variance), start, rounds=rounds)


@pytest.mark.parametrize("radius", [2.3, 4.0, 7.5])
@pytest.mark.parametrize("centre", [(20.0, 25.0), (20.25, 25.4), (20.5, 24.8)])
def test_one_disk_on_a_tilted_background(radius, centre):
    y, x = np.indices(SHAPE)
    pattern = 30 * disk(SHAPE, centre, radius) + 2 + 0.05 * y - 0.03 * x
    fitter, found = fit(pattern, [(20, 25)], radius)
    np.testing.assert_allclose(found.positions[0], centre, atol=0.02)
    assert found.intensities[0] == pytest.approx(30 * np.pi * radius**2, rel=0.03)
    np.testing.assert_allclose(fitter.disks(found) + fitter.background(found), pattern, atol=4)


def test_a_gradient_inside_does_not_move_a_disk():
    for slope in (-0.6, 0.6):
        pattern = 30 * disk(SHAPE, (20.3, 25.1), 5.0, slope=(slope, 0.2)) + 1
        _, found = fit(pattern, [(20, 25)], 5.0)
        np.testing.assert_allclose(found.positions[0], (20.3, 25.1), atol=0.03)
        assert np.sign(found.shapes[0, 1]) == np.sign(slope)


def test_overlapping_disks_do_not_move_each_other():
    places = np.array([(20.0, 20.0), (22.4, 26.3)])
    pattern = 40 * disk(SHAPE, places[0], 5.0) + 15 * disk(SHAPE, places[1], 5.0) + 1
    _, found = fit(pattern, np.round(places), 5.0)
    np.testing.assert_allclose(found.positions, places, atol=0.05)
    np.testing.assert_allclose(found.intensities, np.array([40, 15]) * np.pi * 25, rtol=0.06)


def test_masked_pixels_do_not_count():
    pattern = 30 * disk(SHAPE, (20.3, 25.1), 5.0) + 1
    use = np.ones(SHAPE, bool)
    use[:, 27:29] = False
    _, found = fit(np.where(use, pattern, 1e5), [(20, 25)], 5.0, use=use)
    np.testing.assert_allclose(found.positions[0], (20.3, 25.1), atol=0.03)


def test_standard_errors_are_those_of_repetitions():
    generator = np.random.default_rng(0)
    pattern = 3 * disk(SHAPE, (20.3, 25.1), 4.0) + 1
    drawn = [fit(generator.poisson(pattern), [(20, 25)], 4.0, variance=pattern, rounds=12)[1] for _ in range(60)]
    scatter = np.std([one.positions[0] for one in drawn], axis=0)
    stated = np.mean([one.errors[0, :2] for one in drawn], axis=0)
    np.testing.assert_allclose(stated, scatter, rtol=0.35)
    np.testing.assert_allclose(np.mean([one.positions[0] for one in drawn], axis=0), (20.3, 25.1), atol=0.05)


def test_columns_add_up_to_the_model_and_moves_are_its_derivatives():
    fitter = DiskFitter(Probe.disk(4.0, blur=0.5), np.ones(SHAPE, bool))
    start = fitter.start(np.ones(SHAPE), np.array([[20.2, 25.7]]), np.array([50.0]))
    start.shapes[0, 1:] = (10, -5, 4)
    step = 1e-3
    moved = [
        fitter.start(np.ones(SHAPE), start.positions + sign * np.array([step, 0]), np.array([50.0])) for sign in (1, -1)
    ]
    flat = fitter.start(np.ones(SHAPE), start.positions, np.array([50.0]))
    slope = (fitter.disks(moved[0]) - fitter.disks(moved[1])) / (2 * step)
    pixels, values = fitter._columns(flat.positions, flat.shapes, np.arange(fitter.use.size).reshape(SHAPE))
    derivative = np.zeros(fitter.use.size)
    derivative[pixels[0][pixels[0] >= 0]] = values[0, pixels[0] >= 0, 1]
    np.testing.assert_allclose(derivative.reshape(SHAPE), slope, atol=0.02)


@pytest.mark.parametrize("plain", [True, False])
def test_kernels_against_numpy(plain):
    columns, adding, equations = (
        (one.py_func if plain else one) for one in (disk_columns, add_disks, normal_equations)
    )
    generator = np.random.default_rng(1)
    use = generator.random((12, 14)) < 0.8
    probe = Probe.disk(1.6, blur=0.4)
    fitter = DiskFitter(probe, use)
    positions, shapes = np.array([[4.2, 5.1], [6.3, 6.6], [0.4, 12.9]]), generator.uniform(0.5, 2, (3, 4))
    reach = int(np.ceil(probe.half))
    pixels = np.empty((3, (2 * reach + 1) ** 2), np.int64)
    values = np.zeros((*pixels.shape, COLUMNS))
    columns(
        probe.tables, OVERSAMPLING, probe.radius, fitter.dome, positions, shapes, reach, fitter.places, pixels, values
    )
    number = len(fitter.kept)
    dense = np.zeros((number, 3 * COLUMNS))
    for n in range(3):
        for m in np.flatnonzero(pixels[n] >= 0):
            dense[pixels[n, m], n * COLUMNS : (n + 1) * COLUMNS] += values[n, m]
    model = np.zeros(number)
    adding(pixels, values, shapes, model)
    coefficients = np.zeros((3, COLUMNS))
    coefficients[:, [0, 3, 4, 5]] = shapes
    np.testing.assert_allclose(model, dense @ coefficients.ravel())

    nodes, shares = fitter.ground.nodes[fitter.kept], fitter.ground.shares[fitter.kept]
    ground = np.zeros((number, len(fitter.ground.stiffness)))
    np.put_along_axis(ground, nodes, shares, axis=1)
    design = np.hstack([dense, ground])
    weight, misses = generator.random(number), generator.random(number)
    normal, pull = np.zeros((design.shape[1],) * 2), np.zeros(design.shape[1])
    order = generator.permutation(design.shape[1])
    equations(pixels, values, nodes, shares, weight, misses, order, normal, pull)
    full = design.T @ (weight[:, None] * design)
    np.testing.assert_allclose(normal[np.ix_(order, order)], np.where(order[:, None] >= order, full, 0), atol=1e-12)
    np.testing.assert_allclose(pull[order], design.T @ (weight * misses), atol=1e-12)


@pytest.mark.parametrize("plain", [True, False])
def test_skyline_equations_against_numpy(plain):
    starting, factoring, solving, inverting = (
        one.py_func if plain else one for one in (first_entries, factorise, substitute, inverse_diagonal)
    )
    generator = np.random.default_rng(0)
    whole = generator.normal(size=(20, 20)) * (np.abs(np.subtract.outer(range(20), range(20))) < 4)
    whole = whole @ whole.T + np.eye(20)
    matrix, first = np.tril(whole), np.empty(20, np.int64)
    starting(matrix, first)
    assert first[10] >= 3
    factoring(matrix, first)
    np.testing.assert_allclose(np.tril(matrix), np.linalg.cholesky(whole), atol=1e-12)
    vector = generator.normal(size=20)
    solution = vector.copy()
    solving(matrix, first, solution)
    np.testing.assert_allclose(whole @ solution, vector, atol=1e-10)
    out = np.empty(3)
    inverting(matrix, first, np.array([0, 7, 19]), out)
    np.testing.assert_allclose(out, np.diag(np.linalg.inv(whole))[[0, 7, 19]], atol=1e-12)


def test_background_goes_through_planes_and_is_stiff_only_where_bent():
    ground = Background.over((11, 17), 4.0)
    np.testing.assert_allclose(ground.shares.sum(axis=1), 1)
    rows, columns = 4, 5
    assert len(ground.stiffness) == rows * columns
    y, x = np.mgrid[0 : rows - 1 : rows * 1j, 0 : columns - 1 : columns * 1j].reshape(2, -1)
    plane = 1 + 2 * y - 3 * x
    np.testing.assert_allclose(ground.stiffness @ plane, 0, atol=1e-9)
    surface = (plane[ground.nodes] * ground.shares).sum(axis=1).reshape(11, 17)
    expected = 1 + 2 * np.linspace(0, 3, 11)[:, None] - 3 * np.linspace(0, 4, 17)
    np.testing.assert_allclose(surface, expected, atol=1e-9)
