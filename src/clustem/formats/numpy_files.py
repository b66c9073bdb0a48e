"""NumPy's own files: .npy and .npz, memory-mapped; compressed .npz are loaded."""

from __future__ import annotations

import math
import os
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustem.calibration import Calibration
from clustem.errors import InputError
from clustem.formats.assembly import array_scan
from clustem.formats.axes import from_named_values
from clustem.formats.choosing import Candidate, choose, listing
from clustem.formats.contract import Format, Options, first_bytes, has_ending, reason
from clustem.scan import Scan
from clustem.tables import size_text

_MAGIC = b"\x93NUMPY"


def open_npy(path: Path, options: Options) -> Scan:
    """Open a .npy file, memory-mapped.

    Raises
    ------
    InputError
        If it is no .npy file, is incomplete, or holds objects.
    """
    if first_bytes(path, len(_MAGIC)) != _MAGIC:
        raise InputError(f"{path.name}: is not a .npy file although its name ends so; save it with numpy.save")
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, SyntaxError) as error:
        raise InputError(
            f"{path.name}: cannot be read as .npy ({reason(error)}); expected a complete file with an array of numbers"
        ) from error
    return array_scan(array, options, name=path.name, path=path, assume_square=True)


def open_npz(path: Path, options: Options) -> Scan:
    """Open a .npz file: its only 4-D array, or the one named by `dataset`.

    It is memory-mapped if the archive is not compressed, else loaded. Single values named as the fields of
    :class:`clustem.Calibration` are the calibration.

    Raises
    ------
    InputError
        If it is damaged, holds no scan or several, or does not fit into memory.
    """
    try:
        members = read_members(path)
        chosen = _choose_member(members, path, options)
        array = map_member(path, chosen.address)
        if array is None:
            array = load_member(path, chosen)
        known = [c for c in members if c.address in Calibration.__dataclass_fields__]
        named = {member.address: load_member(path, member) for member in known}
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"{path.name}: cannot be read as .npz ({reason(error)}); the file is damaged or incomplete: copy it again"
        ) from error
    calibration, notes = from_named_values(named)
    return array_scan(
        array,
        options,
        name=path.name,
        path=path,
        dataset=chosen.address,
        assume_square=True,
        calibration=calibration,
        assumptions=notes,
    )


def read_members(path: Path) -> list[Candidate]:
    """Return the arrays of a NumPy archive from their headers alone."""
    members = []
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if not info.filename.endswith(".npy"):
                continue
            with archive.open(info) as file:
                shape, _, dtype = _header(file)
            members.append(Candidate(info.filename[:-4], shape, dtype.kind, str(dtype)))
    return members


def map_member(path: Path, name: str) -> NDArray[Any] | None:
    """Return an array of a NumPy archive, memory-mapped; None if it is compressed or holds objects."""
    with zipfile.ZipFile(path) as archive, path.open("rb") as file:
        info = archive.getinfo(f"{name}.npy")
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            return None
        file.seek(info.header_offset + 26)
        name_bytes, extra_bytes = struct.unpack("<HH", file.read(4))
        start = info.header_offset + 30 + name_bytes + extra_bytes
        file.seek(start)
        shape, fortran, dtype = _header(file)
        offset = file.tell()
    if dtype.hasobject or 0 in shape:
        return None
    if offset - start + math.prod(shape) * dtype.itemsize != info.file_size:
        raise InputError(
            f"{path.name}: {name} has {info.file_size} bytes, which does not fit its shape {shape}: copy it again"
        )
    return np.memmap(path, dtype, "r", offset, shape, "F" if fortran else "C")


def load_member(path: Path, member: Candidate) -> NDArray[Any]:
    """Return an array of a NumPy archive, in memory.

    Raises
    ------
    InputError
        If it does not fit into the free memory.
    """
    _check_memory(member, path)
    with np.load(path, allow_pickle=False) as file:
        array: NDArray[Any] = file[member.address]
    return array


def _header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, whether columns come first, and type."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    else:
        shape, fortran, dtype = np.lib.format.read_array_header_2_0(file)
    return shape, fortran, dtype


def _choose_member(members: list[Candidate], path: Path, options: Options) -> Candidate:
    if options.dataset is None:
        return choose(members, name=path.name, scan_shape=options.scan_shape)
    wanted = options.dataset.strip("/")
    for member in members:
        if member.address == wanted:
            return member
    raise InputError(f"{path.name}: has no array {wanted!r}; there are\n{listing(members)}")


def _check_memory(chosen: Candidate, path: Path) -> None:
    need = int(np.prod(chosen.shape, dtype=object)) * np.dtype(chosen.type_name).itemsize if chosen.shape else 0
    available = available_memory()
    if available is not None and need > 0.8 * available:
        raise InputError(
            f"{path.name}: {chosen.address} needs {size_text(need)} of memory, {size_text(available)} are free; "
            "a .npz cannot be read in parts: save the array as .npy, HDF5 or Zarr"
        )


def available_memory() -> int | None:
    """Return the free memory in bytes, or None where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


NPY = Format(
    "NumPy array",
    (".npy",),
    lambda path: path.is_file() and (has_ending(path, (".npy",)) or first_bytes(path, len(_MAGIC)) == _MAGIC),
    open_npy,
    holds_series=True,
)
NPZ = Format(
    "NumPy archive",
    (".npz",),
    lambda path: path.is_file() and has_ending(path, (".npz",)),
    open_npz,
    ("scan_shape", "dataset"),
    loads_compressed=True,
    calibration="entries named as the fields of Calibration",
)
