import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.offsetbox import AnchoredOffsetbox, TextArea
from matplotlib.patches import Patch, Rectangle

from clustem.calibration import Calibration
from clustem.reporting.layout import (
    STYLE,
    colour_range,
    legend_below,
    round_locator,
    scale_bar_length,
    scan_panels,
    styled,
)
from clustem.reporting.maps import plot_scan_images


def scale_bar(axes):
    """Length in units of the x axis, and text, of the bar below a panel."""
    anchored = next(artist for artist in axes.get_children() if isinstance(artist, AnchoredOffsetbox))
    artists = anchored.findobj(lambda artist: isinstance(artist, (Rectangle, TextArea)))
    bar = next(a for a in artists if isinstance(a, Rectangle) and a is not anchored.patch and a.get_height() < 0.1)
    return bar.get_width(), next(a for a in artists if isinstance(a, TextArea)).get_text()


@pytest.mark.parametrize(("width", "expected"), [(100, 20), (16, 5), (40, 10), (0.9, 0.2), (512, 100), (2.2e4, 5000)])
def test_scale_bars_have_round_lengths(width, expected):
    assert scale_bar_length(width) == expected


@pytest.mark.parametrize(
    ("step", "shape", "length", "text"),
    [
        (0.4, (40, 40), 12.5, "5 nm"),
        ((2.0, 1.0), (30, 50), 10, "10 nm"),
        (300.0, (20, 100), 5000 / 300, "5 µm"),
        (None, (40, 40), 10, "10 positions"),
        (None, (40, 2), 1, "1 position"),
    ],
)
def test_the_bar_has_the_length_its_text_says(step, shape, length, text):
    _, (axes,) = scan_panels(["image"], shape, Calibration(scan_step_nm=step), colour_bars=False)
    assert scale_bar(axes) == (pytest.approx(length), text)


@pytest.mark.parametrize(
    ("step", "shape", "ratio"),
    [(None, (20, 40), 0.5), ((2.0, 1.0), (20, 40), 1.0), (None, (1, 60), 0.1), (None, (600, 3), 10.0)],
)
def test_panels_have_the_shape_of_the_scanned_area(step, shape, ratio):
    figure, panels = scan_panels(["a", "b"], shape, Calibration(scan_step_nm=step), colour_bars=True)
    for axes in panels:
        place = axes.get_position()
        width, height = figure.get_size_inches()
        assert place.height * height / (place.width * width) == pytest.approx(ratio)
        assert 0 <= place.x0 < place.x1 <= 1
        assert axes.get_xlim() == (-0.5, shape[1] - 0.5)
        assert axes.get_ylim() == (shape[0] - 0.5, -0.5)
        assert ("stretched" in axes.get_title(loc="left")) == (shape[0] in (1, 600))


@pytest.mark.parametrize("step", [None, 0.4])
@pytest.mark.parametrize("shape", [(60, 1), (1, 60), (20, 300), (300, 20), (40, 40), (100, 35)])
def test_scale_bars_and_titles_are_not_cut_off(shape, step):
    titles = ["Domains", "Outlines on total intensity"]
    with mpl.rc_context(STYLE):
        figure, panels = scan_panels(titles, shape, Calibration(scan_step_nm=step), colour_bars=False)
        FigureCanvasAgg(figure).draw()
    for axes in panels:
        anchored = next(artist for artist in axes.get_children() if isinstance(artist, AnchoredOffsetbox))
        box = anchored.get_tightbbox(figure.canvas.get_renderer())
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0
        title = axes._left_title.get_window_extent(figure.canvas.get_renderer())
        assert title.x1 <= figure.bbox.x1


@pytest.mark.parametrize("last", [7, 60, 100, 300, 512])
def test_ticks_have_round_steps(last):
    for locator in (round_locator(6, whole=True), round_locator(6)):
        (step,) = np.unique(np.diff(locator.tick_values(0, last)).round(9))
        assert step / 10 ** np.floor(np.log10(step)) in (1, 2, 5)


def test_colour_ranges_ignore_outliers_and_keep_equal_limits_apart():
    values = np.append(np.linspace(0, 1, 10001), [1e9, np.nan])
    low, high = colour_range(values)
    assert 0 <= low < 0.01
    assert 0.99 < high <= 1
    low, high = colour_range(np.full(9, 5.0))
    assert low < 5 < high
    assert colour_range(np.full(4, np.nan)) == (0.0, 1.0)


def test_the_users_settings_neither_matter_nor_change(four_domains):
    with mpl.rc_context({"font.size": 30, "image.origin": "lower", "axes.titlesize": 40}):
        axes = plot_scan_images(four_domains).axes[0]
        assert mpl.rcParams["font.size"] == 30
    assert axes.get_ylim()[0] > axes.get_ylim()[1]
    assert axes.title.get_fontsize() < 12


def test_styled_keeps_name_and_docstring():
    def plot_nothing():
        """Nothing."""

    assert styled(plot_nothing).__doc__ == "Nothing."
    assert styled(plot_nothing).__name__ == "plot_nothing"


@pytest.mark.parametrize(("shape", "columns"), [((30, 30), 3), ((90, 20), 3), ((10, 90), 1)])
def test_groups_of_three_stay_together(shape, columns):
    _, panels = scan_panels(["a", "b", "c", "d", "e", "f"], shape, Calibration(), colour_bars=True, most_columns=3)
    tops = [round(axes.get_position().y1, 6) for axes in panels]
    assert [tops.count(top) for top in sorted(set(tops))] == [columns] * (6 // columns)


def test_long_titles_make_fewer_columns_rather_than_wider_pages():
    titles = ["Standard error of the rotation"] * 4
    for page_width in (10.4, 6.9):
        figure, _ = scan_panels(titles, (90, 20), Calibration(), colour_bars=True, page_width=page_width)
        assert figure.get_figwidth() <= page_width


def test_a_legend_below_moves_nothing_but_the_lower_edge():
    figure, (axes,) = scan_panels(["a"], (20, 20), Calibration(), colour_bars=False)
    before, height = axes.get_window_extent().size / figure.dpi, figure.get_figheight()
    legend_below(figure, [Patch(label=name) for name in "abcdefgh"])
    assert figure.get_figheight() > height
    assert axes.get_window_extent().size / figure.dpi == pytest.approx(before)
    assert len(figure.legends) == 1
