"""Times of frames: units, what files tell, gaps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from clustem import InputError
from clustem.series.record import Frame
from clustem.series.times import frame_times, seconds_in, stored_time


@pytest.mark.parametrize(
    ("value", "seconds"), [(12, 12), (0.5, 0.5), ("12", 12), ("12s", 12), ("200 ms", 0.2), ("2 min", 120), ("1h", 3600)]
)
def test_steps(value: Any, seconds: float) -> None:
    assert seconds_in(value) == pytest.approx(seconds)


@pytest.mark.parametrize("value", [0, -1, "0s", "fast", "3 days", float("nan"), float("inf"), True])
def test_steps_that_are_none(value: Any) -> None:
    with pytest.raises(InputError, match="time_step: expected a positive time"):
        seconds_in(value)


@pytest.mark.parametrize(
    ("name", "value", "seconds"),
    [("time_s", 5.5, 5.5), ("time_s", "no date", None), ("time_s", [1.0, 2.0], None)],
)
def test_what_a_file_tells(tmp_path: Path, name: str, value: Any, seconds: float | None) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_group("entry")["data"] = np.zeros((2, 2, 3, 3))
        file["entry"].attrs[name] = value
    found = stored_time(tmp_path / "a.h5", None)
    assert np.isnan(found) if seconds is None else found == seconds


def test_no_file_tells_nothing(tmp_path: Path) -> None:
    assert np.isnan(stored_time(tmp_path / "none.h5", None))


def frames(*times: float, gaps: tuple[int, ...] = ()) -> list[Frame]:
    return [Frame(str(k), problem="broken" if k in gaps else "", time_s=time) for k, time in enumerate(times)]


def test_a_step_goes_before_what_frames_tell() -> None:
    np.testing.assert_array_equal(frame_times(frames(3, 1, 2), 2.5), [0, 2.5, 5])


def test_gaps_lie_between_their_neighbours() -> None:
    np.testing.assert_allclose(frame_times(frames(100, np.nan, 104, gaps=(1,)), None), [0, 2, 4])


@pytest.mark.parametrize("times", [(3, 2, 1), (1, np.nan, 3), (1,)])
def test_times_that_do_not_rise_or_lack_are_not_known(times: tuple[float, ...]) -> None:
    assert np.isnan(frame_times(frames(*times), None)).all()
