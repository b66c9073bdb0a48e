"""The report and the film of a series made by hand."""

from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from clustem.calibration import Calibration
from clustem.reporting import render_series_report, write_series_report
from clustem.reporting.film import film_frames
from clustem.reporting.series_pictures import image_png, map_png, outlines, outlines_png, track_colours
from clustem.reporting.time_charts import Curve, TimeAxis, curve_chart
from clustem.results import SeriesResults
from clustem.series import Appearances, Drift, Event, Tracks

EVENTS = (
    Event(1, "appear", (), (3,)),
    Event(2, "split", (1,), (1, 4)),
    Event(3, "merge", (2, 3), (2,)),
    Event(3, "vanish", (4,), ()),
)


def labels_of(number: int = 4) -> NDArray[np.int32]:
    """Four frames of 12×9, the third a gap."""
    labels = np.zeros((number, 12, 9), np.int32)
    labels[:, 1:5, 1:4], labels[:, 1:5, 4:8] = 1, 2
    labels[1:3, 7:10, 2:5], labels[2:3, 7:10, 6:8] = 3, 4
    return labels


def made(labels: NDArray[np.int32], *, events: tuple[Event, ...] = (), times: bool = True) -> Tracks:
    """Tracks whose frames are given; the last is a gap if nothing is in it."""
    pairs = np.array([(t, n) for t, frame in enumerate(labels) for n in np.unique(frame[frame > 0])]).reshape(-1, 2)
    time, track = pairs.T.astype(np.int64)
    number, frames = len(track), len(labels)
    present = labels.any(axis=(1, 2)) | ~labels.any()
    images = np.random.default_rng(0).random(labels.shape).astype(np.float32)
    images[~present] = np.nan
    ones = np.ones(number)
    found = Appearances(
        track=track,
        frame=time,
        positions=np.array([(labels[t] == n).sum() for t, n in pairs], np.int64),
        centroid=np.zeros((number, 2)),
        cut=np.zeros(number, bool),
        electrons=ones,
        snr=ones,
        confidence=ones,
        similarity=ones,
        similarity_before=ones,
        turn_deg=2 * ones,
        scan_electrons=np.ones(frames),
    )
    return Tracks(
        name="a <b>bold</b> series",
        labels=labels,
        appearances=found,
        events=events,
        drift=Drift(np.cumsum(np.full((frames, 2), 0.2), axis=0), 0.05, 3, 0),
        images=images,
        patterns=np.zeros((int(labels.max()), 6, 6), np.float32),
        centre_px=np.array([2.5, 2.5]),
        times_s=np.arange(frames) * (2.0 if times else np.nan),
        present=present,
        calibration=Calibration(scan_step_nm=0.5),
        warnings=("frame 3 (c < d) is a gap",),
    )


@pytest.fixture(scope="module")
def page() -> str:
    tracks = made(labels_of(), events=EVENTS)
    return render_series_report(
        SeriesResults(tracks, {"series": {"time_step": 2.0}}, {"input": "made"}), films=("film.gif",)
    )


def data_of(page: str) -> dict[str, object]:
    found = re.search(r'id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    data: dict[str, object] = json.loads(found.group(1))
    return data


def picture(address: str) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))).convert("RGB"))


def test_the_page_needs_nothing_from_elsewhere_and_escapes(page: str) -> None:
    links = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert set(links) == {"film.gif"}
    assert "http" not in page.replace("http-equiv", "")
    assert "<b>bold" not in page
    assert "c &lt; d" in page


def test_every_frame_is_in_the_page_in_the_colours_of_its_tracks(page: str) -> None:
    data, labels = data_of(page), labels_of()
    frames, names = data["frames"], data["names"]
    assert isinstance(frames, list)
    assert isinstance(names, dict)
    assert [frame["text"] for frame in frames][:2] == ["frame 0 · 0 s · 2 tracks", "frame 1 · 2 s · 3 tracks"]
    for frame, truth in zip(frames, labels, strict=True):
        shown = picture(frame["map"])
        found = [[names.get(",".join(map(str, pixel)), 0) for pixel in row] for row in shown.tolist()]
        np.testing.assert_array_equal(found, truth)


def test_charts_events_and_lineage_tell_what_happens(page: str) -> None:
    for text in ("Growth", "Rotation", "Drift", "Events", "Lineage", "radius (nm)", "time (s)"):
        assert text in page
    for text in ("frame 2: 1 splits into 1 and 4", "frame 3: 2 and 3 merge into 2", "frame 3: 4 has vanished"):
        assert text in page
    assert page.count('class="joint"') == 2
    assert page.count("<tr data-track=") == 4


@pytest.mark.parametrize(
    "tracks",
    [
        made(labels_of()[:1]),
        made(np.zeros((2, 5, 5), np.int32)),
        made(labels_of(), times=False),
        made(np.arange(1, 301, dtype=np.int32).reshape(1, 15, 20).repeat(2, axis=0)),
    ],
    ids=["one frame", "no tracks", "no times", "many tracks"],
)
def test_unusual_series_have_a_report_and_a_film(tracks: Tracks, tmp_path: Path) -> None:
    write_series_report(SeriesResults(tracks), tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert len(data_of(page)["frames"]) == len(tracks.labels)  # type: ignore[arg-type]
    with Image.open(tmp_path / "film.gif") as film:
        assert getattr(film, "n_frames", 1) == len(tracks.labels)


def test_a_long_series_stays_small() -> None:
    large = labels_of(50).repeat(21, axis=1).repeat(28, axis=2)[:, :252, :252]
    page = render_series_report(SeriesResults(made(large)))
    assert len(page) < 8e6


def test_film_frames_are_of_one_even_size_and_show_gaps() -> None:
    tracks = made(labels_of())
    frames = list(film_frames(tracks, track_colours(tracks.labels)))
    assert len({frame.shape for frame in frames}) == 1
    assert (frames[0].shape[0] % 2, frames[0].shape[1] % 2) == (0, 0)


def test_a_film_by_ffmpeg_is_made_where_it_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "ffmpeg"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\nfor last; do :; done\nwc -c > "$last"\n', encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    tracks, folder = made(labels_of()), tmp_path / "out"
    folder.mkdir()
    write_series_report(SeriesResults(tracks), folder)
    size = sum(frame.size for frame in film_frames(tracks, track_colours(tracks.labels)))
    assert int((folder / "film.mp4").read_text()) == size
    assert 'href="film.mp4"' in (folder / "report.html").read_text(encoding="utf-8")
    program.write_text("#!/bin/sh\nexit 3\n", encoding="utf-8")
    write_series_report(SeriesResults(tracks), folder)
    assert not (folder / "film.mp4").exists()


def test_colours_are_all_different_and_unlike_beside_each_other() -> None:
    labels = np.arange(1, 901, dtype=np.int32).reshape(1, 30, 30)
    colours = track_colours(labels).astype(int)
    assert len(np.unique(colours, axis=0)) == 901
    beside = np.abs(colours[labels[0, :, 1:]] - colours[labels[0, :, :-1]]).max(axis=-1)
    assert beside.min() > 20


def test_outlines_lie_along_the_edges_of_positions() -> None:
    lines = outlines(np.array([[0, 1, 1], [0, 1, 2]]), 3)
    assert lines.shape == (6, 9)
    assert lines[1, 4] == 0
    assert (lines[0, 3:9] == 1).all()
    assert (lines[3:6, 6:9] == np.array([[2, 2, 2], [2, 0, 2], [2, 2, 2]])).all()
    clear = Image.open(io.BytesIO(outlines_png(np.array([[0, 1], [0, 0]]), track_colours(np.array([[[0, 1]]])))))
    assert np.asarray(clear.convert("RGBA"))[-1, 0, 3] == 0


def test_pictures_of_nothing_and_of_many_tracks() -> None:
    assert image_png(np.full((4, 4), np.nan)).startswith(b"\x89PNG")
    many = np.arange(400, dtype=np.int32).reshape(20, 20)
    colours = track_colours(many[None])
    shown = np.asarray(Image.open(io.BytesIO(map_png(many, colours))).convert("RGB"))
    np.testing.assert_array_equal(shown, colours[many])


def test_curves_have_known_places() -> None:
    axis = TimeAxis(np.array([0.0, 10.0]), "time (s)")
    assert axis.places == [62.0, 1004.0]
    chart = curve_chart(
        "x", [Curve([0, 1], [1.0, 2.0], "#000", 5), Curve([0], [np.nan], "#111", 6)], axis, label="y < z"
    )
    assert 'data-track="5"' in chart
    assert 'data-track="6"' not in chart
    assert "y &lt; z" in chart
    assert replace(axis, values=np.array([3.0])).places == [533.0]
