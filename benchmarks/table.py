"""Run all benchmarks and write docs/performance.md.

    python benchmarks/table.py            about 45 minutes on two cores; up to 4 GB of memory, 2 GB of disk
    python benchmarks/table.py --quick    small sizes, to see that everything works

Nothing else should run on the machine meanwhile.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import arriving
import files
import kernels
import large
import orienting
import scaling
import startup
from figures import Section, bars_table, paragraphs, table
from timing import machine

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"

FULL: tuple[Callable[[], Section], ...] = (
    startup.measure,
    kernels.measure,
    scaling.measure,
    arriving.measure,
    orienting.measure,
    files.measure,
    large.measure,
)
QUICK: tuple[Callable[[], Section], ...] = (
    partial(startup.measure, repeats=1),
    partial(kernels.measure, scan=48, detector=96, tree_scan=128, repeats=1),
    partial(scaling.measure, scans=(48, 96), detectors=(64, 96), repeats=1),
    partial(arriving.measure, scan=(96, 48), detector=96, repeats=1),
    partial(orienting.measure, repeats=1),
    partial(files.measure, scan=48, detector=96, repeats=1),
    partial(large.measure, large.QUICK),
)

_TITLE = "# Performance"
_INTRODUCTION = """How fast `clustem` is and how much memory it takes, as `python benchmarks/table.py` measured it. Most
figures are ratios, to the sum of the same array or to plain reading of the same file in the same process, because those
say more about another machine than seconds do. A bar is what the figure should not exceed, or should reach."""
_QUICK = """**Measured with `--quick`, on sizes far too small for these figures to mean anything.** At such sizes most
of the time is spent on starting threads and on what does not depend on the size."""
_AGAIN = """## Measuring again

```bash
python -m pip install . && python benchmarks/table.py
```

writes this page anew; nothing else should run on the machine meanwhile. `--quick` tries everything on small sizes, and
`--output` writes another file. Every script of the folder `benchmarks` also runs alone, with sizes of its own:
`python benchmarks/kernels.py --help`. The scans are synthetic and the same every time; those that are stored are
written to a temporary folder and removed. Private memory is measured on Linux only."""


def measure_all(works: Sequence[Callable[[], Section]]) -> Iterator[Section]:
    """Yield the sections, and say on standard error how long each took."""
    for work in works:
        start = time.perf_counter()
        section = work()
        print(f"{section.title}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
        yield section


def summary(sections: Sequence[Section]) -> str:
    """Return the part of the page with all bars."""
    all_figures = [figure for section in sections for figure in section.figures]
    count = {verdict: sum(figure.holds is verdict for figure in all_figures) for verdict in (True, False, None)}
    verdict = f"{count[True]} of {len(all_figures)} bars hold on this machine."
    verdict += f" Not reached, and marked: {count[False]}." if count[False] else ""
    verdict += f" Not measured here: {count[None]}." if count[None] else ""
    return "\n\n".join(["## The bars", paragraphs(verdict), bars_table(all_figures)])


def page(sections: Sequence[Section], *, quick: bool) -> str:
    """Return the whole page."""
    parts = [
        _TITLE,
        paragraphs(_INTRODUCTION),
        paragraphs(_QUICK) if quick else "",
        summary(sections),
        "## The machine",
        table(("", ""), machine()),
        *(section.markdown() for section in sections),
        _AGAIN,
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def main() -> None:
    """Read the arguments, measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that everything works")
    parser.add_argument("--output", type=Path, default=PAGE, help="the page that is written (docs/performance.md)")
    arguments = parser.parse_args()
    sections = list(measure_all(QUICK if arguments.quick else FULL))
    arguments.output.write_text(page(sections, quick=arguments.quick), encoding="utf-8")
    print(arguments.output)


if __name__ == "__main__":
    main()
