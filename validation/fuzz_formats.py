"""Opens damaged files for a while: each has to give a right result or an InputError, within time and memory.

    python validation/fuzz_formats.py --minutes 30 FOLDER …

damages files of the folders, and small files of every format that it writes itself: bytes are changed, numbers replaced
by extreme ones, blocks left out, put in twice or overwritten, the end cut off. A child process opens them and reads
the patterns. A finding is a crash, more than 10 s of computing or 2 min of waiting, an exception that is not an
InputError, or memory beyond four times the size of the files and a constant. The damaged files of findings are kept in
a folder.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SECONDS = 10.0  # of computing; others may be using the machine
WAITING = 120.0  # s
MEMORY_FACTOR, MEMORY_CONSTANT = 4, 64 * 2**20
HARD_LIMIT = 4 * 2**30  # bytes of a child process, so that a finding does not harm the machine
LARGEST_FILE = 2**20  # bytes; larger files of the folders are left out
CASES_PER_CHILD = 300
COMPANIONS = (".csv", ".hdr", ".raw", ".txt")  # damaged too, but what they belong to is opened
FITTING = re.compile(r"that fit[^:]*: \((\d+), (\d+)\)")
EXTREME = (b"\0" * 4, b"\xff" * 4, b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\x01\0\0\0", b"\0\0\0\x01", b"\xff" * 8)


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Return a content with one to four damages; those of numbers are mostly near the beginning."""
    data = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        size = len(data)
        if not size:
            break
        place = chance.randrange(min(size, 2048) if chance.random() < 0.6 else size)
        length = chance.choice((1, 4, 16, 64, 512))
        match chance.randrange(7):
            case 0 | 1:
                for _ in range(chance.choice((1, 2, 8, 32))):
                    data[min(size - 1, place + chance.randrange(64))] ^= 1 << chance.randrange(8)
            case 2 | 3:
                number = chance.choice(EXTREME)
                data[place : place + len(number)] = number
            case 4:
                del data[place : place + length]
            case 5:
                data[place:place] = data[place : place + length]
            case _:
                data[place:] = b"" if chance.random() < 0.5 else bytes(len(data) - place)
    return bytes(data[: 2 * len(content)])


def status(name: str) -> int:
    """Return a memory figure of this process in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def with_scan_shape(path: Path) -> Any:
    """Return the scan of a file, with the first scan shape that its refusal proposes, if it does."""
    from clustem import InputError, open_scan

    try:
        return open_scan(path)
    except InputError as error:
        shape = FITTING.search(str(error))
        if shape is None:
            raise
        return open_scan(path, scan_shape=(int(shape[1]), int(shape[2])))


def serve(pipe: Connection) -> None:
    """Open what comes through the pipe, and send back what happened and the additional memory that it took."""
    import logging
    import resource
    import warnings

    import numpy as np

    from clustem import InputError
    from clustem.formats._kernels import first_damaged

    nothing = np.zeros(1, np.int64)
    first_damaged(nothing.view(np.uint8), nothing, nothing, 1, 1)  # the compiler's memory is not that of a file
    logging.disable()
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_DATA, (HARD_LIMIT, HARD_LIMIT))
    while True:
        path, budget = pipe.recv()
        Path("/proc/self/clear_refs").write_text("5")  # forgets the highest memory so far
        before = status("VmRSS")
        try:
            scan = with_scan_shape(path)
            row = max(1, scan.nbytes // scan.shape[0])
            for start in range(min(scan.shape[0], budget // row)):
                scan.read(start, start + 1)
            result = "opened"
            del scan
        except InputError as error:
            result = "refused" if str(error) and len(str(error)) < 10_000 else "message"
        except BaseException as error:
            result = f"{type(error).__name__}: {error}"
        pipe.send((result, status("VmHWM") - before))


class Child:
    """A process that opens files, started again when it has died or has done enough."""

    def __init__(self) -> None:
        self.context = multiprocessing.get_context("spawn")
        self.start()

    def start(self) -> None:
        """Start the process."""
        self.pipe, other = self.context.Pipe()
        self.process = self.context.Process(target=serve, args=(other,), daemon=True)
        self.process.start()
        other.close()
        self.done = 0

    def computed(self) -> float:
        """Return the seconds that the process has computed, 0 if it is no more."""
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.join()
        self.pipe.close()

    def open(self, path: Path, budget: int) -> tuple[str, int]:
        """Return what happened when a file was opened, and the memory it took."""
        if self.done >= CASES_PER_CHILD:
            self.stop()
            self.start()
        limit = SECONDS if self.done else 60.0  # the first one imports everything
        self.done += 1
        before, begun = self.computed(), time.monotonic()
        try:
            self.pipe.send((path, budget))
            while not self.pipe.poll(1.0):
                if self.computed() - before > limit:
                    raise TimeoutError(f"more than {limit:.0f} s of computing")
                if time.monotonic() - begun > WAITING + limit:
                    raise TimeoutError(f"more than {WAITING:.0f} s of waiting")
            result: tuple[str, int] = self.pipe.recv()
        except (EOFError, OSError) as error:
            self.process.join(5)
            what = str(error) if isinstance(error, TimeoutError) else f"crash, exit code {self.process.exitcode}"
            self.stop()
            self.start()
            return what, 0
        return result


def targets(folders: list[Path], small: Path) -> dict[str, list[tuple[Path, Path]]]:
    """Return pairs of a file to damage and the file or folder to open, by the ending of what is opened."""
    sys.path.insert(0, str(ROOT / "tests"))
    binary, hierarchical = (import_module(f"formats.{name}") for name in ("samples", "samples_hdf5"))
    opened = binary.write_binary(small / "binary") + hierarchical.write_hierarchical(small / "hierarchical")
    for folder in folders:
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        opened += [path for path in files if path.suffix not in COMPANIONS]
    pairs: dict[str, list[tuple[Path, Path]]] = {}
    for path in opened:
        for part in parts(path):
            if 0 < part.stat().st_size <= LARGEST_FILE:
                pairs.setdefault(path.suffix, []).append((part, path))
    return pairs


def parts(path: Path) -> list[Path]:
    """Return the files that may be damaged when `path` is opened: itself, and those whose names begin alike."""
    if path.is_dir():
        return [part for part in sorted(path.rglob("*")) if part.is_file()]
    stem = path.name.split("_")[0].split(".")[0]
    others = [p for p in sorted(path.parent.iterdir()) if p.is_file() and p.name.startswith(stem) and p != path]
    if path.suffix == ".xml":
        others += sorted(path.parent.glob("*.raw"))
    return [path] * max(3, len(others)) + others


def lay_out(part: Path, path: Path, content: bytes, folder: Path) -> Path:
    """Put a damaged part, and links to all files around it, into a folder; return what is to be opened there."""
    base = path if path.is_dir() else path.parent
    root = folder / path.name if path.is_dir() else folder
    for source in sorted(base.rglob("*") if path.is_dir() else base.iterdir()):
        if source.is_file():
            target = root / source.relative_to(base)
            target.parent.mkdir(parents=True, exist_ok=True)
            if source == part:
                target.write_bytes(content)
            else:
                target.symlink_to(source)
    return folder / path.name


@dataclass
class Outcome:
    """What happened to the cases, by ending and kind, and the findings by message."""

    keep: Path
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)

    def add(self, number: int, part: Path, path: Path, result: str, folder: Path) -> None:
        """Add one case; a new finding is printed and its files are kept."""
        kind = result if result in ("opened", "refused") else "finding"
        self.counts[path.suffix, kind] += 1
        if kind != "finding":
            return
        message = f"{path.name} ({part.name} damaged): {result}"
        self.found[message] += 1
        if self.found[message] == 1:
            print(f"case {number}: {message}", flush=True)
            shutil.copytree(folder, self.keep / str(number), symlinks=True)

    def table(self) -> str:
        """Return one line per ending, and the number of findings."""
        lines = [f"{self.counts.total()} cases"]
        for suffix in sorted({suffix for suffix, _ in self.counts}):
            row = ", ".join(f"{kind} {self.counts[suffix, kind]}" for kind in ("opened", "refused", "finding"))
            lines.append(f"  {suffix or '(none)':<8} {row}")
        lines.append(f"{self.found.total()} findings, {len(self.found)} different")
        return "\n".join(lines)


def fuzz(folders: list[Path], seconds: float, seed: int, outcome: Outcome) -> None:
    """Damage and open files until the time is over."""
    with tempfile.TemporaryDirectory() as scratch:
        pairs = targets(folders, Path(scratch) / "small")
        child, number, end = Child(), 0, time.monotonic() + seconds
        while time.monotonic() < end:
            chance = random.Random(f"{seed} {number}")
            part, path = chance.choice(pairs[chance.choice(sorted(pairs))])
            folder = Path(scratch) / "case"
            shown = lay_out(part, path, damaged(part.read_bytes(), chance), folder)
            size = sum(p.stat().st_size for p in {part, path} if p.is_file())
            result, memory = child.open(shown, MEMORY_FACTOR * size)
            allowed = MEMORY_FACTOR * size + MEMORY_CONSTANT
            if memory > allowed:
                result = f"memory {memory / 2**20:.0f} MiB, allowed {allowed / 2**20:.0f}"
            outcome.add(number, part, path, result, folder)
            shutil.rmtree(folder)
            number += 1
        child.stop()


def main() -> int:
    """Fuzz; print what happened; return 1 if there are findings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-findings"))
    arguments = parser.parse_args()
    outcome = Outcome(arguments.keep)
    fuzz([folder.absolute() for folder in arguments.folders], 60 * arguments.minutes, arguments.seed, outcome)
    print(outcome.table())
    return 1 if outcome.found else 0


if __name__ == "__main__":
    sys.exit(main())
