"""The numbers of the noise-aware method, each with its unit, its reason, and the range within which nothing changes."""

from __future__ import annotations

from dataclasses import dataclass

from clustem.segmentation.constants import constant


@dataclass(frozen=True)
class SegmentationConstants:
    """What positions are divided into domains with."""

    seed: float = constant(
        12.0, "positions", "in a fragment on average, at least", "enough electrons to compare", "8–20"
    )
    largest: float = constant(
        40.0,
        "positions",
        "in a fragment that grows before that",
        "faint positions would become one large fragment by chance",
        "40–60",
    )
    evidence: float = constant(
        2.0, "× the noise", "up to which any two fragments are one", "a difference that chance makes", "1–3"
    )
    least: float = constant(
        4.0, "positions", "of a strip, and of a fragment", "fewer have no mean to speak of", "3.4–5"
    )
    contact: int = constant(3, "pairs", "of neighbours in which regions touch", "fewer meet at a corner", "2–4")
    precise: float = constant(
        0.06,
        "1",
        "standard error of a relative difference that makes a strip wide enough",
        "small against what different crystals differ by",
        "0.05–0.08",
    )
    below: float = constant(
        1.5,
        "standard errors",
        "by which similarities are taken to be lower when pairs are put in order",
        "a faint pair is not the most alike by chance",
        "1–2",
    )
    larger: float = constant(
        16.0,
        "1",
        "times as large as others is a region that takes all of them in one round",
        "a crystal as large as the scan would take one at a time",
        "8–32",
    )
    negligible: float = constant(
        0.01,
        "1",
        "difference of two means, of their energy, that is none",
        "flat grains differ by less inside, twins that share a row of reflections by 0.024 and more",
        "0.005–0.01",
    )
    steeper: float = constant(
        15.0,
        "1",
        "times what surely changes over two positions inside, which a step exceeds",
        "strips are three to four positions apart, and changes grow as the square",
        "10–18",
    )
    same_distance: float = constant(
        5.0,
        "1",
        "times what changes inside over the same distance, which a step exceeds",
        "bent crystals and fringes change by up to four times as much from one strip to the next, boundaries by six",
        "4–6",
    )
    errors: float = constant(3.0, "standard errors", "by which a step is sure", "usual", "2–3")
    chance: float = constant(3.0, "standard errors", "within which two means do not differ", "usual", "2.5–4")
    thin: float = constant(
        1.5,
        "1",
        "times `similarity` that a region too thin for strips needs",
        "half of a mixture is in common with each of its parts",
        "1.2–1.8",
    )
    doubt: float = constant(
        2.0, "standard errors", "taken off what crystals have in common", "faint ones are not alike by chance", "1–3"
    )
    same: float = constant(
        0.95, "1", "similarity from which it is not asked what crystals have in common", "time", "0.93–0.97"
    )
    clear: float = constant(
        0.02,
        "1",
        "noise over energy below which it takes nothing off what crystals have in common",
        "time",
        "0.01–0.05",
    )
    evened: float = constant(
        0.6, "1", "power of what stands out of a pattern", "few strong reflections do not decide alone", "0.5–0.7"
    )
    centre: float = constant(
        2.0, "1", "sizes of a spot: vectors up to that are a spot's own", "a spot is like any other", "1.5–3"
    )
    vectors: float = constant(
        0.75, "1", "of the pattern, up to which vectors are compared", "longer ones lie between few pixels", "0.6–1"
    )
    pairs: float = constant(
        6.0, "pairs", "that tell how a region changes, and positions of a shell", "fewer are chance", "4–6"
    )
    typical: float = constant(
        0.75,
        "1",
        "of the signal in regions that change less than what is taken where it is not known",
        "a thin region beside others changes as they do",
        "0.75–0.9",
    )
    most_typical: float = constant(0.25, "1", "of the energy, at most", "more is no gradient", "0.1–1")
    fades: float = constant(
        50.0,
        "1",
        "times the energy of a region, from which the other has none of its crystal",
        "fringes of one crystal differ by ten, the tails of the probe by a thousand",
        "35–200",
    )
    bright: int = constant(10, "regions", "the brightest of a window whose tails are taken off", "time", "5–20")
    tails: float = constant(
        3e-4, "1", "of the energy of the brightest region: less is nothing", "tails of the probe", "1e-4–1e-3"
    )


SEGMENTATION = SegmentationConstants()


@dataclass(frozen=True)
class MixtureConstants:
    """What patterns near boundaries are explained with."""

    regions: int = constant(6, "regions", "that a pattern may be a mixture of", "more do not meet", "4–8")
    reach: int = constant(
        2, "positions", "from which they come", "the probe and inclined boundaries span that much", "as it is"
    )
    radius: int = constant(6, "positions", "within which their means are taken", "a gradient is followed", "6–8")
    least: int = constant(4, "positions", "of a core whose mean is taken", "fewer are noise", "as it is")
    attraction: float = constant(
        1.0, "half χ²", "that each neighbour with the same label counts", "boundaries are smooth", "0.5–2"
    )
    sweeps: int = constant(4, "1", "of labels at most", "nothing changes after three", "3 and more")
    explained: float = constant(
        0.25,
        "1",
        "of the energy of a thin region, by which it is a mixture of two",
        "a true thin grain is not",
        "0.2–0.4",
    )
    alike: float = constant(
        0.8,
        "1",
        "of that energy, by which it is one of its neighbours",
        "twins explain as much of each other as 0.75",
        "0.7–0.9",
    )
    second: float = constant(0.15, "1", "least share of the second region of a mixture", "less is noise", "0.1–0.2")
    thin: float = constant(0.1, "1", "of that share, beside the background", "a crystal is thin there", "0.05–0.2")
    doubt: float = constant(
        1.0, "standard errors", "by which the background may have more than one share", "usual", "1–3"
    )
    unexplained: float = constant(
        0.7,
        "1",
        "of the energy of a pattern that no mixture explains, if it is flagged",
        "less is a boundary",
        "0.5–0.8",
    )


MIXTURES = MixtureConstants()


@dataclass(frozen=True)
class BackgroundConstants:
    """What the region without crystals is recognised by."""

    round: float = constant(
        0.35, "1", "of the median anisotropy of the others", "vacuum and liquid are round", "0.25–0.5"
    )
    flat: float = constant(0.45, "1", "anisotropy that it never exceeds", "a crystal has 0.8 and more", "0.3–0.6")
    faint: float = constant(
        0.6, "1", "of the median scattering of the others", "it scatters less than any crystal", "0.4–0.7"
    )
    weak: float = constant(
        0.15,
        "1",
        "of what others scatter and of the amplitude of their reflections, below which there is nothing",
        "tails of the probe",
        "0.13–0.17",
    )
    empty: float = constant(
        0.05, "1", "that amplitude in any case", "under strong scattering it is not fainter", "0.02–0.08"
    )
    most_favour: float = constant(
        10.0,
        "1",
        "times that a crystal's share counts against the background's, at most",
        "a third of the thickness scatters a ninth; the tails of the probe hold a few per cent",
        "8–12",
    )
    shown: float = constant(
        6.0, "1", "times that it counts where its reflections show so much", "under strong scattering", "4–10"
    )
    noise: float = constant(
        1.5, "standard errors", "of its share in a position that it counts at least for one", "less is noise", "1.5–2"
    )
    least: int = constant(6, "positions", "of a region that is looked at", "fewer have no mean to speak of", "4–10")
    least_core: int = constant(4, "positions", "of a core", "fewer are noise", "3–6")


BACKGROUND = BackgroundConstants()


@dataclass(frozen=True)
class ConfidenceConstants:
    """What a domain counts as found again by."""

    returns: float = constant(0.3, "1", "overlap from which a region is found again", "less is chance", "0.2–0.5")
    sure: float = constant(0.7, "1", "confidence from which a domain is sure", "said in words only", "any")
    many: float = constant(
        0.25, "1", "of the domains, if more are not: the dose is the limit", "said in words only", "any"
    )
    coarse: float = constant(
        0.4, "1", "of the positions at boundaries, if more are: the step is the limit", "said in words only", "any"
    )
    few: int = constant(48, "positions", "of a scan below which nothing is found", "said in words only", "any")


CONFIDENCE = ConfidenceConstants()
