"""Words for masks: what they choose, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import clustem
from clustem import InputError, MissingFileError, Survey
from clustem.surveying import check_mask_word, chosen_pixels, chosen_positions, given_image, is_mask_word, peak_pixels


@pytest.fixture(scope="module")
def found() -> Survey:
    """A survey of scans with a round beam of radius 3 px in the middle, and a sample in the right half."""
    counts = np.zeros((8, 8, 32, 32), np.uint16)
    radius = np.hypot(*np.indices((32, 32)) - 15.5)
    counts[..., radius < 3] = 500
    counts[:, 4:, radius >= 8] += 20
    return clustem.survey(np.random.default_rng(0).poisson(counts + 0.2).astype(np.uint16))


def test_words_are_told_from_paths_and_images() -> None:
    assert all(is_mask_word(word) for word in ("sample", "outside-beam", "beam-stop", "annulus:3-9"))
    assert not any(is_mask_word(other) for other in ("mask.npy", np.ones((2, 2)), None, 3))


def test_an_annulus_is_about_the_beam(found: Survey) -> None:
    radius = np.hypot(*np.indices((32, 32)) - found.centre_px[:, None, None])
    mask = chosen_pixels("annulus:6-12", found)
    assert mask is not None
    np.testing.assert_array_equal(mask, (radius >= 6) & (radius <= 12) & found.detector_mask)
    outside = chosen_pixels("outside-beam", found)
    assert outside is not None
    assert not outside[radius < found.beam_radius_px].any()


def test_nothing_given_chooses_nothing(found: Survey) -> None:
    assert chosen_pixels(None, found) is None
    assert chosen_positions(None, found) is None
    np.testing.assert_array_equal(peak_pixels("annulus:6-12", found), found.detector_mask)


def test_the_sample_is_where_it_scatters(found: Survey) -> None:
    mask = chosen_positions("sample", found)
    assert mask is not None
    np.testing.assert_array_equal(mask, np.tile(np.arange(8) >= 4, (8, 1)))
    np.testing.assert_array_equal(chosen_positions(np.eye(8), found), np.eye(8, dtype=bool))


def test_what_is_not_there_or_not_known_is_told(found: Survey, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no shadow of a beam stop"):
        chosen_pixels("beam-stop", found)
    with pytest.raises(InputError, match="scan_mask: expected an image or one of sample"):
        check_mask_word("scan_mask", "outside-beam")
    with pytest.raises(InputError, match="inner < outer"):
        check_mask_word("detector_mask", "annulus:9-3")
    with pytest.raises(MissingFileError, match="expected an image or one of outside-beam"):
        given_image(str(tmp_path / "outside_beam"), "detector_mask")
    check_mask_word("detector_mask", np.ones((2, 2)))
