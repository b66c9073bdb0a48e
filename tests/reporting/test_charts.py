from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from clustem.reporting import plot_domain_sizes, plot_snr_gain, plot_threshold
from clustem.reporting.charts import log_limits, size_bins, threshold_curve


@dataclass(frozen=True)
class Counted:
    """Stands for a tree whose counts are known."""

    thresholds: NDArray[np.float64]
    numbers: NDArray[np.int64]
    covered: NDArray[np.float64]

    def counts(self) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
        return self.thresholds, self.numbers, self.covered


TREE = Counted(np.array([0.9, 0.6, 0.5]), np.array([1, 2, 1]), np.array([0.25, 0.75, 1.0]))


def test_every_domain_is_in_the_histogram_once(four_domains):
    axes = plot_domain_sizes(four_domains.domains).axes[0]
    assert sum(bar.get_height() for bar in axes.patches) == 4
    upper = axes.child_axes[0]
    assert upper.get_xlabel() == "area (nm²)"


@pytest.mark.parametrize("sizes", [[7], [1, 2, 3], [5, 5, 6, 40], [1, 10, 100, 1000, 100000]])
def test_bins_hold_every_size_and_end_between_whole_numbers(sizes):
    edges = size_bins(np.array(sizes))
    assert (np.diff(edges) >= 1).all()
    assert np.histogram(sizes, edges)[0].sum() == len(sizes)
    np.testing.assert_array_equal(edges % 1, 0.5)


def test_gains_of_equal_patterns_lie_on_the_line(four_domains):
    axes = plot_snr_gain(four_domains.averages).axes[0]
    line, points = axes.lines
    np.testing.assert_allclose(line.get_ydata(), np.sqrt(line.get_xdata()))
    np.testing.assert_array_equal(points.get_xdata(), four_domains.averages.positions)
    np.testing.assert_allclose(points.get_ydata(), np.sqrt(four_domains.averages.positions))


def test_gains_that_were_not_measured_are_said_to_be_so(four_domains):
    unknown = np.full(4, np.nan)
    axes = plot_snr_gain(replace(four_domains.averages, snr_domain=unknown)).axes[0]
    assert axes.texts[0].get_text() == "not measured"


def test_log_limits_hold_the_values_with_room():
    low, high = log_limits(np.array([10, 12]))
    assert low < 10 < 12 < high
    assert high / low == pytest.approx(16)


def test_the_threshold_chart_has_the_number_and_coverage_at_every_threshold(four_domains):
    upper, lower = plot_threshold(replace(four_domains.domains, tree=TREE)).axes
    thresholds, numbers = upper.lines[0].get_data()
    for threshold, number in ((0.9, 1), (0.61, 1), (0.59, 2), (0.51, 2), (0.499, 1)):
        assert numbers[np.abs(thresholds - threshold).argmin()] == number
    assert lower.lines[0].get_ydata()[0] == 100
    for axes in (upper, lower):
        assert set(axes.lines[1].get_xdata()) == {0.8}


def test_the_chart_of_the_default_marks_its_cut_and_what_is_left(behind_noise):
    upper, lower = plot_threshold(replace(behind_noise.domains, tree=TREE)).axes
    assert upper.get_ylabel() == "regions"
    assert upper.lines[1].get_xydata().tolist() == [[0.7, 4]]
    assert upper.get_legend().get_texts()[0].get_text() == "domains: 4"
    assert set(upper.lines[2].get_xdata()) == set(lower.lines[1].get_xdata()) == {0.7}


def test_the_threshold_curve_reaches_the_one_used_and_stays_short():
    rng = np.random.default_rng(0)
    thresholds = np.sort(rng.random(50000))[::-1]
    grid, numbers, covered = threshold_curve(thresholds, np.arange(50000), np.linspace(0, 1, 50000), -0.5)
    assert grid[0] < -0.5
    assert len(grid) <= 2000
    assert numbers[0] == 49999
    assert covered[0] == 1
    middle = len(grid) * 3 // 4
    assert numbers[middle] == (thresholds >= grid[middle]).sum() - 1


def test_a_tree_without_merges_gives_an_empty_curve(four_domains):
    nothing = Counted(np.zeros(0), np.zeros(0, np.int64), np.zeros(0))
    upper, _ = plot_threshold(replace(four_domains.domains, tree=nothing)).axes
    assert upper.lines[0].get_xdata().size == 0
