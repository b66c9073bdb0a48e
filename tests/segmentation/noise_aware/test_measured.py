import numpy as np

from clustem.segmentation.noise_aware.measured import Measured
from tests.segmentation.scenes import features_of


def scene():
    """Features in several windows, and labels of a board of 24."""
    generator = np.random.default_rng(0)
    features = features_of(generator.normal(size=(20, 150, 3)))
    y, x = np.indices((20, 150))
    return features, (y // 10) * 12 + x // 13


def test_regions_of_a_window():
    features, labels = scene()
    window = features.windows[1]
    view, regions = Measured(24).regions(1, window, labels)
    here = labels[window.window.around]
    assert regions.numbers.tolist() == np.unique(here).tolist()
    assert np.array_equal(regions.numbers[view.labels], here)
    assert regions.sizes.tolist() == [(here == k).sum() for k in regions.numbers]
    rows, columns = np.nonzero(here == regions.numbers[2])
    assert view.boxes[2].tolist() == [rows.min(), rows.max(), columns.min(), columns.max()]


def test_what_changed_is_measured_again_whenever_it_is_asked():
    """Rounds in which only some windows are asked; at the end all are as if measured at once."""
    features, labels = scene()
    measured = Measured(24)
    for number, window in enumerate(features.windows):
        measured.regions(number, window, labels)
    for asked, merges in (((0,), [(0, 12), (1, 2)]), ((1, 2), [(5, 6), (1, 13)]), ((0, 1, 2), [(0, 1), (7, 19)])):
        table, changed = np.arange(24), np.zeros(24, bool)
        for a, b in merges:
            table[b] = a
            changed[[a, b]] = True
        labels = table[labels]
        measured.change(changed)
        for number in asked:
            _, found = measured.regions(number, features.windows[number], labels)
            _, again = Measured(24).regions(number, features.windows[number], labels)
            for name in ("numbers", "sizes", "energy", "change"):
                assert getattr(found, name).tobytes() == getattr(again, name).tobytes(), name


def test_what_did_not_change_is_not_measured_again():
    features, labels = scene()
    measured = Measured(24)
    _, first = measured.regions(0, features.windows[0], labels)
    features.windows[0].values[:] = 0
    changed = np.zeros(24, bool)
    changed[1] = True
    measured.change(changed)
    _, other = measured.regions(0, features.windows[0], labels)
    assert np.flatnonzero(first.energy != other.energy).tolist() == [1]
