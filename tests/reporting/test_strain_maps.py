import numpy as np
from matplotlib.patches import PathPatch

from clustem.reporting import plot_strain_maps
from clustem.reporting.strain_maps import largest_shown

from .answers import position_maps_by_hand, strain_by_hand


def maps_of(figure):
    return {axes.get_title(loc="left"): axes for axes in figure.axes if axes.get_title(loc="left")}


def test_components_share_a_symmetric_scale_in_percent(four_domains):
    maps = maps_of(plot_strain_maps(strain_by_hand(4), four_domains.domains))
    assert list(maps) == ["$e_{xx}$", "$e_{yy}$", "$e_{xy}$"] + [
        f"Standard error of $e_{{{n}}}$" for n in ("xx", "yy", "xy")
    ]
    labels = four_domains.domains.labels
    for name, sign in (("$e_{xx}$", 1), ("$e_{yy}$", -1)):
        image = maps[name].images[0]
        assert image.get_clim() == (-0.2, 0.2)
        np.testing.assert_allclose(image.get_array()[labels == 3], sign * 0.2)
        assert image.get_array().mask[labels == 4].all()
    np.testing.assert_allclose(maps["Standard error of $e_{xx}$"].images[0].get_array()[labels == 1], 0.03)


def test_what_does_not_exceed_two_errors_is_hatched(four_domains):
    maps = maps_of(plot_strain_maps(strain_by_hand(4), four_domains.domains))
    for name, number in (("$e_{xx}$", 1), ("$e_{xy}$", 3)):
        (patch,) = [patch for patch in maps[name].patches if isinstance(patch, PathPatch) and patch.get_hatch()]
        assert (patch.get_path().codes == 1).sum() == number  # parts
    assert not [patch for patch in maps["Standard error of $e_{xx}$"].patches if patch.get_hatch()]


def test_positions_have_their_own_values(four_domains):
    labels = four_domains.domains.labels
    maps = maps_of(plot_strain_maps(position_maps_by_hand(labels), four_domains.domains))
    shown = maps["$e_{xx}$"].images[0].get_array()
    np.testing.assert_allclose(shown[3], 0.1 * np.arange(16))
    assert shown.mask[0, 0]
    assert not [patch for patch in maps["$e_{xy}$"].patches if patch.get_hatch()]


def test_the_rotation_is_shown_in_degrees_where_there_is_one(four_domains):
    maps = maps_of(plot_strain_maps(strain_by_hand(4, rotation=True), four_domains.domains))
    assert list(maps)[-2:] == [r"Rotation $\omega$", r"Standard error of rotation $\omega$"]
    labels = four_domains.domains.labels
    shown = maps[r"Rotation $\omega$"].images[0].get_array()
    np.testing.assert_allclose(shown[labels == 3], np.rad2deg(2e-5))


def test_the_frame_is_drawn_on_the_first_map_only(four_domains):
    figure = plot_strain_maps(strain_by_hand(4), four_domains.domains)
    named = [[text.get_text() for text in axes.texts if text.get_text() in ("x", "y")] for axes in figure.axes]
    assert named[0] == ["x", "y"]
    assert not any(named[1:])


def test_single_outliers_do_not_flatten_the_colours():
    values = np.append(np.full(30, 0.5), 50.0)
    assert largest_shown(values) == 1.0
