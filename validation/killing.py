"""Kill runs over a series at random moments, and compare what they end with to an undisturbed run.

    python validation/killing.py FRAME … --times 5 --kills 3 --options "--method published --threshold 0.5"

Every time, the run is started and killed (SIGKILL) when it has kept a random number of finished frames, and up to half
a second later, as many times as asked, and then left to end. Printed is how many results folders are the same byte for
byte, `run.log` left out, and how many files were left behind.
"""

from __future__ import annotations

import argparse
import random
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of all files of a results folder but the log."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "run.log"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def command(frames: list[Path], options: list[str], target: Path) -> list[str]:
    """Return the command line of a run."""
    return [sys.executable, "-m", "clustem", "run", *map(str, frames), *options, "-o", str(target), "--quiet"]


def killed_run(run: list[str], target: Path, most: int, kills: int, chance: random.Random) -> int:
    """Start a run, kill it some times, and let it end; return how often it was killed before its end."""
    killed = 0
    for number in sorted(chance.randint(0, most) for _ in range(kills)):
        with subprocess.Popen(run) as running:
            while running.poll() is None and len(list(kept_by(target).glob("*.npz"))) < number:
                time.sleep(0.01)
            time.sleep(chance.uniform(0, 0.5))
            killed += running.poll() is None
            running.kill()
        if target.exists():
            return killed
    subprocess.run(run, check=True)
    return killed


def kept_by(target: Path) -> Path:
    """Return the folder in which a run keeps finished frames."""
    return target.with_name(f"{target.name}.frames")


def main() -> None:
    """Read the arguments, run, kill, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("frames", type=Path, nargs="+", help="scans of the same area, one after the other")
    parser.add_argument("--times", type=int, default=5, help="how many runs are disturbed")
    parser.add_argument("--kills", type=int, default=3, help="how often each of them is killed")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    parser.add_argument("--options", default="", help="further options of the run, as one text")
    given = parser.parse_args()
    options = shlex.split(given.options)
    chance = random.Random(given.seed)
    frames = [path.absolute() for path in given.frames]
    with tempfile.TemporaryDirectory() as name:
        undisturbed = Path(name) / "whole"
        subprocess.run(command(frames, options, undisturbed), check=True)
        most, whole = len(list(kept_by(undisturbed).iterdir())), contents(undisturbed)
        equal = left = killed = 0
        for number in range(given.times):
            target = Path(name) / f"killed-{number}"
            killed += killed_run(command(frames, options, target), target, most, given.kills, chance)
            equal += contents(target) == whole
            left += sum(path.name.startswith(".") for path in [*kept_by(target).iterdir(), *Path(name).iterdir()])
    print(f"killed {killed} times in {given.times} runs: {equal} of {given.times} the same, {left} files left behind")


if __name__ == "__main__":
    main()
