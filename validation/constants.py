"""How much the default segmentation changes when one of its constants does: the ranges that the constants state.

    python validation/constants.py                          all constants, in five to eight minutes on one core
    python validation/constants.py --only evidence MIXTURES.least

Each constant with a range in `holds` ("a–b", or "a and more") is set to each end that is not its value, all others
as they are, and the small scans of `SCENES`, made by `simulated.py`, are segmented. Printed, as Markdown: by how much
the adjusted Rand index changes against the default, inside domains and over all positions, in the mean of the scans and
in the one where it changes most. An end holds if means change by at most 0.005 and single scans by at most 0.03.
"""

from __future__ import annotations

import argparse
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from statistics import fmean
from typing import Any, NamedTuple

from scores import Truth, score
from simulated import make

import clustem
from clustem.segmentation import NoiseAwareParameters
from clustem.segmentation.features import Features, measure_features
from clustem.segmentation.features.chance import forget_chance
from clustem.segmentation.features.constants import FEATURES
from clustem.segmentation.noise_aware import domains_of
from clustem.segmentation.noise_aware.constants import BACKGROUND, CONFIDENCE, MIXTURES, SEGMENTATION
from clustem.segmentation.noise_aware.partition import STEPS

RECORDS: dict[str, Any] = {
    "FEATURES": FEATURES,
    "SEGMENTATION": SEGMENTATION,
    "MIXTURES": MIXTURES,
    "BACKGROUND": BACKGROUND,
    "CONFIDENCE": CONFIDENCE,
}
MEAN, SINGLE = 0.005, 0.03
"""Largest changes of an adjusted Rand index, of the mean over the scans and of a single one, that are none."""
PIXELS = 64


class Asked(NamedTuple):
    """A scan to be made: electrons per pattern, background as in `simulated.py`, and positions along each edge."""

    kind: str
    dose: float
    background: float
    edge: int

    @property
    def name(self) -> str:
        """What it is called in the table."""
        return f"{self.kind} {self.dose:g}/{self.background:g}"


SCENES = (
    Asked("film", 300, 0, 24),
    Asked("film", 2000, 20, 32),
    Asked("weak", 2000, 0, 32),
    Asked("bent", 8000, 5, 36),
    Asked("twins", 2000, 0, 36),
    Asked("twins", 2000, 5, 36),
    Asked("thick", 2000, 0, 36),
    Asked("liquid", 2000, 0, 36),
    Asked("liquid", 2000, 5, 36),
    Asked("many", 5000, 5, 36),
    Asked("stop", 10000, 0, 36),
    Asked("eight_bit", 2000, 0, 24),  # noise that does not follow its model
    Asked("kikuchi", 200000, 0, 24),  # no direct beam
    Asked("noise", 2000, 0, 24),  # nothing there
)
"""None is at the limit of the dose, where 3 % of the electrons less change the result as much as a constant does."""


class Scan:
    """A scan that is segmented again and again: what does not depend on the constants is kept."""

    def __init__(self, asked: Asked) -> None:
        shape = (asked.edge, asked.edge, PIXELS, PIXELS)
        made = make(asked.kind, dose=asked.dose, background=asked.background, shape=shape)
        self.name, self.truth = asked.name, Truth.from_labels(made.labels)
        self.scan = clustem.open_scan(made.counts)
        self.survey = clustem.survey(self.scan)
        self.usable = ~self.survey.dead_positions
        self.features = self.measured()
        self.default = self.scored(self.features)

    def measured(self) -> Features:
        """Return the features with the constants as they are now."""
        return measure_features(self.scan, self.survey)

    def scored(self, features: Features) -> tuple[float, float]:
        """Return the adjusted Rand index inside domains and over all positions with the constants as they are now."""
        found = domains_of(features, self.usable, self.survey, NoiseAwareParameters())
        inside, everywhere, _ = score(found.labels, self.truth)
        return inside, everywhere

    def change(self, *, anew: bool) -> tuple[float, float]:
        """Return how much better it is than with the default constants, with features made anew or not."""
        now = self.scored(self.measured() if anew else self.features)
        return now[0] - self.default[0], now[1] - self.default[1]


@contextmanager
def changed(record: Any, name: str, value: float) -> Iterator[None]:
    """Let a constant have another value inside of a with statement."""
    before = getattr(record, name)
    partly = [getattr(step, "keywords", {}) for _, step in STEPS]
    bound = [keywords for keywords in partly if keywords.get(name) == before]

    def put(new: float) -> None:
        object.__setattr__(record, name, new)
        for keywords in bound:  # taken from the record when the steps were put together
            keywords[name] = new
        forget_chance()

    put(type(before)(value))
    try:
        yield
    finally:
        put(before)


class Change(NamedTuple):
    """Changes of one score: in the mean, and the largest, with the scan where that is."""

    mean: float
    worst: float
    scene: str

    @property
    def none(self) -> bool:
        """Whether it is as good as none."""
        return abs(self.mean) <= MEAN and abs(self.worst) <= SINGLE

    def __str__(self) -> str:
        """The cells of a line of the table."""
        return f"{self.mean:+.4f} | {self.worst:+.3f} | {self.scene if self.worst else '—'}"


def measure(scans: list[Scan], record: Any, name: str, value: float) -> tuple[Change, Change]:
    """Return how the scores change, inside domains and over all positions, if a constant has another value."""
    with changed(record, name, value):
        changes = [scan.change(anew=record is FEATURES) for scan in scans]
    inside, everywhere = (_summary(scans, values) for values in zip(*changes, strict=True))
    return inside, everywhere


def _summary(scans: list[Scan], values: tuple[float, ...]) -> Change:
    worst = max(range(len(scans)), key=lambda k: abs(values[k]))
    return Change(fmean(values), values[worst], scans[worst].name)


def ends(holds: str) -> list[float]:
    """Return the ends of a range, one or two; none if it is not a range."""
    found = re.fullmatch(r"([\d.e-]+)(?:–([\d.e-]+)| and more)", holds)
    return [float(end) for end in found.groups() if end] if found else []


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="constants, as `least` or `MIXTURES.least`")
    only = parser.parse_args().only
    os.environ |= {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    warnings.simplefilter("ignore")
    with clustem.execution(threads=1):
        scans = [Scan(asked) for asked in SCENES]
        print("| constant | value | end | inside, mean | worst | scan | everywhere, mean | worst | scan | holds |")
        print("| --- " * 10 + "|")
        for group, record in RECORDS.items():
            for item in fields(record):
                if only and not {item.name, f"{group}.{item.name}"} & set(only):
                    continue
                value = getattr(record, item.name)
                for end in (end for end in ends(item.metadata["holds"]) if end != value):
                    inside, everywhere = measure(scans, record, item.name, end)
                    told = "yes" if inside.none and everywhere.none else "**no**"
                    print(
                        f"| `{group}.{item.name}` | {value:g} | {end:g} | {inside} | {everywhere} | {told} |",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
