"""Averages and labels as signals of HyperSpy, by the writer of RosettaSciIO."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from clustem.averaging import label_signal, signal_of_averages
from clustem.results.record import Results


def write_hspy(results: Results, folder: Path) -> None:
    """Write `averages.hspy` (label | ky, kx) in 1/Å, unless there is no domain, and `labels.hspy` (y, x) in nm."""
    if len(results.averages.patterns):
        _write(signal_of_averages(results.averages), folder / "averages.hspy")
    domains = results.domains
    _write(label_signal(domains.labels, domains.calibration), folder / "labels.hspy")


class _Memory(io.BytesIO):
    """A file in memory, with a name, because the writer asks for one.

    The HDF5 library does not survive a disk that is full, so only whole files are put there.
    """

    def __fspath__(self) -> str:
        return "signal.hspy"


def _write(parts: dict[str, Any], path: Path) -> None:
    """Write one signal; it names no package, because HyperSpy would then ask for it."""
    from rsciio.hspy import file_writer

    extra: dict[str, Any] = {
        "package_info": {"package": "", "package_version": ""},
        "attributes": {"_lazy": False, "ragged": False},
        "learning_results": {},
        "models": {},
        "tmp_parameters": {},
    }
    memory = _Memory()
    file_writer(memory, {**parts, **extra})
    path.write_bytes(memory.getvalue())
