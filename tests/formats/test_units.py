import numpy as np
import pytest

from clustem.calibration import Calibration
from clustem.formats.axes import Axis, from_axes, from_named_values
from clustem.formats.units import to_inverse_angstrom, to_mrad, to_nm


@pytest.mark.parametrize(
    ("units", "factor"),
    [
        ("A^-1", 1.0),
        ("$A^{-1}$", 1.0),
        ("1/Å", 1.0),
        ("1/\u212b", 1.0),
        ("Å⁻¹", 1.0),
        (r"$\AA^{-1}$", 1.0),
        (r"\mathrm{\AA}^{-1}", 1.0),
        ("1/angstrom", 1.0),
        ("1 / nm", 0.1),
        ("nm^-1", 0.1),
        ("nm-1", 0.1),
        ("nm**-1", 0.1),
        ("[n_m^-1]", 0.1),
        (b"1/nm", 0.1),
        ("1/m", 1e-10),
        ("1/pm", 100.0),
        ("nm", None),
        ("px", None),
        ("pixels", None),
        ("", None),
        ("<undefined>", None),
        (None, None),
        ("mrad", None),
        ("1/nm^-1", None),
    ],
)
def test_reciprocal_units(units, factor):
    assert to_inverse_angstrom(units) == (None if factor is None else pytest.approx(factor))


@pytest.mark.parametrize(
    ("units", "factor"),
    [
        ("nm", 1.0),
        ("um", 1e3),
        ("µm", 1e3),
        ("\u03bcm", 1e3),
        ("microns", 1e3),
        ("Å", 0.1),
        ("A", 0.1),
        ("Angstroms", 0.1),
        ("nanometers", 1.0),
        ("pm", 1e-3),
        ("m", 1e9),
        ("s", None),
        ("cm", None),
        ("1/nm", None),
        ("pixels", None),
        ("MM", None),
    ],
)
def test_lengths(units, factor):
    assert to_nm(units) == (None if factor is None else pytest.approx(factor))


def test_angles():
    assert to_mrad("mrad") == 1
    assert to_mrad("rad") == 1000
    assert to_mrad("deg") == pytest.approx(17.4532925)
    assert to_mrad("1/mrad") is None


def test_axes_give_step_pixel_and_centre():
    axes = [Axis(2, "nm"), Axis(3, "nm"), Axis(0.1, "1/nm", -1.0, 32), Axis(0.1, "1/nm", -1.5, 32)]
    assert from_axes(axes).to_dict() == {
        "inv_angstrom_per_px": pytest.approx(0.01),
        "scan_step_nm": (2, 3),
        "centre_px": pytest.approx((10, 15)),
    }


@pytest.mark.parametrize("offset", [0.0, 0.5, -40.0, -3.1])
def test_no_centre_on_the_border_or_outside(offset):
    axes = [Axis(0.1, "1/Å", -1.0, 32), Axis(0.1, "1/Å", offset, 32)]
    assert from_axes(axes).centre_px is None
    assert from_axes(axes).inv_angstrom_per_px == pytest.approx(0.1)


def test_unknown_units_are_not_calibrated():
    assert from_axes([Axis(1, "px"), Axis(1, "px"), Axis(1, "pixels", -3, 8), Axis(1, "", -3, 8)]) == Calibration()
    assert from_axes([Axis(1, "nm"), None, None, Axis(1, "1/nm", -3, 8)]) == Calibration()


def test_unequal_pixels_are_not_calibrated():
    axes = [Axis(1, "nm"), Axis(1, "nm"), Axis(0.1, "1/nm"), Axis(0.11, "1/nm")]
    assert from_axes(axes).to_dict() == {"scan_step_nm": 1}


def test_angles_need_the_energy():
    axes = [Axis(0.5, "mrad", -5, 32)] * 2
    assert from_axes(axes) == Calibration()
    calibration = from_axes(axes, energy_keV=200)
    assert Calibration(energy_keV=200).updated(calibration).mrad_per_px == pytest.approx(0.5)
    assert calibration.centre_px == (10, 10)


@pytest.mark.parametrize("scale", [0, np.nan, np.inf, "a", None])
def test_an_axis_needs_a_scale(scale):
    assert Axis.from_values(scale, "nm") is None


def test_named_values_ignore_what_cannot_be_used():
    values = {"energy_keV": np.float64(200), "scan_step_nm": np.array([0.4]), "semiangle_mrad": -1, "other": 3}
    calibration, notes = from_named_values(values)
    assert calibration.to_dict() == {"energy_keV": 200, "scan_step_nm": 0.4}
    assert len(notes) == 1
    assert "semiangle_mrad: expected a positive finite number, got -1" in notes[0]


@pytest.mark.parametrize(
    ("scan", "detector", "warned"), [("1/nm", "nm", 1), ("mrad", "Å", 1), ("nm", "1/nm", 0), ("", "nm", 0)]
)
def test_axes_that_look_swapped_are_warned_of(caplog, scan, detector, warned):
    calibration = from_axes([Axis(1, scan), Axis(1, scan), Axis(0.1, detector), Axis(0.1, detector)])
    assert calibration.to_dict() == (
        {"scan_step_nm": 1, "inv_angstrom_per_px": pytest.approx(0.01)} if scan == "nm" else {}
    )
    assert sum("swap the axes" in record.message for record in caplog.records) == warned
