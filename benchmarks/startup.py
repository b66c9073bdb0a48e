"""How long a user waits before anything happens: whole processes, started anew.

    python benchmarks/startup.py

Bars are for a warm file cache.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from functools import partial

from figures import Figure, Section, number, print_section, runs
from timing import medians

_COMMANDS = {
    "`python -c pass`, for comparison": ["-c", "pass"],
    "`import clustem`": ["-c", "import clustem"],
    "`clustem --help`": ["-m", "clustem", "--help"],
}
_BARS = {"`import clustem`": 0.3, "`clustem --help`": 0.5}


def measure(*, repeats: int = 7) -> Section:
    """Time the processes from their start to their end."""
    works = {
        name: partial(subprocess.run, [sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
        for name, words in _COMMANDS.items()
    }
    taken = medians(works, repeats)
    return Section(
        title="Start",
        text=f"""Whole processes from start to end, with the start of Python itself; {runs(repeats)} after
            one that filled the file cache. `clustem --help` was started as `python -m clustem --help`, which does the
            same.""",
        header=("process", "s"),
        rows=[(name, number(value)) for name, value in taken.items()],
        figures=tuple(Figure(name, taken[name], "s", bar) for name, bar in _BARS.items()),
    )


def main() -> None:
    """Read the arguments and print the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7, help="runs of which the median is taken")
    print_section(measure(repeats=parser.parse_args().repeats))


if __name__ == "__main__":
    main()
