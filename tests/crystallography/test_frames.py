import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustem.calibration import Calibration
from clustem.crystallography.frames import detector_matrix, to_detector, to_sample
from clustem.errors import InputError


def test_not_calibrated_stays_in_px_and_unturned():
    assert to_sample([5, 7], [1, 2], Calibration()).tolist() == [4, 5]


@pytest.mark.parametrize(
    ("turn", "flip", "result"),
    [(0, False, (0, 1)), (90, False, (1, 0)), (-90, False, (-1, 0)), (0, True, (0, 1)), (180, False, (0, -1))],
)
def test_a_vector_along_k_x(turn, flip, result):
    calibration = Calibration(detector_rotation_deg=turn, detector_flip=flip)
    np.testing.assert_allclose(to_sample([0, 1], [0, 0], calibration), result, atol=1e-12)


def test_flip_comes_before_rotation():
    calibration = Calibration(detector_rotation_deg=90, detector_flip=True)
    # k_y = 1 is flipped to -1, at -90°, and turned by +90° to 0°, along x
    np.testing.assert_allclose(to_sample([1, 0], [0, 0], calibration), [0, 1], atol=1e-12)


def test_ellipse_is_taken_out_without_change_of_area():
    calibration = Calibration(ellipse=(1.21, 90))  # 1.21 times too long along k_y
    np.testing.assert_allclose(detector_matrix(calibration), np.diag([1 / 1.1, 1.1]), atol=1e-12)
    assert np.linalg.det(detector_matrix(Calibration(ellipse=(1.3, 20)))) == pytest.approx(1)


@given(
    st.floats(0.8, 1.2), st.floats(-180, 180), st.floats(-180, 180), st.booleans(), st.tuples(*2 * [st.floats(-50, 50)])
)
def test_there_and_back(ratio, axis, turn, flip, place):
    calibration = Calibration(
        ellipse=(ratio, axis), detector_rotation_deg=turn, detector_flip=flip, inv_angstrom_per_px=0.03
    )
    back = to_detector(to_sample(place, [3, 4], calibration), [3, 4], calibration)
    np.testing.assert_allclose(back, place, atol=1e-9)


@pytest.mark.parametrize("ellipse", [1.0, (0, 3), (1.1, np.nan), (1, 2, 3)])
def test_impossible_ellipses(ellipse):
    with pytest.raises(InputError, match="ellipse"):
        Calibration(ellipse=ellipse)
