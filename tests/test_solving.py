import numpy as np
import pytest
from threadpoolctl import threadpool_info

from clustem.solving import (
    factorise_positive,
    small_products,
    solve_positive,
)


def threads():
    """Of every BLAS library."""
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def test_small_products_have_one_thread_and_others_as_many_as_before():
    before = threads()

    @small_products()
    def inside():
        return threads()

    for _ in range(2):
        assert inside() == [1] * len(before)
        assert threads() == before
    with pytest.raises(ZeroDivisionError), small_products():
        1 / 0  # noqa: B018
    assert threads() == before


@pytest.mark.parametrize("size", [1, 2, 4, 7])
def test_equations_compiled_and_as_plain_python(size):
    columns = np.random.default_rng(size).normal(size=(size + 3, size))
    matrix, values = columns.T @ columns, np.arange(1.0, size + 1)
    expected = np.linalg.solve(matrix, values)
    for factorise, solve in (
        (factorise_positive, solve_positive),
        (factorise_positive.py_func, solve_positive.py_func),
    ):
        factor, found = np.where(np.tri(size, dtype=bool), matrix, np.nan), values.copy()
        factorise(factor)
        solve(factor, found)
        np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_a_singular_matrix_gives_numbers():
    factor, values = np.ones((2, 2)), np.ones(2)
    factorise_positive.py_func(factor)
    solve_positive.py_func(factor, values)
    assert np.isfinite(factor).all()
    np.testing.assert_allclose(values.sum(), 1)
