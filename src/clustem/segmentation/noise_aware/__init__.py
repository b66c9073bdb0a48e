"""The noise-aware method: what is one domain, decided along the boundaries of regions."""

from clustem.segmentation.noise_aware.background import Scattering, measure_scattering
from clustem.segmentation.noise_aware.confidence import judge, split_noise
from clustem.segmentation.noise_aware.constants import BACKGROUND, CONFIDENCE, MIXTURES, SEGMENTATION
from clustem.segmentation.noise_aware.mixtures import REACH, mixture_of
from clustem.segmentation.noise_aware.partition import Regions, Settled, divide
from clustem.segmentation.noise_aware.segmenting import domains_of, segment_noise_aware

__all__ = [
    "BACKGROUND",
    "CONFIDENCE",
    "MIXTURES",
    "REACH",
    "SEGMENTATION",
    "Regions",
    "Scattering",
    "Settled",
    "divide",
    "domains_of",
    "judge",
    "measure_scattering",
    "mixture_of",
    "segment_noise_aware",
    "split_noise",
]
