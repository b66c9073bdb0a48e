"""Orientations: patterns per second and core that are matched with all orientations of a crystal, and refined.

    python benchmarks/orienting.py --repeats 5

The patterns are the averages of the domains of the bundled sample; gold, on a grid of 1°, beams that scatter into each
other.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
from figures import Figure, Section, number, print_section
from numpy.typing import NDArray

import clustem
from clustem.crystallography.candidates import STARTS, Library, find_candidates
from clustem.crystallography.matching import match_pattern
from clustem.crystallography.pattern import Pattern
from clustem.crystallography.refining import Beam
from clustem.solving import small_products

MATCHED, REFINED = 300.0, 30.0
"""Patterns per second and core, at least."""
_LENGTH = 1.6  # 1/Å, of the peaks that are matched


def _seconds(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


@small_products()
def measure(*, repeats: int = 5) -> Section:
    """Time the parts of `match_orientations` on one core."""
    scan = clustem.open_scan("clustem:film_au")
    peaks = clustem.find_peaks(clustem.average(scan, clustem.segment(scan)))
    gold, energy = clustem.read_crystal("clustem:Au"), peaks.calibration.energy_keV
    wavelength = peaks.calibration.wavelength_angstrom
    assert energy is not None
    assert wavelength is not None
    beam = Beam(wavelength)
    patterns = [Pattern.of(peaks, label) for label in range(1, peaks.number + 1)]
    near: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    for pattern in patterns:
        short = np.hypot(*pattern.g.T) < _LENGTH
        near.append((pattern.g[short], pattern.intensity[short]))
    reach = max(pattern.reach for pattern in patterns)

    def prepare() -> Library:
        return Library.of(gold, beam=beam, energy_keV=energy, reach=reach, step_deg=1.0, dynamical=True)

    library = prepare()

    def match() -> None:
        for g, intensity in near:
            match_pattern(g, intensity, library.templates, most=STARTS)

    def find() -> None:
        for pattern in patterns:
            find_candidates(pattern, [library], beam=beam)

    for work in (match, find):
        work()  # compiles
    runs = [(_seconds(prepare), _seconds(match), _seconds(find)) for _ in range(repeats)]
    once, matched, whole = (statistics.median(taken) for taken in zip(*runs, strict=True))
    matched, refined = matched / len(patterns), (whole - matched) / len(patterns)
    return Section(
        title="Orientations",
        text=f"""The averages of the {len(patterns)} domains of the bundled sample, gold, orientations 1° apart. Matched
            is the correlation with all of them and their mirror images; refined is everything else that
            `match_orientations` does with a pattern: eight starts and three turned ones are fitted with kinematic
            intensities, the best and what is turned by 180° with dynamical ones, and ranked. Processor time of one
            core, medians of {repeats} runs after one that compiles.""",
        header=(
            "once for a crystal, s",
            "matched, ms per pattern",
            "per second",
            "refined, ms per pattern",
            "per second",
        ),
        rows=[(number(once), number(1e3 * matched), number(1 / matched), number(1e3 * refined), number(1 / refined))],
        figures=(
            Figure("orientations matched, ms per pattern and core", 1e3 * matched, "ms", 1e3 / MATCHED),
            Figure("orientations refined, ms per pattern and core", 1e3 * refined, "ms", 1e3 / REFINED),
        ),
    )


def main() -> None:
    """Read the arguments and print the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="runs of which the median is taken")
    print_section(measure(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
