"""Make overview.png from the sample that comes with the package: python docs/images/make_overview.py."""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

import clustem
from clustem.reporting import plot_domain_map, plot_gallery

DPI = 110


def picture(figure: Figure) -> Image.Image:
    """Return a figure as an image."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, facecolor="white")
    return Image.open(buffer).convert("RGB")


def main() -> None:
    """Put the map of the domains above averages beside single patterns."""
    results = clustem.run("clustem:film_au")
    parts = [picture(plot_domain_map(results)), picture(plot_gallery(results, number=4))]
    sheet = Image.new("RGB", (max(part.width for part in parts), sum(part.height for part in parts)), "white")
    top = 0
    for part in parts:
        sheet.paste(part, ((sheet.width - part.width) // 2, top))
        top += part.height
    sheet.quantize(256).save(Path(__file__).with_name("overview.png"), optimize=True)


if __name__ == "__main__":
    main()
