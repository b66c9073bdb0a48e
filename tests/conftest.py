"""Fixtures that the tests of several rooms share."""

from __future__ import annotations

import signal

import numpy as np
import pytest
from numpy.typing import NDArray

from clustem.compiling import import_compiling

from .series.scenes import rotating_series

import_compiling("orix.quaternion.quaternion")  # which tests import as well, in several processes at once

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as programs in the background inherit it: ours would ignore it
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def moving_particles() -> tuple[NDArray[np.uint16], NDArray[np.int32]]:
    """Counts (time, scan_y, scan_x, k_y, k_x) of three particles, and who is where, 1 … 3."""
    return rotating_series()
