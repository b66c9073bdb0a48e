"""The film of a series: as GIF, and as MP4 where a program that makes one is installed."""

from __future__ import annotations

import logging
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from clustem.errors import OutputError
from clustem.reporting.series_pictures import Colours, grey, outlines
from clustem.series import Tracks

_LOG = logging.getLogger(__name__)

_SIDE = 400  # px, at most, of one of the two images of a frame, if a position is not larger
_GAP, _LINE = 8, 22  # px between the images, and of the line of text below
_FAINT = 0.12  # light of the text's background
_SLOWEST, _FASTEST = 2.0, 8.0  # frames per second
_SECONDS = 6.0  # that a film is to last, if that is neither too slow nor too fast
_GREYS, _COLOURS = 96, 152  # of a GIF


def write_film(tracks: Tracks, colours: Colours, folder: Path) -> tuple[str, ...]:
    """Write `film.gif` into an existing folder, and `film.mp4` if the program ffmpeg is found; return the names.

    Each frame is the scan image with the outlines of the tracks, and beside it their map; the same tracks give the same
    bytes.
    """
    rate = float(np.clip(len(tracks.labels) / _SECONDS, _SLOWEST, _FASTEST))
    _write_gif(tracks, colours, folder / "film.gif", rate)
    program = shutil.which("ffmpeg")
    if program is None:
        _LOG.info("film: no MP4, because ffmpeg is not installed")
        return ("film.gif",)
    try:
        _write_mp4(program, tracks, colours, folder / "film.mp4", rate)
    except (OSError, subprocess.CalledProcessError) as error:
        (folder / "film.mp4").unlink(missing_ok=True)
        _LOG.warning("film: no MP4, because ffmpeg failed (%s)", error)
        return ("film.gif",)
    return "film.gif", "film.mp4"


def film_frames(tracks: Tracks, colours: Colours) -> Iterator[NDArray[np.uint8]]:
    """Yield the pictures (height, width, 3) of a film, of even height and width, as encoders want it."""
    scale = max(1, _SIDE // max(tracks.labels.shape[1:]))
    for time, (labels, image) in enumerate(zip(tracks.labels, tracks.images, strict=True)):
        levels = np.rint(255 * grey(image)).astype(np.uint8)
        left = np.repeat(_enlarged(levels, scale)[..., None], 3, axis=2)
        lines = outlines(labels, scale)
        left = np.where((lines > 0)[..., None], colours[lines], left)
        right = colours[_enlarged(labels, scale)]
        height, width = left.shape[0], 2 * left.shape[1] + _GAP
        picture = np.full((height + _LINE + height % 2, width + width % 2, 3), 255, np.uint8)
        picture[:height, : left.shape[1]] = left
        picture[:height, left.shape[1] + _GAP : width] = right
        yield _captioned(picture, height, _caption(tracks, time))


def _enlarged(image: NDArray[np.generic], scale: int) -> NDArray[np.generic]:
    return image.repeat(scale, axis=0).repeat(scale, axis=1)


def _caption(tracks: Tracks, time: int) -> str:
    seconds = tracks.times_s[time]
    text = f"frame {time}" + (f"   {seconds:g} s" if np.isfinite(seconds) else "")
    return text if tracks.present[time] else f"{text}   gap"


def _captioned(picture: NDArray[np.uint8], top: int, text: str) -> NDArray[np.uint8]:
    """Return a picture with a line of text below its images."""
    canvas = Image.fromarray(picture)
    ImageDraw.Draw(canvas).text((4, top + 4), text, fill=(26, 26, 26), font=ImageFont.load_default(13))
    return np.asarray(canvas)


def _write_gif(tracks: Tracks, colours: Colours, path: Path, rate: float) -> None:
    """Write a film with one palette for all frames: greys, and the colours of tracks, the nearest if there are more."""
    palette = np.zeros((256, 3), np.uint8)
    palette[:_GREYS] = np.rint(np.linspace(0, 255, _GREYS))[:, None]
    wanted = np.unique(colours[: _COLOURS + 1], axis=0)[:_COLOURS]
    palette[_GREYS : _GREYS + len(wanted)] = wanted
    reference = Image.new("P", (1, 1))
    reference.putpalette(palette.tobytes())
    pictures = [
        Image.fromarray(frame).quantize(palette=reference, dither=Image.Dither.NONE)
        for frame in film_frames(tracks, colours)
    ]
    duration = 10 * round(100 / rate)  # ms, of which a GIF holds tens
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=duration, loop=0, optimize=False)


def _write_mp4(program: str, tracks: Tracks, colours: Colours, path: Path, rate: float) -> None:
    """Let ffmpeg write a film that all programs play, without a date in it."""
    frames = film_frames(tracks, colours)
    first = next(frames)
    size = f"{first.shape[1]}x{first.shape[0]}"
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", f"{rate:g}", "-i", "-"]
    plain = ["-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-threads", "1"]
    command = [program, "-v", "error", "-y", *source, "-an", "-pix_fmt", "yuv420p", *plain, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdin is not None
        try:
            for frame in (first, *frames):
                running.stdin.write(frame.tobytes())
        except BrokenPipeError:
            pass  # its exit code says why
        _, told = running.communicate()
    if running.returncode or not path.is_file():
        raise OutputError(f"ffmpeg: exit code {running.returncode}: {told.decode('utf-8', 'replace').strip()}")
