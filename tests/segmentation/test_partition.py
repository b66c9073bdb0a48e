import numpy as np
import pytest

from clustem.formats import open_scan
from clustem.segmentation import NoiseAwareParameters, partition
from clustem.segmentation.features import measure_features
from clustem.segmentation.regions import grow_regions
from clustem.surveying import survey

from .scenes import crystal, halves


@pytest.mark.parametrize("refinement", [1, 2])
@pytest.mark.parametrize(("angle", "regions"), [(0, 1), (30, 2)])
def test_parts_of_a_crystal_that_touch_after_a_refinement_are_one(monkeypatch, angle, regions, refinement):
    """A refinement divides a scan into halves; those of two crystals stay two."""
    labels = halves((12, 20))
    expected = 500 * np.array([crystal(0), crystal(angle)])[labels]
    scan = open_scan(np.random.default_rng(0).poisson(expected).astype(np.uint16))
    features, usable, rounds = measure_features(scan, survey(scan)), np.ones(labels.shape, bool), []

    def refined(patterns, found, **options):
        rounds.append(options["rounds"])
        return labels.copy() if len(rounds) == refinement else found

    monkeypatch.setattr(partition, "refine_labels", refined)
    found = partition.divide(features, grow_regions(features, usable), usable, NoiseAwareParameters())
    assert rounds == [3, 1]
    assert len(np.unique(found.labels)) == regions
