"""The numbers of the features, each with its unit, its reason, and the range within which nothing changes."""

from __future__ import annotations

from dataclasses import dataclass

from clustem.segmentation.constants import constant


@dataclass(frozen=True)
class FeatureConstants:
    """What the features of patterns are computed with."""

    beam_radii: float = constant(
        2.0,
        "radii",
        "of the direct beam that are left out",
        "it is the same everywhere, and so are its tails",
        "2–2.5",
    )
    shadow: float = constant(
        0.1,
        "1",
        "of the upper quartile of a ring, below which a pixel is in the shadow of a beam stop",
        "a stop lets nothing through; between spots there is diffuse scattering",
        "0.08–0.12",
    )
    least_lit: float = constant(
        0.5, "1", "of the pixels that a shadow leaves at least", "a larger shadow is none", "0.3–0.7"
    )
    spot_share: float = constant(
        0.5, "1", "blur over the radius of the direct beam", "disks are as large as the beam", "0.5–0.57"
    )
    feature_share: float = constant(
        0.85,
        "1",
        "blur over the radius at which the autocorrelation of patterns falls to half, without a beam",
        "bands are longer than wide",
        "0.72–0.9",
    )
    least_spot: float = constant(1.0, "binned px", "least blur", "about half of the smallest spot", "0.8–1.1")
    azimuthal: int = constant(
        2,
        "periods",
        "around the centre that smooth scattering may have",
        "the centre may be off, and scattering oval",
        "as it is",
    )
    across: int = constant(
        3, "half waves", "across the detector that smooth scattering may have", "it may have no centre", "3–5"
    )
    dark_floor: float = constant(
        0.02, "1", "of the mean, added to it before it divides", "dark pixels are not blown up", "0.017–0.05"
    )
    most_directions: int = constant(
        120, "1", "directions of a window at most", "a window holds some fifty crystals", "80 and more"
    )
    beyond_chance: float = constant(
        1.0,
        "1",
        "of what noise of the same window makes of a covariance, which a direction exceeds",
        "the largest that noise makes is known by simulation",
        "1–1.1",
    )
    little_signal: float = constant(
        0.1,
        "noise variances",
        "of signal in a position that halve the weight of a direction",
        "single positions are joined first, which noise would decide",
        "0.1–1",
    )
    structured: float = constant(
        1.5,
        "1",
        "of what noise makes, by which the strongest direction shows that there is anything",
        "one direction of many is beyond chance by a little now and then",
        "1.2–2.2",
    )
    most_tiles: int = constant(450, "1", "tiles of a window at most", "memory and time", "375–700")
    shown_pixels: int = constant(
        1500, "1", "pixels from which every second row and column shows a pattern", "time", "any"
    )
    filtered_together: int = constant(64, "1", "tiles that are filtered at once", "they stay in the cache", "any")
    most_shared: float = constant(
        0.3,
        "1",
        "covariance of neighbouring pixels, relative, from which noise does not follow its model",
        "charge sharing makes less, compression more",
        "0.2–0.5",
    )


FEATURES = FeatureConstants()
