"""Large arrays of a computation: in memory, or in a temporary file that is mapped into memory.

The system writes mapped files out when it needs their place, so that they do not have to fit into memory.
"""

from __future__ import annotations

import os
import tempfile
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from clustem.computing import memory_budget
from clustem.errors import OutputError
from clustem.tables import size_text

_SHARE = 0.125  # of the memory budget that an array in memory may take
_AT_ONCE = 2**22  # bytes


def scratch_array(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Return an array of any values: in a temporary file if it would take more than an eighth of the memory budget.

    The file has no name where the system allows that, and goes with the array, or when the program ends in any way.

    Raises
    ------
    OutputError
        If there is no room for it in the folder of temporary files.
    """
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    if size <= _SHARE * memory_budget():
        return np.empty(shape, dtype)
    try:
        with tempfile.TemporaryFile(prefix="clustem-") as file:
            _reserve(file, size)
            return np.memmap(file, dtype, "r+", shape=shape).view(np.ndarray)
    except OSError as error:
        raise OutputError(
            f"temporary files: {size_text(size)} cannot be written to {tempfile.gettempdir()} ({error}); make room "
            "there, or set TMPDIR to a folder that has it; fewer arrays are written with more memory (execution)"
        ) from error


def _reserve(file: IO[bytes], size: int) -> None:
    """Give a file its size on the disk at once: a mapped file that finds the disk full ends the program."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
        return
    for start in range(0, size, _AT_ONCE):
        file.write(bytes(min(_AT_ONCE, size - start)))
    file.flush()
