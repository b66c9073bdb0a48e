"""Pictures of the frames of a series: every track in one colour, in all frames."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import binary_erosion
from skimage.segmentation import expand_labels

from clustem.reporting.colours import PALETTE, SEAM, UNASSIGNED, adjacent_labels, palette_of

Colours = NDArray[np.uint8]

_HUES = 3 * len(PALETTE)  # colours that are used before any is used twice
_GREYS = 64  # of scan images: more take room and show nothing, for noise
_LARGEST = 720  # px of the longer side of outlines
_MOST_SCALE = 16
_TOUCHES = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], bool)


def track_colours(labels: NDArray[np.integer]) -> Colours:
    """Return one colour (K + 1, 3) per track, row 0 for none: no two are equal, and those of neighbours are unlike.

    Parameters
    ----------
    labels : (time, scan_y, scan_x) int
        Tracks 1 … K, 0 = none.

    Notes
    -----
    In order of birth, every track gets the colour that is used least of those that no neighbour in any frame has.
    Equal colours then get a step in blue apart, which no eye sees, so that a colour names its track.

    Examples
    --------
    >>> colours = track_colours(np.array([[[1, 2, 0, 3]], [[1, 0, 0, 3]]]))
    >>> colours.shape, len(np.unique(colours, axis=0))
    ((4, 3), 4)
    """
    number = int(labels.max(initial=0))
    pairs = {tuple(pair) for frame in labels for pair in adjacent_labels(expand_labels(frame, SEAM)).tolist()}
    beside: list[set[int]] = [set() for _ in range(number + 1)]
    for a, b in pairs:
        beside[a].add(b)
        beside[b].add(a)
    chosen, used = [-1] * (number + 1), [0] * _HUES
    for track in range(1, number + 1):
        taken = {chosen[other] for other in beside[track]}
        free = [colour for colour in range(_HUES) if colour not in taken] or list(range(_HUES))
        chosen[track] = min(free, key=used.__getitem__)
        used[chosen[track]] += 1
    base = np.rint(255 * palette_of(_HUES)[chosen]).astype(int)
    base[0] = np.rint(255 * np.array(UNASSIGNED))
    return _told_apart(base)


def _told_apart(colours: NDArray[np.int64]) -> Colours:
    """Return colours (N, 3) of which those that equal an earlier one are the nearest that is free."""
    taken: set[tuple[int, ...]] = set()
    for colour in colours:
        step = 0
        while (found := _stepped(colour, step)) in taken:
            step += 1
        taken.add(found)
        colour[:] = found
    return colours.astype(np.uint8)


def _stepped(colour: NDArray[np.int64], step: int) -> tuple[int, ...]:
    """Return a colour a number of steps away: up to seven in blue, then in red, then in green."""
    away = np.array([step // 8 % 8, step // 64, step % 8])
    return tuple((colour + np.where(colour > 127, -away, away)).tolist())


def map_png(labels: NDArray[np.integer], colours: Colours) -> bytes:
    """Return the tracks of a frame (scan_y, scan_x) as PNG, a pixel per position."""
    return _palette_png(labels, colours, clear=False)


def outlines_png(labels: NDArray[np.integer], colours: Colours) -> bytes:
    """Return the outlines of the tracks of a frame as PNG, several pixels per position, transparent elsewhere."""
    scale = picture_scale(labels.shape)
    return _palette_png(outlines(labels, scale), colours, clear=True)


def picture_scale(shape: tuple[int, ...]) -> int:
    """Return how many pixels a position of a scan is wide where outlines are drawn."""
    return max(1, min(_MOST_SCALE, _LARGEST // max(shape)))


def outlines(labels: NDArray[np.integer], scale: int) -> NDArray[np.integer]:
    """Return labels at `scale` pixels per position, 0 inside: what is left are lines along the edges of positions."""
    large = labels.repeat(scale, axis=0).repeat(scale, axis=1)
    inside = np.zeros(large.shape, bool)
    for track in np.unique(labels[labels > 0]):
        inside |= binary_erosion(large == track, _TOUCHES, iterations=1 if scale < 4 else 2)
    return np.where(inside, 0, large)


def image_png(image: NDArray[np.floating], *, every: int = 1) -> bytes:
    """Return a scan image as PNG of 64 greys from its 0.1 to its 99.9 percentile, of every so many positions."""
    levels = np.rint(grey(image[::every, ::every]) * (_GREYS - 1)).astype(np.uint8)
    picture = Image.fromarray(levels).convert("P")
    ramp = np.rint(np.linspace(0, 255, _GREYS)).astype(np.uint8)
    picture.putpalette(np.repeat(ramp, 3).tobytes())
    return _saved(picture)


def grey(image: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return an image as 0 … 1 from its 0.1 to its 99.9 percentile; 0 where there is none."""
    if not np.isfinite(image).any():
        return np.zeros(image.shape)
    low, high = np.nanpercentile(image, (0.1, 99.9))
    return np.asarray(np.nan_to_num(np.clip((image - low) / max(high - low, 1e-12), 0, 1)), np.float64)


def _palette_png(labels: NDArray[np.integer], colours: Colours, *, clear: bool) -> bytes:
    """Return labels as PNG with the colours of those that occur; 0 is transparent if it is to be `clear`."""
    values, index = np.unique(np.append(0, labels), return_inverse=True)
    if values.size > 256:
        alpha = np.where((labels == 0) & clear, 0, 255).astype(np.uint8)
        return _saved(Image.fromarray(np.dstack([colours[labels], alpha])))
    picture = Image.fromarray(index[1:].reshape(labels.shape).astype(np.uint8)).convert("P")
    picture.putpalette(colours[values].tobytes())
    return _saved(picture, transparency=0) if clear else _saved(picture)


def _saved(picture: Image.Image, **options: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True, **options)
    return buffer.getvalue()
