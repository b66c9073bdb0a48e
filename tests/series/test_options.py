"""Options of frames: what is refused, what they change, and what makes the keys of kept frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import clustem
from clustem import InputError
from clustem.crystallography import Probe
from clustem.scan import Scan
from clustem.series.frames import measure_frame
from clustem.series.keeping import made_of
from clustem.series.options import DEFAULTS, FrameOptions, OrientingOptions, mask_of

from .scenes import crystal, disk, draw

GOLD = clustem.read_crystal("clustem:Au")


@pytest.fixture(scope="module")
def scan() -> Scan:
    """Two particles, left and right."""
    places = [disk(8, 6, 3.4), disk(14, 17, 3.4)]
    particles = [(where, crystal(number)) for number, where in enumerate(places)]
    return clustem.open_scan(draw(particles, electrons=2000, seed=1))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"method": "labels"}, "method: 'labels' needs the label image of one scan"),
        ({"method": "guess"}, "method: expected one of"),
        ({"similarity": 1.5}, "similarity: expected a number between 0 and 1"),
        ({"threshold": 0.9}, "choose method 'published', or leave it out"),
        ({"min_size": 0}, "min_size: expected a whole number"),
        ({"gain": -1.0}, "gain: expected a finite number of at least 0"),
        ({"detector_mask": "sample"}, "detector_mask: expected an image or one of"),
    ],
)
def test_frame_options_are_checked(given: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        FrameOptions(**given)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"precession_deg": 1.0}, "precession_deg: has no effect without a crystal"),
        ({"probe": Probe.disk(3.0)}, "probe: has no effect without a crystal"),
        ({"strain_reference": "median"}, "strain_reference: has no effect without a crystal"),
        ({"crystals": (GOLD,), "strain_reference": 2}, "domain of a label is another one in every frame"),
        ({"crystals": (GOLD,), "precession_deg": 6.0}, "expected 0 to 5 degrees"),
    ],
)
def test_orienting_options_are_checked(given: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        OrientingOptions(**given)


def test_every_option_makes_another_key_and_the_same_ones_the_same() -> None:
    mask = np.eye(4, dtype=bool)
    some: list[dict[str, Any]] = [
        {},
        {"method": "published"},
        {"method": "published", "threshold": 0.5},
        {"similarity": 0.7},
        {"min_size": 6},
        {"centre": False},
        {"gain": 2.0},
        {"offset": 2.0},
        {"read_noise": 2.0},
        {"detector_mask": "outside-beam"},
        {"detector_mask": mask},
        {"scan_mask": mask},
        {"scan_mask": ~mask},
    ]
    keys = [made_of(*FrameOptions(**given).parts()) for given in some]
    assert len(set(keys)) == len(some)
    assert keys == [made_of(*FrameOptions(**given).parts()) for given in some]
    orienting = [OrientingOptions((GOLD,), probe, deg) for probe in (None, Probe.disk(3.0)) for deg in (0.0, 0.5)]
    assert len({made_of(*one.parts()) for one in orienting}) == 4


def test_masks_are_words_or_images_that_fit() -> None:
    assert mask_of("sample", (3, 3), "scan_mask") == "sample"
    assert mask_of(None, (3, 3), "scan_mask") is None
    with pytest.raises(InputError, match="scan_mask: expected an image of shape"):
        mask_of(np.ones((2, 3)), (3, 3), "scan_mask")


def test_a_scan_mask_leaves_its_positions_out_of_domains_and_background(scan: Scan) -> None:
    left = np.tile(np.arange(24) < 12, (24, 1))
    whole, part = measure_frame(scan), measure_frame(scan, FrameOptions(scan_mask=left))
    assert (whole.number, part.number) == (2, 1)
    assert not part.labels[~left].any()
    counts = np.asarray(scan).astype(float)
    inside = left & (part.labels == 0)
    np.testing.assert_allclose(part.background, counts[inside].mean(axis=0), rtol=1e-3, atol=1e-3)


def test_a_detector_mask_is_what_is_compared_but_not_what_peaks_are_found_in(scan: Scan) -> None:
    radius = np.hypot(*np.indices((32, 32)) - 15.5)
    frame = measure_frame(scan, FrameOptions(detector_mask=radius < 13))
    np.testing.assert_array_equal(frame.mask, radius < 13)
    assert frame.peak_mask.all()
    assert frame.number == 2


def test_method_size_and_noise_reach_the_frame(scan: Scan) -> None:
    small = measure_frame(scan, DEFAULTS).positions.max()
    assert measure_frame(scan, FrameOptions(min_size=int(small) + 10)).number < 2
    found = measure_frame(scan, FrameOptions(method="published", threshold=0.5, gain=1.5, offset=0.0, read_noise=2.0))
    assert found.noise.tolist() == [1.5, 0.0, 2.0]
    assert np.isnan(found.confidence).all()
