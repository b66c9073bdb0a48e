from dataclasses import replace

import numpy as np
import pytest

from clustem.errors import InputError
from clustem.formats import open_scan
from clustem.segmentation.features.binning import binning_of, compared_cells, whole_moves
from clustem.surveying import NoiseModel, survey

from .patterns import BEAM_RADIUS, DETECTOR, DISTANCE, two_crystals

SCAN = (8, 10)


@pytest.fixture(scope="module")
def known():
    """What a survey tells of two crystals, all of whose pixels are good."""
    return survey(two_crystals(SCAN))


def of_size(known, shape):
    """As if the detector had this shape; nothing is masked."""
    nothing = np.zeros(shape, bool)
    return replace(
        known,
        mean=np.ones(shape),
        detector_mask=~nothing,
        hot_pixels=nothing,
        dead_pixels=nothing,
        misfit_pixels=nothing,
        beam_radius_px=np.nan,
    )


@pytest.mark.parametrize(
    ("shape", "step", "cells"),
    [
        ((1, 1), 1, (1, 1)),
        ((36, 36), 1, (36, 36)),
        ((64, 100), 1, (64, 100)),
        ((256, 256), 4, (64, 64)),
        ((130, 200), 2, (65, 100)),
        ((195, 512), 3, (65, 171)),
    ],
)
def test_large_patterns_are_binned(known, shape, step, cells):
    binning = binning_of(of_size(known, shape))
    assert (binning.step, binning.cells) == (step, cells)
    for cell, pixels, count in zip((binning.cell_y, binning.cell_x), shape, cells, strict=True):
        assert np.array_equal(cell, np.arange(pixels) // step)
        assert cell[-1] == count - 1


def test_values_become_electrons(known):
    plain = binning_of(known)
    assert (plain.scale, plain.offset, plain.silent) == (1, 0, 0)
    noisy = replace(of_size(known, (130, 130)), noise=NoiseModel("gain", gain=4, offset=20, read_noise=6))
    binning = binning_of(noisy)
    assert (binning.scale, binning.offset) == (0.25, 20)
    assert binning.silent == pytest.approx(4 * (6 / 4) ** 2), "of the four pixels of a cell"
    assert binning_of(replace(known, noise=NoiseModel("unknown", gain=0))).scale == 1


def test_moves_are_the_nearest_whole_pixels():
    descan = np.array([[[0.4, -0.6], [1.5, -2.51]]])
    assert whole_moves(descan).tolist() == [[[0, -1], [2, -3]]]


def test_what_is_outside_of_the_beam_is_compared(known):
    use = compared_cells(known, binning_of(known), None)
    assert not use[DISTANCE < BEAM_RADIUS + 1].any()
    assert use[DISTANCE > 3 * BEAM_RADIUS].all()
    assert compared_cells(replace(known, beam_radius_px=np.nan), binning_of(known), None).all()


def test_what_a_beam_stop_shades_is_not_compared(known):
    """A bar from the edge of the detector to its middle; there is no beam."""
    mean = 100 * np.exp(-DISTANCE / 20)
    mean[15:21, :19] *= 0.01
    use = compared_cells(replace(known, mean=mean, beam_radius_px=np.nan), binning_of(known), None)
    assert not use[15:21, :17].any()
    assert use[:10].all()
    assert use[26:].all()


def test_a_mask_that_is_given_is_taken_instead(known):
    mask = np.zeros(DETECTOR, bool)
    mask[:3, 4:8] = mask[17, 17] = True
    assert np.array_equal(compared_cells(known, binning_of(known), mask), mask)


def test_cells_lie_wholly_in_the_mask_if_any_does(known):
    large = of_size(known, (130, 130))
    mask = np.zeros((130, 130), bool)
    mask[0:4, 0:3] = True
    use = compared_cells(large, binning_of(large), mask)
    assert np.argwhere(use).tolist() == [[0, 0], [1, 0]]
    mask[:, 1::2] = False
    assert np.argwhere(compared_cells(large, binning_of(large), mask)).tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]


@pytest.mark.parametrize("what", ["nothing", "only bad pixels"])
def test_no_pixel_is_left(known, what):
    mask, bad = np.zeros(DETECTOR, bool), np.zeros(DETECTOR, bool)
    if what == "only bad pixels":
        mask[3, 4] = bad[3, 4] = True
    found = replace(known, hot_pixels=bad, detector_mask=~bad)
    with pytest.raises(InputError, match="detector_mask: no usable detector pixel is left"):
        compared_cells(found, binning_of(found), mask)


def test_what_a_moving_pattern_loses_is_not_compared():
    """The beam wanders by ±2 px along k_x: over two masked pixels, and over the edge."""
    scan = open_scan(two_crystals(SCAN))
    good = np.ones(DETECTOR, bool)
    good[3, 20:22] = False
    found = survey(replace(scan, detector_mask=good))
    descan = np.zeros((*SCAN, 2))
    descan[..., 1] = np.rint(np.linspace(-2, 2, SCAN[1]))[None, :]
    for moves, lost in ((descan, [0, 1, *range(18, 24), 34, 35]), (np.zeros_like(descan), [20, 21])):
        known = replace(found, descan_px=moves)
        assert np.flatnonzero(~compared_cells(known, binning_of(known), None)[3]).tolist() == lost


def test_a_masked_pixel_is_lost_where_it_is_moved_to(known):
    """Half of the patterns stay, the others are moved by (−2, 1) px; rows and columns come in."""
    good = np.ones(DETECTOR, bool)
    good[30, 20] = False
    descan = np.zeros((*SCAN, 2))
    descan[4:] = [2, -1]
    found = replace(known, detector_mask=good, descan_px=descan, beam_radius_px=np.nan)
    used = compared_cells(found, binning_of(found), None)
    assert not used[-2:].any()
    assert not used[:, 0].any()
    assert np.argwhere(~used[:-2, 1:]).tolist() == [[28, 20], [30, 19]]


def test_bad_pixels_that_patterns_move_over_are_mended_well_enough(known):
    bad = np.zeros(DETECTOR, bool)
    bad[3, 20] = True
    still = replace(known, hot_pixels=bad, detector_mask=~bad, beam_radius_px=np.nan)
    moving = replace(still, descan_px=np.broadcast_to([0.0, 1.0], (*SCAN, 2)))
    assert np.argwhere(~compared_cells(still, binning_of(still), None)).tolist() == [[3, 20]]
    lost = ~compared_cells(moving, binning_of(moving), None)
    assert lost[:, -1].all()
    assert not lost[:, :-1].any()
