"""Colours of orientations by the direction in the crystal (inverse pole figure), and their keys."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Polygon
from numpy.typing import ArrayLike, NDArray

from clustem.compiling import import_compiling
from clustem.crystallography import Crystal, Orientations
from clustem.crystallography.directions import low_index_direction
from clustem.crystallography.rotations import to_quaternion
from clustem.reporting.colours import UNASSIGNED
from clustem.reporting.indices import direction_indices, indices_formula

Array = NDArray[np.float64]

NOT_ORIENTED = (0.62, 0.62, 0.62)  # of domains without an orientation
SAMPLE_AXES = {"x": (1.0, 0.0, 0.0), "y": (0.0, 1.0, 0.0), "z": (0.0, 0.0, 1.0)}
_NAMES = dict(
    zip(
        ("-1", "2/m", "mmm", "4/m", "4/mmm", "-3", "-3m", "6/m", "6/mmm", "m-3", "m-3m"),
        ("Ci", "C2h", "D2h", "C4h", "D4h", "S6", "D3d", "C6h", "D6h", "Th", "Oh"),
        strict=True,
    )
)
_PIXELS = 200  # across a key
_PARALLEL = 1e-3  # two unit vectors whose product differs from 0 or 1 by less are perpendicular or parallel


def orientation_colours(orientations: Orientations, sample_direction: ArrayLike) -> Array:
    """Return the colour of each domain by the crystal direction along one direction of the sample.

    Parameters
    ----------
    orientations : Orientations
    sample_direction : (3,)
        (x, y, z), x right, y down, z along the beam.

    Returns
    -------
    (K + 1, 4) float64
        RGBA in 0 … 1 by label; row 0, light grey, is for unassigned positions; without an orientation dark grey.

    Notes
    -----
    Colours are those of the TSL key of orix (Nolze and Hielscher, J. Appl. Cryst. 49, 1786 (2016), doi
    10.1107/S1600576716012942): hue around the middle of the fundamental sector of the Laue class, paler towards it.
    """
    colours = np.ones((orientations.number + 1, 4))
    colours[0, :3], colours[1:, :3] = UNASSIGNED, NOT_ORIENTED
    along = np.swapaxes(orientations.rotation, 1, 2) @ np.asarray(sample_direction, np.float64)
    for crystal in orientations.crystals:
        members = np.flatnonzero(orientations.found & (orientations.phase == crystal.name))
        if members.size:
            colours[members + 1, :3] = direction_colours(along[members], crystal)
    return colours


def direction_colours(directions: ArrayLike, crystal: Crystal) -> Array:
    """Return the colours (n, 3) of Cartesian directions (n, 3) in a crystal.

    Examples
    --------
    >>> from clustem import read_crystal
    >>> direction_colours([[0, 0, 2]], read_crystal("clustem:Au")).round(3).tolist()
    [[1.0, 0.0, 0.0]]
    """
    return _key_colours(np.atleast_2d(np.asarray(directions, np.float64)) @ standard_axes(crystal).T, crystal)


def standard_axes(crystal: Crystal) -> Array:
    """Return the matrix (3, 3) whose rows are the axes of the colour key in the crystal's frame.

    z is the main axis of the Laue class, the diad of a monoclinic crystal; x is the diad across it nearest to e1, or,
    where there is none, what of e1 is across it.
    """
    if crystal.laue_class in ("-1", "mmm", "m-3", "m-3m"):
        return np.eye(3)
    axes, angles = _rotation_axes(crystal)
    z = axes[np.argmin(angles)]
    z = z * np.sign(z[np.argmax(np.abs(z) > 0.5)])
    across = axes[(np.abs(angles - np.pi) < _PARALLEL) & (np.abs(axes @ z) < _PARALLEL)]
    x = np.array([1.0, 0.0, 0.0]) - z[0] * z
    if across.size:
        x = across[np.argmax(np.round(np.abs(across[:, 0]), 6))]
        x = x * np.sign(x[np.argmax(np.abs(x) > _PARALLEL)])
    x = x / np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z])


def _rotation_axes(crystal: Crystal) -> tuple[Array, Array]:
    """Return axes (n, 3) and angles (n,) of the rotations of a crystal, without the identity."""
    quaternion = to_quaternion(crystal.rotations)
    angles = 2 * np.arccos(np.clip(quaternion[:, 0], -1, 1))
    turned = angles > _PARALLEL
    vector = quaternion[turned, 1:]
    return vector / np.linalg.norm(vector, axis=1, keepdims=True), angles[turned]


def draw_key(axes: Axes, crystal: Crystal) -> None:
    """Draw the colour key of a crystal, in stereographic projection, with the directions at its corners."""
    sector = _symmetry(crystal).fundamental_sector
    edge = _project(sector.edges.unit.data.reshape(-1, 3))
    low, high = edge.min(axis=0), edge.max(axis=0)
    steps = [np.linspace(low[i], high[i], _PIXELS) for i in (0, 1)]
    plane = np.stack(np.meshgrid(*steps), axis=-1).reshape(-1, 2)
    colours = _key_colours(_unproject(plane), crystal).reshape(_PIXELS, _PIXELS, 3)
    image = axes.imshow(colours, extent=(low[0], high[0], low[1], high[1]), origin="lower", interpolation="bilinear")
    border = Polygon(edge, closed=True, fill=False, edgecolor="black", linewidth=0.8)
    axes.add_patch(border)
    image.set_clip_path(border)
    axes.set_axis_off()
    axes.set_aspect("equal")
    room = 0.12 * (high - low).max()
    axes.set(xlim=(low[0] - room, high[0] + room), ylim=(low[1] - room, high[1] + room))
    middle = edge.mean(axis=0)
    corners, pole = sector.vertices.unit.data.reshape(-1, 3), np.array([0.0, 0.0, 1.0])
    if not (np.abs(corners - pole).max(axis=1) < _PARALLEL).any():  # inside or on the edge: two or no corners
        axes.plot([0], [0], ".", color="black", markersize=3)
        _name_direction(axes, np.zeros(2), np.array([0.0, -1.0]), pole @ standard_axes(crystal), crystal)
    for corner in corners:
        place = _project(corner[None])[0]
        _name_direction(axes, place, place - middle, corner @ standard_axes(crystal), crystal)


def _name_direction(axes: Axes, place: Array, outward: Array, direction: Array, crystal: Crystal) -> None:
    indices, _ = low_index_direction(direction, crystal)
    x, y = 4 * outward / np.linalg.norm(outward)
    axes.annotate(
        indices_formula(direction_indices(indices, crystal)),
        (place[0], place[1]),
        (x, y),
        textcoords="offset points",
        ha="center" if outward[0] == 0 else "left" if outward[0] > 0 else "right",
        va="bottom" if outward[1] > 0 else "top",
        fontsize=7,
        annotation_clip=False,
    )


def _key_colours(directions: Array, crystal: Crystal) -> Array:
    """Return the colours (n, 3) of directions (n, 3) along the axes of the key."""
    import_compiling("orix.quaternion.quaternion")
    from orix.plot import DirectionColorKeyTSL
    from orix.vector import Vector3d

    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    with np.errstate(all="ignore"):  # the middle of the key has no hue
        colours = DirectionColorKeyTSL(_symmetry(crystal)).direction2color(Vector3d(unit))
    return np.clip(np.asarray(colours, np.float64).reshape(-1, 3), 0.0, 1.0)


def _symmetry(crystal: Crystal) -> Any:
    """Return the Laue group of a crystal in orix, whose axes are those of `standard_axes`."""
    import_compiling("orix.quaternion.quaternion")
    from orix.quaternion import symmetry

    return getattr(symmetry, _NAMES[crystal.laue_class])


def _project(directions: Array) -> Array:
    """Return the stereographic projection (n, 2) of unit vectors (n, 3) of the upper half."""
    return directions[:, :2] / (1 + directions[:, 2:])


def _unproject(plane: Array) -> Array:
    square = (plane**2).sum(axis=1, keepdims=True)
    return np.asarray(np.concatenate([2 * plane, 1 - square], axis=1) / (1 + square), np.float64)
