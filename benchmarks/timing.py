"""Wall seconds, private memory, and the machine they were measured on.

python benchmarks/timing.py                      describes this machine
python benchmarks/timing.py clustem run FILE …   prints the peak private memory of a command
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

Work = Callable[[], object]

_SAMPLE_SECONDS = 0.05
_LIBRARIES = ("clustem", "numpy", "numba", "scipy", "h5py", "hdf5plugin", "zarr")


def seconds(work: Work) -> float:
    """Return the wall time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def medians(works: Mapping[str, Work], repeats: int, *, warm_up: bool = True) -> dict[str, float]:
    """Return the median wall time of each of several works, in seconds.

    They take turns, so that whatever else the machine does falls on all of them alike. With `warm_up` each is called
    once before, which compiles its loops and fills the caches.
    """
    if warm_up:
        for work in works.values():
            work()
    rounds = [{name: seconds(work) for name, work in works.items()} for _ in range(repeats)]
    return {name: statistics.median(taken[name] for taken in rounds) for name in works}


def private_bytes(process: int | None = None) -> float:
    """Return the private memory of a process, or of this one, in bytes; NaN where the system does not tell.

    That is RssAnon of Linux: pages that belong to the process alone, without mapped files, which the system may drop.
    """
    try:
        status = Path(f"/proc/{process or 'self'}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return math.nan
    found = re.search(r"^RssAnon:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else math.nan


@dataclass(frozen=True)
class Child:
    """Peak private memory of a finished process in bytes, NaN where that is not known, and its wall time."""

    peak: float
    seconds: float


def run_child(command: list[str]) -> Child:
    """Run a command and sample its private memory every 50 ms.

    Raises
    ------
    SystemExit
        If the command fails; with its messages.
    """
    samples, start = [], time.perf_counter()
    with tempfile.TemporaryFile("w+") as messages:
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=messages) as child:
            while child.poll() is None:
                samples.append(private_bytes(child.pid))
                time.sleep(_SAMPLE_SECONDS)
        taken = time.perf_counter() - start
        messages.seek(0)
        if child.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{messages.read()}")
    return Child(max((size for size in samples if not math.isnan(size)), default=math.nan), taken)


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine() -> list[tuple[str, str]]:
    """Return what the figures depend on: processor, cores, memory, system, versions."""
    return [
        ("processor", _processor()),
        ("cores", str(cores())),
        ("memory", _memory()),
        ("system", f"{platform.system()}, {platform.machine()}"),
        ("Python", platform.python_version()),
        *((name, version(name)) for name in _LIBRARIES),
    ]


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor() or platform.machine()
    model = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    sizes = {index: _cache(index) for index in ("2", "3")}
    caches = ", ".join(f"L{index} {size}" for index, size in sizes.items() if size)
    name = " ".join(model[1].split()) if model else platform.machine()
    return f"{name} ({caches})" if caches else name


def _cache(index: str) -> str:
    try:
        return Path(f"/sys/devices/system/cpu/cpu0/cache/index{index}/size").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _memory() -> str:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return "not known"
    return f"{size / 2**30:.0f} GiB"


def main() -> None:
    """Describe the machine, or run a command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", nargs=argparse.REMAINDER, help="a command whose memory is measured")
    command = parser.parse_args().command
    if command:
        child = run_child(command)
        memory = "memory not known: only Linux tells" if math.isnan(child.peak) else f"{child.peak / 1e9:.3f} GB"
        print(f"{memory}, {child.seconds:.2f} s")
    else:
        print("\n".join(f"{name}: {value}" for name, value in machine()))


if __name__ == "__main__":
    main()
