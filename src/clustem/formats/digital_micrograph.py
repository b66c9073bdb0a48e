"""Gatan DigitalMicrograph .dm3 and .dm4 files.

The file lists its axes from the fastest to the slowest. Newer programs store the detector axes as the fastest ("data
order swapped"), older ones the scan axes; units decide where they can, else that tag.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clustem.calibration import Calibration
from clustem.errors import InputError
from clustem.formats.assembly import array_scan
from clustem.formats.axes import Axis, from_axes, plausible_energy_keV, refuse_images
from clustem.formats.choosing import Candidate, choose, listing
from clustem.formats.contract import Format, Options, has_ending
from clustem.formats.dm_tags import Placed, read_tags
from clustem.formats.units import to_inverse_angstrom, to_mrad, to_nm
from clustem.scan import Scan

_NUMBER_TYPES = {1: "i2", 2: "f4", 6: "u1", 7: "i4", 9: "i1", 10: "u2", 11: "u4", 12: "f8", 14: "?"}


@dataclass(frozen=True)
class Image:
    """An image of the file: where its values are, its axes from slow to fast, and all its tags."""

    data: Placed
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    axes: tuple[Axis | None, ...]
    tags: dict[str, Any]


def open_dm(path: Path, options: Options) -> Scan:
    """Open the scan in a .dm3 or .dm4 file, memory-mapped; of several images, the one that `options.dataset` numbers.

    Raises
    ------
    InputError
        If the file is damaged, holds no scan, or several.
    """
    tags, order = read_tags(path)
    images = {f"/{name}": image for name, entry in _group(tags, "ImageList").items() if (image := _image(entry, order))}
    address = _chosen(images, path, options)
    image = images[address]
    if image.data.offset + math.prod(image.shape) * image.dtype.itemsize > path.stat().st_size:
        raise InputError(f"{path.name}: is incomplete: its image does not end within the file; copy it again")
    array: Any = np.memmap(path, image.dtype, "r", image.data.offset, image.shape)
    axes = list(image.axes)
    notes: tuple[str, ...] = ()
    if len(image.shape) == 3:
        refuse_images(axes, options.scan_shape, name=path.name)
    if len(image.shape) == 4 and _scan_is_fast(image):
        array, axes = array.transpose(2, 3, 0, 1), axes[2:] + axes[:2]
        notes = ("the file stores the scan inside of each detector pixel: it is read slowly; convert large ones",)
    volts = _group(image.tags, "Microscope Info").get("Voltage")
    energy = plausible_energy_keV(volts / 1e3) if isinstance(volts, (int, float)) else None
    return array_scan(
        array,
        options,
        name=path.name,
        path=path,
        dataset=address,
        assume_square=True,
        calibration=from_axes(axes, energy_keV=options.energy_keV or energy).updated(Calibration(energy_keV=energy)),
        assumptions=notes,
    )


def _group(tags: Any, name: str) -> dict[str, Any]:
    """Return a group of tags, an empty one where there is none."""
    found = tags.get(name) if isinstance(tags, dict) else None
    return found if isinstance(found, dict) else {}


def _image(entry: Any, order: str) -> Image | None:
    """Return an image of the list; None for what is none, or not of real numbers."""
    data = _group(entry, "ImageData")
    sizes = list(_group(data, "Dimensions").values())[::-1]
    placed, code = data.get("Data"), data.get("DataType")
    if not isinstance(placed, Placed) or code not in _NUMBER_TYPES or not sizes:
        return None
    if not all(isinstance(size, int) and 0 < size < 2**31 for size in sizes):
        return None
    scales = list(_group(_group(data, "Calibrations"), "Dimension").values())[::-1]
    axes = [_axis(scale, size) for scale, size in zip(scales, sizes, strict=False)]
    axes = axes if len(axes) == len(sizes) else [None] * len(sizes)
    return Image(placed, tuple(sizes), np.dtype(order + _NUMBER_TYPES[code]), tuple(axes), _group(entry, "ImageTags"))


def _axis(scale: Any, size: int) -> Axis | None:
    """Return an axis; its origin is a pixel, not a value."""
    try:
        step = float(scale["Scale"])
        return Axis.from_values(step, scale["Units"], -float(scale["Origin"]) * step, size)
    except (KeyError, TypeError, ValueError):
        return None


def _chosen(images: dict[str, Image], path: Path, options: Options) -> str:
    """Return the address of the image that is the scan."""
    found = [Candidate(name, image.shape, image.dtype.kind, image.dtype.name) for name, image in images.items()]
    if options.dataset is None:
        return choose(found, name=path.name, scan_shape=options.scan_shape).address
    wanted = "/" + options.dataset.strip("/")
    if wanted not in images:
        raise InputError(f"{path.name}: has no image {options.dataset!r}; there are\n{listing(found)}")
    return wanted


def _scan_is_fast(image: Image) -> bool:
    """Return whether the two fastest axes are those of the scan."""
    kinds = [_kind(axis) for axis in image.axes]
    if kinds[:2] == ["detector"] * 2 or kinds[2:] == ["scan"] * 2:
        return True
    if kinds[:2] == ["scan"] * 2 or kinds[2:] == ["detector"] * 2:
        return False
    about = _group(image.tags, "Meta Data")
    return about.get("Format") == "Diffraction image" and not about.get("Data Order Swapped", True)


def _kind(axis: Axis | None) -> str | None:
    """Return whether an axis is one of the scan or of the detector, as its unit tells."""
    if axis is None:
        return None
    if to_nm(axis.units) is not None:
        return "scan"
    reciprocal = to_inverse_angstrom(axis.units) is not None or to_mrad(axis.units) is not None
    return "detector" if reciprocal else None


FORMAT = Format(
    "Gatan DigitalMicrograph",
    (".dm3", ".dm4"),
    lambda path: path.is_file() and has_ending(path, (".dm3", ".dm4")),
    open_dm,
    ("scan_shape", "dataset"),
    calibration="energy, scan step, pixel size, centre",
)
