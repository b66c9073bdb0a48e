"""Make orientations.png from the sample that comes with the package: python docs/images/make_orientations.py."""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

import clustem
from clustem.reporting import plot_indexed_patterns, plot_orientation_maps

DPI = 100


def picture(figure: Figure) -> Image.Image:
    """Return a figure as an image."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, facecolor="white")
    return Image.open(buffer).convert("RGB")


def main() -> None:
    """Put the maps of orientations above three averages with their peaks and reflections."""
    results = clustem.run("clustem:film_au", crystal="clustem:Au")
    peaks, found = results.peaks, results.orientations
    assert peaks is not None
    assert found is not None
    parts = [
        picture(plot_orientation_maps(found, results.domains)),
        picture(plot_indexed_patterns(results.averages, peaks, found, number=3)),
    ]
    sheet = Image.new("RGB", (max(part.width for part in parts), sum(part.height for part in parts)), "white")
    top = 0
    for part in parts:
        sheet.paste(part, ((sheet.width - part.width) // 2, top))
        top += part.height
    sheet.save(Path(__file__).with_name("orientations.png"), optimize=True)


if __name__ == "__main__":
    main()
