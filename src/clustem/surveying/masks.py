"""Masks of detector pixels and scan positions. True = use, always."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import binary_dilation, gaussian_filter, label
from skimage.filters import threshold_triangle

from clustem.errors import InputError, MissingFileError
from clustem.surveying.pixels import fill_pixels
from clustem.surveying.record import Survey

_SMALL = 64  # positions; smaller islands and holes of the background mask are removed, in a small scan 1 % of it


def annular_mask(
    shape: tuple[int, int], *, centre_px: tuple[float, float], inner_px: float = 0.0, outer_px: float = np.inf
) -> NDArray[np.bool_]:
    """Return a mask (k_y, k_x) that uses the detector pixels from `inner_px` to `outer_px` about `centre_px`.

    Raises
    ------
    InputError
        If the radii are not 0 ≤ inner < outer, or no pixel lies between them.

    Examples
    --------
    >>> int(annular_mask((5, 5), centre_px=(2, 2), outer_px=1).sum())
    5
    """
    if not 0 <= inner_px < outer_px:
        raise InputError(f"annulus: expected 0 ≤ inner < outer in px, got {inner_px:g} and {outer_px:g}")
    y, x = np.ogrid[: shape[0], : shape[1]]
    distance = np.hypot(y - centre_px[0], x - centre_px[1])
    mask: NDArray[np.bool_] = (distance >= inner_px) & (distance <= outer_px)
    if not mask.any():
        raise InputError(
            f"annulus: no pixel of the {shape[0]}×{shape[1]} detector lies between {inner_px:g} and {outer_px:g} px"
        )
    return mask


def outside_beam_mask(survey: Survey, *, radii: float = 1.5) -> NDArray[np.bool_]:
    """Return a mask (k_y, k_x) that uses the pixels from so many radii of the direct beam on; all if there is no beam.

    The default leaves out the edge of the beam, more radii also its tails.
    """
    shape = (survey.mean.shape[0], survey.mean.shape[1])
    if not np.isfinite(survey.beam_radius_px):
        return np.ones(shape, bool)
    centre = (float(survey.centre_px[0]), float(survey.centre_px[1]))
    return annular_mask(shape, centre_px=centre, inner_px=radii * survey.beam_radius_px)


def beam_stop_mask(survey: Survey, *, fraction: float = 0.25, margin_px: int = 2) -> NDArray[np.bool_]:
    """Return a mask (k_y, k_x) without the shadow of a beam stop.

    Parameters
    ----------
    survey : Survey
    fraction : float
        A pixel lies in the shadow where the smoothed mean pattern is below this fraction of the upper quartile at
        the same distance from the centre. The tip, where all of a ring may be hidden, is where that quartile itself
        is below the fraction of its largest value further out.
    margin_px : int
        The shadow is widened by this much, for its soft edge.

    Notes
    -----
    Only shadows that reach from the rim of the detector to within a quarter of its size of the centre count; without
    one, every pixel is used.
    """
    mean = gaussian_filter(fill_pixels(survey.mean, ~survey.hot_pixels), 1.0)
    y, x = np.indices(mean.shape)
    ring = np.rint(np.hypot(y - survey.centre_px[0], x - survey.centre_px[1])).astype(int)
    upper = np.array([np.percentile(mean[ring == r], 75) if (ring == r).any() else 0.0 for r in range(ring.max() + 1)])
    dark = mean < fraction * upper[ring]
    brightest = int(upper.argmax())
    dark |= (ring < brightest) & (upper[ring] < fraction * upper[brightest])
    regions, number = label(dark)
    rim = np.unique(np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]]))
    near = np.unique(regions[ring < 0.25 * min(mean.shape)])
    shadow = np.isin(regions, np.intersect1d(rim, near)[1:] if 0 in rim and 0 in near else np.intersect1d(rim, near))
    if not number or not shadow.any():
        return np.ones(mean.shape, bool)
    return ~binary_dilation(shadow, iterations=margin_px) if margin_px else ~shadow


def background_mask(survey: Survey, *, min_size: int | None = None) -> NDArray[np.bool_]:
    """Return a mask (scan_y, scan_x), True on the sample: the published background mask.

    The annular dark-field image is cut at its triangle threshold; islands and holes below `min_size` positions
    (64, or 1 % of a small scan) are removed. Source: Lee et al. 2026, doi 10.1093/mam/ozag044.

    Raises
    ------
    InputError
        If the survey found no direct beam, so that there is no annular dark-field image.
    """
    image = survey.annular_dark_field
    if not np.isfinite(image).any():
        raise InputError("background mask: the survey found no direct beam, so there is no annular dark-field image")
    filled = np.where(np.isfinite(image), image, np.nanmin(image))
    if filled.min() == filled.max():
        return np.ones(image.shape, bool)
    if min_size is None:
        min_size = max(4, min(_SMALL, image.size // 100))
    mask = _without_small(filled > threshold_triangle(filled), min_size)
    return ~_without_small(~mask, min_size)


def load_mask(source: str | Path | ArrayLike, shape: tuple[int, int], *, name: str = "mask") -> NDArray[np.bool_]:
    """Return a boolean mask of `shape` from an array or an image file (.npy, .tif, .png); values other than 0 = use.

    Raises
    ------
    MissingFileError
        If the file does not exist.
    InputError
        If it cannot be read, has another shape, or selects nothing.
    """
    image = load_image(source, name=name)
    if image.shape != tuple(shape):
        raise InputError(f"{name}: expected an image of shape {tuple(shape)}, got {image.shape}")
    mask: NDArray[np.bool_] = np.nan_to_num(image).astype(bool)
    if not mask.any():
        raise InputError(f"{name}: selects nothing; values other than 0 (True) mark what is used")
    return mask


def runs_of(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the stretches (m, 2) of True in a mask read row by row, as first and last + 1."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask.ravel(), [False]])))
    return edges.reshape(-1, 2)


def load_image(source: str | Path | ArrayLike, *, name: str) -> NDArray[Any]:
    """Return a two-dimensional array from an array or an image file (.npy, .tif, .png).

    Raises
    ------
    MissingFileError
        If the file does not exist.
    InputError
        If it cannot be read as an image.
    """
    image = _read_image(Path(source), name) if isinstance(source, (str, Path)) else np.asarray(source)
    if image.ndim == 3 and image.shape[-1] in (3, 4):
        image = image[..., :3].max(axis=-1)
    if image.ndim != 2 or image.dtype.kind not in "buif":
        raise InputError(
            f"{name}: expected a two-dimensional image of numbers, got shape {image.shape} of {image.dtype}"
        )
    return image


def _read_image(path: Path, name: str) -> NDArray[Any]:
    if not path.is_file():
        raise MissingFileError(f"{name}: there is no file {path}")
    suffix = path.suffix.lower()
    try:
        if suffix == ".npy":
            return np.asarray(np.load(path, allow_pickle=False))
        if suffix in (".tif", ".tiff"):
            from tifffile import imread

            return np.asarray(imread(path))
        if suffix == ".png":
            from PIL import Image  # keeps whole numbers whole, as labels need them

            with Image.open(path, formats=["PNG"]) as picture:
                return np.asarray(picture)
    except Exception as error:
        raise InputError(f"{name}: {path} cannot be read as an image ({error})") from error
    raise InputError(f"{name}: expected a .npy, .tif or .png file, got {path}")


def _without_small(mask: NDArray[np.bool_], min_size: int) -> NDArray[np.bool_]:
    regions = label(mask, np.ones((3, 3)))[0]
    large = np.bincount(regions.ravel()) >= min_size
    large[0] = False
    kept: NDArray[np.bool_] = large[regions]
    return kept
