"""Tables of tracks, and their lineage as a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from clustem.series.orientations import STRAINS

if TYPE_CHECKING:
    import pandas as pd

    from clustem.series.tracks import Tracks

_SURE = 0.4  # similarity from which a rotation between two patterns is believed


def frame_table(tracks: Tracks) -> pd.DataFrame:
    """Return one row per track and frame.

    Notes
    -----
    Columns: track, frame, time_s; area (positions), radius (of the circle of the same area, positions), y and x
    (centroid, positions of the frame), y_drift and x_drift (the same in the first frame's positions), and with a
    calibrated scan step area_nm2 and radius_nm; cut (by the edge of the scan); electrons; dose (e/Å² until the end of
    the frame, all frames before it included, with a calibrated scan step); snr; similarity (to the track's mean);
    turn (in-plane rotation of the pattern since the frame before, degrees from x towards y on the detector),
    rotation (the same since birth); confidence. With crystals also phase; q0 … q3 (passive quaternion from sample to
    crystal, scalar first); orientation_probability (that it is the right candidate); misorientation and
    misorientation_before (to the first, and to the previous, frame with an orientation, degrees, reduced by symmetry);
    e_xx, e_yy, e_xy (strain relative to the crystal, or to the median of the frame) and their errors; omega (rotation
    relative to that median, radians) and its error. NaN where a value is not known.
    """
    import pandas as pd

    found = tracks.appearances
    step = tracks.calibration.scan_step_yx_nm
    moved = tracks.drift.displacement[found.frame]
    columns: dict[str, object] = {
        "track": found.track,
        "frame": found.frame,
        "time_s": tracks.times_s[found.frame],
        "area": found.positions,
        "radius": np.sqrt(found.positions / np.pi),
        "y": found.centroid[:, 0],
        "x": found.centroid[:, 1],
        "y_drift": found.centroid[:, 0] - moved[:, 0],
        "x_drift": found.centroid[:, 1] - moved[:, 1],
    }
    if step is not None:
        columns["area_nm2"] = found.positions * step[0] * step[1]
        columns["radius_nm"] = np.sqrt(found.positions * step[0] * step[1] / np.pi)
    columns |= {"cut": found.cut, "electrons": found.electrons}
    if step is not None:
        columns["dose"] = np.nancumsum(found.scan_electrons)[found.frame] / (100 * step[0] * step[1])
    turn = np.where(found.similarity_before >= _SURE, found.turn_deg, np.nan)
    columns |= {
        "snr": found.snr,
        "similarity": found.similarity,
        "turn": turn,
        "rotation": _since_birth(found.track, turn),
        "confidence": found.confidence,
    }
    return pd.DataFrame(columns | _crystallography(tracks))


def _crystallography(tracks: Tracks) -> dict[str, object]:
    """Return the columns of orientation and strain, if crystals were given."""
    found, track = tracks.orientations, tracks.appearances.track
    if found is None:
        return {}
    order = np.arange(len(track))
    before, birth = np.full(len(track), -1), np.full(len(track), -1)
    for number in np.unique(track):
        where = np.flatnonzero(track == number)
        known = where[found.phase[where] != ""]
        before[known[1:]], birth[known] = known[:-1], known[:1]
    columns: dict[str, object] = {"phase": found.phase}
    columns |= {f"q{k}": part for k, part in enumerate(found.quaternion.T)}
    columns |= {
        "orientation_probability": found.probability,
        "misorientation": np.where(birth == order, 0.0, found.misorientation_deg(birth, order)),
        "misorientation_before": found.misorientation_deg(before, order),
    }
    return columns | {name: getattr(found, name) for name in STRAINS}


def _since_birth(track: NDArray[np.int64], turn: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sums (N,) of turns since the birth of each track; NaN from where a turn is not known."""
    result = np.full(track.size, np.nan)
    for number in np.unique(track):
        where = np.flatnonzero(track == number)
        result[where[0]] = 0.0
        result[where[1:]] = np.cumsum(turn[where[1:]])
    return result


def track_table(tracks: Tracks) -> pd.DataFrame:
    """Return one row per track.

    Notes
    -----
    Columns: track; birth and death (first and last frame), birth_s and death_s; length (frames in which it is),
    missed (frames between in which it is not, gaps included); begin ("first frame", "appear", "split", "merge") and
    end ("last frame", "vanish", "split", "merge"); parents, children (identities, with ";" between them); radius
    (largest, positions); similarity (mean to the track's mean); cut (in any frame).
    """
    import pandas as pd

    found = tracks.appearances
    rows = []
    for number in range(1, tracks.number + 1):
        where = found.track == number
        frames = found.frame[where]
        birth, death = int(frames.min()), int(frames.max())
        begin, end, parents, children = _fate(tracks, number, birth, death)
        likeness = found.similarity[where]
        known = likeness[np.isfinite(likeness)]
        rows.append(
            {
                "track": number,
                "birth": birth,
                "death": death,
                "birth_s": tracks.times_s[birth],
                "death_s": tracks.times_s[death],
                "length": frames.size,
                "missed": death - birth + 1 - frames.size,
                "begin": begin,
                "end": end,
                "parents": ";".join(map(str, parents)),
                "children": ";".join(map(str, children)),
                "radius": float(np.sqrt(found.positions[where].max() / np.pi)),
                "similarity": float(known.mean()) if known.size else np.nan,
                "cut": bool(found.cut[where].any()),
            }
        )
    return pd.DataFrame(rows, columns=None if rows else _TRACK_COLUMNS)


_TRACK_COLUMNS = [
    "track",
    "birth",
    "death",
    "birth_s",
    "death_s",
    "length",
    "missed",
    "begin",
    "end",
    "parents",
    "children",
    "radius",
    "similarity",
    "cut",
]


def _fate(tracks: Tracks, number: int, birth: int, death: int) -> tuple[str, str, list[int], list[int]]:
    """Return how a track begins and ends, and the other tracks that it comes from and goes into."""
    seen = np.flatnonzero(tracks.present)
    begin = "first frame" if birth == seen[0] else "appear"
    end = "last frame" if death == seen[-1] else "vanish"
    parents: list[int] = []
    children: list[int] = []
    for event in tracks.events:
        if number in event.children and event.parents:
            others = [other for other in event.parents if other != number]
            parents += others
            begin = event.kind if number not in event.parents else begin
        if number in event.parents and event.children:
            others = [other for other in event.children if other != number]
            children += others
            end = event.kind if number not in event.children else end
    return begin, end, sorted(set(parents)), sorted(set(children))


def event_table(tracks: Tracks) -> pd.DataFrame:
    """Return one row per event: frame (the first one after it), time_s, kind, parents, children, with ";" between."""
    import pandas as pd

    events = tracks.events
    return pd.DataFrame(
        {
            "frame": [event.frame for event in events],
            "time_s": [tracks.times_s[event.frame] for event in events],
            "kind": [event.kind for event in events],
            "parents": [";".join(map(str, event.parents)) for event in events],
            "children": [";".join(map(str, event.children)) for event in events],
        }
    )


def drift_table(tracks: Tracks) -> pd.DataFrame:
    """Return one row per frame.

    Notes
    -----
    Columns: frame; time_s; y and x, by how many positions the sample has moved since the first frame, and y_nm and x_nm
    with a calibrated scan step; tracks, how many are in it. NaN at gaps.
    """
    import pandas as pd

    moved, step = tracks.drift.displacement, tracks.calibration.scan_step_yx_nm
    columns: dict[str, object] = {"frame": np.arange(len(moved)), "time_s": tracks.times_s}
    columns |= {"y": moved[:, 0], "x": moved[:, 1]}
    if step is not None:
        columns |= {"y_nm": moved[:, 0] * step[0], "x_nm": moved[:, 1] * step[1]}
    number = np.bincount(tracks.appearances.frame, minlength=len(moved))
    return pd.DataFrame(columns | {"tracks": np.where(tracks.present, number, np.nan)})


def lineage_graphml(tracks: Tracks) -> str:
    """Return the lineage of tracks as GraphML, with the rows of the track table as attributes of the nodes."""
    import networkx as nx

    graph = nx.DiGraph()
    for row in tracks.table.to_dict("records"):
        values = {str(key): value for key, value in row.items() if key != "track" and value == value}
        graph.add_node(str(row["track"]), **values)
    for event in tracks.events:
        for parent in event.parents:
            for child in event.children:
                if parent != child:
                    graph.add_edge(str(parent), str(child), kind=event.kind, frame=event.frame)
    return "\n".join(nx.generate_graphml(graph)) + "\n"
