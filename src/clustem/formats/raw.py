"""Raw binary: nothing but numbers, so shape and type must be told."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from clustem.errors import InputError
from clustem.formats.assembly import array_scan
from clustem.formats.companions import main_file
from clustem.formats.contract import Format, Options, has_ending
from clustem.formats.empad import DETECTOR_SHAPE, EXTRA_ROWS, FRAME_BYTES
from clustem.scan import Scan

_ENDINGS = (".raw", ".bin", ".dat")
_NEEDED = ("scan_shape", "detector_shape", "dtype")


def open_raw(path: Path, options: Options) -> Scan:
    """Open numbers in the order (scan_y, scan_x, k_y, k_x) without header; memory-mapped, nothing is read.

    Raises
    ------
    InputError
        If scan_shape, detector_shape or dtype is not given, or the file's size is not exactly what they need.
    """
    main = main_file(path)
    if main is not None and options.dtype is None:
        raise InputError(f"{path.name}: is described by {main.name}; open that")
    missing = [name for name in _NEEDED if getattr(options, name) is None]
    if options.scan_shape is None or options.detector_shape is None or options.dtype is None:
        raise InputError(
            f"{path.name}: raw binary does not describe itself; give {', '.join(missing)}, for example "
            "scan_shape=(256, 256), detector_shape=(128, 128), dtype='uint16'. "
            "If it belongs to a file that describes it (such as an .xml), open that file" + _empad_hint(path)
        )
    if options.dtype.kind not in "buif":
        raise InputError(f"dtype: expected a type of integer or real numbers, got {options.dtype}")
    shape = (options.scan_shape[0], options.scan_shape[1] + options.flyback, *options.detector_shape)
    _check_size(path, shape, options.dtype)
    return array_scan(np.memmap(path, dtype=options.dtype, mode="r", shape=shape), options, name=path.name, path=path)


def _empad_hint(path: Path) -> str:
    """Return what to give for frames of EMPAD whose description is lost."""
    count, rest = divmod(path.stat().st_size, FRAME_BYTES)
    if rest or not count:
        return ""
    rows = DETECTOR_SHAPE[0] + EXTRA_ROWS
    return f". Its size is that of {count} frames of EMPAD: detector_shape=({rows}, {DETECTOR_SHAPE[1]}), dtype='<f4'"


def _check_size(path: Path, shape: tuple[int, int, int, int], dtype: np.dtype[np.generic]) -> None:
    pattern = shape[2] * shape[3] * dtype.itemsize
    expected, actual = shape[0] * shape[1] * pattern, path.stat().st_size
    if expected == actual:
        return
    fits = f"it holds exactly {actual // pattern} such patterns" if actual % pattern == 0 else "no whole number fits"
    raise InputError(
        f"{path.name}: expected {expected} bytes for {shape[0]}×{shape[1]} patterns of {shape[2]}×{shape[3]} {dtype}, "
        f"but the file has {actual} bytes ({fits}); correct scan_shape, detector_shape or dtype"
    )


FORMAT = Format("raw binary", _ENDINGS, lambda path: path.is_file() and has_ending(path, _ENDINGS), open_raw, _NEEDED)
