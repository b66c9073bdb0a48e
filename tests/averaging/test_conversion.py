import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

import clustem
from clustem.averaging import signal_of_averages
from clustem.averaging.conversion import instrument_metadata, label_signal
from clustem.calibration import Calibration

CALIBRATION = Calibration(inv_angstrom_per_px=0.05, scan_step_nm=0.4, energy_keV=200.0)


@pytest.fixture(scope="module")
def averages():
    labels = np.array([[1, 1, 2, 2]] * 2)
    counts = np.random.default_rng(0).poisson(3 * labels[..., None, None], (2, 4, 12, 14)).astype(np.uint16)
    scan = clustem.open_scan(counts, calibration=CALIBRATION)
    survey = clustem.survey(scan)
    return clustem.average(scan, clustem.segment(scan, survey=survey, method="labels", labels=labels), survey=survey)


class Signal2D:
    """Keeps what HyperSpy is given."""

    def __init__(self, data, axes, metadata, original_metadata):
        self.data, self.axes, self.metadata, self.original_metadata = data, axes, metadata, original_metadata

    def set_signal_type(self, kind):
        self.kind = kind


def test_axes_and_metadata(averages):
    parts = signal_of_averages(averages)
    assert parts["data"] is averages.patterns
    label, ky, kx = parts["axes"]
    assert (label["size"], label["offset"], label["navigate"]) == (2, 1.0, True)
    assert (ky["size"], kx["size"], kx["scale"], kx["units"]) == (12, 14, 0.05, "1/Å")
    centre = averages.centre_px if np.isfinite(averages.centre_px).all() else (0, 0)
    assert (ky["offset"], kx["offset"]) == pytest.approx((-centre[0] * 0.05, -centre[1] * 0.05))
    assert parts["metadata"]["Acquisition_instrument"]["TEM"] == {"beam_energy": 200.0}


def test_to_hyperspy_gives_it_the_same(averages, monkeypatch):
    package, api = ModuleType("hyperspy"), ModuleType("hyperspy.api")
    api.signals = SimpleNamespace(Signal2D=Signal2D)
    monkeypatch.setitem(sys.modules, "hyperspy", package)
    monkeypatch.setitem(sys.modules, "hyperspy.api", api)
    signal = averages.to_hyperspy()
    assert signal.kind == "electron_diffraction"
    assert signal.data is averages.patterns
    assert signal.axes == signal_of_averages(averages)["axes"]


def test_without_hyperspy_it_says_what_to_do(averages, monkeypatch):
    monkeypatch.setitem(sys.modules, "hyperspy", None)
    monkeypatch.setitem(sys.modules, "hyperspy.api", None)
    with pytest.raises(clustem.InputError, match="pip install hyperspy"):
        averages.to_hyperspy()


def test_labels_and_what_is_not_known():
    labels = np.array([[1, 2, 0]], np.int32)
    y, x = label_signal(labels, Calibration(scan_step_nm=(0.4, 0.5)))["axes"]
    assert [(axis["name"], axis["size"], axis["scale"], axis["units"]) for axis in (y, x)] == [
        ("y", 1, 0.4, "nm"),
        ("x", 3, 0.5, "nm"),
    ]
    assert label_signal(labels, Calibration())["axes"][0]["units"] == ""
    assert instrument_metadata(Calibration()) == {}
    assert instrument_metadata(Calibration(semiangle_mrad=2.0)) == {
        "Acquisition_instrument": {"TEM": {"convergence_angle": 2.0}}
    }
