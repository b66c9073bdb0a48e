"""Drift: known displacements, frames that do not agree, gaps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from clustem.series.drift import find_drift

PATH = np.array([[0, 0], [0.6, -0.3], [1.4, 0.2], [1.1, 1.3], [2.5, 1.9], [-1.2, 2.4]])
BLOBS = np.random.default_rng(3).uniform(-4, 36, (14, 2))


def images(path: NDArray[np.float64], *, seed: int = 0, noise: float = 0.02) -> NDArray[np.float64]:
    """Blobs at the same places in the sample, of other brightness in every frame."""
    random = np.random.default_rng(seed)
    y, x = np.indices((32, 32))
    frames = []
    for shift in path:
        frame = sum(
            random.uniform(0.5, 1.5) * np.exp(-((y - b[0] - shift[0]) ** 2 + (x - b[1] - shift[1]) ** 2) / 6)
            for b in BLOBS
        )
        frames.append(frame + random.normal(0, noise, y.shape))
    return np.stack(frames)


def test_known_displacements_are_found() -> None:
    found = find_drift(images(PATH))
    assert np.hypot(*(found.displacement - PATH).T).max() < 0.25
    assert found.scatter < 0.2
    np.testing.assert_allclose(found.between(1, 4), PATH[4] - PATH[1], atol=0.3)


def test_a_gap_is_left_out() -> None:
    seen = images(PATH)
    seen[2] = np.nan
    found = find_drift(seen)
    assert np.isnan(found.displacement[2]).all()
    assert np.hypot(*(found.displacement - PATH).T)[[1, 3, 4, 5]].max() < 0.25


def test_errors_do_not_accumulate() -> None:
    path = np.stack([0.15 * np.arange(30), 0.1 * np.arange(30)], axis=1)
    error = np.hypot(*(find_drift(images(path)).displacement - path).T)
    assert np.median(error[-5:]) < 0.3


def test_a_frame_that_shows_something_else_does_not_move_the_others() -> None:
    seen = images(PATH)
    seen[3] = np.random.default_rng(9).uniform(0, 1, seen[3].shape)
    found = find_drift(seen)
    assert np.hypot(*(found.displacement - PATH).T)[[1, 2, 4, 5]].max() < 0.3


@settings(max_examples=10, deadline=None)
@given(st.floats(0.1, 1e4), st.floats(-50, 50))
def test_scale_and_offset_of_the_images_do_not_matter(scale: float, offset: float) -> None:
    seen = images(PATH[:3])
    one, other = (find_drift(data).displacement for data in (seen, scale * seen + offset))
    np.testing.assert_allclose(one, other, atol=0.051)


@pytest.mark.parametrize("number", [0, 1])
def test_there_may_be_no_pairs(number: int) -> None:
    found = find_drift(np.ones((3, 8, 8)) * np.where(np.arange(3) < number, 1, np.nan)[:, None, None])
    assert found.pairs == 0
    assert np.isfinite(found.displacement).all(axis=1).sum() == number
    assert "Drift" in repr(found)


def test_images_without_anything_do_not_move() -> None:
    assert not find_drift(np.ones((3, 8, 8))).displacement.any()


def test_frames_of_noise_alone_have_no_drift_of_their_own() -> None:
    random = np.random.default_rng(2)
    y, x = np.indices((24, 24))
    noise = random.poisson(50, (4, 24, 24)).astype(float)
    alone = find_drift(noise)
    assert (alone.displacement == 0).all()
    assert (alone.pairs, alone.unseen) == (0, 4)
    for t in (0, 2):  # frames 1 and 3 stay noise
        noise[t] += 400 * np.exp(-((y - 9 - 1.5 * t) ** 2 + (x - 12) ** 2) / 12)
    some = find_drift(noise)
    assert some.displacement[:, 0] == pytest.approx([0, 1.5, 3, 3], abs=0.2)
    assert some.unseen == 2
