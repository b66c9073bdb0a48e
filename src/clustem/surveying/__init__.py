"""The first read of a scan: images, beam, bad pixels, masks."""

from clustem.surveying.description import describe_scan
from clustem.surveying.mask_words import (
    check_mask_word,
    chosen_pixels,
    chosen_positions,
    given_image,
    is_mask_word,
    peak_pixels,
)
from clustem.surveying.masks import (
    annular_mask,
    background_mask,
    beam_stop_mask,
    load_image,
    load_mask,
    outside_beam_mask,
    runs_of,
)
from clustem.surveying.noise import NoiseModel
from clustem.surveying.pixels import Mending, fill_pixels, mend_pixels, mending_of
from clustem.surveying.record import Survey
from clustem.surveying.statistics import preview, survey, survey_of

__all__ = [
    "Mending",
    "NoiseModel",
    "Survey",
    "annular_mask",
    "background_mask",
    "beam_stop_mask",
    "check_mask_word",
    "chosen_pixels",
    "chosen_positions",
    "describe_scan",
    "fill_pixels",
    "given_image",
    "is_mask_word",
    "load_image",
    "load_mask",
    "mend_pixels",
    "mending_of",
    "outside_beam_mask",
    "peak_pixels",
    "preview",
    "runs_of",
    "survey",
    "survey_of",
]
