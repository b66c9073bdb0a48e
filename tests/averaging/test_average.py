from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustem.averaging import Averages, average, averaging
from clustem.averaging.averaging import example_positions
from clustem.calibration import Calibration
from clustem.computing import execution
from clustem.errors import InputError
from clustem.formats import open_scan
from clustem.segmentation import segment
from clustem.surveying import survey

from .scenes import LABELS, counts_of, ramp


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.uint32, np.float32])
def test_means_and_variances_are_those_of_numpy(dtype):
    counts = counts_of().astype(dtype)
    found = average(counts, LABELS)
    assert found.patterns.dtype == found.variance.dtype == np.float32
    for k in range(4):
        members = counts[k + 1 == LABELS].astype(float)
        assert np.array_equal(found.patterns[k], members.mean(0).astype(np.float32))
        if len(members) > 1:
            np.testing.assert_allclose(found.variance[k], members.var(0, ddof=1), rtol=1e-5, atol=1e-6)
        else:
            assert np.isnan(found.variance[k]).all()
        assert found.electrons[k] == members.sum()
    assert found.positions.tolist() == [30, 50, 12, 1]
    assert found.margin_px == 0
    assert found.bytes_in == counts.nbytes
    assert found.bytes_out == 4 * 36 * 38 * 4 + 10 * 12 * 4
    assert found.data_reduction == found.bytes_in / found.bytes_out
    assert found.warnings == ()


def test_real_numbers_on_a_high_floor_keep_their_variance():
    """float32 must not be squared in float32."""
    counts = counts_of()
    found = average((counts + 10_000).astype(np.float32), LABELS)
    for k in range(3):
        np.testing.assert_allclose(found.variance[k], counts[k + 1 == LABELS].var(0, ddof=1), rtol=1e-5, atol=1e-5)


def test_domains_labels_and_scans_are_taken_alike():
    counts = counts_of()
    domains = segment(counts, method="labels", labels=LABELS)
    scan = open_scan(counts, calibration=Calibration(scan_step_nm=2))
    first, other = average(counts, LABELS.astype(np.uint8)), average(scan, domains, survey=survey(scan))
    assert np.array_equal(first.patterns, other.patterns)
    assert np.array_equal(first.snr_domain, other.snr_domain)
    assert other.calibration == Calibration(scan_step_nm=2)


def test_several_reads_give_the_same(monkeypatch):
    counts = counts_of(path=ramp())
    for moved in (True, False):
        whole = average(counts, LABELS, centre=moved)
        stages = []
        with execution(observer=lambda stage, done, *_: stages.append((stage, done))):  # noqa: B023
            monkeypatch.setattr(averaging, "_SUMS_BYTES", 16 * 36 * 38 * 3)
            parts = average(counts, LABELS, centre=moved)
        monkeypatch.undo()
        assert stages.count(("averages", 0)) == 2
        for name in ("patterns", "variance", "electrons", "snr_single", "snr_domain", "examples", "example_positions"):
            assert np.array_equal(getattr(whole, name), getattr(parts, name), equal_nan=True), name
        assert whole.warnings == parts.warnings


@pytest.mark.parametrize("moved", [True, False])
def test_the_same_for_any_block_size_and_number_of_threads(moved):
    counts = counts_of(path=ramp())
    results = []
    for memory, threads in [(2**20, 1), (2**20, 2), (2**29, 2)]:
        with execution(memory=memory, threads=threads):
            found = average(counts, LABELS, centre=moved)
        results.append([getattr(found, name).tobytes() for name in ("patterns", "variance", "electrons", "snr_domain")])
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize(("dtype", "moved"), [(np.uint16, True), (np.uint16, False), (np.float32, False)])
def test_the_same_where_rows_are_read_in_parts(dtype, moved):
    counts, labels = np.tile(counts_of(path=ramp()), (1, 20, 1, 1)).astype(dtype), np.tile(LABELS, (1, 20))
    found = survey(counts)
    expected = average(counts, labels, survey=found, centre=moved)
    with execution(memory=2**20, threads=2):
        again = average(counts, labels, survey=found, centre=moved)
    for name in ("patterns", "variance", "electrons", "snr_domain", "examples"):
        assert getattr(again, name).tobytes() == getattr(expected, name).tobytes(), name


def test_examples_are_single_patterns_from_deep_inside():
    counts = counts_of()
    found = average(counts, LABELS)
    assert found.examples.dtype == np.uint16
    for k, (y, x) in enumerate(found.example_positions):
        assert LABELS[y, x] == k + 1
        assert np.array_equal(found.examples[k], counts[y, x])
    assert found.example_positions[3].tolist() == [9, 5]
    inner = np.array(
        [[LABELS[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2].min() for x in range(12)] for y in range(10)]
    )
    for k in (1, 2):
        y, x = found.example_positions[k - 1]
        assert inner[y, x] == k


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.integers(1, 8), st.integers(1, 4))
def test_example_positions_are_farthest_from_other_labels(seed, height, width, number):
    """By brute force: the distance to the nearest position of another label, or of the domain's own boundary."""
    labels = np.random.default_rng(seed).integers(0, number + 1, (height, width)).astype(np.int32)
    labels = np.unique(np.append(labels, 0), return_inverse=True)[1][:-1].reshape(height, width).astype(np.int32)
    places = example_positions(labels)
    assert places.shape == (labels.max(), 2)
    padded = np.pad(labels, 1, mode="edge")
    cross = [padded[1:-1, :-2], padded[1:-1, 2:], padded[:-2, 1:-1], padded[2:, 1:-1]]
    boundary = np.argwhere(np.any([part != labels for part in cross], axis=0))
    for k, (y, x) in enumerate(places, start=1):
        assert labels[y, x] == k
        if len(boundary):
            depth = {
                (int(v), int(u)): np.hypot(boundary[:, 0] - v, boundary[:, 1] - u).min()
                for v, u in np.argwhere(labels == k)
            }
            assert depth[int(y), int(x)] == max(depth.values())


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.where(LABELS == 2, 5, LABELS), "there is no position with label 2"),
        (np.where(LABELS == 4, 10**9, LABELS), "there is no position with label 4"),
        (LABELS - 1, r"labels must be 0 \(unassigned\) or positive"),
        (LABELS.T, r"expected an integer label image of shape \(10, 12\) as the scan, got int32 \(12, 10\)"),
        (LABELS.astype(float), r"expected an integer label image of shape \(10, 12\) as the scan, got float64"),
        (LABELS > 0, "expected an integer label image"),
    ],
)
def test_bad_labels(labels, message):
    with pytest.raises(InputError, match=f"domains: .*{message}"):
        average(counts_of(), labels)


def test_a_survey_of_another_scan():
    counts = counts_of()
    with pytest.raises(
        InputError, match=r"survey: is of a scan of shape \(9, 12, 36, 38\), expected \(10, 12, 36, 38\)"
    ):
        average(counts, LABELS, survey=survey(counts[:9]))


@pytest.mark.parametrize("path", [None, ramp()], ids=["steady", "moving"])
def test_no_domains_give_empty_arrays(path):
    found = average(counts_of(path=path), np.zeros((10, 12), int))
    assert found.patterns.shape == found.variance.shape == found.examples.shape == (0, 36, 38)
    assert found.patterns.dtype == np.float32
    for name in ("electrons", "positions", "snr_single", "snr_domain", "snr_gain"):
        assert getattr(found, name).shape == (0,)
    assert found.example_positions.shape == (0, 2)
    assert found.warnings == ()
    assert "Averages of 0 domains" in repr(found)


def test_dead_patterns_in_a_domain_count_as_they_are():
    counts = counts_of()
    counts[2, 2] = 0
    found = average(counts, LABELS)
    np.testing.assert_allclose(found.patterns[0], counts[LABELS == 1].mean(0), rtol=1e-6)
    assert found.positions[0] == 30


@settings(max_examples=15, deadline=None)
@given(st.permutations([1, 2, 3, 4]))
def test_renaming_domains_reorders_everything(names):
    counts = counts_of()
    found = survey(counts)
    renamed = np.array([0, *names])[LABELS]
    first, other = average(counts, LABELS, survey=found), average(counts, renamed, survey=found)
    order = np.array(names) - 1
    for name in ("patterns", "variance", "electrons", "positions", "snr_single", "snr_domain", "examples"):
        assert np.array_equal(getattr(other, name)[order], getattr(first, name), equal_nan=True), name
    assert isinstance(first, Averages)
    assert replace(first, margin_px=1.0).margin_px == 1
