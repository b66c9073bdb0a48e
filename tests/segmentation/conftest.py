"""Numbers of the authors' published code, and the oracles that several tests share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

REFERENCE = Path(__file__).parents[1] / "data" / "published_reference.h5"


@dataclass(frozen=True)
class Group:
    """One run of the published code on the whole 40×40 scan."""

    similarity: NDArray[np.float64]
    cluster_map: NDArray[np.int32]
    q_mask: NDArray[np.bool_] | None
    r_mask: NDArray[np.bool_] | None
    smooth_sigma: float
    threshold: float


def _group(file: h5py.File, name: str) -> Group:
    group = file[name]
    return Group(
        similarity=group["similarity"][()],
        cluster_map=group["cluster_map"][()],
        q_mask=file["q_space_mask"][()] if group.attrs["q_mask"] else None,
        r_mask=file["r_space_mask"][()] if group.attrs["r_mask"] else None,
        smooth_sigma=float(group.attrs["smooth_sigma"]),
        threshold=float(group.attrs["threshold"]),
    )


@pytest.fixture(params=["plain", "masked", "smoothed", "region"])
def group(request: pytest.FixtureRequest) -> Group:
    with h5py.File(REFERENCE) as file:
        return _group(file, request.param)


@pytest.fixture(scope="session")
def counts() -> NDArray[np.uint16]:
    """The first 20×20 positions of the scan of the published numbers."""
    with h5py.File(REFERENCE) as file:
        return file["counts"][()]


@pytest.fixture(scope="session")
def prefiltered() -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Positions (n, 2) of the 20×20 crop, and the published prefilter's output there."""
    with h5py.File(REFERENCE) as file:
        return file["prefilter/positions"][()], file["prefilter/output"][()]
