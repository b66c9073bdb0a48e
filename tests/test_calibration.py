import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustem.calibration import Calibration
from clustem.errors import InputError

COMPLETE = Calibration(
    inv_angstrom_per_px=0.0375,
    scan_step_nm=(0.4, 0.5),
    energy_keV=200,
    semiangle_mrad=1.5,
    centre_px=(44, 43.5),
    detector_rotation_deg=-12,
    detector_flip=True,
)


@pytest.mark.parametrize(
    ("energy", "wavelength"), [(60, 0.0486606), (80, 0.0417572), (200, 0.0250793), (300, 0.0196875)]
)
def test_relativistic_wavelengths(energy, wavelength):
    assert Calibration(energy_keV=energy).wavelength_angstrom == pytest.approx(wavelength, abs=1e-7)


def test_scattering_angle_of_a_pixel():
    assert Calibration(inv_angstrom_per_px=0.04, energy_keV=300).mrad_per_px == pytest.approx(0.7875, abs=1e-5)
    assert Calibration(inv_angstrom_per_px=0.04).mrad_per_px is None
    assert Calibration(energy_keV=300).mrad_per_px is None
    assert Calibration().wavelength_angstrom is None


@pytest.mark.parametrize(
    ("given_step", "kept", "pair"),
    [
        (0.4, 0.4, (0.4, 0.4)),
        ((0.4, 0.4), 0.4, (0.4, 0.4)),
        ([0.4, 0.5], (0.4, 0.5), (0.4, 0.5)),
        (np.array([1, 2]), (1.0, 2.0), (1.0, 2.0)),
        (np.float32(0.5), 0.5, (0.5, 0.5)),
        (None, None, None),
    ],
)
def test_scan_steps_are_one_number_or_a_pair(given_step, kept, pair):
    calibration = Calibration(scan_step_nm=given_step)
    assert calibration.scan_step_nm == kept
    assert calibration.scan_step_yx_nm == pair


def test_numpy_numbers_become_plain_ones():
    calibration = Calibration(energy_keV=np.int64(200), centre_px=np.array([3, 4]), detector_flip=np.True_)
    assert type(calibration.energy_keV) is float
    assert calibration.centre_px == (3.0, 4.0)
    assert calibration.detector_flip is True


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"inv_angstrom_per_px": 0}, "inv_angstrom_per_px: expected a positive finite number, got 0"),
        ({"inv_angstrom_per_px": -0.1}, "expected a positive finite number"),
        ({"energy_keV": math.inf}, "energy_keV: expected a positive finite number"),
        ({"energy_keV": "200"}, "energy_keV: expected a number, got '200'"),
        ({"semiangle_mrad": True}, "semiangle_mrad: expected a number, got True"),
        ({"detector_rotation_deg": math.nan}, "detector_rotation_deg: expected a finite number"),
        ({"scan_step_nm": (1, 2, 3)}, r"scan_step_nm: expected one number or a \(y, x\) pair"),
        ({"scan_step_nm": (1, 0)}, "scan_step_nm: expected a positive finite number"),
        ({"scan_step_nm": ()}, r"scan_step_nm: expected one number or a \(y, x\) pair"),
        ({"centre_px": (1, None)}, "centre_px: expected a number, got None"),
        ({"detector_flip": 1}, "detector_flip: expected True or False, got 1"),
    ],
)
def test_what_is_no_calibration(fields, message):
    with pytest.raises(InputError, match=message):
        Calibration(**fields)


def test_centres_and_rotations_may_be_negative_or_zero():
    calibration = Calibration(centre_px=(-3, 0), detector_rotation_deg=0)
    assert calibration.centre_px == (-3.0, 0.0)
    assert calibration.detector_rotation_deg == 0.0


def test_updating_takes_the_fields_that_are_there():
    updated = COMPLETE.updated(Calibration(energy_keV=300, detector_flip=False))
    assert updated.to_dict() == {**COMPLETE.to_dict(), "energy_keV": 300.0, "detector_flip": False}
    assert COMPLETE.updated(Calibration()) == COMPLETE
    assert COMPLETE.updated(None) is COMPLETE
    assert Calibration().updated(COMPLETE) == COMPLETE


def test_a_dictionary_holds_only_what_is_known():
    assert Calibration().to_dict() == {}
    assert Calibration(detector_flip=False).to_dict() == {"detector_flip": False}
    with pytest.raises(InputError, match=r"unknown field 'energy'; known are inv_angstrom_per_px, .*energy_keV"):
        Calibration.from_dict({"energy_keV": 200, "energy": 200})


@settings(max_examples=30, deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "inv_angstrom_per_px": st.floats(1e-4, 10),
            "scan_step_nm": st.one_of(st.floats(1e-3, 100), st.tuples(st.floats(1e-3, 100), st.floats(1e-3, 100))),
            "energy_keV": st.floats(1, 3000),
            "centre_px": st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)),
            "detector_rotation_deg": st.floats(-360, 360),
            "detector_flip": st.booleans(),
        },
    )
)
def test_round_trip_through_a_dictionary(fields):
    calibration = Calibration.from_dict(fields)
    assert Calibration.from_dict(calibration.to_dict()) == calibration
    assert set(calibration.to_dict()) == set(fields)


def test_calibrations_are_shown_as_a_table():
    assert repr(Calibration(energy_keV=200)) == "Calibration\n  energy_keV  200.0"
    assert "all lengths in px" in repr(Calibration())
