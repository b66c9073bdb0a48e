import numpy as np
import pytest


def test_values_and_coordinates(demo_results):
    dataset = demo_results.to_xarray()
    averages, calibration = demo_results.averages, demo_results.domains.calibration
    assert dataset.averages.dims == ("label", "k_y", "k_x")
    np.testing.assert_array_equal(dataset.averages.sel(label=3), averages.patterns[2])
    np.testing.assert_array_equal(dataset.labels, demo_results.domains.labels)
    np.testing.assert_array_equal(dataset.positions, demo_results.domains.sizes)
    assert (dataset.k_x.units, dataset.scan_x.units) == ("1/Å", "nm")
    np.testing.assert_allclose(np.diff(dataset.scan_y), calibration.scan_step_nm)
    assert float(dataset.k_y[0]) == pytest.approx(-averages.centre_px[0] * calibration.inv_angstrom_per_px)
    assert set(demo_results.table.columns) <= {"label", *dataset.data_vars}
    assert dataset.mixture_fractions.dims == ("scan_y", "scan_x", "rank")


def test_not_calibrated_is_px(plain_results):
    dataset = plain_results.to_xarray()
    assert (dataset.k_x.units, dataset.scan_x.units) == ("px", "px")
    assert dataset.scan_x.values.tolist() == list(range(8))
    assert "mixture_fractions" not in dataset


def test_attributes_can_be_written_as_netcdf(demo_results):
    values = demo_results.to_xarray().attrs.values()
    assert all(isinstance(value, str | int | float | tuple | list) and not isinstance(value, bool) for value in values)
