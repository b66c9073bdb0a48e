"""`open_scan`: from whatever the user has to a Scan."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clustem.calibration import Calibration
from clustem.errors import InputError, MissingFileError
from clustem.formats.contract import Options, reason
from clustem.formats.signals import open_object
from clustem.formats.zarr_stores import is_zarr
from clustem.scan import Scan

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

_SAMPLE_PREFIX = "clustem:"
_SAMPLES = ("film_au",)
_SOURCE_OPTIONS = ("scan_shape", "dataset", "detector_shape", "dtype")
_ALL_OPTIONS = (*_SOURCE_OPTIONS, "snake", "flyback", "frame")

_log = logging.getLogger(__name__)


def open_scan(
    source: Any,
    *,
    scan_shape: tuple[int, int] | None = None,
    dataset: str | None = None,
    detector_shape: tuple[int, int] | None = None,
    dtype: DTypeLike | None = None,
    snake: bool = False,
    flyback: int = 0,
    frame: int | None = None,
    calibration: Calibration | None = None,
) -> Scan:
    """Open a 4D-STEM scan without reading its patterns.

    Parameters
    ----------
    source : path, array, signal or Scan
        A file or folder of a format that ``clustem formats`` lists, where ``"file.h5::/address"`` means one array
        inside it; ``"clustem:film_au"``, a sample that comes with the package;
        an array (scan_y, scan_x, k_y, k_x), or (pattern, k_y, k_x) with `scan_shape`, of NumPy, Dask, h5py or Zarr;
        or an object with such an array as ``data``, as the signals of HyperSpy and py4DSTEM.
    scan_shape : (scan_y, scan_x), optional
        Needed where the source has its patterns in one row and does not say how they were scanned.
    dataset : str, optional
        Address of the array inside an HDF5, Zarr or .npz file.
    detector_shape : (k_y, k_x), optional
        For raw binary only.
    dtype : NumPy type, optional
        For raw binary only, for example ``"uint16"`` or, with the high byte first, ``">u2"``.
    snake : bool
        Whether every second scan row, from the second on, was scanned backwards; it is turned round.
    flyback : int
        Number of positions at the end of every scan row, recorded while the beam flew back, that are dropped. They
        are not counted in `scan_shape`.
    frame : int, optional
        Which scan, from 0, of a series (frame, scan_y, scan_x, k_y, k_x).
    calibration : Calibration, optional
        Its fields take the place of what the source says.

    Returns
    -------
    Scan
        Lazy; the file stays open as long as the scan lives. What had to be assumed is in its `assumptions`.

    Raises
    ------
    MissingFileError
        If a file or folder does not exist, also a data file that the opened one names.
    InputError
        If the source is damaged, is no scan, could be one of several, or does not agree with the options.

    Notes
    -----
    Only what is stored with compression in a .npz or .prz is read at once, because it cannot be read in parts.

    Examples
    --------
    >>> import numpy as np
    >>> scan = open_scan(np.zeros((6, 8, 8), dtype="uint16"), scan_shape=(2, 3))
    >>> scan.shape
    (2, 3, 8, 8)
    """
    if calibration is not None and not isinstance(calibration, Calibration):
        raise InputError(f"calibration: expected a clustem.Calibration, got {type(calibration).__name__}")
    energy = None if calibration is None else calibration.energy_keV
    options = Options(scan_shape, dataset, detector_shape, dtype, energy, snake, flyback, frame)  # type: ignore[arg-type]
    if isinstance(source, Scan):
        options.refuse("a Scan, which is open already", _ALL_OPTIONS)
        scan = source
    elif isinstance(source, (str, os.PathLike)):
        scan = _open_named(os.fspath(source), options)
    else:
        options.refuse("an array", ("dataset", "detector_shape", "dtype"))
        scan = _guarded("source", lambda: open_object(source, options))
    for sentence in scan.assumptions:
        _log.info("%s: %s", scan.name, sentence)
    return scan.with_calibration(calibration)


def _open_named(source: str | bytes, options: Options) -> Scan:
    """Open a sample by name, or a file or folder by path with or without an address in it."""
    text = os.fsdecode(source)
    if text.startswith(_SAMPLE_PREFIX):
        return _open_sample(text, options)
    path, address = _split_address(text)
    if address is not None:
        if options.dataset is not None and options.dataset.strip("/") != address.strip("/"):
            raise InputError(f"dataset: {options.dataset!r} does not agree with the address in {text!r}; give one")
        options = replace(options, dataset=address)
    _check_path(path)
    return replace(_open_path(path.absolute(), options), opened_with=options.to_dict())


def _split_address(text: str) -> tuple[Path, str | None]:
    """Return the path and the address after ``::``, unless the whole text is the name of a file."""
    before, separator, after = text.rpartition("::")
    if not text.strip() or (separator and not before):
        raise InputError(f"source: expected a path, got {text!r}")
    if not separator or Path(text).exists():
        return Path(text), None
    return Path(before), after


def _check_path(path: Path) -> None:
    """Raise InputError if there is nothing to read at a path."""
    try:
        details = path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingFileError(f"{path}: there is no such file; check the path, seen from {Path.cwd()}") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be reached ({error})") from error
    if not os.access(path, os.R_OK):
        raise InputError(f"{path}: may not be read by this user; change its permissions or copy it")
    if path.is_file() and details.st_size == 0:
        raise InputError(f"{path.name}: is empty (0 bytes); copy or download it again")


def _open_path(path: Path, options: Options) -> Scan:
    """Open an existing file or folder with the format that recognises it."""
    from clustem.formats.registry import find_format, supported_text

    if path.is_dir() and not is_zarr(path):
        raise MissingFileError(
            f"{path.name}: is a folder without a Zarr store; name a file. Supported are {supported_text()}"
        )
    chosen = find_format(path)
    options.refuse(f"{chosen.name} files", tuple(name for name in _SOURCE_OPTIONS if name not in chosen.options))
    return _guarded(path.name, lambda: chosen.open(path, options))


def _guarded(name: str, opening: Callable[[], Scan]) -> Scan:
    """Turn whatever a library raises over damaged data into an InputError; its own message stays with it."""
    try:
        return opening()
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"{name}: cannot be opened ({type(error).__name__}: {reason(error)}); it is damaged, incomplete, or not "
            "what its name says: copy it again, or convert it to HDF5"
        ) from error


def _open_sample(text: str, options: Options) -> Scan:
    """Open a sample that comes with the package."""
    name = text.removeprefix(_SAMPLE_PREFIX)
    if name not in _SAMPLES:
        known = ", ".join(_SAMPLE_PREFIX + sample for sample in _SAMPLES)
        raise InputError(f"{text}: there is no such sample; there are {known}")
    options.refuse(f"the sample {text}", _ALL_OPTIONS)
    with resources.as_file(resources.files("clustem") / "data" / f"{name}.h5") as path:
        if not path.is_file():
            raise MissingFileError(f"{text}: the sample is missing from this installation; install clustem again")
        return replace(_open_path(path, options), name=text, path=None, opened_with={"source": text})
