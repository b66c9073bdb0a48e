"""average: patterns that are moved to a common centre, and pixels that are filled."""

import numpy as np
import pytest

from clustem.averaging import average
from clustem.scan import Scan
from clustem.surveying import survey

from .scenes import DETECTOR, LABELS, counts_of, ramp


def test_moving_keeps_every_count():
    counts = counts_of(path=ramp())
    found = average(counts, LABELS)
    assert found.margin_px == 2 or found.margin_px == 3
    np.testing.assert_allclose(found.patterns.sum((1, 2), dtype=float) * found.positions, found.electrons, rtol=1e-6)
    np.testing.assert_allclose(found.electrons, [counts[k == LABELS].sum() for k in (1, 2, 3, 4)], rtol=1e-12)


def test_moving_brings_the_patterns_together():
    """Spots of a moving beam are where a steady one has them, within the smoothed descan's error."""
    labels = np.ones((10, 12), np.int32)
    counts = counts_of(labels, path=ramp())
    found = survey(counts)
    moved, left = (average(counts, labels, survey=found, centre=centre) for centre in (True, False))

    def place(pattern):
        """Centre of mass and spread of the spot of label 1, about the beam."""
        y, x = np.indices(DETECTOR)
        spot = np.array([10 * np.sin(1.5), 10 * np.cos(1.5)]) + moved.centre_px
        weight = np.clip(pattern - 0.3, 0, None) * (np.hypot(y - spot[0], x - spot[1]) < 6)
        centre = np.array([(weight * y).sum(), (weight * x).sum()]) / weight.sum()
        spread = (weight * ((y - centre[0]) ** 2 + (x - centre[1]) ** 2)).sum() / weight.sum()
        return centre - spot, spread

    error, spread = place(moved.patterns[0])
    assert np.abs(error).max() < 0.15
    steady = average(counts_of(labels), labels)
    assert spread < place(steady.patterns[0])[1] * 1.2
    assert place(left.patterns[0])[1] > spread * 1.3
    np.testing.assert_allclose(moved.centre_px, (17, 18), atol=0.15)
    assert left.margin_px == 0
    assert np.array_equal(left.patterns[0], counts.mean((0, 1)).astype(np.float32))


def test_bad_pixels_are_filled_also_where_patterns_move():
    for path in (None, ramp()):
        clean = counts_of(path=path)
        counts = clean.copy()
        counts[..., 5, 30] += 500
        found = survey(counts)
        assert np.argwhere(found.hot_pixels).tolist() == [[5, 30]]
        filled, expected = average(counts, LABELS, survey=found), average(clean, LABELS, survey=survey(clean))
        assert filled.patterns[:, 5, 30].max() < 1
        assert np.abs(filled.patterns[:3] - expected.patterns[:3])[:, 2:9, 27:34].max() < 0.5
        np.testing.assert_allclose(filled.electrons, expected.electrons, rtol=1e-3)
        assert np.isfinite(filled.variance[:3]).all()
        assert filled.examples[0].max() >= 500, "examples are raw"


def test_a_pixel_masked_by_the_file_is_filled():
    counts = counts_of()
    mask = np.ones(DETECTOR, bool)
    mask[17, 18] = False
    found = average(Scan(counts.shape, counts.dtype, lambda a, b: counts[a:b], detector_mask=mask), LABELS)
    near = [found.patterns[:, y, x] for y in range(15, 20) for x in range(16, 21) if (y, x) != (17, 18)]
    np.testing.assert_allclose(found.patterns[:, 17, 18], np.median(near, axis=0), rtol=1e-6)
    assert found.electrons[0] == counts[LABELS == 1][:, mask].sum()


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_types_of_the_same_values_agree(dtype):
    path = np.stack(np.broadcast_arrays(17 + 0.3 * np.arange(10)[:, None], 18 - 0.2 * np.arange(12)), -1)
    counts = np.minimum(counts_of(path=path), 127)
    expected, found = average(counts, LABELS), average(counts.astype(dtype), LABELS)
    assert expected.margin_px > 0
    for name in ("patterns", "variance", "electrons", "snr_domain"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-6)
