"""Charts of the domains: sizes, gain of averaging, choice of the threshold."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from clustem.averaging import Averages
from clustem.reporting.layout import round_locator, styled
from clustem.reporting.numerals import number_text
from clustem.segmentation import Domains, NoiseAwareParameters, PublishedParameters

SIZE = (3.4, 2.9)
BLUE, VERMILLION = (0.0, 0.45, 0.7), (0.84, 0.37, 0.0)
SAMPLES = 2000
_PLAIN = FuncFormatter(lambda value, _: number_text(float(value)))


@styled
def plot_domain_sizes(domains: Domains) -> Figure:
    """Draw the histogram of domain sizes in positions, and in nm² on the upper axis where the scan is calibrated.

    Parameters
    ----------
    domains : Domains

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = _chart("Domain sizes")
    sizes = domains.sizes[domains.sizes > 0]
    bins = size_bins(sizes)
    axes.hist(sizes, bins=bins.tolist(), color=BLUE, edgecolor="white", linewidth=0.5)
    axes.set(xlabel="positions", ylabel="domains")
    axes.yaxis.set_major_locator(round_locator(6, whole=True))
    if sizes.size and sizes.max() > 20 * sizes.min():
        _logarithmic(axes, "x", bins[[0, -1]])
    else:
        axes.set_xlim(max(0.0, bins[0] - 1.5), bins[-1] + 1.5)
        axes.xaxis.set_major_locator(round_locator(6, whole=True))
        axes.xaxis.set_major_formatter(_PLAIN)
    step = domains.calibration.scan_step_yx_nm
    if step is not None:
        area = step[0] * step[1]
        upper = axes.secondary_xaxis("top", functions=(lambda n: np.multiply(n, area), lambda a: np.divide(a, area)))
        upper.set_xlabel("area (nm²)", labelpad=3)
        upper.xaxis.set_major_locator(_log_locator(bins) if axes.get_xscale() == "log" else round_locator(4))
        upper.xaxis.set_major_formatter(_PLAIN)
        upper.xaxis.set_minor_formatter(NullFormatter())
    return figure


@styled
def plot_snr_gain(averages: Averages) -> Figure:
    """Draw the measured gain in signal-to-noise ratio of each domain against its number of positions.

    The line is the gain √n of n equal patterns with independent noise.

    Parameters
    ----------
    averages : Averages

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = _chart("Gain in signal-to-noise ratio")
    gain, positions = averages.snr_gain, averages.positions
    known = np.isfinite(gain) & (gain > 0) & (positions > 0)
    axes.set(xlabel="positions, n", ylabel="SNR of the average / of one pattern")
    if not known.any():
        axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", color="0.4")
        return figure
    span = log_limits(positions[known])
    axes.plot(span, np.sqrt(span), color="0.35", linewidth=1, label="√n")
    size = 4 if known.sum() < 200 else 2
    axes.plot(positions[known], gain[known], "o", color=BLUE, markersize=size, markeredgewidth=0, alpha=0.7)
    _logarithmic(axes, "x", span)
    _logarithmic(axes, "y", log_limits(np.append(gain[known], np.sqrt(span))))
    axes.legend(loc="upper left")
    return figure


@styled
def plot_threshold(domains: Domains) -> Figure:
    """Draw the number of domains, and the part of the scan inside them, at every cut of the tree, the used one marked.

    Where boundaries and mixtures decide after the cut, a point marks the number of domains that are left.

    Parameters
    ----------
    domains : Domains
        With a tree; without one only the threshold is marked.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = Figure(figsize=SIZE, layout="constrained")
    upper, lower = figure.subplots(2, sharex=True)
    regions = isinstance(domains.parameters, NoiseAwareParameters)
    _clean(upper, "Regions at every cut" if regions else "Domains at every threshold")
    _clean(lower, "")
    used = used_cut(domains)
    if domains.tree is not None:
        thresholds, numbers, covered = threshold_curve(*domains.tree.counts(), used)
        upper.plot(thresholds, numbers, color=BLUE, linewidth=1.2)
        lower.plot(thresholds, 100 * covered, color=BLUE, linewidth=1.2)
    upper.set_ylim(bottom=0)
    upper.yaxis.set_major_locator(round_locator(5, whole=True))
    lower.set(xlabel="similarity" if regions else "similarity threshold", ylabel="assigned (%)", ylim=(0, 105))
    upper.set_ylabel("regions" if regions else "domains")
    if regions and used is not None:
        upper.plot(used, domains.number, "o", color=VERMILLION, markersize=4, label=f"domains: {domains.number}")
        upper.legend(loc="upper left")
    if used is not None:
        for axes in (upper, lower):
            axes.axvline(used, color=VERMILLION, linewidth=1, linestyle="--")
        upper.set_title(f"used: {used:.4g}", loc="right", color=VERMILLION, fontsize=7)
    return figure


def used_cut(domains: Domains) -> float | None:
    """Return the similarity at which the tree was cut; None if there was none."""
    used = domains.parameters
    if isinstance(used, PublishedParameters):
        return used.threshold
    return used.similarity if isinstance(used, NoiseAwareParameters) else None


def threshold_curve(
    thresholds: NDArray[np.float64], numbers: NDArray[np.int64], covered: NDArray[np.float64], used: float | None
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Return at most 2000 evenly spaced thresholds with the exact number and covered fraction at each.

    They span the merges but for the lowest 1 %, and `used`. Above the highest merge nothing is counted.
    """
    if not thresholds.size:
        return thresholds, numbers, covered
    low, high = float(np.quantile(thresholds, 0.01)), float(thresholds[0])
    low, high = min(low, high if used is None else used), max(high, low if used is None else used)
    grid = np.linspace(low - 0.03 * (high - low), high, SAMPLES)
    last = np.searchsorted(-thresholds, -grid, side="right") - 1
    known = last >= 0
    return grid[known], numbers[last[known]], covered[last[known]]


def size_bins(sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return edges of histogram bins halfway between whole numbers: even ones, or growing ones for a span above 20."""
    if not sizes.size:
        return np.array([0.5, 1.5])
    low, high = int(sizes.min()), int(sizes.max())
    number = int(np.clip(2 * np.sqrt(sizes.size), 5, 40))
    if high > 20 * low:
        return np.unique(np.floor(np.geomspace(low, high + 1, number + 1))).astype(np.float64) - 0.5
    width = max(1, (high + 1 - low) // number)
    return np.arange(low, high + 1 + width, width).astype(np.float64) - 0.5


def _chart(title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.add_subplot()
    _clean(axes, title)
    return figure, axes


def _clean(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left")
    axes.spines[["top", "right"]].set_visible(False)


def _logarithmic(axes: Axes, name: str, limits: NDArray[np.float64]) -> None:
    """Make an axis logarithmic, with plain numbers at its ticks."""
    axes.set(**{f"{name}scale": "log", f"{name}lim": (limits[0], limits[-1])})
    axis = axes.xaxis if name == "x" else axes.yaxis
    axis.set_major_locator(_log_locator(limits))
    axis.set_major_formatter(_PLAIN)
    axis.set_minor_formatter(NullFormatter())


def _log_locator(limits: NDArray[np.float64]) -> LogLocator:
    return LogLocator(subs=(1, 2, 5) if limits[-1] < 200 * limits[0] else (1,))


def log_limits(values: NDArray[np.number]) -> NDArray[np.float64]:
    """Return limits (2,) with some room around positive values, at least a factor of 16 apart."""
    low, high = float(values.min()) / 1.4, float(values.max()) * 1.4
    room = max(1.0, (16 * low / high) ** 0.5)
    return np.array([low / room, high * room])
