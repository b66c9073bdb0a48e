from dataclasses import replace

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.io import imsave

from clustem.errors import InputError, MissingFileError
from clustem.surveying import annular_mask, background_mask, beam_stop_mask, load_image, load_mask, survey

MASK = np.random.default_rng(0).random((6, 8)) < 0.4


def test_annulus_by_hand():
    mask = annular_mask((3, 4), centre_px=(1, 1), inner_px=1, outer_px=1.5)
    assert mask.tolist() == [
        [True, True, True, False],
        [True, False, True, False],
        [True, True, True, False],
    ]
    assert annular_mask((3, 4), centre_px=(0, 0)).all()
    assert annular_mask((3, 3), centre_px=(0.5, 0.5), outer_px=0.8).sum() == 4


@settings(max_examples=20, deadline=None)
@given(st.floats(-3, 12), st.floats(-3, 12), st.floats(0, 8), st.floats(0.1, 8))
def test_annuli_share_the_detector(y, x, inner, width):
    whole = np.zeros((9, 10), int)
    for low, high in ((0, inner), (inner, inner + width), (inner + width, np.inf)):
        if low < high:
            try:
                whole += annular_mask((9, 10), centre_px=(y, x), inner_px=low, outer_px=high)
            except InputError as error:
                assert "no pixel of the 9×10 detector" in str(error)  # noqa: PT017
    assert (whole >= 1).all()
    assert whole.sum() >= 90


@pytest.mark.parametrize(("inner", "outer"), [(2, 2), (3, 2), (-1, 2), (np.nan, 2), (0, np.nan)])
def test_annuli_of_bad_radii(inner, outer):
    with pytest.raises(InputError, match="expected 0 ≤ inner < outer in px"):
        annular_mask((5, 5), centre_px=(2, 2), inner_px=inner, outer_px=outer)


def test_annulus_outside_of_the_detector():
    with pytest.raises(InputError, match="no pixel of the 5×6 detector lies between 20 and 30 px"):
        annular_mask((5, 6), centre_px=(2, 2), inner_px=20, outer_px=30)


def stopped(disk, shadow):
    """A survey of patterns with a broad halo, on which a shadow lies."""
    shape = (64, 64)
    y, x = np.indices(shape)
    halo = 60 * np.exp(-np.hypot(y - 31, x - 33) / 20) + 2 + 400 * disk((31, 33), 4.0, shape)
    expected = np.where(shadow(y, x), 0.02 * halo, halo)
    return survey(np.random.default_rng(0).poisson(np.broadcast_to(expected, (6, 6, *shape))).astype(np.uint16))


def test_a_bar_from_the_rim_over_the_centre_is_masked(disk):
    def bar(y, x):
        return (np.abs(y - 31) <= 5) & (x <= 39)

    found = stopped(disk, bar)
    mask = beam_stop_mask(replace(found, centre_px=np.array([31.0, 33.0])))
    y, x = np.indices(mask.shape)
    assert not mask[(np.abs(y - 31) <= 4) & (x <= 38)].any()
    assert mask[bar(y, x)].mean() < 0.01, "but for a corner, where the blurred shadow is weakest"
    far = (np.abs(y - 31) > 5 + 4) | (x > 39 + 4)
    assert mask[far].all()
    narrow = beam_stop_mask(replace(found, centre_px=np.array([31.0, 33.0])), margin_px=0)
    assert (narrow & ~mask).any()
    assert not (mask & ~narrow).any()


def test_without_a_shadow_every_pixel_is_used(disk):
    assert beam_stop_mask(stopped(disk, lambda y, x: (y < 0) & (x < 0))).all()


@pytest.mark.parametrize(
    "shadow",
    [lambda y, x: (y < 8) & (np.abs(x - 20) < 3), lambda y, x: np.hypot(y - 20, x - 20) < 5],
    ids=["at the rim only", "an island"],
)
def test_shadows_that_are_no_beam_stop(disk, shadow):
    assert beam_stop_mask(stopped(disk, shadow)).all()


def particle_survey(disk, holes=()):
    """A round particle of 12 positions radius in vacuum."""
    y, x = np.indices((40, 44))
    particle = np.hypot(y - 20, x - 21) <= 12
    for hole in holes:
        particle = particle & ~(np.hypot(y - hole[0], x - hole[1]) <= hole[2])
    vacuum = 30 * disk((11.5, 11.5), 3.0, (24, 24)) + 0.02
    sample = 20 * disk((11.5, 11.5), 3.0, (24, 24)) + 0.6
    counts = np.random.default_rng(0).poisson(np.where(particle[..., None, None], sample, vacuum)).astype(np.uint16)
    return survey(counts), particle


def test_a_particle_in_vacuum(disk):
    found, particle = particle_survey(disk)
    assert np.array_equal(background_mask(found), particle)


def test_small_holes_are_filled_and_small_islands_removed(disk):
    found, particle = particle_survey(disk, holes=[(20, 21, 2.2)])
    whole = np.hypot(*(np.indices((40, 44)) - np.array([20, 21])[:, None, None])) <= 12
    assert np.array_equal(background_mask(found), whole)
    assert np.array_equal(background_mask(found, min_size=5), particle)
    assert not background_mask(found, min_size=1000).any()


def test_background_of_a_uniform_image_and_without_one(disk):
    found, _ = particle_survey(disk)
    assert background_mask(replace(found, annular_dark_field=np.ones((40, 44)))).all()
    with pytest.raises(InputError, match="background mask: the survey found no direct beam"):
        background_mask(replace(found, annular_dark_field=np.full((40, 44), np.nan)))


@pytest.mark.parametrize("name", ["mask.npy", "mask.tif", "mask.tiff", "mask.png", "MASK.PNG"])
def test_masks_from_files(tmp_path, name):
    path = tmp_path / name
    if name.endswith("npy"):
        np.save(path, MASK)
    elif "tif" in name:
        tifffile.imwrite(path, MASK.astype(np.uint8))
    else:
        imsave(path, (MASK * 255).astype(np.uint8), check_contrast=False)
    for source in (path, str(path)):
        loaded = load_mask(source, (6, 8))
        assert loaded.dtype == bool
        assert np.array_equal(loaded, MASK)


def test_coloured_masks_are_used_where_any_colour_is(tmp_path):
    image = np.zeros((6, 8, 4), np.uint8)
    image[MASK, 1] = 200
    image[..., 3] = 255
    imsave(tmp_path / "mask.png", image, check_contrast=False)
    assert np.array_equal(load_mask(tmp_path / "mask.png", (6, 8)), MASK)
    assert np.array_equal(load_mask(image[..., :3], (6, 8)), MASK)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int32, np.float32])
def test_masks_from_arrays(dtype):
    assert np.array_equal(load_mask(MASK.astype(dtype), (6, 8)), MASK)
    assert np.array_equal(load_mask((MASK * 0.5).tolist(), (6, 8)), MASK)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_images_keep_their_values(tmp_path, dtype):
    image = (np.arange(48).reshape(6, 8) * (5 if dtype == np.uint8 else 1300)).astype(dtype)
    for name in ("image.png", "image.tif"):
        imsave(tmp_path / name, image, check_contrast=False)
        assert np.array_equal(load_image(tmp_path / name, name="image"), image)


def test_files_that_are_no_masks(tmp_path):
    (tmp_path / "mask.png").write_bytes(b"not a picture")
    (tmp_path / "mask.npy").write_bytes(b"not numbers")
    (tmp_path / "mask.gif").write_bytes(b"GIF89a")
    np.save(tmp_path / "object.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(MissingFileError, match=r"beam mask: there is no file .*none\.npy"):
        load_mask(tmp_path / "none.npy", (6, 8), name="beam mask")
    with pytest.raises(MissingFileError):
        load_mask(tmp_path, (6, 8))
    for name in ("mask.png", "mask.npy", "object.npy"):
        with pytest.raises(InputError, match="cannot be read as an image"):
            load_mask(tmp_path / name, (6, 8))
    with pytest.raises(InputError, match=r"mask: expected a \.npy, \.tif or \.png file"):
        load_mask(tmp_path / "mask.gif", (6, 8))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (np.ones((8, 6)), r"mask: expected an image of shape \(6, 8\), got \(8, 6\)"),
        (np.zeros((6, 8)), "mask: selects nothing"),
        (np.ones((6, 8, 2)), "mask: expected a two-dimensional image of numbers"),
        (np.ones(48), "mask: expected a two-dimensional image of numbers"),
        (np.full((6, 8), "x"), "mask: expected a two-dimensional image of numbers"),
    ],
)
def test_arrays_that_are_no_masks(source, message):
    with pytest.raises(InputError, match=message):
        load_mask(source, (6, 8))
