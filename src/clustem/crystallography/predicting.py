"""Where an orientation puts the reflections of its crystal on the detector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from clustem.crystallography.frames import to_detector
from clustem.crystallography.indexing import near_the_sphere
from clustem.crystallography.orientations import Orientations
from clustem.crystallography.record import Peaks
from clustem.crystallography.structure_factors import structure_factors

if TYPE_CHECKING:
    import pandas as pd

_FAINTEST = 1e-3  # of the strongest; what is fainter is hardly ever seen
_REACH = 0.12  # 1/Å; what is farther from the Ewald sphere is never paired with a peak


def expected_spots(peaks: Peaks, orientations: Orientations) -> pd.DataFrame:
    """Return where the best orientations put the reflections of their crystals, one row per spot on the detector.

    Columns: `label`; `h`, `k`, `l`; `k_y`, `k_x` on the detector in px, with the scale that was fitted to the domain,
    but without strain; `strength`, |F|² damped by the distance from the Ewald sphere, in units of the strongest of the
    domain. The strongest come first. Those fainter than a thousandth are left out, unless a peak was paired with them,
    and so are those on pixels that were not used.

    Examples
    --------
    >>> import clustem
    >>> scan = clustem.open_scan("clustem:film_au")
    >>> labels = np.zeros(scan.scan_shape, int)
    >>> labels[18:28, 22:30] = 1
    >>> peaks = clustem.find_peaks(clustem.average(scan, labels))
    >>> found = clustem.match_orientations(peaks, clustem.read_crystal("clustem:Au"))
    >>> float(expected_spots(peaks, found)["strength"].max())
    1.0
    """
    import pandas as pd

    size, wavelength = peaks.calibration.inv_angstrom_per_px, peaks.calibration.wavelength_angstrom
    reach = (size or 1.0) * float(np.hypot(*peaks.shape))  # the beam may be in a corner
    longest = float(np.hypot(peaks.table["g_y"], peaks.table["g_x"]).max()) if len(peaks.table) else reach
    reflections = {
        crystal.name: structure_factors(crystal, max_g=min(reach, 1.1 * longest))
        for crystal in orientations.crystals
        if (orientations.phase == crystal.name).any()
    }
    indexed = set(orientations.indexed[["label", "h", "k", "l"]].itertuples(index=False, name=None))
    parts = []
    for index in np.flatnonzero(orientations.found).tolist():
        near = near_the_sphere(
            reflections[str(orientations.phase[index])],
            orientations.rotation[index],
            wavelength or np.nan,
            reach=_REACH,
        )
        place = to_detector(orientations.scale[index] * near.g[:, 1::-1], _centre(peaks, index), peaks.calibration)
        paired = np.array([(index + 1, *hkl) in indexed for hkl in near.hkl.tolist()], np.bool_)
        strength = near.strength / near.strength.max(initial=1e-300)
        shown = _used(place, peaks) & (paired | (strength > _FAINTEST))
        label = np.full(int(shown.sum()), index + 1)
        parts.append(np.column_stack([label, near.hkl[shown], place[shown], strength[shown]]))
    names = ["label", "h", "k", "l", "k_y", "k_x", "strength"]
    table = pd.DataFrame(np.concatenate([*parts, np.zeros((0, len(names)))]), columns=names)
    return table.astype(dict.fromkeys(names[:4], np.int64))


def _centre(peaks: Peaks, index: int) -> NDArray[np.float64]:
    centre = peaks.centres[index]
    return centre if np.isfinite(centre).all() else (np.array(peaks.shape) - 1) / 2


def _used(place: NDArray[np.float64], peaks: Peaks) -> NDArray[np.bool_]:
    """Return which places (n, 2) in px are on the detector, on a pixel that was used."""
    pixel = np.rint(place).astype(int)
    inside = ((pixel >= 0) & (pixel < peaks.shape)).all(axis=1)
    pixel[~inside] = 0
    return np.asarray(inside & peaks.mask[tuple(pixel.T)], np.bool_)
